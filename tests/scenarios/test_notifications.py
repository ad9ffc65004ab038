"""Who is notified of what, and how often: docs/notifications.md."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from demo.binaries import ROOT
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.block_text import read
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.bot_and_workers import said as shown
from tests.support.canary import FILED
from tests.support.channel_members import IT_HELP, Channel
from tests.support.comment_helpers import event_of, said
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]

DOCUMENT = ROOT / "docs" / "notifications.md"
Json = dict[str, Any]
Act = Callable[[BotAndWorkers, Ticket, User], object]


def notifications(system: BotAndWorkers, reader: User | str) -> list[str]:
    """Return the texts posted to a user or channel, threads included; updates notify no one."""
    channel = reader if isinstance(reader, str) else People.slack_id(reader)
    return [m["text"] for m in system.slack.messages(channel) if "bot_id" in m]


def documented(reader: str) -> int:
    """Return how often a ticket notifies that reader, as docs/notifications.md says."""
    row = re.search(rf"^\| {reader} \| (\d+)", DOCUMENT.read_text(), re.MULTILINE)
    assert row
    return int(row[1])


def newest(system: BotAndWorkers, user: User) -> Json:
    return [m for m in system.messages(user) if "bot_id" in m][-1]


def press_and_submit(
    system: BotAndWorkers, user: User, message: Json, step: str, **values: str | None
) -> None:
    system.press(user, message, step)
    assert system.submit(user, **values) in ({}, {"response_action": "clear"})
    system.work()


def test_a_ticket_from_filed_to_resolved(
    triage: BotAndWorkers, ann: User, ben: User, cleo: User, people: People
) -> None:
    """Filed, assigned, accepted, asked, answered and resolved, by the forms in Slack. A participant
    gets one card and the comments, and no one else more than without them."""
    slack_id = People.slack_id(ann)
    triage.bot.answer(payloads.slash_command(user=slack_id))
    answer = triage.submit(ann, title="VPN is down", description="Since Monday.")
    assert read(answer["view"]) == [
        "Ticket 1 is filed",
        "VPN is down",
        "You'll get a message when someone has it.",
    ]
    assert answer["view"]["close"]["text"] == "Close"
    triage.work()
    dan, filed = people.add(), triage.db.tickets.find_one(FILED) or {}
    triage.runtime.services.participants.change(
        actor=Actor.from_user(ann), ticket_id=str(filed["_id"]), added=[dan.id]
    )
    triage.deliver()
    triage.press(ben, triage.card(ben), "accept")
    triage.work()
    press_and_submit(triage, ben, triage.card(ben), "wait", question="Which office?")
    press_and_submit(triage, ann, newest(triage, ann), "comment", text="Berlin")
    press_and_submit(triage, ben, triage.card(ben), "resolve", resolution="A new certificate.")

    name = "Ticket 1 “VPN is down”"
    assert notifications(triage, ann) == [
        f"{name}: resolved by {ben.name}",  # the card, updated; first "assigned to"
        f"{name}: you answered: Berlin",  # the question, updated
        f"{name}: resolved by {ben.name}",
    ]
    assert notifications(triage, ben) == [
        f"{name}: resolved by {ben.name}",
        f"Ticket 1: {ann.name} wrote: Berlin",
    ]
    assert notifications(triage, TRIAGE) == [f"{name}: resolved ({ben.name})"]
    assert notifications(triage, dan) == [
        f"{name}: {ann.name} added you",
        f"Ticket 1: {ben.name} wrote: Which office?",
        f"Ticket 1: {ann.name} wrote: Berlin",
    ]
    assert notifications(triage, cleo) == []
    readers: dict[str, User | str] = {"requester": ann, "assignee": ben, "triage channel": TRIAGE}
    for reader, who in readers.items():
        assert len(notifications(triage, who)) == documented(reader)


def test_a_ticket_from_a_request_channel_from_filed_to_resolved(
    triage: BotAndWorkers, ann: User, ben: User, cleo: User, people: People
) -> None:
    """As above, and one line by the bot in the channel. Who takes part by writing gets nothing."""
    it_help, dan = Channel(triage, IT_HELP, is_private=False), people.add()
    ticket = it_help.file(ann)
    it_help.answer(it_help.reply(dan, "Here, too"))
    triage.press(ben, triage.card(ben), "accept")
    triage.work()
    press_and_submit(triage, ben, triage.card(ben), "wait", question="Which office?")
    it_help.answer(it_help.reply(ann, "Berlin"))
    press_and_submit(triage, ben, triage.card(ben), "resolve", resolution="A new certificate.")

    name, mention = "Ticket 1 “VPN is down”", f"<@{People.slack_id(ann)}>"
    assert notifications(triage, IT_HELP) == [
        f"Ticket 1: resolved by {ben.name}",  # the line, updated
        f"{mention}, {ben.name} waits for your answer: Which office?",
        f"{mention}, {ben.name} resolved ticket 1: A new certificate.",
    ]
    assert notifications(triage, ann) == []
    assert notifications(triage, ben) == [
        f"{name}: resolved by {ben.name}",
        f"Ticket 1: {dan.name} wrote: Here, too",
        f"Ticket 1: {ann.name} wrote: Berlin",
    ]
    assert notifications(triage, TRIAGE) == [f"{name}: resolved ({ben.name})"]
    assert (notifications(triage, dan), notifications(triage, cleo)) == ([], [])
    assert triage.now(ticket).participants == (dan.id,)


def test_the_assignee_is_notified_if_another_user_resolves_it(
    triage: BotAndWorkers, ann: User, ben: User, cleo: User
) -> None:
    ticket = triage.file(ann)
    triage.actions.ask_requester(**by(ben, ticket), question="Which office?")
    triage.work(ticket)
    comment(triage, ticket, ann)
    triage.work(ticket)
    triage.actions.resolve(**by(cleo, ticket), resolution="Done.")
    triage.work(ticket)
    counts = [len(notifications(triage, reader)) for reader in (ann, ben, cleo, TRIAGE)]
    assert counts == [3, 3, 0, 1]


def test_resolving_says_once_what_was_done(system: BotAndWorkers, ann: User, ben: User) -> None:
    """The card is updated, and leaves the words and the button to the message that notifies."""
    ticket = system.file(ann)
    system.actions.resolve(**by(ben, ticket), resolution="A new certificate.")
    system.work(ticket)
    card, message = system.messages(ann)
    assert (buttons(card), buttons(message)) == (["Comment", "Details"], ["Reopen"])
    assert "A new certificate." not in shown(card)
    assert "A new certificate." in shown(message)
    system.actions.reopen(**by(ann, ticket))
    system.actions.confirm_solved(**by(ann, ticket))
    system.work(ticket)
    assert "Reopen" in buttons(system.card(ann))  # no message tells her what she did


def test_a_ticket_is_resolved_without_a_note(system: BotAndWorkers, ann: User, ben: User) -> None:
    ticket = system.file(ann)
    press_and_submit(system, ben, system.card(ben), "resolve", resolution=None)
    assert system.now(ticket).resolution is None
    assert system.texts(ann)[-1] == f"resolved by {ben.name}"
    assert "What was done" not in shown(newest(system, ann))


def test_the_assignees_notification_says_how_urgent_and_when_due(
    system: BotAndWorkers, ann: User, ben: User
) -> None:
    system.file(ann)
    assert system.card(ben)["text"].startswith(
        "Ticket 1 “VPN is down”: medium priority, assigned to you, due <!date^"
    )


# No one is notified of their own act


def comment(system: BotAndWorkers, ticket: Ticket, user: User, *, internal: bool = False) -> None:
    actor = Actor.from_user(user)
    system.runtime.services.comments.add(
        actor=actor, ticket_id=str(ticket.id), text="Berlin", internal=internal
    )


def note(system: BotAndWorkers, ticket: Ticket, user: User) -> None:
    comment(system, ticket, user, internal=True)


def reply(number: int) -> Act:
    """Reply below the user's message of that number."""

    def act(system: BotAndWorkers, _: Ticket, user: User) -> None:
        system.bot.answer(said(system.slack, user, system.messages(user)[number], "Berlin"))

    return act


def edit(**changes: Any) -> Act:
    """As `/ticket update` and the API do."""

    def act(system: BotAndWorkers, ticket: Ticket, user: User) -> None:
        chosen = {
            name: str(user.id) if value == "self" else value for name, value in changes.items()
        }
        system.runtime.services.ticket_edits.update(
            **by(user, ticket), expected_seq=system.now(ticket).seq, changes=chosen
        )

    return act


def do(action: str, **fields: Any) -> Act:
    def act(system: BotAndWorkers, ticket: Ticket, user: User) -> None:
        chosen = {
            name: str(user.id) if value == "self" else value for name, value in fields.items()
        }
        getattr(system.actions, action)(**by(user, ticket), **chosen)

    return act


def decline(system: BotAndWorkers, ticket: Ticket, user: User) -> None:
    system.runtime.services.reassignment.decline(**by(user, ticket), decline_reason="", details="")


def press_take(system: BotAndWorkers, _: Ticket, user: User) -> None:
    (card,) = (m for m in system.slack.messages(TRIAGE) if "thread_ts" not in m)
    system.press(user, card, "take", response_url=system.slack.response_url())


def file_by_message(system: BotAndWorkers, user: User) -> None:
    """The message, the offer to file it (an answer), and the form."""
    slack_id = People.slack_id(user)
    message = system.slack.say(f"D{slack_id[1:]}", "The printer burns", user=slack_id)
    system.bot.answer(event_of(message))
    system.work()
    system.press(user, newest(system, user), "file_this")
    system.submit(user, title="Printer", description="It burns.")


asked = do("ask_requester", question="Which office?")
resolved = do("resolve", resolution="A new certificate.")
OWN_ACTS: dict[str, tuple[str, Act, list[tuple[str, Act]]]] = {
    # what: who, the act, and what others did before
    "accept": ("ben", do("accept"), []),
    "take over": ("cleo", do("take"), []),
    "take in the triage channel": ("cleo", press_take, []),
    "take one's own ticket": ("dora", do("take"), []),
    "reassign to oneself": ("cleo", do("reassign", assignee_id="self"), []),
    "assign to oneself by an edit": ("cleo", edit(assignedTo="self"), []),
    "reassign to no one": ("ben", do("reassign", assignee_id=None), []),
    "decline": ("ben", decline, []),
    "take, with comments from before": ("cleo", do("take"), [("ann", comment), ("ben", note)]),
    "ask": ("ben", asked, []),
    "ask by an edit": ("ben", edit(status="WAITING", message="Which office?"), []),
    "answer in a form": ("ann", comment, [("ben", asked)]),
    "answer below the card": ("ann", reply(0), [("ben", asked)]),
    "answer below the question": ("ann", reply(1), [("ben", asked)]),
    "comment as the requester": ("ann", comment, []),
    "comment as the assignee": ("ben", comment, []),
    "comment below the card": ("ben", reply(0), []),
    "comment as a bystander": ("cleo", comment, []),
    "comment after taking it": ("cleo", comment, [("cleo", do("take"))]),
    "note": ("ben", note, []),
    "note as a bystander": ("cleo", note, []),
    "resolve": ("ben", resolved, []),
    "resolve as a colleague": ("cleo", resolved, []),
    "resolve by an edit": ("ben", edit(status="COMPLETED", message="Done."), []),
    "resolve one's own ticket": ("dora", resolved, []),
    "say that it is solved": ("ann", do("confirm_solved"), []),
    "say that it is a problem": ("ann", do("report_unsolved", request_id="1"), [("ben", resolved)]),
    "cancel": ("ann", do("cancel"), []),
    "cancel what one has": ("dora", do("cancel"), [("dora", do("take"))]),
    "reopen": ("ann", do("reopen", reason="It drops again."), [("ben", resolved)]),
    "reopen as the assignee": ("ben", do("reopen", reason="It drops."), [("ben", resolved)]),
    "edit": ("eve", edit(title="VPN", priority="high"), []),
    "edit as the assignee": ("ben", edit(priority="high"), []),
}


@pytest.mark.parametrize("what", OWN_ACTS)
def test_no_one_is_notified_of_their_own_act(
    what: str, triage: BotAndWorkers, people: People, ann: User, ben: User, cleo: User
) -> None:
    name, act, before = OWN_ACTS[what]
    # Dora is the requester and a moderator, Eve an admin.
    users = {"ann": ann, "ben": ben, "cleo": cleo}
    users |= {"dora": people.add(Role.MODERATOR, capacity=0), "eve": people.add(Role.ADMIN)}
    ticket = triage.file(users["dora"] if name == "dora" else ann)
    for who, earlier in before:
        earlier(triage, ticket, users[who])
        triage.work(ticket)
    user = users[name]
    triage.db.users.update_one({"_id": user.id}, {"$unset": {"capacity": ""}})
    own = len(notifications(triage, user))
    act(triage, ticket, user)
    triage.work(ticket)
    assert not triage.now(ticket).is_in_outbox
    assert notifications(triage, user)[own:] == []


def test_filing_a_message_to_the_bot_posts_the_card_alone(
    triage: BotAndWorkers, ann: User, ben: User
) -> None:
    file_by_message(triage, ann)
    triage.work()
    assert notifications(triage, ann) == [
        "Filed as ticket 1.",
        f"Ticket 1 “Printer”: assigned to {ben.name}",
    ]
