"""Reassign a ticket: list other assignees, or decline it.

When an assignee declines a ticket, assignment's next choice gets it in one update, so the ticket is
never unassigned. If no other candidate is available, it is queued like any unassigned ticket.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bson import ObjectId

from services.accounts.users import UserService
from services.analysis.analysis_store import analysis_source, is_analysed
from services.assignment.assignment_service import AssignmentService
from services.assignment.ranking import AssigneeOption, rank_options
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import InvalidValue
from services.core.optimistic_retry import retry_on_conflict
from services.linking.links import LinkService
from services.models.events import Event
from services.models.permissions import Actor, require_permission
from services.models.ticket import AssigneeChoice, Ticket
from services.models.user import User
from services.outbox import pending
from services.routing.model_store import ModelStore
from services.tickets import ticket_store, transitions
from services.tickets.access import require_visible
from services.tickets.actions import TicketActions, was_returned
from services.tickets.lifecycle import ACTION_PERMISSIONS, TicketAction, state_token
from services.tickets.queries import load_ticket
from services.tickets.transitions import Change
from services.tickets.validation import checked_reason

# How many other assignees are offered: of those who match; if these are too few, filled up with
# others who are available.
MAX_MATCHES, MIN_OPTIONS = 5, 3


class DeclineReason(StrEnum):
    """Reasons to decline; the values are the texts in the history."""

    SKILL = "Not my subject"
    TIME = "No time right now"
    TEAM = "Not for our team"


@dataclass(frozen=True, slots=True)
class ReassignResult:
    """`assignee` is the new one; None if the ticket is queued (`is_queued`) or analysed again."""

    ticket: Ticket
    assignee: User | None

    @property
    def is_queued(self) -> bool:
        return self.assignee is None and self.ticket.is_queued_unassigned


class Reassignment:
    def __init__(
        self,
        db: Mongo,
        users: UserService,
        links: LinkService,
        ticket_actions: TicketActions,
        models: ModelStore,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._users = users
        self._ticket_actions = ticket_actions
        self._assignments = AssignmentService(db, links)
        self._models = models
        self._clock = clock

    def assignee_options(
        self, *, actor: Actor, team_id: str, ticket_id: str, expected_state: str = ""
    ) -> tuple[Ticket, list[AssigneeOption]]:
        """Return the ticket, and the first few available candidates who match, in the order in
        which assignment would choose them, filled up with others if these are too few. Raises as
        `TicketActions.get_for_action`."""
        require_permission(actor, ACTION_PERMISSIONS[TicketAction.REASSIGN])
        ticket = self._ticket_actions.get_for_action(
            actor=actor,
            ticket_id=ticket_id,
            action=TicketAction.REASSIGN,
            expected_state=expected_state,
        )
        evaluation = self._assignments.evaluate(
            replace(ticket, team_id=team_id),
            now=self._clock(),
            history=self._models.resolver_scores(ticket.text),
        )
        candidates = evaluation.pool.candidates
        ordered = rank_options(
            candidates=candidates,
            users=self._users.get_many({candidate.user_id for candidate in candidates}),
            **evaluation.criteria,
        )
        free = [
            option
            for option in ordered
            if not option.obstacle and option.user.id != ticket.assigned_to
        ]
        matches = [option for option in free if option.is_match][:MAX_MATCHES]
        others = [option for option in free if not option.is_match]
        return ticket, matches + others[: max(MIN_OPTIONS - len(matches), 0)]

    def decline(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        decline_reason: str = "",
        details: str = "",
        expected_state: str = "",
    ) -> ReassignResult:
        """Reassign the ticket from its assignee to the next candidate; `decline_reason` is one of
        `DeclineReason`, or "".

        A second press returns what the first one did. Raises `InvalidValue` for either field,
        `NotFound`, `PermissionDenied`, and `Conflict` if the ticket has changed since
        `expected_state`.
        """
        require_permission(actor, ACTION_PERMISSIONS[TicketAction.DECLINE])
        note = _decline_note(decline_reason, details)

        def attempt() -> Ticket | None:
            nonlocal expected_state
            ticket = require_visible(actor, load_ticket(self._db, ticket_id))
            if was_returned(ticket, by=actor.user_id, former=str(actor.user_id), note=note):
                return ticket
            expected_state = expected_state or state_token(ticket)
            self._ticket_actions.check_action(actor, ticket, TicketAction.DECLINE, expected_state)
            return self._decline(ticket, actor.user_id, note, self._clock())

        ticket = retry_on_conflict(attempt)
        assignee_id = ticket.assigned_to
        return ReassignResult(ticket, self._users.get(assignee_id) if assignee_id else None)

    def _decline(self, ticket: Ticket, by: ObjectId, note: str, now: datetime) -> Ticket | None:
        """Return None if the ticket has changed since it was loaded."""
        back = transitions.unassign(by, ticket, reason=note)
        change, choice = self._next_assignment(ticket, back, now)
        stored = ticket_store.apply(self._db, ticket, change, now=now)
        if stored and choice:
            self._assignments.record_chosen(choice, now=now)
        return stored

    def _next_assignment(
        self, ticket: Ticket, back: Change, now: datetime
    ) -> tuple[Change, AssigneeChoice | None]:
        """Return `back` with the next assignment added. A ticket without a current analysis is left
        to the workers, who call the model first."""
        free = _after_unassign(ticket, back, now)
        if not is_analysed(free):
            return back, None
        choice = self._assignments.choose(
            free, now=now, history=self._models.resolver_scores(ticket.text)
        )
        if choice is None:
            queued = transitions.queue_unassigned(
                free, retry_at=now + pending.UNASSIGNED_RETRY_INTERVAL
            )
            return back.then(queued), None
        assigned = transitions.auto_assign(free, choice, source=analysis_source(free), now=now)
        return back.then(assigned), choice


def _after_unassign(ticket: Ticket, back: Change, now: datetime) -> Ticket:
    """Return the ticket as it is after `back`, with its events in the history."""
    added = [
        Event(0, now, event.by, event.type, from_=event.from_, to=event.to) for event in back.events
    ]
    return replace(transitions.with_change(ticket, back), events=(*ticket.events, *added))


def _decline_note(decline_reason: str, details: str) -> str:
    """Return the internal note for the history."""
    if decline_reason and decline_reason not in set(DeclineReason):
        raise InvalidValue("why", "Choose one of these, or none.")
    return ": ".join(filter(None, (decline_reason, checked_reason(details))))
