"""Actions on a ticket: accept, take, reassign, ask, resolve, cancel, reopen.

`services.tickets.transitions` says what an action changes; this module decides if it is allowed.
An action is one conditional update. If another user was first, `Conflict` describes the ticket's
state; a second press by the same user changes nothing.
"""

from collections.abc import Callable
from datetime import datetime

from bson import ObjectId

from services.accounts.users import UserService
from services.core import security_events
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue, PermissionDenied
from services.core.optimistic_retry import retry_on_conflict
from services.core.security_events import SecurityEvent
from services.models.events import EventType
from services.models.permissions import Actor, Permission, require_permission
from services.models.resolution import (
    CANCELLED_RESOLUTION,
    NOT_A_REQUEST_RESOLUTION,
    SOLVED_BY_REQUESTER,
)
from services.models.ticket import Status, Ticket
from services.models.user import User, can_work_on_tickets
from services.outbox import deliveries
from services.tickets import ticket_store, transitions
from services.tickets.access import require_visible
from services.tickets.comments import MAX_COMMENT_LENGTH, CommentService
from services.tickets.lifecycle import (
    ACTION_PERMISSIONS,
    TicketAction,
    allowed_actions,
    already_done,
    check_allowed,
    check_assignee,
    completed_by,
    describe_state,
    stale_message,
    state_token,
)
from services.tickets.queries import load_ticket
from services.tickets.transitions import Change
from services.tickets.validation import (
    checked_optional_text,
    checked_question,
    checked_reason,
    checked_resolution,
)

STILL_A_PROBLEM = "It is still a problem."
# Events of actions; other events may come between a press and its repetition.
ACTION_EVENTS = frozenset(
    {
        EventType.ACCEPTED,
        EventType.ASSIGNED,
        EventType.UNASSIGNED,
        EventType.WAITING,
        EventType.ANSWERED,
        EventType.RESOLVED,
        EventType.CANCELLED,
        EventType.WITHDRAWN,
        EventType.REOPENED,
    }
)

ChangeBuilder = Callable[[Ticket, datetime], Change]


class TicketActions:
    """`expected_state` is the `lifecycle.state_token` that the user saw; a change since then is a
    `Conflict`. Without it, the state at the first read counts."""

    def __init__(self, db: Mongo, users: UserService, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._users = users
        self._comments = CommentService(db, clock=clock)
        self._clock = clock

    def get_for_action(
        self, *, actor: Actor, ticket_id: str, action: TicketAction, expected_state: str = ""
    ) -> Ticket:
        """Return the ticket if the actor may take that action now. Raises `NotFound`,
        `PermissionDenied`, `Conflict`."""
        require_permission(actor, ACTION_PERMISSIONS[action])
        ticket = require_visible(actor, load_ticket(self._db, ticket_id))
        self.check_action(actor, ticket, action, expected_state or state_token(ticket, action))
        return ticket

    def accept(self, *, actor: Actor, ticket_id: str, expected_state: str = "") -> Ticket:
        return self._apply_action(
            actor,
            ticket_id,
            TicketAction.ACCEPT,
            lambda ticket, now: transitions.accept(actor.user_id, ticket, now=now),
            expected_state,
            is_repeatable=False,
        )

    def take(self, *, actor: Actor, ticket_id: str, expected_state: str = "") -> Ticket:
        """Assign the ticket to the actor and accept it, even if it has another assignee."""

        def build_change(ticket: Ticket, now: datetime) -> Change:
            own = actor.user_id
            return transitions.assign(own, ticket, own, reason=transitions.TAKEN_REASON, now=now)

        return self._apply_action(
            actor,
            ticket_id,
            TicketAction.TAKE,
            build_change,
            expected_state,
            validate=lambda ticket: check_assignee(ticket, actor.user_id),
            is_repeatable=False,
        )

    def reassign(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        assignee_id: str | None,
        reason: str = "",
        expected_state: str = "",
    ) -> Ticket:
        """Assign it to that moderator or admin; None returns it to assignment, which does not
        choose the same assignee again. Raises `InvalidValue` for either field."""
        require_permission(actor, ACTION_PERMISSIONS[TicketAction.REASSIGN])
        why = checked_reason(reason)
        person = None if assignee_id is None else self.assignable(assignee_id)

        def build_change(ticket: Ticket, now: datetime) -> Change:
            if person:
                return transitions.assign(actor.user_id, ticket, person.id, reason=why, now=now)
            return transitions.unassign(actor.user_id, ticket, reason=why)

        def validate(ticket: Ticket) -> None:
            if person:
                check_new_assignee(ticket, person)
            if not person and not ticket.assigned_to:
                raise InvalidValue("assignedTo", "No one has this ticket. Choose someone for it.")
            if not person and ticket.status is Status.WAITING:
                raise InvalidValue(
                    "assignedTo", f"Choose someone, because {describe_state(ticket)}."
                )

        def is_returned(ticket: Ticket) -> bool:
            former = expected_state.partition(":")[2]
            return not person and was_returned(ticket, by=actor.user_id, former=former, note=why)

        return self._apply_action(
            actor,
            ticket_id,
            TicketAction.REASSIGN,
            build_change,
            expected_state,
            validate=validate,
            is_done=is_returned,
        )

    def ask_requester(self, *, actor: Actor, ticket_id: str, question: str) -> Ticket:
        """Ask the requester and wait for the answer. Raises `InvalidValue` for the question."""
        require_permission(actor, ACTION_PERMISSIONS[TicketAction.ASK_REQUESTER])
        checked = checked_question(question, field="question")
        return self._apply_action(
            actor,
            ticket_id,
            TicketAction.ASK_REQUESTER,
            lambda ticket, now: transitions.ask_requester(
                actor.user_id, ticket, question=checked, now=now
            ),
        )

    def resolve(
        self, *, actor: Actor, ticket_id: str, resolution: str = "", expected_state: str = ""
    ) -> Ticket:
        """Complete it, with an optional note for the requester. Raises `InvalidValue` for it."""
        require_permission(actor, ACTION_PERMISSIONS[TicketAction.RESOLVE])
        note = checked_resolution(resolution, field="resolution")

        def build_change(ticket: Ticket, now: datetime) -> Change:
            by, done = actor.user_id, EventType.RESOLVED
            return transitions.complete(by, ticket, done, resolution=note, note=note, now=now)

        return self._apply_action(
            actor, ticket_id, TicketAction.RESOLVE, build_change, expected_state
        )

    def cancel(self, *, actor: Actor, ticket_id: str) -> Ticket:
        def build_change(ticket: Ticket, now: datetime) -> Change:
            by, done = actor.user_id, EventType.CANCELLED
            return transitions.complete(by, ticket, done, resolution=CANCELLED_RESOLUTION, now=now)

        return self._apply_action(actor, ticket_id, TicketAction.CANCEL, build_change)

    def withdraw(self, *, actor: Actor, ticket_id: str, expected_state: str = "") -> Ticket:
        """Close it as not a request: it counts in no figures, and no one learns from it."""

        def build_change(ticket: Ticket, now: datetime) -> Change:
            by, done = actor.user_id, EventType.WITHDRAWN
            return transitions.complete(
                by, ticket, done, resolution=NOT_A_REQUEST_RESOLUTION, now=now
            )

        return self._apply_action(
            actor, ticket_id, TicketAction.WITHDRAW, build_change, expected_state
        )

    def undo_withdrawal(self, *, actor: Actor, ticket_id: str) -> Ticket:
        """Reopen a withdrawn ticket; `Conflict` if it is no longer that."""
        require_permission(actor, ACTION_PERMISSIONS[TicketAction.WITHDRAW])
        return self._reopen(actor, ticket_id, validate=_check_withdrawn)

    def reopen(self, *, actor: Actor, ticket_id: str, reason: str = "") -> Ticket:
        """Return it to its assignee, or to assignment if they no longer work on tickets. Raises
        `InvalidValue` for the reason, which is what is still wrong."""
        require_permission(actor, ACTION_PERMISSIONS[TicketAction.REOPEN])
        why = checked_optional_text(reason, field="reason", limit=MAX_COMMENT_LENGTH) or ""
        return self._reopen(actor, ticket_id, reason=why)

    def _reopen(
        self,
        actor: Actor,
        ticket_id: str,
        *,
        reason: str = "",
        validate: Callable[[Ticket], None] | None = None,
    ) -> Ticket:
        def build_change(ticket: Ticket, now: datetime) -> Change:
            keep = self._users.can_work_on_tickets(ticket.assigned_to)
            return transitions.reopen(
                actor.user_id, ticket, keep_assignee=keep, now=now, reason=reason
            )

        return self._apply_action(
            actor, ticket_id, TicketAction.REOPEN, build_change, validate=validate
        )

    def confirm_solved(self, *, actor: Actor, ticket_id: str) -> Ticket:
        """Complete the requester's own ticket, even if it has changed since they were asked.

        Raises `Conflict` if another user has completed it.
        """
        require_permission(actor, Permission.SEE_OWN_TICKET)

        def attempt() -> Ticket | None:
            ticket = self._own(actor, ticket_id)
            if ticket.status is Status.COMPLETED:
                if completed_by(ticket) == actor.user_id:
                    return ticket
                raise Conflict(stale_message(ticket))
            now, by, note = self._clock(), actor.user_id, SOLVED_BY_REQUESTER
            change = transitions.complete(
                by, ticket, EventType.RESOLVED, resolution=note, note=note, now=now
            )
            # None: another user was first; retry.
            return ticket_store.apply(self._db, ticket, change, now=now)

        return retry_on_conflict(attempt)

    def report_unsolved(self, *, actor: Actor, ticket_id: str, request_id: str) -> Ticket:
        """Continue the requester's own ticket by a comment, once per `request_id`; reopen it if it
        was completed."""
        require_permission(actor, Permission.SEE_OWN_TICKET)
        if self._own(actor, ticket_id).status is Status.COMPLETED:
            return self.reopen(actor=actor, ticket_id=ticket_id)
        written = self._comments.add(
            actor=actor, ticket_id=ticket_id, text=STILL_A_PROBLEM, request_id=request_id
        )
        return written.ticket

    def refresh_message(self, *, actor: Actor, ticket_id: str, channel: str, ts: str) -> bool:
        """Request an update of that message, which shows the ticket; False if it is not known."""
        ticket = require_visible(actor, load_ticket(self._db, ticket_id))
        now = self._clock()
        return deliveries.invalidate_card(
            self._db, ticket.id, channel=channel, ts=ts, now=now
        ) or deliveries.invalidate_message(self._db, ticket.id, channel=channel, ts=ts, now=now)

    def _apply_action(
        self,
        actor: Actor,
        ticket_id: str,
        action: TicketAction,
        build_change: ChangeBuilder,
        expected_state: str = "",
        *,
        validate: Callable[[Ticket], None] | None = None,
        is_done: Callable[[Ticket], bool] | None = None,
        is_repeatable: bool = True,
    ) -> Ticket:
        """Build, check and store the change. A form that is submitted again returns the ticket; a
        button (not `is_repeatable`) that is pressed again is a `Conflict` that says so. After a
        lost race `attempt` reads again, against the state first seen."""
        require_permission(actor, ACTION_PERMISSIONS[action])

        def attempt() -> Ticket | None:
            nonlocal expected_state
            ticket = require_visible(actor, load_ticket(self._db, ticket_id))
            now = self._clock()
            change = build_change(ticket, now)
            if is_repeatable and _is_repeated(ticket, change):
                return ticket
            if is_done and is_done(ticket):
                return ticket
            expected_state = expected_state or state_token(ticket, action)
            self.check_action(actor, ticket, action, expected_state)
            if validate:
                validate(ticket)
            # None: another user was first; retry.
            return ticket_store.apply(self._db, ticket, change, now=now)

        return retry_on_conflict(attempt)

    def check_action(
        self, actor: Actor, ticket: Ticket, action: TicketAction, expected_state: str
    ) -> None:
        """Raise `PermissionDenied` or `Conflict` unless the actor may take that action, and the
        state is the expected one."""
        require_permission(actor, ACTION_PERMISSIONS[action])
        assignee_name = self._assignee_name(actor, ticket)
        is_stale = expected_state != state_token(ticket, action)
        is_possible = not is_stale and action in allowed_actions(actor, ticket)
        done = already_done(actor, ticket, action, assignee_name=assignee_name)
        if done and not is_possible:
            raise Conflict(done)
        check_allowed(actor, ticket, action, assignee_name=assignee_name)
        if is_stale:
            raise Conflict(stale_message(ticket, assignee_name=assignee_name))

    def _own(self, actor: Actor, ticket_id: str) -> Ticket:
        ticket = require_visible(actor, load_ticket(self._db, ticket_id))
        if ticket.created_by != actor.user_id:
            security_events.record(
                SecurityEvent.PERMISSION_DENIED, reason="requester_only", account=actor.user_id
            )
            raise PermissionDenied("Only its requester can say that.")
        return ticket

    def _assignee_name(self, actor: Actor, ticket: Ticket) -> str:
        """Return "you", a name or "", for a sentence to the actor."""
        if ticket.assigned_to is None or ticket.status is Status.COMPLETED:
            return ""
        if ticket.assigned_to == actor.user_id:
            return "you"
        assignee = self._users.get(ticket.assigned_to)
        return assignee.display_name if assignee else ""

    def assignable(self, user_id: str) -> User:
        """Return the account if it may be assigned tickets. Raises `InvalidValue`."""
        if not user_id:
            raise InvalidValue("assignedTo", "Choose who gets this ticket.")
        user = self._users.get(ObjectId(user_id)) if ObjectId.is_valid(user_id) else None
        if user is None or not can_work_on_tickets(user):
            raise InvalidValue("assignedTo", "Choose a moderator or an admin who is still active.")
        return user


def check_new_assignee(ticket: Ticket, person: User) -> None:
    """Raise `InvalidValue` unless the ticket may be reassigned to that person."""
    check_assignee(ticket, person.id)
    if person.id == ticket.assigned_to:
        raise InvalidValue("assignedTo", f"{person.display_name} has this ticket already.")


def _check_withdrawn(ticket: Ticket) -> None:
    if ticket.resolution != NOT_A_REQUEST_RESOLUTION:
        raise Conflict(stale_message(ticket))


def was_returned(ticket: Ticket, *, by: ObjectId, former: str, note: str) -> bool:
    """Return whether the last action by a user was that one's return of the ticket from the
    `former` assignee (an id) to assignment, which may have chosen another assignee since."""
    actions = [event for event in ticket.events if event.type in ACTION_EVENTS]
    if actions and (actions[-1].type, actions[-1].by) == (EventType.ASSIGNED, "system"):
        actions.pop()
    last = actions[-1] if actions else None
    return (
        last is not None
        and (last.type, last.by, str(last.from_)) == (EventType.UNASSIGNED, by, former)
        and (last.note or "") == note
        and str(ticket.assigned_to) != former
    )


def _is_repeated(ticket: Ticket, change: Change) -> bool:
    """Return whether the last action was this one, by the same user, and is still in effect."""
    taken = (past for past in reversed(ticket.events) if past.type in ACTION_EVENTS)
    last, new = next(taken, None), change.events[0]
    return (
        last is not None
        and (last.type, last.by, last.to, last.note) == (new.type, new.by, new.to, new.note)
        and state_token(transitions.with_change(ticket, change)) == state_token(ticket)
    )
