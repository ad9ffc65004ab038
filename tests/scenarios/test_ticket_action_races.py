"""Repeated presses, outdated cards and concurrent actions."""

from collections.abc import Callable
from typing import Any

import pytest

from services.accounts.users import UserService
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.errors import Conflict, NotFound
from services.core.optimistic_retry import BUSY, MAX_ATTEMPTS
from services.models.events import EventType, NewEvent
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets import ticket_store
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from services.tickets.lifecycle import TicketAction, state_token
from services.tickets.transitions import Change
from tests.conftest import FixedClock, People, at_once, file_ticket, reload
from tests.support.action_helpers import NOT_FOUND, by, in_progress, put, refusal

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def ticket(tickets: TicketService, ann: User) -> Ticket:
    return file_ticket(tickets, ann)


def has_it_now(user: User) -> str:
    return (
        f"Ticket 1 is in progress and {user.name} has it now, so this was not done. "
        "Look at it again, then decide."
    )


def test_a_second_press_changes_nothing(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, cleo: User, ann: User
) -> None:
    steps: list[tuple[Callable[..., Ticket], User, dict[str, Any]]] = [
        (ticket_actions.take, ben, {"expected_state": state_token(ticket)}),
        (ticket_actions.reassign, ben, {"assignee_id": str(cleo.id), "reason": "Hers."}),
        (ticket_actions.accept, cleo, {}),
        (ticket_actions.ask_requester, cleo, {"question": "Which one?"}),
        (ticket_actions.resolve, cleo, {"resolution": "Done."}),
        (ticket_actions.reopen, ann, {}),
        (ticket_actions.reassign, cleo, {"assignee_id": None}),
        (ticket_actions.cancel, ann, {}),
    ]
    for step, user, fields in steps:
        first = step(**by(user, ticket), **fields)
        if step in (ticket_actions.take, ticket_actions.accept):  # buttons: the user reads so
            assert "already" in refusal(Conflict, step, **by(user, ticket), **fields)
        else:
            assert step(**by(user, ticket), **fields) == first
        assert reload(db, ticket) == first


def test_other_words_are_no_second_press(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, cleo: User
) -> None:
    done = ticket_actions.resolve(**by(ben, ticket), resolution="Restarted.")
    own = "You have already resolved ticket 1."
    other = "Ticket 1 is resolved now, so this was not done. Look at it again, then decide."
    for step, user, fields, sentence in (
        (ticket_actions.resolve, ben, {"resolution": "Replaced."}, own),
        (ticket_actions.get_for_action, ben, {"action": TicketAction.RESOLVE}, own),
        (ticket_actions.resolve, cleo, {"resolution": "Restarted."}, other),
    ):
        assert refusal(Conflict, step, **by(user, ticket), **fields) == sentence
    assert reload(db, ticket) == done


def test_the_same_question_may_be_asked_again(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User
) -> None:
    in_progress(db, ticket, ben)
    ask = by(ben, ticket) | {"question": "Which one?"}
    waiting = ticket_actions.ask_requester(**ask)
    put(db, ticket, status="IN_PROGRESS")  # as an edit of the status does
    assert ticket_actions.ask_requester(**ask).seq == waiting.seq + 2


def test_who_decides_by_an_old_card_is_told(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, cleo: User
) -> None:
    taken = ticket_actions.take(**by(ben, ticket), expected_state=state_token(ticket))
    ask = by(cleo, ticket) | {"expected_state": state_token(ticket)}
    for step, fields in (
        (ticket_actions.take, {}),
        (ticket_actions.get_for_action, {"action": TicketAction.RESOLVE}),
        (ticket_actions.reassign, {"assignee_id": str(cleo.id)}),
    ):
        assert refusal(Conflict, step, **ask, **fields) == has_it_now(ben)
    assert reload(db, ticket) == taken
    # Having seen the new state, Cleo may take it over.
    ask["expected_state"] = state_token(taken, TicketAction.TAKE)
    assert ticket_actions.take(**ask).assigned_to == cleo.id


def test_of_many_who_take_it_at_once_one_does(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, people: People
) -> None:
    staff = [people.add(Role.MODERATOR) for _ in range(8)]
    answers = at_once(
        *[lambda user=user: ticket_actions.take(**by(user, ticket)) for user in staff]
    )
    taken = [answer for answer in answers if isinstance(answer, Ticket)]
    refused = [str(answer) for answer in answers if isinstance(answer, Conflict)]
    # A call that starts after another one ended may take the ticket over; no update is lost.
    assert len(taken) + len(refused) == 8
    now = reload(db, ticket)
    assert now.assigned_to == max(taken, key=lambda answer: answer.seq).assigned_to
    given = [event for event in now.events if event.type == EventType.ASSIGNED]
    assert len(given) == len(taken)
    assert [event.from_ for event in given] == [None, *(event.to for event in given[:-1])]


def test_of_many_with_the_same_old_card_one_takes_it(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, people: People
) -> None:
    staff = [people.add(Role.MODERATOR) for _ in range(8)]
    seen = state_token(ticket)
    answers = at_once(
        *[
            lambda user=user: ticket_actions.take(**by(user, ticket), expected_state=seen)
            for user in staff
        ]
    )
    (won,) = [answer for answer in answers if isinstance(answer, Ticket)]
    assert len([answer for answer in answers if isinstance(answer, Conflict)]) == 7
    assert reload(db, ticket) == won
    assert [event.type for event in won.events] == ["filed", "assigned", "status_changed"]


def test_the_same_press_many_times_at_once_is_one_step(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User
) -> None:
    in_progress(db, ticket, ben)
    ask = by(ben, ticket)
    for step in (
        lambda: ticket_actions.accept(**ask),
        lambda: ticket_actions.resolve(**ask, resolution="Done."),
        lambda: ticket_actions.reopen(**ask),
    ):
        before = reload(db, ticket)
        answers = at_once(*[step] * 8)
        stored = [answer for answer in answers if isinstance(answer, Ticket)]
        refused = {str(answer) for answer in answers if not isinstance(answer, Ticket)}
        assert stored
        assert refused <= {"You have already accepted ticket 1."}
        assert reload(db, ticket).seq == before.seq + 1


def test_of_those_who_resolve_at_once_one_does(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User
) -> None:
    notes = [f"Note {number}" for number in range(8)]
    answers = at_once(
        *[
            lambda note=note: ticket_actions.resolve(**by(ben, ticket), resolution=note)
            for note in notes
        ]
    )
    (won,) = [answer for answer in answers if isinstance(answer, Ticket)]
    assert len([answer for answer in answers if isinstance(answer, Conflict)]) == 7
    assert reload(db, ticket) == won
    assert [event.seq for event in won.events] == [1, 2]


class Interrupt(FixedClock):
    """Calls `happen` between an action's read of the ticket and its update."""

    def __init__(self, happen: Callable[[], Any], times: int) -> None:
        super().__init__()
        self._happen, self.left = happen, times

    def __call__(self) -> Any:
        if self.left:
            self.left -= 1
            self._happen()
        return super().__call__()


def edit(db: Mongo, ticket: Ticket) -> None:
    event = NewEvent(EventType.EDITED, by="system", field="priority", from_=None, to="low")
    now = reload(db, ticket)
    assert ticket_store.apply(db, now, Change({"priority": "low"}, (event,)), now=utcnow())


def test_what_does_not_matter_to_a_step_does_not_hinder_it(
    db: Mongo, users: UserService, ticket: Ticket, ben: User
) -> None:
    ticket_actions = TicketActions(
        db, users, clock=Interrupt(lambda: edit(db, ticket), MAX_ATTEMPTS - 1)
    )
    after = ticket_actions.take(**by(ben, ticket), expected_state=state_token(ticket))
    assert (after.assigned_to, after.priority, after.seq) == (
        ben.id,
        "low",
        MAX_ATTEMPTS + 2,
    )


def test_a_ticket_that_never_stands_still(
    db: Mongo, users: UserService, ticket: Ticket, ben: User
) -> None:
    ticket_actions = TicketActions(db, users, clock=Interrupt(lambda: edit(db, ticket), 99))
    assert refusal(Conflict, ticket_actions.take, **by(ben, ticket)) == BUSY
    assert reload(db, ticket).assigned_to is None


def test_who_is_overtaken_between_look_and_update_is_told(
    db: Mongo,
    users: UserService,
    ticket_actions: TicketActions,
    ticket: Ticket,
    ben: User,
    cleo: User,
) -> None:
    def quicker() -> None:
        ticket_actions.take(**by(ben, ticket))

    slow = TicketActions(db, users, clock=Interrupt(quicker, 1))
    assert refusal(Conflict, slow.take, **by(cleo, ticket)) == has_it_now(ben)
    assert reload(db, ticket).assigned_to == ben.id


def test_a_ticket_deleted_meanwhile_is_not_found(
    db: Mongo, users: UserService, ticket: Ticket, ben: User
) -> None:
    gone = Interrupt(lambda: db.tickets.delete_one({"_id": ticket.id}), 1)
    ticket_actions = TicketActions(db, users, clock=gone)
    assert refusal(NotFound, ticket_actions.take, **by(ben, ticket)) == NOT_FOUND
