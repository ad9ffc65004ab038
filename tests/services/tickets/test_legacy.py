"""Adoption of legacy tickets, and reconciliation of the legacy backend's changes."""

from typing import Any

import pytest
from bson import ObjectId

from services.assignment.assignment_service import needs_assignment
from services.core.database import Mongo
from services.core.sequences import allocate_numbers
from services.models.events import EventType
from services.models.ticket import Status, Ticket, parse_priority, parse_status
from services.outbox import pending
from services.registry.services import Services
from services.sla.recompute import recompute_stale
from services.tickets import legacy
from services.tickets.filing import TicketService
from services.tickets.queries import load_ticket
from tasks.processes.scheduler import Scheduler
from tests.conftest import (
    Commands,
    FixedClock,
    People,
    RecordingPublisher,
    at_once,
    file_ticket,
)
from tests.support import legacy_app
from tests.support.legacy_app import ENTERING, MODERATOR, NEW, OLD, SINCE, TICKETS, USER, number
from tests.support.slack_workspace import TEAM_ID


@pytest.fixture
def shared(db: Mongo, clock: FixedClock) -> Mongo:
    clock.now = NEW
    legacy_app.load_into(db, team_id=TEAM_ID)
    return db


def stored(db: Mongo, ticket_id: ObjectId) -> dict[str, Any]:
    doc = db.tickets.find_one({"_id": ticket_id})
    assert doc is not None
    return doc


def test_each_gets_a_number_the_oldest_first(shared: Mongo) -> None:
    assert legacy.adopt_batch(shared, now=NEW) == len(TICKETS)
    docs = list(shared.tickets.find().sort("_id"))
    assert [doc["number"] for doc in docs] == list(range(1, len(TICKETS) + 1))
    assert {doc["teamId"] for doc in docs} == {TEAM_ID}
    assert all(doc["seq"] >= 1 for doc in docs)
    assert legacy.adopt_batch(shared, now=NEW) == 0
    assert allocate_numbers(shared, team_id=TEAM_ID, count=1)[0] == len(TICKETS) + 1


def test_an_index_serves_the_reads_of_the_jobs(
    shared: Mongo, watched_db: Mongo, commands: Commands
) -> None:
    watched = watched_db.with_options(codec_options=shared.codec_options)
    legacy.sync_legacy_tickets(watched, now=NEW)
    recompute_stale(watched, now=NEW)
    pending.retry_due_unassigned(watched, now=NEW)
    assert commands.scans(shared.tickets) == []


def test_only_what_waits_and_is_newer_is_to_be_assigned(shared: Mongo) -> None:
    legacy.adopt_batch(shared, now=NEW)
    docs = list(shared.tickets.find())
    assert {doc["_id"] for doc in docs if needs_assignment(Ticket.from_doc(doc))} == ENTERING
    assert {doc["_id"] for doc in docs if doc.get("outbox")} == ENTERING
    events = Ticket.from_doc(stored(shared, number(125, at=NEW))).events
    assert [(event.type, event.by, event.at) for event in events] == [(EventType.FILED, USER, NEW)]


def test_a_legacy_app_beside_us_gets_a_ticket_first(shared: Mongo) -> None:
    legacy.adopt_batch(shared, now=NEW)
    waits = stored(shared, number(125, at=NEW))
    assert waits["nextTryAt"] == NEW + legacy.LEGACY_ASSIGNMENT_DELAY


@pytest.mark.parametrize(
    ("index", "status", "was"),
    [
        (101, "TODO", None),
        (104, "WAITING", None),
        (105, "COMPLETED", "DONE"),
        (106, "TODO", "BANANA"),
        (107, "TODO", None),
        (108, "TODO", None),
        (109, "IN_PROGRESS", None),
        (110, "TODO", None),
    ],
)
def test_a_foreign_status_is_translated_and_kept_in_the_history(
    shared: Mongo, index: int, status: str, was: str | None
) -> None:
    ticket = load_ticket(shared, str(number(index)))
    assert ticket is not None
    assert stored(shared, ticket.id)["status"] == ticket.status == status
    told = [(e.type, e.by, e.field, e.from_, e.to) for e in ticket.events]
    changed = (EventType.STATUS_CHANGED, "system", "status", was, status)
    assert told == ([changed] if was else [])


def test_references_written_as_texts_find_their_people(shared: Mongo) -> None:
    legacy.adopt_batch(shared, now=NEW)
    doc = stored(shared, number(112))
    assert (doc["createdBy"], doc["assignedTo"]) == (USER, MODERATOR)
    other = stored(shared, number(113))
    assert (other["createdBy"], other["assignedTo"]) == ("jo", "nobody")


@pytest.mark.parametrize(("index", "priority"), [(108, "high"), (109, "medium"), (116, "P1")])
def test_a_priority_is_spelled_as_ours_where_it_is_one(
    shared: Mongo, index: int, priority: str
) -> None:
    legacy.adopt_batch(shared, now=NEW)
    assert stored(shared, number(index))["priority"] == priority


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("TODO", Status.TODO),
        (" Todo ", Status.TODO),
        ("in-progress", Status.IN_PROGRESS),
        ("In Progress", Status.IN_PROGRESS),
        ("closed", Status.COMPLETED),
        ("Resolved", Status.COMPLETED),
        ("OPEN", Status.TODO),
        ("assigned", Status.IN_PROGRESS),
        ("BANANA", None),
        ("", None),
        (None, None),
        (7, None),
        (["TODO"], None),
    ],
)
def test_a_status_in_others_words(word: Any, status: Status | None) -> None:
    assert parse_status(word) is status
    assert parse_priority(word) is None


def test_it_is_adopted_when_it_is_touched_before_its_turn(shared: Mongo) -> None:
    ticket = load_ticket(shared, str(number(101)))
    assert ticket is not None
    assert (ticket.number, ticket.seq, ticket.team_id) == (1, 1, TEAM_ID)
    assert load_ticket(shared, str(ticket.id)) == ticket
    assert not needs_assignment(ticket)


def test_nothing_is_adopted_before_a_bot_has_been_started(shared: Mongo) -> None:
    shared.meta.delete_many({})
    assert legacy.adopt_batch(shared, now=NEW) == 0
    before = stored(shared, number(101))
    ticket = load_ticket(shared, str(number(101)))
    assert ticket is not None
    assert ticket.number is None
    assert stored(shared, number(101)) == before


def test_several_at_once_number_each_once(shared: Mongo) -> None:
    touched = str(number(103))
    at_once(
        *[lambda: legacy.adopt_batch(shared, now=NEW)] * 3,
        *[lambda: load_ticket(shared, touched)] * 3,
    )
    while legacy.adopt_batch(shared, now=NEW):
        pass
    docs = list(shared.tickets.find())
    assert len({doc["number"] for doc in docs}) == len(TICKETS)
    for doc in docs:
        filed = [e for e in doc.get("events", ()) if e["type"] == EventType.FILED]
        assert len(filed) == (doc["_id"] in ENTERING)


def test_some_at_a_time(shared: Mongo) -> None:
    assert legacy.adopt_batch(shared, now=NEW, limit=3) == 3
    assert shared.tickets.count_documents({"number": None}) == len(TICKETS) - 3


def test_ours_are_left_alone(shared: Mongo, tickets: TicketService, people: People) -> None:
    ticket = file_ticket(tickets, people.add())
    before = stored(shared, ticket.id)
    legacy.adopt_batch(shared, now=NEW)
    assert stored(shared, ticket.id) == before


def test_the_jobs_see_to_it(
    shared: Mongo, publisher: RecordingPublisher, clock: FixedClock
) -> None:
    jobs = Scheduler(Services(shared, clock), publisher)
    jobs.renew_leadership()
    jobs.run("upkeep")
    assert shared.tickets.count_documents({"number": None}) == 0
    assert publisher.asked == []
    clock.advance(seconds=61)
    jobs.renew_leadership()
    jobs.run("sweep")
    assert {ObjectId(ticket_id) for _, ticket_id in publisher.asked} == ENTERING


def change(db: Mongo, ticket: Ticket, **values: Any) -> None:
    """Update as the legacy backend does: without a seq, an event or a queue key."""
    db.tickets.update_one({"_id": ticket.id}, {"$set": values})


def events_of(db: Mongo, ticket: Ticket) -> list[tuple[Any, ...]]:
    now = Ticket.from_doc(stored(db, ticket.id))
    return [(e.type, e.by, e.field, e.from_, e.to) for e in now.events[1:]]


def test_ticket_completed_by_the_legacy_backend_leaves_the_queue(
    db: Mongo, tickets: TicketService, people: People, clock: FixedClock
) -> None:
    ticket = file_ticket(tickets, people.add())
    change(db, ticket, status="COMPLETED")
    assert legacy.reconcile(db, now=clock()) == 1
    doc = stored(db, ticket.id)
    assert "queueKey" not in doc
    assert (doc["completedAt"], doc["outbox"]) == (clock(), True)
    moved = (EventType.STATUS_CHANGED, "system", "status", None, "COMPLETED")
    assert events_of(db, ticket) == [moved]
    assert legacy.reconcile(db, now=clock()) == 0


def test_ticket_assigned_by_the_legacy_backend_moves_in_the_queue(
    db: Mongo, tickets: TicketService, people: People, clock: FixedClock
) -> None:
    ticket, moderator = file_ticket(tickets, people.add()), people.add()
    change(db, ticket, status="IN_PROGRESS", assignedTo=moderator.id)
    assert legacy.reconcile(db, now=clock()) == 1
    assert stored(db, ticket.id)["queueKey"].startswith("1-")
    assert stored(db, ticket.id)["assignment"]["reason"] == "assigned outside of Slack"
    given = (EventType.ASSIGNED, "system", "assignedTo", None, moderator.id)
    assert events_of(db, ticket) == [given]
    change(db, ticket, status="TODO", assignedTo=None)
    assert legacy.reconcile(db, now=clock()) == 1
    assert stored(db, ticket.id)["queueKey"].startswith("0-")
    assert events_of(db, ticket)[1:] == [(EventType.UNASSIGNED, "system", "assignedTo", None, None)]
    assert legacy.reconcile(db, now=clock()) == 0


@pytest.mark.parametrize("word", ["BANANA", "zzz", "aaa", "INCOMPLETE", "TODO later", None, ""])
def test_a_word_that_is_none_of_ours_is_translated(
    db: Mongo, tickets: TicketService, people: People, clock: FixedClock, word: str | None
) -> None:
    ticket = file_ticket(tickets, people.add())
    change(db, ticket, status=word)
    assert legacy.reconcile(db, now=clock()) == 1
    assert stored(db, ticket.id)["status"] == "TODO"
    assert events_of(db, ticket) == [(EventType.STATUS_CHANGED, "system", "status", word, "TODO")]
    assert legacy.reconcile(db, now=clock()) == 0


def test_ours_are_not_taken_for_changed(
    db: Mongo, tickets: TicketService, people: People, clock: FixedClock
) -> None:
    for status in Status:
        ticket = file_ticket(tickets, people.add(), title=f"One that is {status}")
        db.tickets.update_one({"_id": ticket.id}, {"$set": {"status": status}})
    before = {d["_id"]: d for d in db.tickets.find({"status": {"$ne": "COMPLETED"}})}
    legacy.reconcile(db, now=clock())
    assert {d["_id"]: d for d in db.tickets.find({"status": {"$ne": "COMPLETED"}})} == before


def test_the_dates_of_the_fixture_are_what_they_say() -> None:
    assert OLD < SINCE < NEW
    assert {doc["_id"] for doc in TICKETS if doc["_id"].generation_time > SINCE} > ENTERING
