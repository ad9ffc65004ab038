import uuid
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.models.events import EventType, NewEvent
from services.models.ticket import Ticket
from services.outbox import pending
from services.tickets import ticket_store
from services.tickets.filing import TicketService
from services.tickets.queries import load_ticket
from services.tickets.transitions import Change, comment_doc
from tests.conftest import Commands, FixedClock, People, at_once, file_ticket, reload

EDIT = NewEvent(EventType.EDITED, by="system", field="title", from_="a", to="b")
COMMENT = comment_doc(by=ObjectId(), text="Hello", at=datetime(2026, 3, 2, tzinfo=UTC))


def titled(title: str) -> Change:
    return Change({"title": title}, (EDIT,))


@pytest.fixture
def ticket(people: People, tickets: TicketService) -> Ticket:
    return file_ticket(tickets, people.add())


def test_a_change_carries_its_events_and_outbox_flag(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    pending.mark_delivered(db, ticket.id, expected_seq=1)
    clock.advance(minutes=1)
    note = NewEvent(EventType.NOBODY_AVAILABLE, by="ai", note="n")

    change = Change({"title": "$teamId"}, (EDIT, note), ("number",), {"comments": COMMENT})
    done = ticket_store.apply(db, ticket, change, now=clock())

    assert done is not None
    assert (done.title, done.number, done.seq, done.is_in_outbox) == ("$teamId", None, 3, True)
    assert [(comment.id, comment.text) for comment in done.comments] == [(COMMENT["id"], "Hello")]
    doc = db.tickets.find_one({"_id": ticket.id}) or {}
    assert (doc["nextTryAt"], doc["attempts"]) == (clock() + pending.SWEEP_GRACE_PERIOD, 0)
    assert doc["events"][1:] == [
        {
            "seq": 2,
            "at": clock(),
            "by": "system",
            "type": "edited",
            "field": "title",
            "from": "a",
            "to": "b",
        },
        {"seq": 3, "at": clock(), "by": "ai", "type": "nobody_available", "note": "n"},
    ]


def test_a_lost_race_changes_nothing(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    won = ticket_store.apply(db, ticket, titled("first"), now=clock())
    assert ticket_store.apply(db, ticket, titled("2nd"), now=clock()) is None
    assert reload(db, ticket) == won


def test_one_of_concurrent_changes_is_stored(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    def change() -> Ticket | None:
        return ticket_store.apply(db, ticket, titled(uuid.uuid4().hex), now=clock())

    answers = at_once(*[change] * 8)
    assert [answer for answer in answers if answer] == [reload(db, ticket)]


def test_further_conditions_count(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    change, now = titled("x"), clock()
    assert ticket_store.apply(db, ticket, change, now=now, status="COMPLETED") is None
    assert ticket_store.apply(db, ticket, change, now=now, status="TODO", assignedTo=None)


def test_it_is_an_update_and_a_read(
    watched_db: Mongo, commands: Commands, clock: FixedClock, ticket: Ticket
) -> None:
    """SecantusDB scans all tickets for findAndModify."""
    assert ticket_store.apply(watched_db, ticket, titled("x"), now=clock()) is not None
    assert [name for name, _ in commands.sent if name != "insert"] == ["update", "find"]


def test_a_deleted_ticket_is_a_lost_race(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    db.tickets.delete_one({"_id": ticket.id})
    assert ticket_store.apply(db, ticket, Change(events=(EDIT,)), now=clock()) is None


def test_a_legacy_ticket_starts_at_one_and_only_once(db: Mongo, clock: FixedClock) -> None:
    legacy = {"_id": ObjectId(), "title": "old", "status": "TODO", "__v": 0}
    db.tickets.insert_one(legacy)
    ticket = load_ticket(db, str(legacy["_id"]))
    assert ticket is not None
    answers = at_once(*[lambda: ticket_store.apply(db, ticket, titled("new"), now=clock())] * 4)
    (done,) = [answer for answer in answers if answer]
    assert (done.seq, [event.seq for event in done.events]) == (1, [1])
    assert (db.tickets.find_one({"_id": legacy["_id"]}) or {})["__v"] == 0
