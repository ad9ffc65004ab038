"""Take the escalation steps that are due by services/sla/escalation_schedule.py.

A step is one conditional update that stores its event, the outbox fields and the next step, so
only one of several processes takes it: this update is the claim, so the steps are no `WorkQueue`
(services/core/work_queue.py). An assignee is not asked to accept a ticket outside their
working hours, unless it is urgent, and not at all while away.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from bson import ObjectId

from services.assignment.assignment_service import AssignmentService
from services.availability import absence
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import record_failure
from services.models.escalation_track import (
    EscalationStep,
    EscalationTrack,
    ScheduledStep,
    StepChange,
    StepCondition,
)
from services.models.events import Event, EventType, NewEvent
from services.models.ticket import AssigneeChoice, Priority, Status, Ticket
from services.models.user import User, can_work_on_tickets
from services.outbox.ticket_filter import ticket_filter
from services.sla.escalation_schedule import NEXT_STEP_FIELD, due_steps, next_scheduled_step
from services.sla.policy import SlaPolicy, cached_policy
from services.team_settings.slack_settings import has_triage_channel
from services.tickets import ticket_store
from services.tickets.queries import WITHOUT_MESSAGES
from services.tickets.transitions import Change, close_unanswered

BATCH_SIZE = 200
# A step is postponed while its user is away, but not for a longer absence.
MAX_HOLD = timedelta(days=21)
NOT_ACCEPTED_REASON = "passed on to you, because it was not accepted in time"

History = Callable[[str], Mapping[ObjectId, float]]


class StepOutcome(StrEnum):
    TAKEN = "taken"
    POSTPONED = "put_off"
    STALE = "missed"  # the ticket has changed since it was read


class EscalationSteps:
    """`history` scores the users who resolved tickets similar to a text; `has_triage`:
    TRIAGE_CHANNEL is set."""

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
        found = self._db.tickets.find({"alarm.at": {"$lte": self._clock()}}, WITHOUT_MESSAGES)
        return [Ticket.from_doc(doc) for doc in found.sort("alarm.at").limit(limit)]

    def take(self, ticket: Ticket) -> StepOutcome:
        """Take the ticket's step, or postpone it if its user cannot respond now."""
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
        """Postpone a step that failed, with back-off (services/core/work_queue.py).

        The rest of the stored step is left unchanged, even if it is malformed.
        """
        now = self._clock()
        retry = record_failure(ticket.next_step.retry if ticket.next_step else None, error, now=now)
        later = {"alarm.at": now + retry.delay, "alarm.aside": retry.to_doc()}
        unchanged = {**_unchanged_filter(ticket), "alarm.at": {"$ne": None}}
        self._db.tickets.update_one(unchanged, {"$set": later})

    def _effective_step(self, ticket: Ticket, step: EscalationStep) -> EscalationStep:
        """Return the step, or the first one after it with a condition that is met."""
        while not self._is_met(step.rule.condition, ticket):
            step = step.next
        return step

    def _is_met(self, condition: StepCondition | None, ticket: Ticket) -> bool:
        if condition is StepCondition.ASSIGNEE_CAN_ACCEPT:
            return self._can_accept(ticket)
        if condition is StepCondition.HAS_TRIAGE_CHANNEL:
            # A private ticket is escalated only to those who may see it.
            return not ticket.private and has_triage_channel(
                self._db, is_variable_set=self._has_triage
            )
        return True

    def _can_accept(self, ticket: Ticket) -> bool:
        """Whether the assignee works on tickets and is not away."""
        account = self._account(ticket)
        user = User.from_doc(account) if account else None
        if user is None or not can_work_on_tickets(user):
            return False
        return user.away_until is None or user.away_until <= self._clock()

    def _postponed_until(
        self, ticket: Ticket, step: EscalationStep, policy: SlaPolicy, now: datetime
    ) -> datetime | None:
        """When the user who has to respond is back at work; None if they are at work, or away for
        longer than `MAX_HOLD`."""
        if step.track.is_of_the_requester:
            account = self._db.users.find_one({"_id": ticket.created_by})
        elif (
            step.rule.condition is StepCondition.ASSIGNEE_CAN_ACCEPT
            and ticket.priority is not Priority.URGENT
        ):
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
        match step.rule.change:
            case StepChange.REMIND | StepChange.ESCALATE:
                return self._store(ticket, _record_step(ticket, step), now)
            case StepChange.REASSIGN:
                return self._reassign(ticket, step, now)
            case StepChange.CLOSE:
                return self._store(ticket, close_unanswered(ticket, now=now), now)

    def _next_candidate(self, ticket: Ticket, now: datetime) -> AssigneeChoice | None:
        had = Event(0, now, "system", EventType.REASSIGNED_BY_ESCALATION, from_=ticket.assigned_to)
        without = replace(ticket, events=(*ticket.events, had))
        return self._assignments.choose(without, now=now, history=self._history(ticket.text))

    def _reassign(self, ticket: Ticket, step: EscalationStep, now: datetime) -> Ticket | None:
        """Reassign to the next candidate, or take the next step if there is none."""
        choice = self._next_candidate(ticket, now)
        if choice is None:
            return self._take_step(ticket, self._effective_step(ticket, step.next), now)
        stored = self._store(ticket, _reassign_change(ticket, choice, now=now), now)
        if stored:
            self._assignments.record_chosen(choice, now=now)
        return stored

    def _store(self, ticket: Ticket, change: Change, now: datetime) -> Ticket | None:
        return ticket_store.apply(self._db, ticket, change, now=now)

    def _postpone(self, ticket: Ticket, scheduled_step: ScheduledStep | None) -> StepOutcome:
        """Store a later time for the step. This raises no event, so no one is notified."""
        change: Document = {"$unset": {"alarm": ""}}
        if scheduled_step:
            change = {"$set": {"alarm": scheduled_step.to_doc()}}
        done = self._db.tickets.update_one(_unchanged_filter(ticket), change)
        return StepOutcome.POSTPONED if done.modified_count else StepOutcome.STALE


def _record_step(ticket: Ticket, step: EscalationStep) -> Change:
    """The event of a step that only notifies its audience."""
    state = ticket.escalation_tracks[step.track]
    is_reminder = step.rule.change is StepChange.REMIND
    event = NewEvent(
        EventType.REMINDED if is_reminder else EventType.ESCALATED,
        by="system",
        field=NEXT_STEP_FIELD,
        from_=state.last_step.value if state.last_step else None,
        to=step.value,
    )
    return Change(events=(event,))


def _reassign_change(ticket: Ticket, choice: AssigneeChoice, *, now: datetime) -> Change:
    former, reason = ticket.assigned_to, f"{choice.reason_text} · {NOT_ACCEPTED_REASON}"
    by_system = partial(NewEvent, by="system")
    events = [
        by_system(
            EventType.REASSIGNED_BY_ESCALATION,
            field=NEXT_STEP_FIELD,
            from_=former,
            to=EscalationStep.ACCEPT_REASSIGN.value,
        ),
        by_system(
            EventType.ASSIGNED, field="assignedTo", from_=former, to=choice.user_id, note=reason
        ),
    ]
    before, after = ticket.status.value, Status.IN_PROGRESS.value
    if before != after:
        events.append(by_system(EventType.STATUS_CHANGED, field="status", from_=before, to=after))
    values: Document = {
        "assignedTo": choice.user_id,
        "status": after,
        "assignment.reason": reason,
        "assignment.score": choice.score,
        "assignment.parts": choice.score_parts,
        "assignment.at": now,
    }
    if source := (ticket.assignment.get("analysis") or {}).get("source"):
        values["assignment.source"] = source
    return Change(values, tuple(events), ("acceptedAt",))


def _unchanged_filter(ticket: Ticket) -> Document:
    return ticket_filter(ticket.id, {"seq": ticket.seq or None})
