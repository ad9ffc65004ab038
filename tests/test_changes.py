import uuid
from typing import Any

import pytest
from bson import ObjectId

from services import changes, outbox
from services.changes import EventType, NewEvent
from services.database import Mongo
from services.models import Ticket
from services.tickets import TicketService, load
from tests.conftest import FixedClock, People, at_once, file_ticket, reload

EDIT = NewEvent(EventType.EDITED, by="system", field="title", from_="a", to="b")


@pytest.fixture
def ticket(people: People, tickets: TicketService) -> Ticket:
    return file_ticket(tickets, people.add())


def test_a_change_carries_its_events_and_outbox_mark(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    outbox.settle(db, ticket.id, seen=1)
    clock.advance(minutes=1)
    note = NewEvent(EventType.NOBODY_AVAILABLE, by="ai", note="n")

    done = changes.apply(
        db, ticket, values={"title": "$teamId"}, events=[EDIT, note], now=clock(), remove=["number"]
    )

    assert done is not None
    assert (done.title, done.number, done.seq, done.outbox) == ("$teamId", None, 3, True)
    doc = db.tickets.find_one({"_id": ticket.id}) or {}
    assert (doc["nextTryAt"], doc["attempts"]) == (clock() + outbox.GRACE, 0)
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
    won = changes.apply(db, ticket, values={"title": "first"}, events=[EDIT], now=clock())
    assert changes.apply(db, ticket, values={"title": "2nd"}, events=[EDIT], now=clock()) is None
    assert reload(db, ticket) == won


def test_of_many_at_once_one_wins(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    def change() -> Ticket | None:
        values = {"title": uuid.uuid4().hex}
        return changes.apply(db, ticket, values=values, events=[EDIT], now=clock())

    answers = at_once(*[change] * 8)
    assert [answer for answer in answers if answer] == [reload(db, ticket)]


def test_further_conditions_count(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    change: dict[str, Any] = {"values": {"title": "x"}, "events": [EDIT], "now": clock()}
    assert changes.apply(db, ticket, **change, status="COMPLETED") is None
    assert changes.apply(db, ticket, **change, status="TODO", assignedTo=None)


def test_a_deleted_ticket_is_a_lost_race(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    db.tickets.delete_one({"_id": ticket.id})
    assert changes.apply(db, ticket, values={}, events=[EDIT], now=clock()) is None


def test_a_legacy_ticket_starts_at_one_and_only_once(db: Mongo, clock: FixedClock) -> None:
    legacy = {"_id": ObjectId(), "title": "old", "status": "TODO", "__v": 0}
    db.tickets.insert_one(legacy)
    ticket = load(db, str(legacy["_id"]))
    assert ticket is not None
    answers = at_once(
        *[lambda: changes.apply(db, ticket, values={"title": "new"}, events=[EDIT], now=clock())]
        * 4
    )
    (done,) = [answer for answer in answers if answer]
    assert (done.seq, [event.seq for event in done.events]) == (1, [1])
    assert (db.tickets.find_one({"_id": legacy["_id"]}) or {})["__v"] == 0
