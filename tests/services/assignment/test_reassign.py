"""Decline: the next assignee, what is stored, a repeated click and a stale card."""

from collections.abc import Callable

import pytest

from services.accounts.users import UserService
from services.assignment.feedback import CorrectionKind, correction_scores, record_corrections
from services.assignment.reassign import (
    MAX_MATCHES,
    MIN_OPTIONS,
    DeclineReason,
    Reassignment,
    ReassignResult,
)
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue, NotFound, PermissionDenied
from services.linking.links import LinkService
from services.models.events import EventType
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.routing.model_store import ModelStore
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from services.tickets.lifecycle import state_token
from tasks.assignment import assign_ticket
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, at_once, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID


@pytest.fixture
def reassignment(
    db: Mongo,
    users: UserService,
    links: LinkService,
    ticket_actions: TicketActions,
    clock: FixedClock,
) -> Reassignment:
    models = ModelStore(db, clock=clock)
    return Reassignment(db, users, links, ticket_actions, models, clock=clock)


@pytest.fixture
def ben(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "DNS")


@pytest.fixture
def cleo(people: People, ben: User) -> User:
    return people.add(Role.MODERATOR, "VPN")


File = Callable[[str], Ticket]


@pytest.fixture
def file(tickets: TicketService, employee: User, runtime: Runtime, db: Mongo) -> File:
    """File a ticket and run assignment."""

    def filed(title: str) -> Ticket:
        ticket = file_ticket(tickets, employee, title)
        assign_ticket.run(runtime, str(ticket.id))
        return reload(db, ticket)

    return filed


@pytest.fixture
def ticket(file: File, ben: User, cleo: User) -> Ticket:
    """Ben's."""
    given = file("VPN and DNS are down")
    assert given.assigned_to == ben.id
    return given


def types(ticket: Ticket, after: int) -> list[tuple[str, object]]:
    return [(event.type, event.by) for event in ticket.events if event.seq > after]


def test_it_goes_to_the_next_best_in_one_update(
    reassignment: Reassignment, ticket: Ticket, ben: User, cleo: User
) -> None:
    done = reassignment.decline(
        actor=Actor.from_user(ben),
        ticket_id=str(ticket.id),
        decline_reason=DeclineReason.SKILL,
        details=" It is the router. ",
    )
    now = done.ticket
    assert (done.assignee, now.assigned_to, now.status) == (cleo, cleo.id, Status.IN_PROGRESS)
    assert types(now, ticket.seq) == [
        (EventType.UNASSIGNED, ben.id),
        (EventType.ASSIGNED, "system"),
        (EventType.STATUS_CHANGED, "system"),
    ]
    back, given, _ = now.events[-3:]
    assert (back.note, back.internal) == ("Not my subject: It is the router.", True)
    assert (given.to, given.note) == (cleo.id, "knows VPN · 1 of 8 tickets with this one")
    assert now.assignment["source"] == "router"
    assert now.assignment["reason"] == "knows VPN · 1 of 8 tickets with this one"
    assert now.assignment["score"] == pytest.approx(sum(now.assignment["parts"].values()))
    assert (now.is_in_outbox, now.accepted_at) == (True, None)


def test_it_is_kept_once_and_counts_in_the_next_tickets_parts(
    reassignment: Reassignment, ticket: Ticket, file: File, db: Mongo, ben: User, clock: FixedClock
) -> None:
    done = reassignment.decline(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    record_corrections(db, done.ticket, now=clock())
    (kept,) = db.corrections.find()
    assert (kept["kind"], kept["from"], kept["to"]) == (CorrectionKind.NOT_MINE, ben.id, None)
    assert kept["skills"] == ["dns", "vpn"]
    assert correction_scores(db, skills=["VPN", "DNS"], now=clock()) == {
        ben.id: pytest.approx(-0.5)
    }
    following = file("DNS is down again")
    assert following.assigned_to == ben.id
    assert following.assignment["parts"]["corrections"] == pytest.approx(-0.05)


def test_an_accepted_ticket_can_still_be_declined(
    reassignment: Reassignment, ticket_actions: TicketActions, ticket: Ticket, ben: User, cleo: User
) -> None:
    ticket_actions.accept(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    done = reassignment.decline(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    assert (done.assignee, done.ticket.accepted_at) == (cleo, None)


def test_a_reopened_one_goes_on_with_the_next(
    reassignment: Reassignment,
    ticket_actions: TicketActions,
    ticket: Ticket,
    ben: User,
    cleo: User,
    employee: User,
) -> None:
    ticket_actions.resolve(actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution="Done.")
    ticket_actions.reopen(actor=Actor.from_user(employee), ticket_id=str(ticket.id))
    done = reassignment.decline(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    assert (done.assignee, done.ticket.status) == (cleo, Status.IN_PROGRESS)


def test_who_has_said_so_before_does_not_get_it_again(
    reassignment: Reassignment, ticket: Ticket, people: People, ben: User, cleo: User
) -> None:
    admin = people.add(Role.ADMIN)
    gone_to: list[User | None] = []
    for holder in (ben, cleo):
        done = reassignment.decline(actor=Actor.from_user(holder), ticket_id=str(ticket.id))
        gone_to.append(done.assignee)
    assert gone_to == [cleo, admin]


def test_the_last_one_leaves_it_to_wait(
    reassignment: Reassignment, ticket: Ticket, db: Mongo, ben: User, cleo: User, clock: FixedClock
) -> None:
    reassignment.decline(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    done = reassignment.decline(actor=Actor.from_user(cleo), ticket_id=str(ticket.id))
    assert (done.assignee, done.is_queued) == (None, True)
    assert types(done.ticket, done.ticket.seq - 2) == [
        (EventType.UNASSIGNED, cleo.id),
        (EventType.NOBODY_AVAILABLE, "system"),
    ]
    assert (done.ticket.status, done.ticket.assigned_to) == (Status.TODO, None)
    assert done.ticket.queue_key is not None
    assert done.ticket.queue_key.startswith("0-")
    # Their free capacity may fit another ticket, so all queued tickets are retried.
    stored = db.tickets.find_one({"_id": ticket.id}) or {}
    assert (stored["outbox"], stored["nextTryAt"]) == (True, clock())


def test_what_was_never_read_is_left_to_the_workers(
    reassignment: Reassignment,
    ticket_actions: TicketActions,
    tickets: TicketService,
    employee: User,
    ben: User,
    cleo: User,
) -> None:
    filed = file_ticket(tickets, employee)
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(filed.id))
    done = reassignment.decline(actor=Actor.from_user(ben), ticket_id=str(filed.id))
    assert (done.assignee, done.is_queued, done.ticket.status) == (None, False, Status.TODO)


def test_a_second_press_says_what_the_first_one_did(
    reassignment: Reassignment, ticket: Ticket, db: Mongo, ben: User, cleo: User
) -> None:
    def press() -> ReassignResult:
        return reassignment.decline(
            actor=Actor.from_user(ben),
            ticket_id=str(ticket.id),
            decline_reason=DeclineReason.TIME,
            expected_state=state_token(ticket),
        )

    first = press()
    assert press() == ReassignResult(reload(db, ticket), cleo)
    assert reload(db, ticket).seq == first.ticket.seq


def test_presses_at_once_hand_it_on_once(
    reassignment: Reassignment, ticket: Ticket, db: Mongo, ben: User, cleo: User
) -> None:
    def press() -> ReassignResult:
        return reassignment.decline(actor=Actor.from_user(ben), ticket_id=str(ticket.id))

    done = at_once(press, press, press, press)
    assert [one.assignee for one in done] == [cleo] * 4
    assert [e.type for e in reload(db, ticket).events].count(EventType.UNASSIGNED) == 1


def test_nobody_elses_and_nothing_that_moved_on(
    reassignment: Reassignment,
    ticket_actions: TicketActions,
    ticket: Ticket,
    ben: User,
    cleo: User,
    employee: User,
) -> None:
    ids = {"ticket_id": str(ticket.id)}
    name = ben.display_name
    has_it = f"Ticket 1 is assigned to {name} now, so this was not done. "
    again = "Look at it again, then decide."
    with pytest.raises(Conflict) as refused:
        reassignment.decline(actor=Actor.from_user(cleo), **ids)
    assert str(refused.value) == has_it + again
    with pytest.raises(PermissionDenied):
        reassignment.decline(actor=Actor.from_user(employee), **ids)
    with pytest.raises(NotFound):
        reassignment.decline(actor=Actor.from_user(ben), ticket_id="65f0c0ffee65f0c0ffee0012")
    stale = state_token(ticket)
    ticket_actions.ask_requester(actor=Actor.from_user(ben), **ids, question="Which one?")
    with pytest.raises(Conflict) as refused:
        reassignment.decline(actor=Actor.from_user(ben), **ids, expected_state=stale)
    waits = "Ticket 1 is waiting for its requester and you have it now, so this was not done. "
    assert str(refused.value) == waits + again
    ticket_actions.resolve(actor=Actor.from_user(ben), **ids, resolution="Done.")
    with pytest.raises(Conflict) as refused:
        reassignment.decline(actor=Actor.from_user(ben), **ids, expected_state=stale)
    assert str(refused.value) == "You have already resolved ticket 1."


@pytest.mark.parametrize(
    ("field", "fields", "sentence"),
    [
        ("why", {"decline_reason": "because"}, "Choose one of these, or none."),
        ("reason", {"details": "x" * 301}, "At most 300 characters; this text has 301."),
    ],
)
def test_what_is_refused_beside_its_field(
    reassignment: Reassignment,
    ticket: Ticket,
    ben: User,
    field: str,
    fields: dict[str, str],
    sentence: str,
) -> None:
    with pytest.raises(InvalidValue) as refused:
        reassignment.decline(actor=Actor.from_user(ben), ticket_id=str(ticket.id), **fields)
    assert (refused.value.field, str(refused.value)) == (field, sentence)


def test_the_others_are_those_assignment_would_choose_the_best_first(
    reassignment: Reassignment, ticket: Ticket, people: People, ben: User, cleo: User
) -> None:
    admin = people.add(Role.ADMIN)
    people.add(Role.MODERATOR, "VPN", capacity=0)
    people.add(Role.MODERATOR, "VPN", linked=False)
    _, others = reassignment.assignee_options(
        actor=Actor.from_user(cleo),
        team_id=TEAM_ID,
        ticket_id=str(ticket.id),
        expected_state=state_token(ticket),
    )
    assert [(fit.user, fit.reason) for fit in others] == [
        (cleo, "knows VPN · 1 of 8 tickets with this one"),
        (admin, "knows none of its skills · 1 of 8 tickets with this one"),
    ]
    following = reassignment.decline(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    assert following.assignee == others[0].user


def test_a_few_of_many(
    reassignment: Reassignment, ticket: Ticket, people: People, ben: User
) -> None:
    for _ in range(MAX_MATCHES):
        people.add(Role.MODERATOR, "VPN")
    _, others = reassignment.assignee_options(
        actor=Actor.from_user(ben), team_id=TEAM_ID, ticket_id=str(ticket.id)
    )
    assert len(others) == MAX_MATCHES
    assert ben not in [fit.user for fit in others]


def test_who_knows_none_of_its_skills_is_offered_only_where_too_few_fit(
    reassignment: Reassignment, ticket: Ticket, people: People, ben: User, cleo: User
) -> None:
    for _ in range(MIN_OPTIONS):
        people.add(Role.MODERATOR, "Printer")

    def offered() -> list[tuple[bool, str]]:
        _, others = reassignment.assignee_options(
            actor=Actor.from_user(ben), team_id=TEAM_ID, ticket_id=str(ticket.id)
        )
        assert cleo in [fit.user for fit in others]
        return [(fit.is_match, fit.reason) for fit in others]

    fits, fits_not = (
        "knows VPN · 1 of 8 tickets with this one",
        "knows none of its skills · 1 of 8 tickets with this one",
    )
    assert offered() == [(True, fits), *[(False, fits_not)] * (MIN_OPTIONS - 1)]
    for _ in range(MIN_OPTIONS - 1):
        people.add(Role.MODERATOR, "vpn")
    assert offered() == [(True, fits)] * MIN_OPTIONS


def test_everybody_qualifies_for_a_ticket_without_skills(
    reassignment: Reassignment, tickets: TicketService, people: People, ben: User, cleo: User
) -> None:
    ticket = file_ticket(tickets, people.add(Role.USER))
    _, others = reassignment.assignee_options(
        actor=Actor.from_user(ben), team_id=TEAM_ID, ticket_id=str(ticket.id)
    )
    assert {(fit.user.id, fit.reason, fit.is_match) for fit in others} == {
        (who.id, "1 of 8 tickets with this one", True) for who in (ben, cleo)
    }


def test_the_others_of_what_moved_on(
    reassignment: Reassignment, ticket_actions: TicketActions, ticket: Ticket, ben: User, cleo: User
) -> None:
    stale = state_token(ticket)
    ticket_actions.take(actor=Actor.from_user(cleo), ticket_id=str(ticket.id))
    with pytest.raises(Conflict):
        reassignment.assignee_options(
            actor=Actor.from_user(ben),
            team_id=TEAM_ID,
            ticket_id=str(ticket.id),
            expected_state=stale,
        )
