"""Internal notes reach moderators and admins, and never the requester."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from bot.slack.bot_process import BotProcess
from bot.views import ids
from services.home.sessions import Screen
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Card, Ticket
from services.models.user import Role, User
from services.tickets.comments import CommentService
from tasks.notifications import notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tests.conftest import FixedClock, People, file_ticket, pressed, web_client
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.block_text import read, without_facts
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.canary import FILED
from tests.support.channel_members import IT_HELP, Channel
from tests.support.comment_helpers import (
    card_of,
    changed,
    deleted,
    in_thread,
    said,
    texts,
)
from tests.support.slack_workspace import TEAM_ID, TRIAGE

CANARY = "kingfisher"
NO_STAFF = "Your role does not allow you to work on tickets. Ask an admin if it should."

pytest_plugins = ["tests.support.scenario"]
pytestmark = pytest.mark.usefixtures("triage")  # before the ticket is filed


@pytest.fixture
def ina(people: People, ticket: Ticket) -> User:
    return people.add(Role.ADMIN)


def triage_card(triage: BotAndWorkers, number: int = 0) -> dict[str, Any]:
    found = triage.slack.messages(TRIAGE)
    cards = [one for one in found if "blocks" in one and "thread_ts" not in one]
    return cards[number]


def reply(triage: BotAndWorkers, user: User, text: str) -> dict[str, Any]:
    """A message of the user in the thread of the triage card."""
    return said(triage.slack, user, triage_card(triage), text, is_im=False)


def notes_of(triage: BotAndWorkers, user: User) -> list[str]:
    """Return what the user reads in the thread of the ticket's notes."""
    return in_thread(triage.slack, user, notes_message(triage, user))


def notes_message(triage: BotAndWorkers, user: User) -> dict[str, Any]:
    """Return the only message to the user that begins a thread of notes."""
    (message,) = [m for m in triage.messages(user) if m["text"].startswith("Internal notes")]
    return message


def in_card_thread(triage: BotAndWorkers, user: User) -> list[str]:
    return in_thread(triage.slack, user, card_of(triage.slack, user))


def test_a_reply_in_the_triage_thread_is_an_internal_note(
    triage: BotAndWorkers, ticket: Ticket, ann: User, ben: User, ina: User
) -> None:
    event = reply(triage, ina, "He is on holiday")
    triage.bot.answer(event)
    (note,) = triage.now(ticket).comments
    assert (note.by, note.internal, note.text) == (ina.id, True, "He is on holiday")
    assert triage.now(ticket).events[-1].type == "noted"
    assert triage.ephemeral_messages() == [
        (
            People.slack_id(ina),
            "Saved as an internal note. Moderators and admins read it, and so does everyone in "
            "this channel. You won't see this message again.",
        )
    ]
    triage.deliver()
    assert notes_of(triage, ben) == ["Ticket 1: Admin 4 wrote an internal note: He is on holiday"]
    assert texts(triage.slack, TRIAGE, triage_card(triage)) == []  # the note itself is there
    triage.bot.answer(changed(event, "He is back"))
    triage.deliver()
    assert notes_of(triage, ben) == ["Ticket 1: Admin 4 wrote an internal note: He is back"]
    assert in_card_thread(triage, ben) == []
    assert len(triage.slack.messages(People.slack_id(ann))) == 1


def test_a_note_from_elsewhere_is_pointed_at_in_the_triage_thread(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ben: User
) -> None:
    comments.add(**by(ben, ticket), text=CANARY, internal=True)
    triage.deliver()
    assert texts(triage.slack, TRIAGE, triage_card(triage)) == [
        "Ticket 1: Moderator 2 wrote an internal note."
    ]
    (block,) = triage.slack.messages(TRIAGE)[-1]["blocks"]
    assert block["elements"][0]["text"] == (
        "Moderator 2 wrote an internal note. Press Details on the card to read it."
    )
    (card,) = triage.messages(ben)
    assert without_facts(card["text"]) == "Ticket 1 “VPN is down”: assigned to you"


@pytest.mark.parametrize("is_member", [True, False])
def test_being_in_the_triage_channel_gives_no_rights(
    triage: BotAndWorkers, ticket: Ticket, ann: User, people: People, is_member: bool
) -> None:
    writer = ann if is_member else people.add()
    event = reply(triage, writer, "Let me in")
    triage.bot.answer(event)
    triage.bot.answer(changed(event, "Let me in, please"))
    triage.bot.answer(deleted(event))
    assert triage.ephemeral_messages() == [
        (People.slack_id(writer), f"{NO_STAFF} This message was not passed on."),
        (People.slack_id(writer), f"{NO_STAFF} This change was not passed on."),
    ]
    assert triage.now(ticket).comments == ()


@pytest.fixture
def noted(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ben: User, ina: User
) -> Ticket:
    """A ticket with one comment and notes from every source, also edited and deleted."""
    write_notes(triage, comments, ticket, ben, ina)
    return ticket


def write_notes(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ben: User, ina: User
) -> None:
    triage.bot.answer(reply(triage, ina, f"{CANARY} 1"))
    triage.deliver()
    second = reply(triage, ina, "Still harmless")
    triage.bot.answer(second)
    triage.deliver()
    triage.bot.answer(changed(second, f"{CANARY} 2"))
    third = reply(triage, ina, f"{CANARY} 3")
    triage.bot.answer(third)
    triage.deliver()
    triage.bot.answer(deleted(third))
    triage.bot.answer(pressed(ids.NOTE, ticket, ben))
    triage.submit(ben, text=f"{CANARY} 4")
    comments.add(**by(ben, ticket), text="For everybody")
    triage.deliver()


def reached(triage: BotAndWorkers, user: User) -> str:
    """Return all that Slack was sent for the user, except answers to requests."""
    slack_id = People.slack_id(user)
    own = (slack_id, f"D{slack_id[1:]}")
    calls = [
        call.args
        for call in triage.slack.calls
        if call.args.get("channel") in own
        or call.args.get("user") == slack_id
        or call.args.get("user_id") == slack_id
    ]
    return json.dumps([calls, triage.slack.messages(slack_id)])


def looked_everywhere(triage: BotAndWorkers, user: User, ticket: Ticket) -> str:
    """Return what every command, button and page for a ticket shows the user."""
    bot, slack_id = triage.bot, People.slack_id(user)
    answers: list[Any] = [
        bot.answer(payloads.slash_command(text, user=slack_id))
        for text in ("view 1", "update 1", "list", "assigned", "queue", "help")
    ]
    bot.answer(payloads.home_opened(slack_id))
    own = "U" + slack_id[1:]
    for step in (ids.DETAILS, ids.UPDATE, ids.COMMENT, ids.NOTE, ids.TAKE, ids.REASSIGN):
        body = pressed(step, ticket, user, response_url=triage.slack.response_url())
        answers.append(bot.answer(body))
    answers += [triage.slack.messages(own), triage.slack.home(own)]
    button = {"type": "button", "action_id": ids.HOME_OPEN, "text": {"text": "Open"}}
    button["value"] = Screen(ticket_id=ticket.id).encode()
    home = {"type": "home", "id": "V1", "blocks": [{"type": "actions", "elements": [button]}]}
    answers.append(bot.answer(payloads.block_actions(home, ids.HOME_OPEN, user=slack_id)))
    answers.append(triage.slack.home(own))
    answers += [call.args for call in triage.slack.calls_to("response_url")]
    answers += [call.args for call in triage.slack.calls_to("views.open")]
    return json.dumps(answers)


def test_the_requester_reads_no_note_by_any_path(
    triage: BotAndWorkers, noted: Ticket, ann: User, ben: User
) -> None:
    triage.deliver()
    assert CANARY in reached(triage, ben)
    assert "For everybody" in reached(triage, ann)
    assert CANARY not in reached(triage, ann)
    by_bot = [m for m in triage.slack.messages(TRIAGE) if "bot_id" in m]
    assert CANARY not in json.dumps(by_bot)

    triage.slack.clear()
    shown = looked_everywhere(triage, ann, noted)
    assert "VPN is down" in shown
    for word in (CANARY, "internal note", "Internal note", "deleted a comment", "edited a comment"):
        assert word not in shown
    triage.deliver()
    assert CANARY not in reached(triage, ann)


@pytest.mark.parametrize("channel", [IT_HELP, TRIAGE])
def test_no_note_reaches_the_conversation_in_a_request_channel_by_any_path(
    triage: BotAndWorkers,
    comments: CommentService,
    people: People,
    ann: User,
    ben: User,
    channel: str,
) -> None:
    """Not even if it is the triage channel, too: the card has another thread."""
    it_help, ina, dan = (
        Channel(triage, channel, is_private=False),
        people.add(Role.ADMIN),
        people.add(),
    )
    own = it_help.file(ann)
    it_help.answer(it_help.reply(dan, "Here, too"))  # takes part from now on
    write_notes(triage, comments, own, ben, ina)
    triage.bot.answer(said(triage.slack, ben, notes_message(triage, ben), f"{CANARY} 5"))
    triage.actions.ask_requester(**by(ben, own), question="Which office?")
    triage.deliver()
    it_help.answer(it_help.reply(ann, "Berlin"))
    triage.actions.resolve(**by(ben, own), resolution="New key.")
    triage.deliver()
    thread = it_help.line()["thread_ts"]
    said_there = [m for m in it_help.posted() if m.get("thread_ts") == thread]
    assert [m["text"].split(", ")[-1].split(": ")[-1] for m in said_there[1:]] == [
        "For everybody",
        "Which office?",
        "New key.",
    ]
    for word in (CANARY, "internal note"):
        assert word not in json.dumps(said_there)
    assert CANARY not in json.dumps(it_help.posted())
    triage.slack.clear()
    for reader in (ann, dan, people.add()):
        assert CANARY not in json.dumps(it_help.details(reader))
        assert CANARY not in looked_everywhere(triage, reader, own)
        assert CANARY not in reached(triage, reader)
    assert CANARY in json.dumps(it_help.details(ben))


def test_what_the_services_give_a_requester_has_none_of_it(
    bot_process: BotProcess, noted: Ticket, ann: User, ben: User
) -> None:
    def page(user: User) -> Ticket:
        screen = Screen(ticket_id=noted.id)
        content = bot_process.services.home.get(
            actor=Actor.from_user(user), team_id=TEAM_ID, screen=screen
        )
        found: Ticket = getattr(content, "ticket")  # noqa: B009  only pages of a ticket have it
        return found

    own = page(ann)
    assert [comment.text for comment in own.comments] == ["For everybody"]
    told = {(event.type, event.field) for event in own.events}
    assert ("commented", "comments") in told
    assert not told & {
        ("noted", "notes"),
        ("comment_edited", "notes"),
        ("comment_deleted", "notes"),
    }
    assert len(page(ben).comments) == 5


def test_a_requester_writes_and_sends_no_note(
    triage: BotAndWorkers, noted: Ticket, ann: User, ben: User
) -> None:
    triage.slack.clear()
    triage.bot.answer(pressed(ids.NOTE, noted, ann))
    assert [text for _, text in triage.ephemeral_messages()] == [NO_STAFF]
    assert triage.slack.calls_to("views.open") == []
    triage.bot.answer(pressed(ids.NOTE, noted, ben))  # whose form is then replayed
    assert triage.submit(ann, text="Mine")["errors"] == {"text": NO_STAFF}
    assert "Mine" not in {comment.text for comment in triage.now(noted).comments}


def test_nothing_turns_a_note_into_a_comment(
    triage: BotAndWorkers, ticket: Ticket, ina: User, ann: User
) -> None:
    event = reply(triage, ina, "A note")
    triage.bot.answer(event)
    for text in ("Changed", "And again"):
        triage.bot.answer(changed(event, text))
    moved = said(triage.slack, ina, card_of(triage.slack, ann), "x", ts=event["event"]["ts"])
    moved["event"]["channel"] = event["event"]["channel"]  # the same message in another thread
    triage.bot.answer(moved)
    assert [(c.internal, c.text) for c in triage.now(ticket).comments] == [(True, "And again")]


def test_a_requester_it_was_given_to_in_spite_of_their_role(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ann: User, ben: User
) -> None:
    card = Card("assignee", ann.id, "D" + People.slack_id(ann)[1:], "1.5", seq=1, digest="")
    changes = {
        "$set": {"assignedTo": ann.id, "outbox": True},
        "$push": {"cards": card.to_doc()},
    }
    triage.db.tickets.update_one({"_id": ticket.id}, changes)
    comments.add(**by(ben, ticket), text=CANARY, internal=True)
    triage.deliver()
    assert CANARY not in reached(triage, ann)


def test_a_former_moderator_sees_no_change_but_a_deletion(
    triage: BotAndWorkers, ticket: Ticket, ben: User, ina: User
) -> None:
    event = reply(triage, ina, "Harmless")
    triage.bot.answer(event)
    triage.deliver()
    triage.db.users.update_one({"_id": ben.id}, {"$set": {"role": "user"}})
    triage.bot.answer(changed(event, CANARY))
    triage.deliver()
    assert notes_of(triage, ben) == ["Ticket 1: Admin 4 wrote an internal note: Harmless"]
    triage.bot.answer(deleted(event))
    triage.deliver()
    assert notes_of(triage, ben) == ["Ticket 1: This comment was deleted."]


def test_a_moderator_is_staff_on_their_own_ticket_too(
    triage: BotAndWorkers, comments: CommentService, people: People, ben: User, ina: User
) -> None:
    requester = people.add(Role.MODERATOR)
    own = file_ticket(triage.tickets, requester, "VPN is down")
    triage.actions.reassign(**by(ina, own), assignee_id=str(ben.id))
    triage.deliver()
    comments.add(**by(ina, own), text=CANARY, internal=True)
    triage.deliver()
    assert CANARY in reached(triage, ben)
    assert CANARY not in reached(triage, requester)  # allowed to read it, but not sent
    assert CANARY in looked_everywhere(triage, requester, own)


# What is said of a note


def test_each_writer_is_told_once_that_replies_are_notes(
    triage: BotAndWorkers, ticket: Ticket, ben: User, ina: User, clock: FixedClock
) -> None:
    for writer in (ina, ina, ben, ina, ben):
        triage.bot.answer(reply(triage, writer, "On it"))
    told = [user for user, _ in triage.ephemeral_messages()]
    assert told == [People.slack_id(ina), People.slack_id(ben)]
    clock.advance(days=400)
    other = file_ticket(triage.tickets, ina, "Printer")
    triage.work(other)
    triage.bot.answer(said(triage.slack, ina, triage_card(triage, 1), "On it", is_im=False))
    assert len(triage.ephemeral_messages()) == 2
    assert len(triage.now(other).comments) == 1


def test_a_direct_message_explains_notes_once_too(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ben: User, ina: User
) -> None:
    comments.add(**by(ina, ticket), text="He is on holiday", internal=True)
    triage.deliver()
    for text in ("Until when?", "I wait"):
        triage.bot.answer(said(triage.slack, ben, notes_message(triage, ben), text))
    assert triage.ephemeral_messages() == [
        (
            People.slack_id(ben),
            "Saved as an internal note: only moderators and admins read it. To write to the "
            "requester, "
            "reply in the thread of the ticket's card. You won't see this message again.",
        )
    ]


def test_an_explanation_arrives_after_a_fault_and_goes_with_the_person(
    triage: BotAndWorkers, ticket: Ticket, ina: User, clock: FixedClock
) -> None:
    triage.slack.fail("chat.postEphemeral", status=500)
    triage.bot.answer(reply(triage, ina, "On it"))
    triage.work()
    clock.advance(minutes=1)
    for doc in triage.db.replies.find():
        triage.publisher.publish_reply(doc["_id"])
    assert len(triage.ephemeral_messages()) == 2  # the refused one, too
    stored = triage.db.replies.find_one({"user": People.slack_id(ina)}) or {}
    assert (stored["state"], "expiresAt" in stored) == ("sent", False)
    services = triage.runtime.services
    exported = services.data_export.export(actor=OPERATOR, email=ina.email)
    assert len(exported["accounts"][0]["replies"]) == 1
    triage.db.users.update_one({"_id": ina.id}, {"$set": {"role": "user"}})
    services.erasure.erase(actor=OPERATOR, email=ina.email)
    assert triage.db.replies.count_documents({}) == 0


# The thread of the notes


def test_notes_have_a_thread_of_their_own_and_a_reply_to_a_note_is_a_note(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ann: User, ben: User, ina: User
) -> None:
    for text in ("He is on holiday", "Until Monday"):
        comments.add(**by(ina, ticket), text=text, internal=True)
        triage.deliver()
    message = notes_message(triage, ben)
    assert message["text"] == "Internal notes on #1 “VPN is down”"
    assert read(message) == [
        "*Internal notes on #1*",
        "VPN is down",
        "Only moderators and admins read this thread. Reply here to add a note. To write to the "
        "requester, reply in the thread of the ticket's card.",
    ]
    assert notes_of(triage, ben) == [
        "Ticket 1: Admin 4 wrote an internal note: He is on holiday",
        "Ticket 1: Admin 4 wrote an internal note: Until Monday",
    ]
    assert in_card_thread(triage, ben) == []
    triage.slack.clear()
    answer = said(triage.slack, ben, message, f"{CANARY}, then")
    for _ in range(2):
        triage.bot.answer(answer)
    triage.deliver()
    assert [(c.text, c.internal) for c in triage.now(ticket).comments[2:]] == [
        (f"{CANARY}, then", True)
    ]
    triage.bot.answer(changed(answer, f"{CANARY}, then. I wait."))
    triage.deliver()
    assert CANARY not in reached(triage, ann)
    assert len(notes_of(triage, ben)) == 2  # not their own words


def test_the_next_assignee_gets_the_notes_in_a_thread_of_their_own(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ben: User, ina: User
) -> None:
    comments.add(**by(ben, ticket), text="It is the router", internal=True)
    comments.add(**by(ben, ticket), text="Which office?")
    triage.actions.reassign(**by(ben, ticket), assignee_id=str(ina.id))
    triage.deliver()
    assert notes_of(triage, ina) == [
        "Ticket 1: Moderator 2 wrote an internal note: It is the router"
    ]
    assert in_card_thread(triage, ina) == ["Ticket 1: Moderator 2 wrote: Which office?"]
    triage.bot.answer(said(triage.slack, ina, notes_message(triage, ina), "Which one?"))
    triage.deliver()
    assert triage.now(ticket).comments[-1].internal


@pytest.mark.parametrize("refusal", ["thread_not_found", "posted outside the thread"])
def test_a_deleted_notes_message_is_posted_again(
    triage: BotAndWorkers,
    comments: CommentService,
    ticket: Ticket,
    ben: User,
    ina: User,
    refusal: str,
) -> None:
    comments.add(**by(ina, ticket), text="One", internal=True)
    triage.deliver()
    first = notes_message(triage, ben)
    triage.runtime.slack.chat_delete(channel=first["channel"], ts=first["ts"])
    if refusal == "thread_not_found":
        triage.slack.fail("chat.postMessage", error=refusal, where=lambda args: "thread_ts" in args)
    comments.add(**by(ina, ticket), text="Two", internal=True)
    triage.deliver()
    comments.add(**by(ina, ticket), text="Three", internal=True)
    triage.deliver()
    assert notes_message(triage, ben)["ts"] != first["ts"]
    assert notes_of(triage, ben)[-1] == "Ticket 1: Admin 4 wrote an internal note: Three"
    assert not triage.now(ticket).is_in_outbox


def test_a_note_on_a_closed_ticket_without_a_thread_is_sent_by_itself(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ben: User, ina: User
) -> None:
    comments.add(**by(ina, ticket), text="One", internal=True)
    triage.actions.resolve(**by(ben, ticket), resolution="Done.")
    triage.deliver()
    first = notes_message(triage, ben)
    triage.runtime.slack.chat_delete(channel=first["channel"], ts=first["ts"])
    triage.slack.fail(
        "chat.postMessage", error="thread_not_found", where=lambda a: "thread_ts" in a
    )
    comments.add(**by(ina, ticket), text="Two", internal=True)
    triage.deliver()
    note = triage.messages(ben)[-1]
    assert note["text"] == "Ticket 1: Admin 4 wrote an internal note: Two"
    assert "thread_ts" not in note
    triage.bot.answer(said(triage.slack, ben, note, "Three"))
    assert triage.now(ticket).comments[-1].internal
    triage.deliver()
    assert not triage.now(ticket).is_in_outbox


@pytest.mark.parametrize("fault", ["500", "429", "no answer"])
def test_a_fault_of_slack_costs_no_note_and_begins_no_second_thread(
    triage: BotAndWorkers,
    comments: CommentService,
    ticket: Ticket,
    ben: User,
    ina: User,
    clock: FixedClock,
    fault: str,
) -> None:
    def is_for_ben(args: dict[str, Any]) -> bool:
        return bool(args.get("channel") == People.slack_id(ben))

    comments.add(**by(ina, ticket), text="One", internal=True)
    if fault == "no answer":
        triage.runtime = replace(triage.runtime, slack=web_client(triage.slack))
        triage.runtime.slack.timeout = 1
        triage.slack.delay("chat.postMessage", 2, where=is_for_ben)
    else:
        triage.slack.fail("chat.postMessage", status=int(fault), where=is_for_ben)
    for _ in range(4):
        with suppress(SlackRateLimited):
            triage.deliver()
        clock.advance(minutes=2)
    messages = [m for m in triage.messages(ben) if m["text"].startswith("Internal notes")]
    assert len(messages) == 1  # without an answer Slack had posted it
    assert in_thread(triage.slack, ben, messages[-1]) == [
        "Ticket 1: Admin 4 wrote an internal note: One"
    ]


def test_many_workers_begin_one_thread(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ben: User, ina: User
) -> None:
    for number in range(3):
        comments.add(**by(ina, ticket), text=f"Line {number}", internal=True)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: notify.run(triage.runtime, str(ticket.id)), range(6)))
    triage.deliver()
    assert notes_of(triage, ben) == [
        f"Ticket 1: Admin 4 wrote an internal note: Line {number}" for number in range(3)
    ]


def test_a_reply_below_a_note_of_an_earlier_release_is_a_note(
    triage: BotAndWorkers, comments: CommentService, ticket: Ticket, ann: User, ben: User, ina: User
) -> None:
    """It was sent outside any thread if there was no card."""
    comments.add(**by(ina, ticket), text="One", internal=True)
    event = triage.now(ticket).events[-1]
    place = {"channel": f"D{People.slack_id(ben)[1:]}", "ts": "1700000000.000009"}
    sent = {"key": f"{event.seq}:comment:{ben.id}", "state": "sent", "tries": 1, **place}
    triage.db.tickets.update_one({"_id": ticket.id}, {"$push": {"notices": sent}})
    triage.bot.answer(said(triage.slack, ben, place, CANARY))
    triage.deliver()
    assert triage.now(ticket).comments[-1].internal
    assert CANARY not in reached(triage, ann)


def test_an_erased_assignee_leaves_no_thread_of_notes(
    triage: BotAndWorkers,
    comments: CommentService,
    ticket: Ticket,
    people: People,
    ben: User,
    ina: User,
) -> None:
    comments.add(**by(ina, ticket), text="One", internal=True)
    triage.deliver()
    thread = notes_message(triage, ben)["ts"]
    assert thread in json.dumps(triage.db.tickets.find_one(FILED), default=str)
    services = triage.runtime.services
    exported = services.data_export.export(actor=OPERATOR, email=ben.email)
    assert "notes" in {each["kind"] for each in exported["accounts"][0]["messages"]}
    services.erasure.erase(actor=OPERATOR, email=ben.email)
    assert thread not in json.dumps(triage.db.tickets.find_one(FILED), default=str)
