"""What a specialist does with the tickets that come to them, by what they can see and press."""

from tests.support.person import Story
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.story"]


def test_an_assignee_works_is_away_and_is_late(story: Story) -> None:
    emma, ada = story.employee("Emma"), story.admin("Ada")
    nils, lara = story.moderator("Nils", "VPN"), story.moderator("Lara", "VPN", "Printer")

    # Profile and hours
    nils.opens_home().sees("Hello, Nils", "Nothing is assigned to you").presses("My profile")
    nils.fills({"Skills": "VPN, DNS"}).presses("Save")
    nils.presses("My availability").sees("0 open tickets, at most 8")
    nils.fills({"Time zone": "Berlin", "Work ends at": "18:00"}).presses("Save").sees("Europe/")
    nils.fills({"Time zone": "Europe/Berlin"}).presses("Save").sees("Hello, Nils")

    # A ticket, accepted
    emma.files("DNS finds no intranet pages", "Other & <all> addresses work.")
    nils.opens_message("DNS finds no intranet pages").sees("@Emma", "Other & <all> addresses")
    nils.sees("knows DNS").presses("Accept").sees("In progress")
    emma.opens_message("DNS finds no intranet pages").sees("In progress", "Nils")
    nils.replies("Which floor? :office:")
    emma.sees_in_thread("Nils wrote:", "Which floor? :office:").replies("The third <b>")
    nils.sees_in_thread("The third <b>").presses("Internal note")
    nils.fills({"Internal note": "The resolver is old."}).presses("Add note")
    lara.types("/ticket", "1").presses("Internal note")
    lara.fills({"Internal note": "Is it?"}).presses("Add note")
    nils.opens_message("Internal notes").sees("DNS finds no intranet pages")
    nils.replies("Replaced on Friday.")
    nils.opens_message("DNS finds no intranet pages", "@Emma").presses("Details")
    nils.sees("Replaced on Friday.", "The resolver is old.")
    emma.has_no_message("The resolver is old.")

    # Asked, silent, and asked again
    nils.opens_message("DNS finds no intranet pages", "@Emma").presses("Ask the requester")
    nils.fills({"What do you need": "Does it work by cable?"}).presses("Ask and wait")
    nils.sees("Waiting for the requester")
    story.goes_on(days=4)
    emma.opens_message("still waits for your answer").sees("Does it work by cable?")
    emma.presses("Solved")
    nils.opens_message("Emma says", "solved").sees("nothing left to do")

    # Declining
    emma.files("DNS is slow by VPN")
    nils.opens_message("DNS is slow by VPN").presses("Decline").sees("the next best person")
    nils.fills({"Why do you decline": "Not my subject", "Anything to add": "Ask <Lara>."})
    nils.presses("Decline").sees("goes to Lara").closes()
    lara.opens_message("DNS is slow by VPN").sees("@Emma").presses("Accept")
    nils.opens_message("DNS is slow by VPN").sees("Lara").sees_not("Accept")

    # Late: reminders, the digest
    emma.files("DNS is down", priority="Urgent")
    nils.opens_message("DNS is down").sees("High", "knows DNS")
    story.goes_on(minutes=70)
    nils.opens_message("waits for you to accept it", "DNS is down").presses("Accept")
    story.goes_on(hours=6)
    nils.opens_message("DNS is down", "due").presses("Details").sees("DNS is down", "High")
    nils.types("/ticket", "assigned").sees("Assigned to you", "DNS is down", "In progress")
    nils.chooses("High", menu="Any priority").sees("DNS is down").presses("Open")
    story.goes_on(hours=65)
    nils.opens_message("Yours: 1 open").sees("Overdue: 1 ticket").presses("Assigned to you")
    nils.sees("DNS is down", "late")
    nils.opens_message("DNS is down", "was due").presses("Details").sees("late")
    story.goes_on(hours=4)
    ada.opens_message("DNS is down", "was due").sees("Nils")

    # Away
    nils.opens_home().presses("My availability").fills({"Now": "Away until"}).presses("Save")
    nils.sees("Choose").fills({"Away until": story.hours_from_now(72)}).presses("Save")
    nils.opens_home().sees("You are away until")
    nils.opens_message("Should someone else take").presses("Hand over my 1 open ticket")
    nils.sees("Handed over")
    ada.opens_message("DNS is down", "@Emma").sees("High", "goes to an admin")
    nils.opens_home().sees("Nothing is assigned to you").presses("Turn off the daily digest")
    nils.sees("Turn on the daily digest")
    lara.opens_message("DNS is down", "Details", channel=TRIAGE).sees("Ada")
    assert nils.actions >= 25
