"""Comments reach the threads once, in order, and stay up to date."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.models.comment import MessageRef
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import User
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from services.tickets.transitions import comment_doc
from tasks.notifications import notify
from tasks.notifications.notify import TicketSender
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.runtime import Runtime
from tests.conftest import (
    FixedClock,
    People,
    RecordingPublisher,
    file_ticket,
    web_client,
    work,
)
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.comment_helpers import card_of, in_thread
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.scenario"]

HERE = MessageRef("D0EMMA", "1700000000.000100")
AddComment = Callable[..., None]


@pytest.fixture
def emma(people: People) -> User:
    return people.add()


@pytest.fixture
def ticket(
    tickets: TicketService,
    emma: User,
    nils: User,
    runtime: Runtime,
    publisher: RecordingPublisher,
) -> Ticket:
    ticket = file_ticket(tickets, emma, "VPN is down")
    work(runtime, publisher, ticket)
    return ticket


@pytest.fixture
def add_comment(comments: CommentService, ticket: Ticket, emma: User) -> AddComment:
    def said(text: str = "Hello", **more: Any) -> None:
        comments.add(actor=Actor.from_user(emma), ticket_id=str(ticket.id), text=text, **more)

    return said


def in_threads(args: dict[str, Any]) -> bool:
    return "thread_ts" in args


def test_many_workers_send_each_comment_once_and_in_order(
    system: BotAndWorkers, add_comment: AddComment, ticket: Ticket, nils: User
) -> None:
    for number in range(4):
        add_comment(f"Line {number}")
        notify.run(system.runtime, str(ticket.id))
    add_comment("The last")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: notify.run(system.runtime, str(ticket.id)), range(16)))
    assert in_thread(system.slack, nils, card_of(system.slack, nils)) == [
        f"Ticket 1: User 1 wrote: {text}"
        for text in ("Line 0", "Line 1", "Line 2", "Line 3", "The last")
    ]


def test_a_rate_limit_is_waited_for(
    system: BotAndWorkers, add_comment: AddComment, ticket: Ticket, nils: User, clock: FixedClock
) -> None:
    add_comment()
    system.slack.fail("chat.postMessage", status=429, retry_after=7, where=in_threads)
    with pytest.raises(SlackRateLimited):
        notify.run(system.runtime, str(ticket.id))
    notify.run(system.runtime, str(ticket.id))
    assert in_thread(system.slack, nils, card_of(system.slack, nils)) == []
    assert system.now(ticket).is_in_outbox
    clock.advance(seconds=7)
    for _ in range(2):
        notify.run(system.runtime, str(ticket.id))
    assert len(in_thread(system.slack, nils, card_of(system.slack, nils))) == 1
    assert not system.now(ticket).is_in_outbox


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
def test_it_handles_500(
    system: BotAndWorkers,
    comments: CommentService,
    add_comment: AddComment,
    ticket: Ticket,
    emma: User,
    nils: User,
    method: str,
) -> None:
    add_comment(message=HERE)
    if method == "chat.update":
        notify.run(system.runtime, str(ticket.id))
    comments.edit(
        actor=Actor.from_user(emma), ticket_id=str(ticket.id), message=HERE, text="Changed"
    )
    system.slack.fail(method, status=500)
    notify.run(system.runtime, str(ticket.id))
    assert system.now(ticket).is_in_outbox
    notify.run(system.runtime, str(ticket.id))
    assert in_thread(system.slack, nils, card_of(system.slack, nils)) == [
        "Ticket 1: User 1 wrote: Changed"
    ]
    assert not system.now(ticket).is_in_outbox


def test_an_unanswered_comment_waits_for_its_claim_to_expire(
    system: BotAndWorkers, add_comment: AddComment, ticket: Ticket, nils: User
) -> None:
    impatient = dataclasses.replace(system.runtime, slack=web_client(system.slack))
    impatient.slack.timeout = 1
    add_comment()
    system.slack.delay("chat.postMessage", 2, where=in_threads)
    notify.run(impatient, str(ticket.id))
    notify.run(system.runtime, str(ticket.id))
    assert len(in_thread(system.slack, nils, card_of(system.slack, nils))) == 1


def test_a_comment_for_a_deleted_card_is_sent_below_the_new_card(
    system: BotAndWorkers, add_comment: AddComment, ticket: Ticket, nils: User
) -> None:
    add_comment()
    old = card_of(system.slack, nils)
    system.slack.fail("chat.postMessage", error="thread_not_found", where=in_threads)
    notify.run(system.runtime, str(ticket.id))
    delivered = system.now(ticket)
    new = system.messages(nils)[1]
    assert new["text"] == old["text"]
    assert in_thread(system.slack, nils, old) == []
    assert len(in_thread(system.slack, nils, new)) == 1
    assert not delivered.is_in_outbox


def test_a_thread_that_takes_no_replies_is_given_up(
    system: BotAndWorkers, add_comment: AddComment, ticket: Ticket
) -> None:
    add_comment()
    error = "cannot_reply_to_message"
    system.slack.fail("chat.postMessage", error=error, times=2, where=in_threads)
    for _ in range(2):
        notify.run(system.runtime, str(ticket.id))
    delivered = system.now(ticket)
    assert delivered.deliveries[-1]["state"] == "failed"
    assert not delivered.is_in_outbox
    assert len([c for c in system.slack.calls_to("chat.postMessage") if in_threads(c.args)]) == 1


def test_a_slow_worker_does_not_overwrite_a_message_with_an_old_text(
    system: BotAndWorkers,
    comments: CommentService,
    add_comment: AddComment,
    ticket: Ticket,
    emma: User,
    nils: User,
) -> None:
    edit: dict[str, Any] = {
        "actor": Actor.from_user(emma),
        "ticket_id": str(ticket.id),
        "message": HERE,
    }
    add_comment("First", message=HERE)
    notify.run(system.runtime, str(ticket.id))
    comments.edit(**edit, text="Second")
    stale = system.now(ticket)
    comments.edit(**edit, text="Third")
    notify.run(system.runtime, str(ticket.id))
    TicketSender(system.runtime, stale).deliver()  # a slow worker with an old version
    assert in_thread(system.slack, nils, card_of(system.slack, nils)) == [
        "Ticket 1: User 1 wrote: Third"
    ]
    assert not system.now(ticket).is_in_outbox


def test_a_card_that_is_still_to_come_is_waited_for(
    system: BotAndWorkers, comments: CommentService, people: People, emma: User, nils: User
) -> None:
    fresh = file_ticket(system.tickets, emma, "VPN is down")
    comments.add(actor=Actor.from_user(emma), ticket_id=str(fresh.id), text="It is urgent.")
    system.slack.fail("chat.postMessage", status=500, times=2)
    for _ in range(4):
        system.work(fresh)
    (card, comment) = system.slack.messages(People.slack_id(nils))
    assert comment["thread_ts"] == card["ts"]
    assert comment["text"] == "Ticket 1: User 1 wrote: It is urgent."


def test_recipient_without_a_card_gets_a_message_that_names_the_ticket(
    system: BotAndWorkers, comments: CommentService, emma: User, nils: User
) -> None:
    legacy = {"title": "From before", "status": "COMPLETED", "createdBy": emma.id, "number": 7}
    ticket_id = system.db.tickets.insert_one({**legacy, "teamId": TEAM_ID}).inserted_id
    by = Actor.from_user(nils)
    comments.add(actor=by, ticket_id=str(ticket_id), text="Still a problem?", message=HERE)
    notify.run(system.runtime, str(ticket_id))
    comments.edit(actor=by, ticket_id=str(ticket_id), text="Is it still a problem?", message=HERE)
    notify.run(system.runtime, str(ticket_id))
    (message,) = system.slack.messages(People.slack_id(emma))
    assert "thread_ts" not in message
    assert message["text"] == "Ticket 7: Moderator 2 wrote: Is it still a problem?"
    shown = [
        (b["elements"][0] if b["type"] == "context" else b["text"])["text"]
        for b in message["blocks"][:-1]
    ]
    assert buttons(message) == ["Details"]
    assert shown == [
        "*Ticket 7*",
        "From before",
        "*Moderator 2* wrote:",
        "Is it still a problem?",
    ]


def test_recipient_without_slack_is_skipped(
    system: BotAndWorkers, people: People, comments: CommentService, nils: User
) -> None:
    fresh = file_ticket(system.tickets, people.add(linked=False))
    system.work(fresh)
    comments.add(actor=Actor.from_user(nils), ticket_id=str(fresh.id), text="Hello?")
    notify.run(system.runtime, str(fresh.id))
    assert not system.now(fresh).is_in_outbox
    (_,) = system.messages(nils)  # the card


def test_the_longest_comment_fits(
    system: BotAndWorkers, add_comment: AddComment, ticket: Ticket, nils: User
) -> None:
    for text in ("&" * 3_000, "😀" * 3_000, "<!channel> " * 270):
        add_comment(text)
    notify.run(system.runtime, str(ticket.id))
    assert len(in_thread(system.slack, nils, card_of(system.slack, nils))) == 3
    assert system.slack.refused == []


def test_five_hundred_comments_are_looked_through(
    system: BotAndWorkers,
    add_comment: AddComment,
    ticket: Ticket,
    emma: User,
    nils: User,
    clock: FixedClock,
) -> None:
    before = system.now(ticket)
    full = [comment_doc(by=emma.id, text="x" * 3_000, at=clock()) for _ in range(499)]
    events = [
        {
            "seq": before.seq + place,
            "at": clock(),
            "by": emma.id,
            "type": "commented",
            "field": "comments",
            "from": None,
            "to": doc["id"],
        }
        for place, doc in enumerate(full, start=1)
    ]
    told = [
        {
            "key": f"{event['seq']}:comment:{nils.id}",
            "state": "failed",
        }
        for event in events
    ]
    system.db.tickets.update_one(
        {"_id": ticket.id},
        {
            "$set": {"comments": full, "seq": before.seq + len(full)},
            "$push": {"events": {"$each": events}, "notices": {"$each": told[:-5]}},
        },
    )
    clock.advance(minutes=11)
    add_comment("The last one")
    notify.run(system.runtime, str(ticket.id))
    delivered = system.now(ticket)
    assert (len(delivered.comments), delivered.is_in_outbox) == (500, False)
    assert len(in_thread(system.slack, nils, card_of(system.slack, nils))) == 6
