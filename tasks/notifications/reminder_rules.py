"""The reminders that a ticket's escalation steps call for, and their recipients. Pure.

A queued reminder that no longer applies is not sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from bson import ObjectId

from services.models.escalation_track import Audience, EscalationStep, EscalationTrack
from services.models.events import Event, EventType
from services.models.ticket import Ticket
from services.outbox.deliveries import delivery_key
from services.outbox.reminders import TRIAGE_RECIPIENT
from services.sla.escalation_schedule import NEXT_STEP_FIELD, is_current_step
from tasks.recipients import last_event


@dataclass(frozen=True, slots=True)
class DueReminder:
    """A reminder for a recipient; `key` identifies it."""

    seq: int
    at: datetime
    kind: EscalationStep
    recipient: ObjectId | str

    @property
    def key(self) -> str:
        return delivery_key(seq=self.seq, kind=self.kind.value, recipient=self.recipient)


def due_reminders(ticket: Ticket, *, admins: Sequence[ObjectId]) -> list[DueReminder]:
    """Return every reminder that the ticket calls for in its present state, whether sent or not:
    one per recipient and escalation track, for the last step with that recipient in its audience.
    Later steps for others do not replace it: it may still wait for a worker, for Slack, or for the
    recipient's working hours."""
    found: dict[tuple[ObjectId | str, EscalationTrack], DueReminder] = {}
    for event in _current_steps(ticket):
        kind = EscalationStep(event.to)
        for recipient in _recipients(event, kind, ticket, admins):
            found[recipient, kind.track] = DueReminder(event.seq, event.at, kind, recipient)
    return list(found.values())


def _current_steps(ticket: Ticket) -> list[Event]:
    """The events of each escalation track since its last restart, oldest first, without tracks
    whose last step is not current any more."""
    runs: dict[EscalationTrack, list[Event]] = {}
    for event in ticket.events:
        if event.field == NEXT_STEP_FIELD and event.to in set(EscalationStep):
            track = EscalationStep(event.to).track
            continues = event.from_ in track.steps
            runs[track] = [*(runs.get(track, ()) if continues else ()), event]
    current = (run for run in runs.values() if is_current_step(ticket, EscalationStep(run[-1].to)))
    return sorted(chain.from_iterable(current), key=lambda event: event.seq)


def _recipients(
    event: Event, step: EscalationStep, ticket: Ticket, admins: Sequence[ObjectId]
) -> Iterator[ObjectId | str]:
    audience = _audience(event, step)
    if Audience.FORMER_ASSIGNEE in audience and isinstance(event.from_, ObjectId):
        yield event.from_  # the new assignee gets the card
        return
    if Audience.TRIAGE_CHANNEL in audience:
        yield TRIAGE_RECIPIENT
    if Audience.ADMINS in audience:
        yield from admins
    if Audience.ASSIGNEE in audience and ticket.assigned_to and _was_assignee_then(ticket, event):
        yield ticket.assigned_to


def _audience(event: Event, step: EscalationStep) -> frozenset[Audience]:
    """The audience of the step, and of the steps that were skipped: after a pause of the jobs, or
    because there was no triage channel."""
    # The step before; None if it was the first, or the ticket had another assignee then.
    previous = EscalationStep(event.from_) if event.from_ in tuple(EscalationStep) else None
    skipped = step.steps_after(previous)[:-1]
    missed = frozenset(reader for step in skipped for reader in step.rule.audience)
    if step.track.is_sequential:  # it skips the channel only if there is none
        missed -= {Audience.TRIAGE_CHANNEL}
    return step.rule.audience | missed


def _was_assignee_then(ticket: Ticket, event: Event) -> bool:
    """A later assignee sees the state on the card."""
    assigned = last_event(ticket, EventType.ASSIGNED)
    return assigned is None or assigned.seq < event.seq
