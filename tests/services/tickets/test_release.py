"""Tickets of a removed user are unassigned in batches, also after an interruption."""

from datetime import timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.models.user import Role, User, release_request
from services.registry.services import Services
from services.tickets.filing import TicketService
from services.tickets.release import BATCH_SIZE, accounts_to_release, release_tickets
from tasks.processes.scheduler import Scheduler
from tests.conftest import FixedClock, People, RecordingPublisher, at_once, file_ticket

LEFT = "the account was deactivated"


@pytest.fixture
def gone(people: People, db: Mongo, clock: FixedClock) -> User:
    """A moderator who has just been deactivated."""
    asked = release_request(by=ObjectId(), now=clock(), reason=LEFT)
    return people.add(Role.MODERATOR, active=False, handBack=asked)


def give(db: Mongo, tickets: TicketService, people: People, to: User, count: int) -> None:
    for _ in range(count):
        ticket = file_ticket(tickets, people.add(linked=False))
        values = {"assignedTo": to.id, "status": "IN_PROGRESS"}
        db.tickets.update_one({"_id": ticket.id}, {"$set": values})


def left(db: Mongo, user: User) -> int:
    return db.tickets.count_documents({"assignedTo": user.id})


def handed_back(db: Mongo) -> int:
    return sum(
        event["type"] == "handed_back" for doc in db.tickets.find() for event in doc["events"]
    )


def test_it_takes_as_many_as_it_is_told(services: Services, people: People, gone: User) -> None:
    give(services.db, services.tickets, people, gone, 5)
    assert len(release_tickets(services.db, gone.id, now=services.clock(), limit=2)) == 2
    assert left(services.db, gone) == 3


def test_concurrent_runs_release_each_ticket_once(
    services: Services, people: People, gone: User
) -> None:
    give(services.db, services.tickets, people, gone, 6)
    results = at_once(*[lambda: release_tickets(services.db, gone.id, now=services.clock())] * 4)
    given = [ticket_id for result in results for ticket_id in result]
    assert len(given) == len(set(given)) == handed_back(services.db) == 6


def test_the_sweep_goes_on_where_it_was_interrupted(
    services: Services, people: People, gone: User, publisher: RecordingPublisher
) -> None:
    give(services.db, services.tickets, people, gone, BATCH_SIZE + 3)
    jobs = Scheduler(services, publisher)
    jobs.renew_leadership()
    jobs.run("handing_back")
    assert left(services.db, gone) == 3
    jobs.run("handing_back")
    assert left(services.db, gone) == 0
    assert handed_back(services.db) == BATCH_SIZE + 3
    assert len(set(publisher.asked)) == BATCH_SIZE + 3


def test_a_ticket_assigned_late_is_released_too(
    services: Services, people: People, gone: User, clock: FixedClock
) -> None:
    assert release_tickets(services.db, gone.id, now=clock()) == []
    clock.advance(minutes=2)
    give(services.db, services.tickets, people, gone, 1)  # an assignment that had begun before
    assert accounts_to_release(services.db, now=clock()) == [gone.id]
    assert len(release_tickets(services.db, gone.id, now=clock())) == 1
    clock.advance(minutes=2)
    assert release_tickets(services.db, gone.id, now=clock()) == []
    assert accounts_to_release(services.db, now=clock()) == []


def test_a_returned_user_keeps_their_tickets(
    services: Services, people: People, gone: User
) -> None:
    give(services.db, services.tickets, people, gone, 1)
    services.db.users.update_one({"_id": gone.id}, {"$set": {"active": True}})
    assert release_tickets(services.db, gone.id, now=services.clock()) == []
    assert left(services.db, gone) == 1


def test_a_legacy_ticket_is_released_as_well(db: Mongo, gone: User, clock: FixedClock) -> None:
    legacy = {"title": "Old", "status": "IN_PROGRESS", "assignedTo": gone.id}
    ticket_id = db.tickets.insert_one(legacy).inserted_id
    assert release_tickets(db, gone.id, now=clock()) == [ticket_id]
    doc = db.tickets.find_one({"_id": ticket_id}) or {}
    assert (doc["status"], doc["assignedTo"], doc["seq"]) == ("TODO", None, 1)


def test_an_account_not_due_for_release_is_left_alone(services: Services, people: People) -> None:
    inactive = people.add(Role.MODERATOR, active=False)
    give(services.db, services.tickets, people, inactive, 1)
    assert release_tickets(services.db, inactive.id, now=services.clock()) == []
    assert release_tickets(services.db, ObjectId(), now=services.clock()) == []
    assert accounts_to_release(services.db, now=services.clock() + timedelta(days=1)) == []
