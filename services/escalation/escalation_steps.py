"""Take the escalation steps that are due by services/sla/escalation_schedule.py.

A step is one conditional update, with its event, the outbox fields and the next step, so of several
processes one takes it. This update is the claim, so the steps are no `WorkQueue`
(services/core/work_queue.py). Assignees get no acceptance reminder outside their work hours, unless
the ticket is urgent, and none at all while they are away.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from bson import ObjectId

from services.assignment.assignment_service import AssignmentService
from services.availability import absence
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import record_failure
from services.escalation import escalation_changes
from services.models.assignee_choice import AssigneeChoice
from services.models.escalation_track import EscalationStep, EscalationTrack, ScheduledStep
from services.models.events import Event, EventType
from services.models.ticket import Priority, Ticket
from services.models.user import User, can_work_on_tickets
from services.outbox import pending
from services.sla.escalation_schedule import due_steps, next_scheduled_step
from services.sla.policy import SlaPolicy, cached_policy
from services.tickets import ticket_store
from services.tickets.transitions import Change, close_unanswered

BATCH_SIZE = 200
# A step is postponed while its user is away, but not for an absence longer than this.
MAX_HOLD = timedelta(days=21)
# Arrays that may be long and that no step depends on; former assignees are in the events.
_EXCLUDED_FIELDS = dict.fromkeys(("comments", "notices", "cards"), False)

History = Callable[[str], Mapping[ObjectId, float]]


class StepOutcome(StrEnum):
    TAKEN = "taken"
    POSTPONED = "put_off"
    STALE = "missed"  # the ticket changed concurrently


class EscalationSteps:
    """`history` returns who solved similar tickets, by text; `has_triage`: a triage channel is
    set."""

    def __init__(
        self,
        db: Mongo,
        assignments: AssignmentService,
        history: History,
        *,
        has_triage: bool,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._assignments = assignments
        self._history = history
        self._has_triage = has_triage
        self._clock = clock

    def due(self, *, limit: int = BATCH_SIZE) -> list[Ticket]:
        """Return the tickets with a due step, the longest overdue first."""
        found = self._db.tickets.find({"alarm.at": {"$lte": self._clock()}}, _EXCLUDED_FIELDS)
        return [Ticket.from_doc(doc) for doc in found.sort("alarm.at").limit(limit)]

    def take(self, ticket: Ticket) -> StepOutcome:
        """Take the ticket's first step that need not be postponed."""
        now, policy = self._clock(), cached_policy(self._db)
        postponed: dict[EscalationTrack, datetime] = {}
        for scheduled_step in due_steps(ticket, policy=policy, now=now):
            step = self._effective_step(ticket, scheduled_step.step)
            until = self._postponed_until(ticket, step, policy, now)
            if until:
                postponed[scheduled_step.step.track] = until
                continue
            stored = self._take_step(ticket, step, now)
            return StepOutcome.TAKEN if stored else StepOutcome.STALE
        return self._postpone(
            ticket, next_scheduled_step(ticket, policy=policy, postponed=postponed)
        )

    def schedule_retry(self, ticket: Ticket, error: Exception) -> None:
        """Postpone a step that raised an error, so that the others do not wait (`RetryState`).

        The other fields of the step stay as they are, even if they are invalid.
        """
        now = self._clock()
        retry = record_failure(ticket.next_step.retry if ticket.next_step else None, error, now=now)
        later = {"alarm.at": now + retry.delay, "alarm.aside": retry.to_doc()}
        unchanged = {**_unchanged_filter(ticket), "alarm.at": {"$ne": None}}
        self._db.tickets.update_one(unchanged, {"$set": later})

    def _effective_step(self, ticket: Ticket, kind: EscalationStep) -> EscalationStep:
        """Replace a step that makes no sense: a reminder to an assignee who cannot accept."""
        if kind is EscalationStep.ACCEPT_REMINDER and not self._can_accept(ticket):
            return EscalationStep.ACCEPT_REASSIGN
        return self._with_fallback(kind)

    def _with_fallback(self, kind: EscalationStep) -> EscalationStep:
        """Without a triage channel, notify the admins."""
        if self._has_triage:
            return kind
        return _WITHOUT_TRIAGE.get(kind, kind)

    def _can_accept(self, ticket: Ticket) -> bool:
        """Return whether the assignee still works on tickets, and is not away."""
        account = self._account(ticket)
        user = User.from_doc(account) if account else None
        if user is None or not can_work_on_tickets(user):
            return False
        return user.away_until is None or user.away_until <= self._clock()

    def _postponed_until(
        self, ticket: Ticket, step: EscalationStep, policy: SlaPolicy, now: datetime
    ) -> datetime | None:
        """Return until when the user who should answer is not at work; None: at work, or away for
        too long to wait."""
        if step.track is EscalationTrack.WAITING:
            account = self._db.users.find_one({"_id": ticket.created_by})
        elif step is EscalationStep.ACCEPT_REMINDER and ticket.priority is not Priority.URGENT:
            account = self._account(ticket)
        else:
            return None
        until = (
            absence.notifications_paused_until(account, policy.business_hours, now=now)
            if account
            else None
        )
        return until if until and until <= now + MAX_HOLD else None

    def _account(self, ticket: Ticket) -> Document | None:
        return self._db.users.find_one({"_id": ticket.assigned_to})

    def _take_step(self, ticket: Ticket, step: EscalationStep, now: datetime) -> Ticket | None:
        if step is EscalationStep.ACCEPT_REASSIGN:
            choice = self._next_candidate(ticket, now)
            if choice:
                return self._reassign(ticket, choice, now)
            step = self._with_fallback(EscalationStep.ACCEPT_TRIAGE)
        if step is EscalationStep.WAITING_CLOSE:
            return self._close_unanswered(ticket, now)
        return self._store(ticket, escalation_changes.record_step(ticket, step), now)

    def _close_unanswered(self, ticket: Ticket, now: datetime) -> Ticket | None:
        stored = self._store(ticket, close_unanswered(ticket, now=now), now)
        if stored and stored.assigned_to:
            pending.retry_unassigned(self._db, now=now)
        return stored

    def _next_candidate(self, ticket: Ticket, now: datetime) -> AssigneeChoice | None:
        had = Event(0, now, "system", EventType.REASSIGNED_BY_ESCALATION, from_=ticket.assigned_to)
        without = replace(ticket, events=(*ticket.events, had))
        history = self._history(f"{ticket.title}\n{ticket.description}")
        return self._assignments.choose(without, now=now, history=history)

    def _reassign(self, ticket: Ticket, choice: AssigneeChoice, now: datetime) -> Ticket | None:
        stored = self._store(ticket, escalation_changes.reassign(ticket, choice, now=now), now)
        if stored:
            self._assignments.record_chosen(choice, now=now)
            pending.retry_unassigned(self._db, now=now)  # the former assignee has free capacity
        return stored

    def _store(self, ticket: Ticket, change: Change, now: datetime) -> Ticket | None:
        return ticket_store.apply(
            self._db,
            ticket,
            values=change.values,
            events=change.events,
            now=now,
            remove=change.remove,
        )

    def _postpone(self, ticket: Ticket, scheduled_step: ScheduledStep | None) -> StepOutcome:
        """Schedule the next step. The version stays: no one is notified."""
        change: Document = {"$unset": {"alarm": ""}}
        if scheduled_step:
            change = {"$set": {"alarm": scheduled_step.to_doc()}}
        done = self._db.tickets.update_one(_unchanged_filter(ticket), change)
        return StepOutcome.POSTPONED if done.modified_count else StepOutcome.STALE


_WITHOUT_TRIAGE = {
    EscalationStep.ACCEPT_TRIAGE: EscalationStep.ACCEPT_ADMINS,
    EscalationStep.DUE_TRIAGE: EscalationStep.DUE_ADMINS,
}


def _unchanged_filter(ticket: Ticket) -> Document:
    return {"_id": ticket.id, "seq": ticket.seq or None}
