"""The status table and every ticket action in every state."""

import itertools
from dataclasses import replace

import pytest
from bson import ObjectId

from services.core.clock import utcnow
from services.core.errors import Conflict, PermissionDenied
from services.models.events import Event
from services.models.permissions import Actor, Permission
from services.models.ticket import Status, Ticket
from services.models.user import Role
from services.tickets.lifecycle import (
    ACTION_PERMISSIONS,
    STATUS_TRANSITIONS,
    TicketAction,
    allowed_actions,
    check_allowed,
    check_transition,
    completed_by,
    describe_state,
    stale_message,
    state_token,
)
from tests.conftest import sample_ticket

ME, REQUESTER, ASSIGNEE = ObjectId(), ObjectId(), ObjectId()
T, P, W, C, R = (
    Status.TODO,
    Status.IN_PROGRESS,
    Status.WAITING,
    Status.COMPLETED,
    Status.REOPENED,
)
# Every state a ticket can be in: (status, has an assignee, has been accepted).
STATES = [
    (T, False, False),
    (P, True, False),
    (P, True, True),
    (W, True, False),
    (W, True, True),
    (C, False, False),
    (C, True, True),
    (R, False, False),
    (R, True, False),
]
RELATIONS = ("stranger", "requester", "assignee", "both")
ANY = {TicketAction.COMMENT}
STAFF = {TicketAction.COMMENT, TicketAction.NOTE, TicketAction.UPDATE}
AT_WORK = STAFF | {TicketAction.REASSIGN, TicketAction.RESOLVE, TicketAction.WITHDRAW}


def ticket_in(state: tuple[Status, bool, bool], relation: str = "stranger") -> Ticket:
    status, is_assigned, is_accepted = state
    held = ME if relation in ("assignee", "both") else ASSIGNEE
    return sample_ticket(
        status=status,
        created_by=ME if relation in ("requester", "both") else REQUESTER,
        assigned_to=held if is_assigned else None,
        accepted_at=utcnow() if is_accepted else None,
    )


def expected(role: Role, relation: str, state: tuple[Status, bool, bool]) -> set[TicketAction]:
    """Return the expected actions, stated independently of the product."""
    status, is_assigned, is_accepted = state
    is_own = relation in ("requester", "both")
    is_mine = is_assigned and relation in ("assignee", "both")
    if role is Role.USER:
        if not is_own:
            return set()
        return ANY | ({TicketAction.REOPEN} if status is C else {TicketAction.CANCEL})
    if status is C:
        return STAFF | {TicketAction.REOPEN}
    steps = set(AT_WORK)
    if status is P:
        steps.add(TicketAction.ASK_REQUESTER)
    if not is_mine:
        steps.add(TicketAction.TAKE)
    elif status in (P, R):
        steps |= (
            {TicketAction.DECLINE} if is_accepted else {TicketAction.DECLINE, TicketAction.ACCEPT}
        )
    if is_own:
        steps.add(TicketAction.CANCEL)
    return steps


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("state", STATES, ids=str)
def test_actions_depend_on_role_relation_and_state(
    role: Role, relation: str, state: tuple[Status, bool, bool]
) -> None:
    ticket, actor = ticket_in(state, relation), Actor(ME, role)
    steps = allowed_actions(actor, ticket)
    assert steps == expected(role, relation, state)
    for step in TicketAction:
        if step in steps:
            check_allowed(actor, ticket, step)
        else:
            with pytest.raises((Conflict, PermissionDenied)) as refused:
                check_allowed(actor, ticket, step)
            is_denied = not actor.has_permission(ACTION_PERMISSIONS[step])
            assert isinstance(refused.value, PermissionDenied) == is_denied


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (
            TicketAction.TAKE,
            "Your role does not allow you to work on tickets. Ask an admin if it should.",
        ),
        (
            TicketAction.RESOLVE,
            "Your role does not allow you to resolve tickets. Ask an admin if it should.",
        ),
    ],
)
def test_a_role_that_is_not_enough(step: TicketAction, sentence: str) -> None:
    with pytest.raises(PermissionDenied) as denied:
        check_allowed(Actor(ME, Role.USER), ticket_in((P, True, True), "requester"), step)
    assert str(denied.value) == sentence


@pytest.mark.parametrize(
    ("relation", "state", "step", "holder", "sentence"),
    [
        ("assignee", (P, True, True), TicketAction.TAKE, "you", "You already have ticket 12."),
        (
            "stranger",
            (P, True, True),
            TicketAction.CANCEL,
            "Ben",
            "Only its requester can cancel ticket 12. Resolve it, and say why.",
        ),
        (
            "stranger",
            (P, True, False),
            TicketAction.ACCEPT,
            "Ben",
            "Ticket 12 is assigned to Ben now, so this was not done. Look at it again, "
            "then decide.",
        ),
        (
            "assignee",
            (W, True, True),
            TicketAction.ASK_REQUESTER,
            "you",
            "Ticket 12 is waiting for its requester and you have it now, so this was not done. "
            "Look at it again, then decide.",
        ),
        (
            "stranger",
            (C, True, True),
            TicketAction.TAKE,
            "",
            "Ticket 12 is resolved now, so this was not done. Look at it again, then decide.",
        ),
        (
            "requester",
            (C, False, False),
            TicketAction.CANCEL,
            "",
            "Ticket 12 is resolved now, so this was not done. Look at it again, then decide.",
        ),
        (
            "requester",
            (T, False, False),
            TicketAction.REOPEN,
            "",
            "Ticket 12 is waiting for someone to take it now, so this was not done. Look at it "
            "again, then decide.",
        ),
    ],
)
def test_a_state_that_does_not_allow_it(
    relation: str, state: tuple[Status, bool, bool], step: TicketAction, holder: str, sentence: str
) -> None:
    with pytest.raises(Conflict) as conflict:
        check_allowed(Actor(ME, Role.ADMIN), ticket_in(state, relation), step, assignee_name=holder)
    assert str(conflict.value) == sentence


def test_a_ticket_that_ended_in_another_way_and_one_without_number() -> None:
    withdrawn = sample_ticket(status=C, resolution="not_a_request")
    assert describe_state(withdrawn) == "ticket 12 is closed as not a request"
    cancelled = sample_ticket(status=C, resolution="cancelled", number=None)
    assert describe_state(cancelled) == "the ticket is cancelled"
    assert stale_message(cancelled).startswith("The ticket is cancelled now, so")
    assert describe_state(sample_ticket(status=R)) == "ticket 12 is reopened"


@pytest.mark.parametrize(("old", "new"), [*itertools.product(Status, Status)])
def test_the_status_table(old: Status, new: Status) -> None:
    ticket = sample_ticket(status=old)
    if new in STATUS_TRANSITIONS[old]:
        check_transition(ticket, new)
        return
    with pytest.raises(Conflict, match=r"^A ticket that is .* can't become "):
        check_transition(ticket, new)


def test_a_state_token_tells_status_and_assignee_apart() -> None:
    tickets = [ticket_in(state, relation) for state in STATES for relation in ("stranger", "both")]
    seen = {(ticket.status, ticket.assigned_to) for ticket in tickets}
    assert len({state_token(ticket) for ticket in tickets}) == len(seen)
    assert state_token(tickets[0]) == state_token(replace(tickets[0], seq=9, title="Other"))


def test_completed_by_returns_the_user_of_the_last_completion() -> None:
    def moved(seq: int, to: str, by: ObjectId) -> Event:
        return Event(seq, utcnow(), by, "whatever", field="status", to=to)

    events = (moved(1, "COMPLETED", ASSIGNEE), moved(2, "REOPENED", ME), moved(3, "COMPLETED", ME))
    assert completed_by(sample_ticket(status=C, events=events)) == ME
    assert completed_by(sample_ticket(status=R, events=events)) is None
    assert completed_by(sample_ticket(status=C)) is None


def test_every_step_asks_for_a_permission_of_its_kind() -> None:
    assert set(ACTION_PERMISSIONS) == set(TicketAction)
    own = {step for step, asked in ACTION_PERMISSIONS.items() if asked is Permission.SEE_OWN_TICKET}
    assert own == {TicketAction.COMMENT, TicketAction.REOPEN, TicketAction.CANCEL}
