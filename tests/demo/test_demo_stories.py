"""Stories of the demo, told in local-slack's page with the whole product behind it.

They share one stack, and `reset` takes away what a story has changed.
"""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.views import ids
from demo import seed
from demo.block_translation import DATE
from demo.local_stack import Stack
from demo.slack_page import SlackPage
from demo.slack_user import ScreenMessage, SlackUser
from services.core.clock import utcnow
from services.core.database import Mongo

CHANGED_COLLECTIONS = ("tickets", "corrections", "nudges", "settings")


@pytest.fixture(scope="module")
def db(stack: Stack) -> Mongo:
    return stack.database()


@pytest.fixture(autouse=True)
def reset(db: Mongo, workspace: SlackPage) -> Iterator[None]:
    """Remove tickets and settings after a story, restore the accounts and close its modals."""
    accounts = list(db.users.find())
    yield
    for name in CHANGED_COLLECTIONS:
        db[name].delete_many({})
    for account in accounts:
        db.users.replace_one({"_id": account["_id"]}, account)
    db.links.update_many({}, {"$unset": {"home": ""}})  # the page of Home that was open
    workspace.state.homes.clear()
    if workspace.state.modals:
        SlackUser(workspace, seed.EMPLOYEE.slack_id).dismiss()


@pytest.fixture
def lara(workspace: SlackPage) -> SlackUser:
    return SlackUser(workspace, "U0LARA")


def file_ticket(user: SlackUser, title: str, description: str = "Since Monday.") -> str:
    """File a ticket through the form. Returns its name, as "Ticket 1"."""
    user.command("/ticket", title)
    return submit_ticket(user.fill(description=description))


def on_card(ticket: str) -> str:
    """Return how a card names the ticket "Ticket 1"."""
    return f"#{ticket.removeprefix('Ticket ')} "


def submit_ticket(user: SlackUser) -> str:
    filed = user.submit()
    assert filed.errors == {}
    assert filed.modal is not None
    found = re.search(r"Ticket \d+", filed.modal.text)
    assert found
    user.dismiss()
    return found[0]


def wait_for_home(user: SlackUser, text: str) -> None:
    user.wait_for(lambda: user.home and text in user.home.text, f"Home to say {text}")


# Conversation


@pytest.fixture
def cards(emma: SlackUser, nils: SlackUser) -> tuple[ScreenMessage, ScreenMessage]:
    """Emma's and Nils' cards of a ticket that is assigned to Nils."""
    ticket = file_ticket(emma, "VPN is slow", "Since Monday")
    (his,) = nils.wait_for_dm(on_card(ticket), "Since Monday")
    (hers,) = emma.wait_for_dm(on_card(ticket), "*Assigned* to @Nils")
    return hers, his


def wait_for_replies(person: SlackUser, card: ScreenMessage, *texts: str) -> None:
    person.wait_for(
        lambda: [reply.text for reply in person.thread(card) if reply.by_bot] == [*texts],
        f"the thread to say {texts}",
    )


def test_they_talk_in_their_threads(
    emma: SlackUser, nils: SlackUser, cards: tuple[ScreenMessage, ScreenMessage]
) -> None:
    hers, his = cards
    nils.reply(his, "Which client? <5 or >5")
    wait_for_replies(emma, hers, "*Nils* wrote:\nWhich client? <5 or >5")
    answer = emma.reply(hers, "Version 5")
    wait_for_replies(nils, his, "*Emma (employee)* wrote:\nVersion 5")
    emma.edit_message(answer, "Version 4")
    wait_for_replies(nils, his, "*Emma (employee)* wrote:\nVersion 4")
    emma.delete_message(answer)
    wait_for_replies(nils, his, "This comment was deleted.")

    ada = SlackUser(nils.workspace, "U0ADA", channel=seed.TRIAGE)
    (triage,) = ada.wait_for(
        lambda: [m for m in ada.read() if "VPN is slow" in m.text], "the triage card"
    )
    ada.reply(triage, "Known since Monday")
    saved = (
        "Saved as an internal note. Moderators and admins read it, and so does everyone in this "
        "channel."
    )
    ada.wait_for(
        lambda: [m for m in ada.thread(triage) if m.text.startswith(saved)], "the confirmation"
    )
    (notes,) = nils.wait_for_dm("Internal notes on #", "VPN is slow")
    nils.wait_for(
        lambda: [m for m in nils.thread(notes) if "Known since Monday" in m.text], "the note"
    )
    assert not [m for m in emma.dm() if "Known since Monday" in m.text]


# Triage, intake and people


def test_a_message_to_the_bot_is_filed_and_taken_in_triage(emma: SlackUser, ada: SlackUser) -> None:
    file_ticket(emma, "The coffee machine leaks", "All over the floor")
    (first,) = emma.wait_for_dm("The coffee machine leaks", "*Assigned* to")
    emma.say("My chair squeaks & <wobbles>", channel=first.channel)
    (offer,) = emma.wait_for_dm("My chair squeaks", "Shall I file this as a ticket?")
    emma.click(offer, "file_this")
    emma.wait_for_modal("File a ticket")
    assert emma.submit().errors == {}
    emma.dismiss()
    emma.wait_for_dm("My chair squeaks & <wobbles>", "*Assigned* to")

    def card_says(*parts: str) -> list[str]:
        texts = [card.text for card in ada.read(seed.TRIAGE) if "My chair squeaks" in card.text]
        return [text for text in texts if all(part in text for part in parts)]

    ada.wait_for(lambda: card_says("Assigned"), "the triage card")
    card = next(card for card in ada.read(seed.TRIAGE) if "My chair squeaks" in card.text)
    ada.click(card, "take")
    ada.wait_for(lambda: card_says("In progress", "Ada"), "the card to say who has it")


def test_a_marked_message_is_filed(workspace: SlackPage, emma: SlackUser, nils: SlackUser) -> None:
    emma.say("The projector shows nothing", channel=seed.GENERAL)
    message = emma.read(seed.GENERAL)[-1]
    place = {"channel": message.channel, "ts": message.ts}
    workspace.control("reaction", **place, user=nils.user_id, name="ticket")
    (offer,) = nils.wait_for_dm("You marked", "with :ticket:")
    nils.click(offer, "file_marked")
    form = nils.wait_for_modal("File a ticket")
    assert form.text.startswith("Filled in from the message.")
    assert nils.submit().errors == {}
    nils.dismiss()
    emma.wait_for_dm("The projector shows nothing", "Filed for you by Nils")


def test_an_admin_edits_somebody_in_home(ada: SlackUser, nils: SlackUser) -> None:
    ada.open_home()
    ada.press("People")
    wait_for_home(ada, "nils@example.com")
    ada.press("Edit Nils")
    ada.wait_for_modal("Edit person")
    ada.fill(skills="VPN, DNS, Coffee", capacity="3")
    assert ada.submit().errors == {}
    wait_for_home(ada, "capacity 3 · knows VPN, DNS, Coffee")
    nils.open_home()
    nils.press("My profile")
    form = nils.wait_for_modal("My profile")
    assert form.fields["skills"]["initial_value"] == "VPN, DNS, Coffee"
    assert nils.submit().errors == {}


def test_an_admin_adds_a_moderator_in_home(ada: SlackUser, nils: SlackUser, db: Mongo) -> None:
    ada.open_home()
    ada.press("People")
    wait_for_home(ada, "nils@example.com")
    ada.press("Add moderator")
    ada.wait_for_modal("Add moderator")
    ada.fill(member="U0NILS", role="moderator", skills="Coffee")
    assert ada.submit().errors == {}
    wait_for_home(ada, "knows VPN, DNS, Coffee")
    nils.wait_for_dm("You are a moderator of Help desk.", "Your skills: VPN, DNS, Coffee.")
    ada.press("Add moderator")
    ada.wait_for_modal("Add moderator")
    ada.fill(member=seed.BOT_USER_ID, role="moderator")
    assert list(ada.submit().errors) == ["member"]


# Assignment, edits and settings


def test_a_ticket_is_declined_and_reassigned(
    emma: SlackUser, nils: SlackUser, ada: SlackUser
) -> None:
    ticket = file_ticket(emma, "The VPN drops every hour")
    (card,) = nils.wait_for_dm(on_card(ticket), "Why you:")
    assert card.labels == ("Accept", "Reassign", "Decline")
    nils.click(card, "not_mine")
    nils.fill(why="No time right now", reason="In a training until Friday")
    handed = nils.submit()
    assert handed.errors == {}
    assert handed.modal is not None
    assert handed.modal.text == f"{ticket} goes to Ada, who is notified now."
    nils.dismiss()
    (hers,) = ada.wait_for_dm(on_card(ticket), "Why you:")
    emma.wait_for_dm(on_card(ticket), f"*Assigned* to @{ada.name}")

    ada.click(hers, "reassign")
    best = ada.wait_for_modal(f"Reassign {ticket.lower()}").fields["nextBest"]
    first, *_ = [option["text"]["text"] for option in best["options"]]
    lara, _, reason = first.partition(" · ")
    assert "of 8 tickets with this one" in reason  # at night, when she is back follows
    ada.fill(nextBest=first)
    assert ada.submit().errors == {}
    emma.wait_for_dm(on_card(ticket), f"*Assigned* to @{lara}")

    def former() -> ScreenMessage | None:
        return next(
            (c for c in nils.dm() if ticket in c.text and f"{lara} has it now" in c.text), None
        )

    assert nils.wait_for(former, "the card to say who has it").labels == ("Details",)


def test_a_moderator_goes_away_hands_over_and_is_back(
    emma: SlackUser, nils: SlackUser, ada: SlackUser
) -> None:
    ticket = file_ticket(emma, "VPN drops every hour")
    nils.wait_for_dm(on_card(ticket), "VPN drops")

    nils.open_home()
    nils.press("My availability")
    form = nils.wait_for_modal("My availability")
    assert "1 open ticket, at most 8 are assigned automatically" in form.text
    countries = [option["text"]["text"] for option in form.fields["country"]["options"]]
    assert "Germany" in countries
    refused = nils.fill(awayUntil="yesterday").submit()
    assert refused.errors == {"awayUntil": "That is in the past. Choose a later time."}
    back = (utcnow() + timedelta(days=3)).astimezone().strftime(DATE)
    nils.fill(presence="Away until the time below", awayUntil=back, country="Germany")
    assert nils.submit().errors == {}

    (offer,) = nils.wait_for_dm("You have 1 open ticket. Should someone else take it?")
    nils.click(offer, ids.HAND_OVER)
    nils.wait_for_dm("Handed over: your 1 open ticket. Its card says who has it now.")
    # No other moderator knows VPN.
    ada.wait_for_dm(on_card(ticket), "VPN drops")

    nils.press("My availability")
    form = nils.wait_for_modal("My availability")
    assert "away until" in form.text
    assert nils.fill(presence="Here").submit().errors == {}
    nils.press("My availability")
    assert "away until" not in nils.wait_for_modal("My availability").text


def test_a_moderator_updates_a_ticket_looks_at_it_and_empties_it(
    emma: SlackUser, nils: SlackUser, lara: SlackUser
) -> None:
    ticket = file_ticket(emma, "VPN drops every hour")
    number = ticket.removeprefix("Ticket ")
    nils.wait_for_dm(on_card(ticket), "VPN drops")

    nils.command("/ticket", f"update {number}")
    form = nils.wait_for_modal(f"Edit {ticket.lower()}")
    offered = [option["text"]["text"] for option in form.fields["assignedTo"]["options"]]
    assert "Lara · 1 of 8 tickets with this one" in offered
    assert form.fields["relatedSkills"]["initial_value"] == "VPN"

    refused = nils.fill(deadline="yesterday").submit()
    assert refused.errors == {
        "deadline": "The deadline has to lie in the future. Choose a later time."
    }
    nils.fill(
        title="VPN is down",
        priority="Urgent",
        deadline="2098-12-31 17:00",
        relatedSkills="vpn",
        assignedTo="Lara · 1 of 8 tickets with this one",
        helpfulNotes="The gateway was changed on Sunday.",
    )
    saved = nils.submit()
    assert (saved.errors, saved.modal) == ({}, None)
    lara.wait_for_dm(on_card(ticket), "VPN is down")

    lara.command("/ticket", f"view #{number}")
    page = lara.read()[-1]
    assert page.only_for == lara.user_id
    for line in (
        "VPN is down",
        "The gateway was changed on Sunday.",
        "set the priority to Urgent",
        "Nils assigned it to Lara",
    ):
        assert line in page.text
    assert "Deadline 31 Dec 2098" in page.text

    lara.command("/ticket", f"update {number}")
    lara.fill(priority="(none)", deadline="", relatedSkills="", assignedTo="(none)")
    assert lara.submit().errors == {}
    lara.command("/ticket", f"view {number}")
    emptied = lara.read()[-1].text
    assert "removed the priority" in emptied
    assert "removed the deadline" in emptied
    assert "Lara declined it" in emptied


def test_an_admin_sets_what_tickets_are_due_by(
    emma: SlackUser, nils: SlackUser, ada: SlackUser
) -> None:
    ada.open_home()
    ada.press("Settings")
    wait_for_home(ada, "resolved within 24 business hours (3 days)")
    ada.press("Change due times")
    ada.wait_for_modal("Due times")
    refused = ada.fill(hours_medium="a day").submit()
    assert refused.errors == {"hours_medium": "Write hours from 0.25 to 2,000, such as 8."}
    saved = ada.fill(hours_medium="30", clock="Around the clock").submit()
    assert (saved.errors, saved.modal) == ({}, None)
    wait_for_home(
        ada, "*Medium* · accepted within 4 hours · resolved within 30 hours (about 1 day)"
    )
    ada.press("Change business hours")
    ada.wait_for_modal("Business hours")
    assert ada.fill(zone="Europe/Berlin", country="Germany").submit().errors == {}
    wait_for_home(ada, "Monday to Friday, 09:00 to 17:00, Europe/Berlin")
    wait_for_home(ada, "Public holidays of Germany are days off.")

    emma.command("/ticket", "VPN drops every hour")
    late = emma.fill(description="Since Monday.", deadline="2020-01-01 10:00").submit()
    assert late.errors == {
        "deadline": "The deadline has to lie in the future. Choose a later time."
    }
    ticket = submit_ticket(emma.fill(description="Since Monday.", deadline="2098-12-31 17:00"))
    (card,) = nils.wait_for_dm(on_card(ticket), "due ")
    assert "2098" not in card.text  # the target comes first
