"""What an admin does on the first day and later, by what they can see and press."""

from tests.support.person import Story
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.story"]


def test_an_admin_sets_up_and_looks_after_the_help_desk(story: Story) -> None:
    ada, emma, omar = story.admin("Ada"), story.employee("Emma"), story.employee("Omar")

    # The first day
    ada.opens_home().sees("Hello, Ada", "Set up Help desk", "Business hours and time zone")
    ada.presses("Add moderator").sees("Person", "Role", "Skills")
    ada.fills({"Person": omar, "Skills": "VPN, Printer"}).presses("Add")
    omar.opens_message("You are a moderator").sees("Your skills: VPN")
    ada.opens_home().presses("Settings").sees("Due times", "Business hours", "not set yet")
    ada.presses("Change business hours").sees("Europe/Berlin")
    ada.fills({"Country": "Germany", "Time zone": "Berlin"}).presses("Save").sees("Europe/")
    ada.fills({"Time zone": "Europe/Berlin", "Work ends at": "18:00"}).presses("Save")
    ada.sees("09:00 to 18:00", "Public holidays of Germany")
    ada.presses("Change due times").fills({"Urgent: resolved within": "two"}).presses("Save")
    ada.sees("Write hours").fills({"Urgent: resolved within": "2"}).presses("Save").sees(
        "resolved within 2 business"
    )
    ada.presses("Change words").fills({"Also away": "at the spa, :bath:"}).presses("Save")
    ada.sees("Who is away").presses("Change words").sees("at the spa").closes()
    ada.presses("Back").presses("Hide these steps")
    ada.sees_not("Set up Help desk")

    # People
    ada.presses("People").sees("Omar", "knows VPN", "Emma").presses("Search")
    ada.fills({"Name or": "om"}).presses("Search").sees("Found for “om”").sees_not("Emma")
    ada.presses("Edit", beside="Omar").fills({"Capacity": "lots"}).presses("Save")
    ada.sees("number").fills({"Capacity": "2", "Skills": "VPN"}).presses("Save")
    ada.sees("capacity 2").presses("Edit", beside="Omar").presses("Changes")
    ada.sees("Ada changed the capacity from 8 to 2", "skills").closes().closes()
    ada.presses("Show everyone").presses("Availability", beside="Omar")
    ada.fills({"Now": "Away until", "Away until": story.hours_from_now(48)}).presses("Save")
    ada.sees("away until").presses("Edit", beside="Ada").fills({"Capacity": "0"}).presses("Save")

    # A ticket that no one can take
    emma.files("VPN <b>drops</b> & more", priority="High")
    story.goes_on(minutes=1)
    ada.opens_message("VPN <b>drops</b> & more").sees("No one is available", "Omar is out")
    ada.presses("Assign").fills({"Who gets it": "Omar", "Why": "By phone"}).presses("Assign")
    omar.opens_message("VPN <b>drops</b> & more").sees("Ada gave it to you", "By phone")
    ada.types("/ticket", "1").sees("Assigned", "Omar").presses("Why?").sees("Omar").closes()

    # Late
    story.goes_on(hours=30)
    ada.opens_message("VPN <b>drops</b> & more", "was due").presses("Reassign")
    ada.fills({"Or someone else": "Ada"}).presses("Assign")
    ada.opens_message("VPN <b>drops</b> & more", "Details", channel=TRIAGE).sees("Ada")
    ada.types("/ticket", "update 1").fills({"Priority": "Low"}).presses("Save")
    ada.types("/ticket", "1").sees("Low").presses("Resolve")
    ada.fills({"What was done": "Restarted the gateway."}).presses("Resolve")
    ada.types("/ticket", "1").sees("Resolved", "Restarted the gateway.")

    # Roles, and the own account
    ada.opens_home().presses("People").presses("Edit", beside="Emma")
    ada.fills({"Role": "Moderator", "Skills": "DNS"}).presses("Save").sees("knows DNS")
    ada.presses("Edit", beside="Omar").fills({"Account": "Deactivated"}).presses("Save")
    ada.sees("deactivated").presses("Back")
    omar.types("/ticket", "list").sees("deactivated")
    ada.types("/account").sees("Admin")
    ada.presses("Link another account").fills({"One-time code": "AAAAA-AAAAA"}).presses("Link")
    ada.sees("code").closes()
    emma.types("/account").presses("Unlink").presses("Unlink").sees("You are no longer linked")
    emma.closes()
    assert ada.actions >= 25
