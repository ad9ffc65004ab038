"""Changes of several tickets: what the review says, and what follows for each ticket."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.core.errors import Conflict, DomainError, InvalidValue, NotFound, PermissionDenied
from services.editing.bulk_changes import (
    MAX_TICKETS,
    NOT_FOR_ACTOR,
    PRIORITY_CHANGED,
    BulkAction,
    BulkChange,
    BulkReview,
    ReviewedTicket,
)
from services.models.permissions import Actor
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from services.registry.services import Services
from services.tickets.filing import TicketService
from tests.conftest import People, at_once, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID

RESOLVE = BulkChange(BulkAction.RESOLVE)
URGENT = BulkChange(BulkAction.SET_PRIORITY, "urgent")
File = Callable[..., Ticket]


def assign_to(user: User) -> BulkChange:
    return BulkChange(BulkAction.ASSIGN, str(user.id))


@pytest.fixture
def file(tickets: TicketService, db: Mongo, requester: User) -> File:
    def build(**fields: Any) -> Ticket:
        ticket = file_ticket(tickets, requester)
        if fields:
            db.tickets.update_one({"_id": ticket.id}, {"$set": fields})
        return reload(db, ticket)

    return build


def review(services: Services, by: User, change: BulkChange, *tickets: Ticket) -> BulkReview:
    return services.bulk_changes.review(
        actor=Actor.from_user(by),
        team_id=TEAM_ID,
        change=change,
        ticket_ids=[str(ticket.id) for ticket in tickets],
    )


def apply(services: Services, by: User, change: BulkChange, seen: Ticket, note: str = "") -> Ticket:
    """Change the ticket as `seen` in the review."""
    return services.bulk_changes.apply(
        actor=Actor.from_user(by), change=change, reviewed=ReviewedTicket.of(seen), note=note
    )


def numbers(tickets: tuple[Ticket, ...]) -> list[int | None]:
    return [ticket.number for ticket in tickets]


def test_the_review_of_an_assignment(
    services: Services, file: File, moderator: User, nils: User, people: People
) -> None:
    free, done = file(), file(status="COMPLETED")
    his = file(assignedTo=nils.id, status="IN_PROGRESS")
    unwanted = file(notTo=nils.id)
    other = people.add(Role.MODERATOR)
    private = file(private=True, assignedTo=other.id, status="IN_PROGRESS")
    chosen = (free, done, his, unwanted, private)
    seen = review(services, moderator, assign_to(nils), *chosen)
    assert numbers(seen.tickets) == [1]
    assert {ticket.number: why for ticket, why in seen.refused} == {
        2: "The ticket is resolved.",
        3: f"{nils.display_name} has this ticket already.",
        4: "The requester does not want this person to get it.",
    }
    assert (seen.hidden_count, seen.assignee) == (1, nils)
    assert private.number == 5
    admin = people.add(Role.ADMIN)
    seen = review(services, admin, assign_to(nils), *chosen)
    assert (numbers(seen.tickets), seen.hidden_count) == ([1, 5], 0)


def test_the_review_of_a_priority_and_of_a_resolution(
    services: Services, file: File, moderator: User
) -> None:
    fresh, urgent, done = file(), file(priority="urgent"), file(status="COMPLETED")
    seen = review(services, moderator, URGENT, fresh, urgent)
    assert numbers(seen.tickets) == [1]
    assert [why for _, why in seen.refused] == ["It has this priority already."]
    seen = review(services, moderator, RESOLVE, fresh, urgent, done)
    assert numbers(seen.tickets) == [1, 2]
    assert [why for _, why in seen.refused] == ["The ticket is resolved."]


def test_a_private_ticket_that_a_moderator_has_filed_can_only_be_read(
    services: Services, tickets: TicketService, db: Mongo, moderator: User, nils: User
) -> None:
    own = file_ticket(tickets, moderator)
    hidden = {"private": True, "assignedTo": nils.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": own.id}, {"$set": hidden})
    own = reload(db, own)
    for change in (assign_to(moderator), URGENT, RESOLVE):
        seen = review(services, moderator, change, own)
        assert [(ticket.number, why) for ticket, why in seen.refused] == [(1, NOT_FOR_ACTOR)]
        with pytest.raises(Conflict):
            apply(services, moderator, change, own)
    assert reload(db, own) == own


@pytest.mark.parametrize("change", [URGENT, RESOLVE, BulkChange(BulkAction.ASSIGN, "nobody")])
def test_requesters_may_not(
    services: Services, file: File, requester: User, change: BulkChange
) -> None:
    ticket = file()
    for attempt in (review, apply):
        with pytest.raises(PermissionDenied):
            attempt(services, requester, change, ticket)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (BulkChange(BulkAction.ASSIGN, ""), "assignedTo"),
        (BulkChange(BulkAction.ASSIGN, str(ObjectId())), "assignedTo"),
        (BulkChange(BulkAction.SET_PRIORITY, ""), "priority"),
        (BulkChange(BulkAction.SET_PRIORITY, "huge"), "priority"),
    ],
)
def test_a_value_that_cannot_be_chosen(
    services: Services, file: File, moderator: User, change: BulkChange, field: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        review(services, moderator, change, file())
    assert refused.value.field == field


def test_between_one_and_ten_tickets(services: Services, file: File, moderator: User) -> None:
    ticket = file()
    others = [str(ObjectId()) for _ in range(MAX_TICKETS)]
    actor = Actor.from_user(moderator)
    for chosen in ([], [str(ticket.id), *others]):
        with pytest.raises(InvalidValue, match="Choose up to 10 tickets") as refused:
            services.bulk_changes.review(
                actor=actor, team_id=TEAM_ID, change=RESOLVE, ticket_ids=chosen
            )
        assert refused.value.field == "tickets"
    seen = review(services, moderator, RESOLVE, *[ticket] * 11)
    assert numbers(seen.tickets) == [1]
    with_garbage = services.bulk_changes.review(
        actor=actor, team_id=TEAM_ID, change=RESOLVE, ticket_ids=["x", *others[:2]]
    )
    assert (with_garbage.tickets, with_garbage.hidden_count) == ((), 3)


def acts(ticket: Ticket) -> list[tuple[Any, ...]]:
    return [(e.type, e.by, e.field, e.from_, e.to, e.note) for e in ticket.events]


def test_each_leaves_what_the_single_change_leaves(
    services: Services, file: File, moderator: User, nils: User
) -> None:
    """The same history, and a mark of the outbox, from which all messages follow."""
    actor = Actor.from_user(moderator)
    first, second = file(), file()
    services.ticket_actions.reassign(actor=actor, ticket_id=str(first.id), assignee_id=str(nils.id))
    changed = apply(services, moderator, assign_to(nils), second)
    assert acts(changed) == acts(reload(services.db, first))
    services.ticket_edits.patch(
        actor=actor, ticket_id=str(first.id), changes={"priority": "urgent"}
    )
    changed = apply(services, moderator, URGENT, changed)
    assert acts(changed) == acts(reload(services.db, first))
    services.ticket_actions.resolve(actor=actor, ticket_id=str(first.id), resolution="Done.")
    changed = apply(services, moderator, RESOLVE, changed, note="Done.")
    single = reload(services.db, first)
    assert acts(changed) == acts(single)
    assert (changed.status, changed.resolution, changed.is_in_outbox) == (
        Status.COMPLETED,
        "Done.",
        single.is_in_outbox,
    )


def test_what_has_changed_since_the_review_is_left_as_it_is(
    services: Services, file: File, moderator: User, nils: User, people: People
) -> None:
    other = people.add(Role.MODERATOR, name="Olga")
    by_other = Actor.from_user(other)
    taken, urgent, answered, hidden = (file() for _ in range(4))
    services.ticket_actions.take(actor=by_other, ticket_id=str(taken.id))
    services.ticket_edits.patch(
        actor=by_other, ticket_id=str(urgent.id), changes={"priority": "low"}
    )
    services.ticket_actions.take(actor=by_other, ticket_id=str(answered.id))
    services.db.tickets.update_one(
        {"_id": hidden.id}, {"$set": {"private": True, "assignedTo": other.id}}
    )
    expected: list[tuple[Ticket, BulkChange, type[DomainError], str]] = [
        (taken, assign_to(nils), Conflict, "Ticket 1 is in progress and Olga has it now"),
        (urgent, URGENT, Conflict, PRIORITY_CHANGED),
        (answered, RESOLVE, Conflict, "so this was not done"),
        (hidden, RESOLVE, NotFound, "There is no such ticket"),
    ]
    for seen, change, kind, sentence in expected:
        before = reload(services.db, seen)
        with pytest.raises(kind, match=sentence):
            apply(services, moderator, change, seen)
        assert reload(services.db, seen) == before
    # Other changes of the ticket keep the priority from nothing.
    assert apply(services, moderator, URGENT, taken).priority is Priority.URGENT


def test_twice_is_once(services: Services, file: File, moderator: User, nils: User) -> None:
    for change, note in ((assign_to(nils), ""), (URGENT, ""), (RESOLVE, "Done.")):
        seen = file()
        once = apply(services, moderator, change, seen, note)
        assert apply(services, moderator, change, seen, note).events == once.events


def test_two_presses_at_once_are_one(
    services: Services, file: File, moderator: User, nils: User
) -> None:
    seen = file()
    presses = [lambda: apply(services, moderator, assign_to(nils), seen) for _ in range(4)]
    results = at_once(*presses)
    assert {result.assigned_to for result in results} == {nils.id}
    assigned = [e for e in reload(services.db, seen).events if e.type == "assigned"]
    assert len(assigned) == 1
