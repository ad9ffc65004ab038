"""Internal notes: they reach the staff, and the requester by no path whatever."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.views import ids
from services.core.database import Mongo
from services.home.home_service import HomeService
from services.home.sessions import Screen
from services.models.permissions import Actor
from services.models.ticket import Card, Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from tasks.runtime import Runtime
from tests.conftest import Bot, People, RecordingPublisher, file_ticket, pressed, reload, work
from tests.support import payloads
from tests.support.comment_helpers import (
    card_of,
    changed,
    deleted,
    ephemeral_messages,
    in_thread,
    said,
    texts,
)
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

TRIAGE = "C0TRIAGE"
CANARY = "kingfisher"
NO_STAFF = "Your role does not allow you to work on tickets. Ask an admin if it should."


@pytest.fixture
def emma(people: People) -> User:
    return people.add()


@pytest.fixture
def nils(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def ina(people: People) -> User:
    return people.add(Role.ADMIN)


@pytest.fixture
def deliver(
    runtime: Runtime, publisher: RecordingPublisher, db: Mongo, slack: RecordingSlack
) -> Callable[[], None]:
    """What the workers do, with everybody's Home open, and a triage channel anybody may join."""
    slack.add_channel(TRIAGE, is_member=True)
    with_channel = dataclasses.replace(runtime, triage_channel=TRIAGE)

    def run() -> None:
        for doc in db.tickets.find({"outbox": True}):
            publisher.publish_ticket(str(doc["_id"]))
        work(with_channel, publisher)

    return run


@pytest.fixture
def ticket(tickets: TicketService, emma: User, nils: User, deliver: Callable[[], None]) -> Ticket:
    ticket = file_ticket(tickets, emma, "VPN is down")
    deliver()
    return ticket


def triage_card(slack: RecordingSlack) -> dict[str, Any]:
    return slack.messages(TRIAGE)[0]


def home_opened(user: User) -> dict[str, Any]:
    slack_id = People.slack_id(user)
    return payloads.event({"type": "app_home_opened", "user": slack_id, "tab": "home"})


def test_a_reply_in_the_triage_thread_is_an_internal_note(
    ticket_bot: Bot,
    slack: RecordingSlack,
    ticket: Ticket,
    emma: User,
    nils: User,
    ina: User,
    deliver: Callable[[], None],
    db: Mongo,
) -> None:
    event = said(slack, ina, triage_card(slack), "He is on holiday", is_im=False)
    ticket_bot.answer(event)
    (note,) = reload(db, ticket).comments
    assert (note.by, note.internal, note.text) == (ina.id, True, "He is on holiday")
    assert reload(db, ticket).events[-1].type == "noted"
    assert ephemeral_messages(slack) == [
        (
            People.slack_id(ina),
            "Kept as an internal note: it is passed on to the help desk only. Whoever is in this "
            "channel reads it here, too.",
        )
    ]
    deliver()
    assert in_thread(slack, nils, card_of(slack, nils)) == [
        "Ticket 1: Admin 3 wrote an internal note: He is on holiday"
    ]
    assert texts(slack, TRIAGE, triage_card(slack)) == []  # it stands there already
    ticket_bot.answer(changed(event, "He is back"))
    deliver()
    assert in_thread(slack, nils, card_of(slack, nils)) == [
        "Ticket 1: Admin 3 wrote an internal note: He is back"
    ]
    assert len(slack.messages(People.slack_id(emma))) == 1


def test_a_note_from_elsewhere_is_pointed_at_in_the_triage_thread(
    slack: RecordingSlack,
    comments: CommentService,
    ticket: Ticket,
    nils: User,
    deliver: Callable[[], None],
) -> None:
    comments.add(actor=Actor.from_user(nils), ticket_id=str(ticket.id), text=CANARY, internal=True)
    deliver()
    assert texts(slack, TRIAGE, triage_card(slack)) == [
        "Ticket 1: Moderator 2 wrote an internal note."
    ]
    (block,) = slack.messages(TRIAGE)[-1]["blocks"]
    assert block["elements"][0]["text"] == (
        "Moderator 2 wrote an internal note. Press Details on the card to read it."
    )
    assert in_thread(slack, nils, card_of(slack, nils)) == []


@pytest.mark.parametrize("is_member", [True, False])
def test_being_in_the_triage_channel_gives_no_rights(
    ticket_bot: Bot,
    slack: RecordingSlack,
    ticket: Ticket,
    emma: User,
    people: People,
    db: Mongo,
    is_member: bool,
) -> None:
    writer = emma if is_member else people.add()
    event = said(slack, writer, triage_card(slack), "Let me in", is_im=False)
    ticket_bot.answer(event)
    ticket_bot.answer(changed(event, "Let me in, please"))
    ticket_bot.answer(deleted(event))
    assert ephemeral_messages(slack) == [
        (People.slack_id(writer), f"{NO_STAFF} This message was not passed on."),
        (People.slack_id(writer), f"{NO_STAFF} This change was not passed on."),
    ]
    assert reload(db, ticket).comments == ()


@pytest.fixture
def noted(
    ticket_bot: Bot,
    slack: RecordingSlack,
    comments: CommentService,
    ticket: Ticket,
    nils: User,
    ina: User,
    deliver: Callable[[], None],
) -> Ticket:
    """Notes by every way in, changed and deleted as well; with one comment among them."""
    ticket_bot.answer(said(slack, ina, triage_card(slack), f"{CANARY} 1", is_im=False))
    deliver()
    second = said(slack, ina, triage_card(slack), "Still harmless", is_im=False)
    ticket_bot.answer(second)
    deliver()
    ticket_bot.answer(changed(second, f"{CANARY} 2"))
    third = said(slack, ina, triage_card(slack), f"{CANARY} 3", is_im=False)
    ticket_bot.answer(third)
    deliver()
    ticket_bot.answer(deleted(third))
    ticket_bot.answer(pressed(ids.NOTE, ticket, nils))
    form = {"text": f"{CANARY} 4"}
    view = slack.last_view()
    ticket_bot.answer(payloads.view_submission(view, form, user=People.slack_id(nils)))
    comments.add(actor=Actor.from_user(nils), ticket_id=str(ticket.id), text="For everybody")
    deliver()
    return ticket


def reached(slack: RecordingSlack, user: User) -> str:
    """All that Slack was given for that person's eyes, whichever way, answers excepted."""
    slack_id = People.slack_id(user)
    own = (slack_id, f"D{slack_id[1:]}")
    calls = [
        call.args
        for call in slack.calls
        if call.args.get("channel") in own
        or call.args.get("user") == slack_id
        or call.args.get("user_id") == slack_id
    ]
    return json.dumps([calls, slack.messages(slack_id)])


def looked_everywhere(bot: Bot, slack: RecordingSlack, user: User, ticket: Ticket) -> str:
    """What somebody is shown who tries every command, button and page there is for a ticket."""
    slack_id = People.slack_id(user)
    answers: list[Any] = [
        bot.answer(payloads.slash_command(text, user=slack_id))
        for text in ("view 1", "update 1", "list", "assigned", "queue", "help")
    ]
    bot.answer(home_opened(user))
    own = "U" + slack_id[1:]
    for step in (ids.DETAILS, ids.UPDATE, ids.COMMENT, ids.NOTE, ids.TAKE, ids.REASSIGN):
        body = pressed(step, ticket, user, response_url=slack.response_url())
        answers.append(bot.answer(body))
    answers += [slack.messages(own), slack.home(own)]
    button = {"type": "button", "action_id": ids.HOME_OPEN, "text": {"text": "Open"}}
    button["value"] = Screen(ticket_id=ticket.id).encode()
    home = {"type": "home", "id": "V1", "blocks": [{"type": "actions", "elements": [button]}]}
    answers.append(bot.answer(payloads.block_actions(home, ids.HOME_OPEN, user=slack_id)))
    answers.append(slack.home(own))
    answers += [call.args for call in slack.calls_to("response_url")]
    answers += [call.args for call in slack.calls_to("views.open")]
    return json.dumps(answers)


def test_the_requester_reads_no_note_by_any_path(
    ticket_bot: Bot,
    slack: RecordingSlack,
    noted: Ticket,
    emma: User,
    nils: User,
    deliver: Callable[[], None],
) -> None:
    deliver()
    assert CANARY in reached(slack, nils)
    assert "For everybody" in reached(slack, emma)
    assert CANARY not in reached(slack, emma)
    by_bot = [m for m in slack.messages(TRIAGE) if "bot_id" in m]
    assert CANARY not in json.dumps(by_bot)

    slack.clear()
    shown = looked_everywhere(ticket_bot, slack, emma, noted)
    assert "VPN is down" in shown
    for word in (CANARY, "internal note", "Internal note", "deleted a comment", "edited a comment"):
        assert word not in shown
    deliver()
    assert CANARY not in reached(slack, emma)


def test_what_the_services_give_a_requester_has_none_of_it(
    home: HomeService, noted: Ticket, emma: User, nils: User
) -> None:
    def page(user: User) -> Ticket:
        screen = Screen(ticket_id=noted.id)
        content = home.get(actor=Actor.from_user(user), team_id=TEAM_ID, screen=screen)
        found: Ticket = getattr(content, "ticket")  # noqa: B009  of a page, whichever kind it is
        return found

    own = page(emma)
    assert [comment.text for comment in own.comments] == ["For everybody"]
    told = {(event.type, event.field) for event in own.events}
    assert ("commented", "comments") in told
    assert not told & {
        ("noted", "notes"),
        ("comment_edited", "notes"),
        ("comment_deleted", "notes"),
    }
    assert len(page(nils).comments) == 5


@pytest.fixture
def home(bot_process: Any) -> HomeService:
    made: HomeService = bot_process.services.home
    return made


def test_a_requester_writes_and_sends_no_note(
    ticket_bot: Bot, slack: RecordingSlack, noted: Ticket, emma: User, nils: User, db: Mongo
) -> None:
    slack.clear()
    ticket_bot.answer(pressed(ids.NOTE, noted, emma))
    assert [text for _, text in ephemeral_messages(slack)] == [NO_STAFF]
    assert slack.calls_to("views.open") == []
    ticket_bot.answer(pressed(ids.NOTE, noted, nils))  # and now the replay of a moderator's form
    form = payloads.view_submission(slack.last_view(), {"text": "Mine"}, user=People.slack_id(emma))
    assert ticket_bot.answer(form)["errors"] == {"text": NO_STAFF}
    assert "Mine" not in {comment.text for comment in reload(db, noted).comments}


def test_nothing_turns_a_note_into_a_comment(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, ina: User, emma: User, db: Mongo
) -> None:
    event = said(slack, ina, triage_card(slack), "A note", is_im=False)
    ticket_bot.answer(event)
    for text in ("Changed", "And again"):
        ticket_bot.answer(changed(event, text))
    moved = said(slack, ina, card_of(slack, emma), "x", ts=event["event"]["ts"])
    moved["event"]["channel"] = event["event"]["channel"]  # of the same message, another thread
    ticket_bot.answer(moved)
    assert [(c.internal, c.text) for c in reload(db, ticket).comments] == [(True, "And again")]


def test_a_requester_it_was_given_to_in_spite_of_their_role(
    slack: RecordingSlack,
    comments: CommentService,
    ticket: Ticket,
    emma: User,
    nils: User,
    deliver: Callable[[], None],
    db: Mongo,
) -> None:
    card = Card("assignee", emma.id, "D" + People.slack_id(emma)[1:], "1.5", seq=1, digest="")
    to_emma = {"$set": {"assignedTo": emma.id, "outbox": True}, "$push": {"cards": card.to_doc()}}
    db.tickets.update_one({"_id": ticket.id}, to_emma)
    comments.add(actor=Actor.from_user(nils), ticket_id=str(ticket.id), text=CANARY, internal=True)
    deliver()
    assert CANARY not in reached(slack, emma)


def test_a_former_moderator_sees_no_change_but_a_deletion(
    ticket_bot: Bot,
    slack: RecordingSlack,
    ticket: Ticket,
    nils: User,
    ina: User,
    deliver: Callable[[], None],
    db: Mongo,
) -> None:
    event = said(slack, ina, triage_card(slack), "Harmless", is_im=False)
    ticket_bot.answer(event)
    deliver()
    card = card_of(slack, nils)
    db.users.update_one({"_id": nils.id}, {"$set": {"role": "user"}})
    ticket_bot.answer(changed(event, CANARY))
    deliver()
    assert in_thread(slack, nils, card) == ["Ticket 1: Admin 3 wrote an internal note: Harmless"]
    ticket_bot.answer(deleted(event))
    deliver()
    assert in_thread(slack, nils, card) == ["Ticket 1: This comment was deleted."]


def test_a_moderator_is_staff_on_their_own_ticket_too(
    ticket_bot: Bot,
    slack: RecordingSlack,
    comments: CommentService,
    tickets: TicketService,
    ticket_actions: TicketActions,
    people: People,
    nils: User,
    ina: User,
    deliver: Callable[[], None],
) -> None:
    asker = people.add(Role.MODERATOR)
    own = file_ticket(tickets, asker, "VPN is down")
    ticket_actions.reassign(
        actor=Actor.from_user(ina), ticket_id=str(own.id), assignee_id=str(nils.id)
    )
    deliver()
    comments.add(actor=Actor.from_user(ina), ticket_id=str(own.id), text=CANARY, internal=True)
    deliver()
    assert CANARY in reached(slack, nils)
    assert CANARY not in reached(slack, asker)  # they may read it, but it is not sent to them
    assert CANARY in looked_everywhere(ticket_bot, slack, asker, own)
