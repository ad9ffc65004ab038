"""What a moderator who runs the queue does in a day, by what they can see and press."""

from tests.support.person import Story
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.story"]


def test_a_moderator_runs_the_queue(story: Story) -> None:
    emma, omar = story.employee("Emma"), story.employee("Omar")
    nils, lara = story.moderator("Nils", "VPN"), story.moderator("Lara", "Printer")
    emma.files("VPN drops", priority="High")
    omar.files("The printer is out of paper", priority="Low")
    emma.files("VPN asks for a code")
    mara = story.moderator("Mara")

    # The queue and its filters
    mara.opens_home().sees("Hello, Mara", "Nothing is assigned to you")
    mara.presses("The queue").sees("VPN drops", "The printer is out of paper", "Nils")
    mara.chooses("High", menu="Any priority").sees("VPN drops").sees_not("printer is out")
    mara.presses("Clear filters").chooses("Lara", menu="Anyone").sees("printer is out")
    mara.sees_not("VPN drops").presses("Clear filters")
    mara.chooses("VPN", menu="Any skill").sees("VPN asks for a code").sees_not("printer is out")
    mara.presses("Back").sees("Hello, Mara")
    mara.types("/ticket", "queue").sees("The queue", "VPN drops")
    mara.chooses("Reopened", menu="All that are open").sees("No ticket here matches")
    mara.presses("Clear filters").presses("Open", beside="VPN drops").sees(
        "Since Monday.", "History"
    )

    # Taking, and taking over
    mara.types("/ticket", "1").sees("VPN drops", "Why this assignee", "Knows VPN")
    mara.presses("Take over").sees("In progress", "Mara")
    nils.opens_message("Mara took over", "VPN drops").sees("You no longer have this ticket")
    lara.opens_message("The printer is out of paper").presses("Accept").sees("In progress")
    mara.opens_message("printer is out of paper", channel=TRIAGE).sees("Lara", "In progress")
    mara.presses("Take over", confirms="Lara accepted this").sees("Mara")
    lara.opens_message("Mara took over", "The printer is out of paper")

    # Reassigning, with reasons, and back to the queue
    mara.types("/ticket", "2").presses("Reassign")
    mara.sees("Who fits best?", "Lara", "knows Printer")
    mara.fills({"Who fits best": "Lara", "Why": "You have the key & the paper."}).presses("Assign")
    lara.opens_message("Mara gave it to you", "You have the key & the paper.")
    lara.types("/ticket", "3").presses("Reassign")
    lara.fills({"Or someone else": "Mara"}).presses("Assign")
    mara.opens_message("VPN asks for a code", "@Emma").sees("Lara gave it to you")
    mara.presses("Accept").sees("In progress")

    # Notes that the requester never reads
    mara.presses("Internal note").sees("Only moderators and admins read this")
    mara.fills({"Internal note": "Reset by <IT>? :thinking_face:"}).presses("Add note")
    mara.opens_message("VPN asks for a code", channel=TRIAGE)
    mara.sees_in_thread("Mara wrote an internal note").replies("Known since Monday")
    mara.sees("Saved as an internal note", "everyone in this channel")
    emma.has_no_message("Known since Monday").has_no_message("Reset by")
    mara.presses("Details").sees("Known since Monday", "Internal note")

    # Asking and resolving
    mara.opens_message("VPN asks for a code", "@Emma").presses("Ask the requester")
    mara.fills({"What do you need": "Which code? _Please_ send no picture."})
    mara.presses("Ask and wait").sees("Waiting for the requester")
    emma.opens_message("Mara waits for your answer").sees("Which code?").presses("Answer")
    emma.fills({"Your answer": "Six digits :iphone:"}).presses("Send").sees("You answered")
    mara.opens_message("VPN asks for a code", "@Emma").sees_in_thread("Six digits :iphone:")
    mara.replies("Thanks, that helps").sees_in_thread("Six digits")
    mara.presses("Resolve").fills({"What was done": "Reset the token."}).presses("Resolve")
    mara.sees("Resolved", "Reset the token.")
    emma.opens_message("Mara resolved", "VPN asks for a code").sees("Reset the token.")

    # Changing a ticket that someone else changes, too
    mara.types("/ticket", "update 2").sees("printer is out of paper", "Notes for moderators")
    lara.types("/ticket", "update 2").fills({"Priority": "Medium"}).presses("Save")
    mara.fills({"Priority": "Urgent", "Notes": "Third floor"}).presses("Save")
    mara.sees("Since you opened this form", "Lara set the priority to Medium").presses("Save")
    mara.types("/ticket", "2").sees("Urgent", "Third floor", "Mara set the priority to Urgent")
    assert mara.actions >= 25
