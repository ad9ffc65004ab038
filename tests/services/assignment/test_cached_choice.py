"""A choice among candidates that a worker has read a few seconds ago."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.assignment.assignment_service import MAX_REREAD, AssignmentService
from services.core.database import Mongo
from services.linking.links import LinkService
from services.models.ticket import AnalysisSource, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import Commands, FixedClock, People, file_ticket


def caching(db: Mongo) -> AssignmentService:
    users = UserService(db, cache_seconds=60)
    return AssignmentService(db, LinkService(db, users), cache_seconds=60)


@pytest.fixture
def cached(
    db: Mongo, ticket: Ticket, vera: User, nils: User, clock: FixedClock
) -> AssignmentService:
    """It has read the team. Of two equal candidates, the first is chosen."""
    made = caching(db)
    assert chosen(made, ticket, clock) == vera.id
    return made


@pytest.fixture
def vera(people: People) -> User:
    return people.add(Role.MODERATOR)


@pytest.fixture
def nils(people: People, vera: User) -> User:
    return people.add(Role.MODERATOR)


@pytest.fixture
def ticket(tickets: TicketService, requester: User) -> Ticket:
    return file_ticket(tickets, requester)


def chosen(assignments: AssignmentService, ticket: Ticket, clock: FixedClock) -> ObjectId | None:
    choice = assignments.choose(ticket, now=clock())
    return choice.user_id if choice else None


def give(db: Mongo, user: User, count: int) -> None:
    """Assign tickets as another process does."""
    given = {"assignedTo": user.id, "status": "IN_PROGRESS", "queueKey": "1-0-2-0"}
    db.tickets.insert_many([given.copy() for _ in range(count)])


@pytest.mark.parametrize(
    "fields", [{"role": "user"}, {"active": False}, {"capacity": 0}, {"away": "later"}]
)
def test_the_next_is_taken_if_the_first_is_no_longer_available(
    cached: AssignmentService,
    db: Mongo,
    ticket: Ticket,
    vera: User,
    nils: User,
    clock: FixedClock,
    fields: dict[str, Any],
) -> None:
    if "away" in fields:
        fields = {"away": {"until": clock() + timedelta(days=1)}}
    db.users.update_one({"_id": vera.id}, {"$set": fields})
    assert chosen(cached, ticket, clock) == nils.id
    db.users.update_one({"_id": nils.id}, {"$set": {"active": False}})
    assert chosen(cached, ticket, clock) is None


def test_an_account_that_is_gone_is_not_chosen(
    cached: AssignmentService, db: Mongo, ticket: Ticket, vera: User, nils: User, clock: FixedClock
) -> None:
    db.users.delete_one({"_id": vera.id})
    assert chosen(cached, ticket, clock) == nils.id


def test_the_load_that_another_process_caused_counts(
    cached: AssignmentService, db: Mongo, ticket: Ticket, vera: User, nils: User, clock: FixedClock
) -> None:
    give(db, vera, 2)
    assert chosen(cached, ticket, clock) == nils.id
    give(db, nils, 3)
    assert chosen(cached, ticket, clock) == vera.id
    give(db, vera, vera.capacity)
    give(db, nils, nils.capacity)
    assert chosen(cached, ticket, clock) is None


def test_who_became_available_is_found_if_no_one_else_is(
    cached: AssignmentService, db: Mongo, ticket: Ticket, people: People, clock: FixedClock
) -> None:
    db.users.update_many({"role": "moderator"}, {"$set": {"active": False}})
    new = people.add(Role.MODERATOR)
    assert chosen(cached, ticket, clock) == new.id


def test_two_processes_share_the_tickets_out_evenly(
    db: Mongo, tickets: TicketService, people: People, requester: User, clock: FixedClock
) -> None:
    team = [people.add(Role.MODERATOR) for _ in range(MAX_REREAD * 2)]
    processes = [caching(db), caching(db)]
    for number in range(len(team) * 2):
        clock.advance(hours=1)  # below the limit of tickets per hour
        ticket = file_ticket(tickets, requester, f"Number {number}")
        process = processes[number % 2]
        choice = process.choose(ticket, now=clock())
        assert choice is not None
        process.assign(ticket, choice, source=AnalysisSource.ROUTER, now=clock())
    counts = [db.tickets.count_documents({"assignedTo": user.id}) for user in team]
    assert counts == [2] * len(team)


@pytest.mark.parametrize(
    "fields", [{"role": "user"}, {"active": False}, {"capacity": 0}, {"away": "later"}]
)
def test_those_who_are_chosen_for_several_tickets_are_read_again(
    cached: AssignmentService,
    db: Mongo,
    tickets: TicketService,
    ticket: Ticket,
    requester: User,
    vera: User,
    nils: User,
    clock: FixedClock,
    fields: dict[str, Any],
) -> None:
    if "away" in fields:
        fields = {"away": {"until": clock() + timedelta(days=1)}}
    db.users.update_one({"_id": vera.id}, {"$set": fields})
    waiting = [ticket, file_ticket(tickets, requester, "Another one")]
    reread = cached.reread_likely([(one, {}) for one in waiting], now=clock())
    for one in waiting:
        choice = cached.choose(one, now=clock(), reread=reread)
        assert choice is not None
        assert choice.user_id == nils.id
        assert cached.store_assignment(one, choice, source=AnalysisSource.ROUTER, now=clock())


def test_several_tickets_are_shared_out_evenly_with_two_queries(
    watched_db: Mongo,
    commands: Commands,
    tickets: TicketService,
    ticket: Ticket,
    requester: User,
    vera: User,
    nils: User,
    clock: FixedClock,
) -> None:
    waiting = [ticket, *(file_ticket(tickets, requester, f"Number {each}") for each in range(3))]
    give(watched_db, vera, 1)
    assignments = caching(watched_db)
    chosen(assignments, ticket, clock)
    commands.sent.clear()
    reread = assignments.reread_likely([(one, {}) for one in waiting], now=clock())
    choices = []
    for one in waiting:
        choice = assignments.choose(one, now=clock(), reread=reread)
        assert choice is not None
        assignments.store_assignment(one, choice, source=AnalysisSource.ROUTER, now=clock())
        choices.append(choice.user_id)
    assert sorted(choices) == sorted([nils.id, nils.id, vera.id, choices[-1]])
    names = [name for name, _ in commands.sent]
    assert names == ["find", "aggregate", *["update"] * len(waiting)]


def test_only_the_one_who_is_to_be_chosen_is_read_again(
    watched_db: Mongo,
    commands: Commands,
    ticket: Ticket,
    vera: User,
    nils: User,
    clock: FixedClock,
) -> None:
    assignments = caching(watched_db)
    chosen(assignments, ticket, clock)
    commands.sent.clear()
    chosen(assignments, ticket, clock)
    read = [(name, command[name]) for name, command in commands.sent]
    assert read == [("find", "users"), ("aggregate", "tickets")]
