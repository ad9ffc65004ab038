"""What an employee does with the help desk in a week, by what they can see and press."""

from tests.support.person import Story

pytest_plugins = ["tests.support.story"]


def test_an_employee_files_follows_and_closes_tickets(story: Story) -> None:
    emma, omar, nils = (
        story.employee("Emma"),
        story.employee("Omar"),
        story.moderator("Nils", "VPN"),
    )

    # A first look
    emma.opens_home().sees("Hello, Emma", "You have no open tickets")
    emma.types("/ticket", "help").sees("What you can do", "/ticket list").sees_not("/ticket queue")

    # Filing, with faults that the form names
    emma.types("/ticket", "VPN drops").sees("File a ticket", "VPN drops")
    emma.fills({"Description": "Every hour. My password is hunter2!"}).presses("File")
    emma.sees("This looks like a password")
    emma.fills({"Description": "Every hour, at home & in the <office>."})
    emma.fills({"Deadline": story.hours_from_now(-1)}).presses("File").sees("in the future")
    emma.fills({"Deadline": None})
    emma.presses("File").sees("filed").closes()
    emma.opens_message("VPN drops").sees("Assigned", "Nils", "due")
    nils.opens_message("VPN drops").sees("Every hour, at home & in the <office>.", "@Emma")

    # Comments: by the button and in the thread, edited and deleted
    emma.presses("Comment").sees("VPN drops")
    emma.fills({"Your comment": "Also by phone :fire: <!channel>"}).presses("Send")
    nils.sees_in_thread("Emma wrote:", "Also by phone :fire: <!channel>")
    emma.opens_message("VPN drops").replies("The light is <red>")
    emma.edits_reply("The light is green")
    nils.opens_message("VPN drops").sees_in_thread("The light is green")
    emma.deletes_reply()
    nils.sees_in_thread("This comment was deleted.")

    # A question and its answer
    nils.presses("Ask the requester")
    nils.fills({"What do you need": "Which client?"}).presses("Ask and wait")
    emma.opens_message("Nils waits for your answer").sees("Which client?")
    emma.presses("Answer").fills({"Your answer": "Version 5 :+1:"}).presses("Send")
    emma.sees("You answered", "Version 5")
    nils.opens_message("VPN drops").sees_in_thread("Version 5")

    # Resolved, not for long
    nils.presses("Resolve").fills({"What was done": "Renewed the certificate."}).presses("Resolve")
    emma.opens_message("Nils resolved", "VPN drops").sees("Renewed the certificate.")
    emma.presses("Reopen").fills({"What is still wrong": "It drops again."}).presses("Reopen")
    nils.opens_message("Emma reopened", "VPN drops").sees("It drops again.")
    emma.types("/ticket", "1").sees("VPN drops", "Reopened", "Conversation", "History")
    emma.sees("Also by phone :fire: <!channel>")

    # A message to the bot
    emma.writes("My chair squeaks").opens_message("My chair squeaks")
    emma.presses("File this as a ticket").sees("My chair squeaks").presses("File").closes()
    emma.opens_message("My chair squeaks", "Nils").presses("Cancel ticket").closes()
    emma.presses("Cancel ticket").presses("Cancel the ticket").sees("Cancelled")
    emma.presses("Reopen").presses("Reopen").sees_not("Cancelled")
    emma.writes("thanks!").opens_message().sees_not("File this as a ticket")

    # What they and others wrote in a channel
    beamer = story.says(emma, "The projector shows nothing")
    emma.uses_shortcut("make_ticket", beamer).sees("The projector shows nothing").presses("File")
    emma.sees("filed").closes()
    emma.uses_shortcut("make_ticket", beamer).sees("Already a ticket").closes()
    emma.reacts("ticket", story.says(emma, "The door is stuck")).opens_message("You marked")
    emma.presses("File this as a ticket").sees("The door is stuck").closes()
    emma.uses_shortcut("make_ticket", story.says(omar, "The tap drips")).sees_not("tap").closes()

    # Lists and Home
    emma.types("/ticket", "list").sees("VPN drops", "My chair squeaks")
    emma.chooses("Resolved or cancelled", menu="All that are open").sees_not("VPN drops")
    emma.presses("Clear filters").presses("Open", beside="VPN drops").sees("History")
    emma.opens_home().sees("VPN drops").presses("All your tickets").sees("The newest first")
    emma.presses("Open", beside="My chair squeaks").sees("Description").presses("Back")
    emma.sees("The newest first").presses("Back").sees("Hello, Emma")
    emma.presses("My profile").fills({"Name": "Emma K."}).presses("Save").sees("Hello, Emma K.")

    # What is not there for them
    emma.types("/ticket", "99").sees("There is no ticket 99")
    emma.types("/ticket", "queue").sees("Your role does not allow")
    emma.types("/ticket", "tickets").sees("Did you mean", "/ticket list")
    emma.types("/account").sees("Your account", "Emma K.").presses("Unlink")
    emma.sees("Unlink your account?").closes()
    assert emma.actions >= 25
