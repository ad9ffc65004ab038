"""The outbox of tickets, and the queue of tickets that could not be assigned.

A ticket with `outbox: true` has changes that the workers have yet to deliver. Publishing its id
only speeds that up: if the message is lost, or its consumer dies, the sweep publishes it again. A
worker that takes the ticket backs off, not the sweep: a message that waits is no attempt.

A ticket that could not be assigned has a date in `assignment.next`. At that time, or when a user
becomes available, it goes back to the outbox and so to assignment. So every change that makes a
user available, or gives a user more capacity, calls `retry_unassigned`.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import WriteError

from services.core.coerce import as_datetime, as_int
from services.core.database import Document, Mongo
from services.core.work_queue import MAX_DELIVERY_DELAY, WorkQueue, backoff, is_ahead, past
from services.models.set_aside import (
    find_processable,
    is_data_fault,
    not_set_aside,
    write_isolated,
)
from services.models.ticket import Priority, Ticket
from services.outbox.ticket_filter import ticket_filter

# How long the sweep waits for a change's own publication to take effect.
SWEEP_GRACE_PERIOD = timedelta(seconds=10)

UNASSIGNED_RETRY_INTERVAL = timedelta(minutes=5)
UNASSIGNED_BATCH_SIZE = 500
MAX_RETRIED_ON_CHANGE = 100
ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
# The update of a ticket that leaves the outbox.
DELIVERED: Document = {"$set": {"outbox": False}, "$unset": {"nextTryAt": "", "attempts": ""}}


class Publisher(Protocol):
    """Publishes work to the workers. Never raises: the sweep repeats what is lost."""

    def publish_ticket(self, ticket_id: str) -> None:
        """Publish a ticket that has changed."""

    def publish_email(self, email_id: str) -> None:
        """Publish an email (services/outbox/emails.py) to send."""

    def publish_reply(self, reply_id: str) -> None:
        """Publish a reply (services/outbox/replies.py) to send."""

    def publish_availability_check(self) -> None:
        """Publish that Slack statuses or hand-over offers are due."""


def outbox_fields(now: datetime) -> Document:
    """The outbox fields that every change of a ticket sets."""
    return {"outbox": True, "nextTryAt": now + SWEEP_GRACE_PERIOD, "attempts": 0}


def mark_delivered(db: Mongo, ticket_id: ObjectId, *, expected_seq: int) -> bool:
    """Record that everything up to `expected_seq` is delivered. False if the ticket has changed
    since: read it again.

    So every change that a worker must see raises `seq`, even if it is no event.
    """
    unchanged = ticket_filter(ticket_id, {"seq": expected_seq})
    done = db.tickets.update_one(unchanged, DELIVERED)
    return done.matched_count == 1


def is_unchanged(db: Mongo, ticket_id: ObjectId, *, expected_seq: int) -> bool:
    unchanged = ticket_filter(ticket_id, {"seq": expected_seq})
    return db.tickets.count_documents(unchanged, limit=1) == 1


def due_tickets(db: Mongo, *, now: datetime, limit: int) -> dict[ObjectId, bool]:
    """The tickets to publish again, the longest overdue first, and whether each is urgent."""
    docs = _queue(db).due(now, limit=limit, fields=["_id", "priority"])
    return {doc["_id"]: doc.get("priority") == Priority.URGENT for doc in docs}


def is_late(ticket: Ticket, *, now: datetime) -> bool:
    """Whether the ticket is not urgent, and due for the sweep: then it waits like a swept one."""
    is_due = ticket.next_try_at is not None and ticket.next_try_at <= now
    return ticket.is_in_outbox and is_due and ticket.priority is not Priority.URGENT


def outbox_ages(db: Mongo, *, now: datetime, limit: int = 1_000) -> list[timedelta]:
    """Return for how long each ticket has been in the outbox, the longest first.

    Calculated from the next attempt and all waits before it: not every change has an event with a
    date.
    """
    # Those set aside have a finding of their own.
    late = {"outbox": True, "nextTryAt": {"$gt": ANY_TIME}, "aside": None}
    found = db.tickets.find(late, {"nextTryAt": True, "attempts": True}).limit(limit)
    since = [
        next_try_at
        - SWEEP_GRACE_PERIOD
        - sum(map(_wait, range(as_int(doc.get("attempts")) or 0)), timedelta())
        for doc in found
        if (next_try_at := as_datetime(doc.get("nextTryAt")))
    ]
    return sorted((max(now - start, timedelta()) for start in since), reverse=True)


def back_off(db: Mongo, ticket: Ticket, *, now: datetime) -> None:
    """Count an attempt and postpone the next: after twice the wait each time, at most 15 minutes.

    If the ticket has changed, or a user became available, since it was loaded, its date stays. A
    task that comes before the date does not count either: a ticket that is changed often is
    published often, and a dozen such tasks would postpone it by 15 minutes.
    """
    is_early = ticket.attempts > 0 and is_waiting(ticket, now=now)
    if ticket.is_in_outbox and not is_early:
        db.tickets.update_one(
            ticket_filter(ticket.id, {"outbox": True, "nextTryAt": ticket.next_try_at}),
            {"$set": {"nextTryAt": next_attempt(ticket, now=now)}, "$inc": {"attempts": 1}},
        )


def is_waiting(ticket: Ticket, *, now: datetime) -> bool:
    """Whether the sweep does not look for the ticket yet."""
    return is_ahead(ticket.next_try_at, now, longest=MAX_DELIVERY_DELAY)


def next_attempt(ticket: Ticket, *, now: datetime) -> datetime:
    """Return the date of the attempt after one that begins now."""
    return now + _wait(ticket.attempts)


def retry_unassigned(db: Mongo, *, now: datetime) -> None:
    """Retry the next unassigned tickets, for a user who became available or has free capacity.

    At most `MAX_RETRIED_ON_CHANGE`, more than one user can take, to keep handlers fast. The others
    follow with `retry_due_unassigned`.
    """
    unassigned = {"assignment.next": {"$gt": ANY_TIME}}
    found = (
        db.tickets.find(unassigned, {"_id": True})
        .sort("assignment.next")
        .limit(MAX_RETRIED_ON_CHANGE)
    )
    if ids := [doc["_id"] for doc in found]:
        _back_to_outbox(db, ids, unassigned, now)


def retry_due_unassigned(db: Mongo, *, now: datetime, limit: int = UNASSIGNED_BATCH_SIZE) -> int:
    """Retry the unassigned tickets that are due, at most `limit`; return how many."""
    count = 0
    for at in past(now, longest=UNASSIGNED_RETRY_INTERVAL):
        due = {"assignment.next": at}
        found = find_processable(db, due, now=now, limit=limit, fields={"_id": True})
        if ids := [doc["_id"] for doc in found]:
            _back_to_outbox(db, ids, due | not_set_aside(now), now)
        count += len(ids)
    return count


def count_unassigned(db: Mongo) -> int:
    return db.tickets.count_documents({"assignment.next": {"$gt": ANY_TIME}})


def _queue(db: Mongo) -> WorkQueue:
    """The publications due. `mark_delivered` ends them, by the ticket's version and not by a claim:
    publishing a ticket twice does no harm, and each delivery has its own claim."""
    return WorkQueue(
        db.tickets,
        "nextTryAt",
        longest=MAX_DELIVERY_DELAY,
        condition={"outbox": True},
        attempts_field="attempts",
    )


def _wait(attempts: int) -> timedelta:
    """The wait after that many attempts and one more."""
    return backoff(attempts + 1, initial=SWEEP_GRACE_PERIOD, maximum=MAX_DELIVERY_DELAY)


def _back_to_outbox(db: Mongo, ids: list[ObjectId], condition: Document, now: datetime) -> None:
    change = {
        "$set": {**outbox_fields(now), "nextTryAt": now},
        "$unset": {"assignment.next": ""},
        "$inc": {"seq": 1},  # a worker that read it before must not mark it delivered
    }
    try:
        db.tickets.update_many({"_id": {"$in": ids}, **condition}, change)
    except WriteError as error:  # one of them is malformed
        if not is_data_fault(error):
            raise
        each = [(one, UpdateOne({"_id": one, **condition}, change)) for one in ids]
        write_isolated(db, each, now=now)
