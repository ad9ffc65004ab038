"""Comments on their way to the threads: once, in order, and in step with what they say."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.core.database import Mongo
from services.models.comment import MessageRef
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from services.tickets.transitions import comment_doc
from tasks.notifications import notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.notifications.ticket_sender import TicketSender
from tasks.runtime import Runtime
from tests.conftest import (
    FixedClock,
    People,
    RecordingPublisher,
    file_ticket,
    reload,
    web_client,
    work,
)
from tests.support.comment_helpers import card_of, in_thread
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

HERE = MessageRef("D0EMMA", "1700000000.000100")
AddComment = Callable[..., None]


@pytest.fixture
def emma(people: People) -> User:
    return people.add()


@pytest.fixture
def nils(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def ticket(
    tickets: TicketService,
    emma: User,
    nils: User,
    runtime: Runtime,
    publisher: RecordingPublisher,
) -> Ticket:
    ticket = file_ticket(tickets, emma, "VPN is down")
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    return ticket


@pytest.fixture
def add_comment(comments: CommentService, ticket: Ticket, emma: User) -> AddComment:
    def said(text: str = "Hello", **more: Any) -> None:
        comments.add(actor=Actor.from_user(emma), ticket_id=str(ticket.id), text=text, **more)

    return said


def in_threads(args: dict[str, Any]) -> bool:
    return "thread_ts" in args


def test_many_workers_send_each_comment_once_and_in_order(
    runtime: Runtime, slack: RecordingSlack, add_comment: AddComment, ticket: Ticket, nils: User
) -> None:
    for number in range(4):
        add_comment(f"Line {number}")
        notify.run(runtime, str(ticket.id))
    add_comment("The last")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: notify.run(runtime, str(ticket.id)), range(16)))
    assert in_thread(slack, nils, card_of(slack, nils)) == [
        f"Ticket 1: User 1 wrote: {text}"
        for text in ("Line 0", "Line 1", "Line 2", "Line 3", "The last")
    ]


def test_a_rate_limit_is_waited_for(
    runtime: Runtime,
    slack: RecordingSlack,
    add_comment: AddComment,
    ticket: Ticket,
    nils: User,
    clock: FixedClock,
    db: Mongo,
) -> None:
    add_comment()
    slack.fail("chat.postMessage", status=429, retry_after=7, where=in_threads)
    with pytest.raises(SlackRateLimited):
        notify.run(runtime, str(ticket.id))
    notify.run(runtime, str(ticket.id))
    assert in_thread(slack, nils, card_of(slack, nils)) == []
    assert reload(db, ticket).is_in_outbox
    clock.advance(seconds=7)
    for _ in range(2):
        notify.run(runtime, str(ticket.id))
    assert len(in_thread(slack, nils, card_of(slack, nils))) == 1
    assert not reload(db, ticket).is_in_outbox


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
def test_it_handles_500(
    runtime: Runtime,
    slack: RecordingSlack,
    comments: CommentService,
    add_comment: AddComment,
    ticket: Ticket,
    emma: User,
    nils: User,
    db: Mongo,
    method: str,
) -> None:
    add_comment(message=HERE)
    if method == "chat.update":
        notify.run(runtime, str(ticket.id))
    comments.edit(
        actor=Actor.from_user(emma), ticket_id=str(ticket.id), message=HERE, text="Changed"
    )
    slack.fail(method, status=500)
    notify.run(runtime, str(ticket.id))
    assert reload(db, ticket).is_in_outbox
    notify.run(runtime, str(ticket.id))
    assert in_thread(slack, nils, card_of(slack, nils)) == ["Ticket 1: User 1 wrote: Changed"]
    assert not reload(db, ticket).is_in_outbox


def test_an_unanswered_comment_waits_for_its_claim_to_expire(
    runtime: Runtime, slack: RecordingSlack, add_comment: AddComment, ticket: Ticket, nils: User
) -> None:
    impatient = dataclasses.replace(runtime, slack=web_client(slack))
    impatient.slack.timeout = 1
    add_comment()
    slack.delay("chat.postMessage", 2, where=in_threads)
    notify.run(impatient, str(ticket.id))
    notify.run(runtime, str(ticket.id))
    assert len(in_thread(slack, nils, card_of(slack, nils))) == 1


@pytest.mark.parametrize("error", ["thread_not_found", "cannot_reply_to_message"])
def test_a_thread_that_is_gone_is_given_up(
    runtime: Runtime,
    slack: RecordingSlack,
    add_comment: AddComment,
    ticket: Ticket,
    db: Mongo,
    error: str,
) -> None:
    add_comment()
    slack.fail("chat.postMessage", error=error, where=in_threads)
    for _ in range(2):
        notify.run(runtime, str(ticket.id))
    delivered = reload(db, ticket)
    assert (delivered.deliveries[-1]["state"], delivered.is_in_outbox) == ("failed", False)
    assert len([c for c in slack.calls_to("chat.postMessage") if in_threads(c.args)]) == 1


def test_a_message_overwritten_with_an_old_text_is_updated_again(
    runtime: Runtime,
    slack: RecordingSlack,
    comments: CommentService,
    add_comment: AddComment,
    ticket: Ticket,
    emma: User,
    nils: User,
    db: Mongo,
) -> None:
    edit: dict[str, Any] = {
        "actor": Actor.from_user(emma),
        "ticket_id": str(ticket.id),
        "message": HERE,
    }
    add_comment("First", message=HERE)
    notify.run(runtime, str(ticket.id))
    comments.edit(**edit, text="Second")
    stale = reload(db, ticket)
    comments.edit(**edit, text="Third")
    notify.run(runtime, str(ticket.id))
    TicketSender(runtime, stale).deliver()  # a slow worker comes by with what it read before
    assert in_thread(slack, nils, card_of(slack, nils)) == ["Ticket 1: User 1 wrote: Second"]
    notify.run(runtime, str(ticket.id))
    assert in_thread(slack, nils, card_of(slack, nils)) == ["Ticket 1: User 1 wrote: Third"]
    assert not reload(db, ticket).is_in_outbox


def test_a_card_that_is_still_to_come_is_waited_for(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    comments: CommentService,
    people: People,
    emma: User,
    nils: User,
) -> None:
    fresh = file_ticket(tickets, emma, "VPN is down")
    comments.add(actor=Actor.from_user(emma), ticket_id=str(fresh.id), text="It is urgent.")
    slack.fail("chat.postMessage", status=500, times=2)
    for _ in range(4):
        publisher.publish_ticket(str(fresh.id))
        work(runtime, publisher)
    (card, comment) = slack.messages(People.slack_id(nils))
    assert comment["thread_ts"] == card["ts"]
    assert comment["text"] == "Ticket 1: User 1 wrote: It is urgent."


def test_who_has_no_card_gets_a_message_that_says_which_ticket(
    runtime: Runtime,
    slack: RecordingSlack,
    comments: CommentService,
    emma: User,
    nils: User,
    db: Mongo,
) -> None:
    legacy = {"title": "From before", "status": "COMPLETED", "createdBy": emma.id, "number": 7}
    ticket_id = db.tickets.insert_one({**legacy, "teamId": TEAM_ID}).inserted_id
    by = Actor.from_user(nils)
    comments.add(actor=by, ticket_id=str(ticket_id), text="Still a problem?", message=HERE)
    notify.run(runtime, str(ticket_id))
    comments.edit(actor=by, ticket_id=str(ticket_id), text="Is it still a problem?", message=HERE)
    notify.run(runtime, str(ticket_id))
    (message,) = slack.messages(People.slack_id(emma))
    assert "thread_ts" not in message
    assert message["text"] == "Ticket 7: Moderator 2 wrote: Is it still a problem?"
    shown = [
        (b["elements"][0] if "elements" in b else b["text"])["text"] for b in message["blocks"]
    ]
    assert shown == [
        "*Ticket 7*",
        "From before",
        "*Moderator 2* wrote:",
        "Is it still a problem?",
    ]


def test_who_is_not_in_slack_is_no_obstacle(
    runtime: Runtime,
    slack: RecordingSlack,
    publisher: RecordingPublisher,
    people: People,
    tickets: TicketService,
    comments: CommentService,
    nils: User,
    db: Mongo,
) -> None:
    fresh = file_ticket(tickets, people.add(linked=False))
    publisher.publish_ticket(str(fresh.id))
    work(runtime, publisher)
    comments.add(actor=Actor.from_user(nils), ticket_id=str(fresh.id), text="Hello?")
    notify.run(runtime, str(fresh.id))
    assert not reload(db, fresh).is_in_outbox
    assert len(slack.messages(People.slack_id(nils))) == 1


def test_the_longest_comment_fits(
    runtime: Runtime, slack: RecordingSlack, add_comment: AddComment, ticket: Ticket, nils: User
) -> None:
    for text in ("&" * 3_000, "😀" * 3_000, "<!channel> " * 270):
        add_comment(text)
    notify.run(runtime, str(ticket.id))
    assert len(in_thread(slack, nils, card_of(slack, nils))) == 3
    assert slack.refused == []


def test_five_hundred_comments_are_looked_through(
    runtime: Runtime,
    slack: RecordingSlack,
    add_comment: AddComment,
    ticket: Ticket,
    emma: User,
    nils: User,
    clock: FixedClock,
    db: Mongo,
) -> None:
    before = reload(db, ticket)
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
    db.tickets.update_one(
        {"_id": ticket.id},
        {
            "$set": {"comments": full, "seq": before.seq + len(full)},
            "$push": {"events": {"$each": events}, "notices": {"$each": told[:-5]}},
        },
    )
    clock.advance(minutes=11)
    add_comment("The last one")
    notify.run(runtime, str(ticket.id))
    delivered = reload(db, ticket)
    assert (len(delivered.comments), delivered.is_in_outbox) == (500, False)
    assert len(in_thread(slack, nils, card_of(slack, nils))) == 6
