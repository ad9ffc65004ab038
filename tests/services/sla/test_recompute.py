"""Queue keys of tickets that were stored without one."""

from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.models.events import EventType, NewEvent
from services.models.ticket import Status, Ticket
from services.registry.services import Services
from services.sla.queue_key import queue_key
from services.sla.recompute import recompute_stale
from services.tickets.filing import TicketService
from services.tickets.ticket_store import apply
from services.tickets.transitions import Change
from tasks.processes.scheduler import Scheduler
from tests.conftest import FixedClock, People, RecordingPublisher, at_once, file_ticket

BY = ObjectId()


def put(db: Mongo, **fields: Any) -> ObjectId:
    """A ticket as the legacy backend stores it."""
    legacy = {"title": "Old", "description": "Words.", "status": "TODO", "createdBy": BY}
    stored: ObjectId = db.tickets.insert_one({**legacy, **fields}).inserted_id
    return stored


def place(db: Mongo, ticket_id: ObjectId) -> str | None:
    doc = db.tickets.find_one({"_id": ticket_id})
    assert doc is not None
    found: str | None = doc.get("queueKey")
    assert found == (queue_key(Ticket.from_doc(doc)) if found else None)
    return found


def test_a_new_ticket_has_one_from_the_start(
    db: Mongo, tickets: TicketService, people: People
) -> None:
    ticket = file_ticket(tickets, people.add(), priority="high")
    assert place(db, ticket.id) == queue_key(ticket)
    assert recompute_stale(db) == 0


@pytest.mark.parametrize(
    ("values", "remove"),
    [
        ({"priority": "urgent"}, []),
        ({"assignedTo": BY, "status": "IN_PROGRESS"}, []),
        ({"title": "Another"}, ["priority"]),
    ],
)
def test_a_change_moves_it(
    db: Mongo,
    tickets: TicketService,
    people: People,
    clock: FixedClock,
    values: dict[str, Any],
    remove: list[str],
) -> None:
    ticket = file_ticket(tickets, people.add(), priority="high")
    event = NewEvent(EventType.EDITED, by=BY)
    stored = apply(db, ticket, Change(values, (event,), tuple(remove)), now=clock())
    assert stored is not None
    assert stored.queue_key == queue_key(stored) == place(db, ticket.id)


def test_it_goes_at_the_end_and_comes_back(
    db: Mongo, tickets: TicketService, people: People, clock: FixedClock
) -> None:
    ticket = file_ticket(tickets, people.add())
    event = NewEvent(EventType.STATUS_CHANGED, by=BY)
    done = apply(db, ticket, Change({"status": "COMPLETED"}, (event,)), now=clock())
    assert done is not None
    assert place(db, ticket.id) is None
    again = apply(db, done, Change({"status": "REOPENED"}, (event,)), now=clock())
    assert again is not None
    assert place(db, ticket.id) == queue_key(again)


def test_legacy_tickets_get_a_queue_key_and_no_other_change(db: Mongo, clock: FixedClock) -> None:
    known = {"deadline": clock(), "priority": "low", "createdAt": clock(), "votes": 3}
    old, assigned, done = put(db, **known), put(db, assignedTo=BY), put(db, status="COMPLETED")
    before = db.tickets.find_one({"_id": old})
    assert recompute_stale(db) == 2
    assert place(db, old) is not None
    assert (place(db, assigned) or "")[0] == "1"
    assert place(db, done) is None
    kept = dict.fromkeys(("queueKey", "dueAt", "target", "alarm", "ladders"), False)
    assert db.tickets.find_one({"_id": old}, kept) == before
    assert recompute_stale(db) == 0


def test_their_first_change_here_gives_it_too(db: Mongo, clock: FixedClock) -> None:
    doc = db.tickets.find_one({"_id": put(db)})
    assert doc is not None
    event = NewEvent(EventType.EDITED, by=BY, field="title", from_="Old", to="New")
    ticket = Ticket.from_doc(doc)
    stored = apply(db, ticket, Change({"title": "New"}, (event,)), now=clock())
    assert stored is not None
    assert place(db, ticket.id) == queue_key(stored)


def test_so_many_at_a_time_until_all_have_one(db: Mongo) -> None:
    ids = [put(db) for _ in range(5)]
    assert [recompute_stale(db, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert all(place(db, ticket_id) for ticket_id in ids)


def test_several_at_once_do_no_harm(db: Mongo) -> None:
    ids = [put(db) for _ in range(20)]
    assert not [
        error for error in at_once(*[lambda: recompute_stale(db)] * 4) if error not in range(21)
    ]
    assert all(place(db, ticket_id) for ticket_id in ids)


def test_odd_documents_do_not_stand_in_the_way(db: Mongo) -> None:
    odd = put(db, priority="whenever", deadline="tomorrow", createdAt=None, assignedTo="Jo")
    assert recompute_stale(db) == 1
    assert place(db, odd)


def test_the_jobs_see_to_it(services: Services, db: Mongo, publisher: RecordingPublisher) -> None:
    old = put(db)
    jobs = Scheduler(services, publisher)
    jobs.run("upkeep")
    assert place(db, old) is None  # a follower runs no job
    jobs.renew_leadership()
    jobs.run("upkeep")
    assert place(db, old)
    assert db.tickets.distinct("status") == [Status.TODO]
