"""Rules for which reminders a ticket's escalation steps call for, and to whom. Pure.

A reminder that no longer applies goes to nobody, even if it was queued while it did.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from bson import ObjectId

from services.models.escalation_track import EscalationStep, EscalationTrack
from services.models.events import Event, EventType
from services.models.ticket import Ticket
from services.outbox.deliveries import delivery_key
from services.outbox.reminders import TRIAGE_RECIPIENT
from services.sla.escalation_schedule import NEXT_STEP_FIELD, is_current_step
from tasks.recipients import last_event

_ASSIGNEE_STEPS = frozenset(
    {EscalationStep.ACCEPT_REMINDER, EscalationStep.DUE_SOON, EscalationStep.DUE_MISSED}
)
_CHANNEL_STEPS = frozenset({EscalationStep.ACCEPT_TRIAGE, EscalationStep.DUE_TRIAGE})
_ADMIN_STEPS = frozenset({EscalationStep.ACCEPT_ADMINS, EscalationStep.DUE_ADMINS})
# After one of these its assignee has not heard yet that it is missed.
_BEFORE_MISSED = frozenset({None, EscalationStep.DUE_SOON})
# After one of these the channel has not.
_BEFORE_CHANNEL = _BEFORE_MISSED | {EscalationStep.DUE_MISSED}


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
    """Every reminder that the ticket calls for as it is, sent already or not: for each escalation
    track one a person, by the last step that concerns them. Further steps, which concern others,
    leave it: it may wait for a worker, for Slack or for their working day until then."""
    found: dict[tuple[ObjectId | str, EscalationTrack], DueReminder] = {}
    for event in _current_steps(ticket):
        kind = EscalationStep(event.to)
        for recipient in _recipients(event, kind, ticket, admins):
            found[recipient, kind.track] = DueReminder(event.seq, event.at, kind, recipient)
    return list(found.values())


def _current_steps(ticket: Ticket) -> list[Event]:
    """The events of each escalation track since it last restarted, unless the ticket has left the
    state of the last one; the latest last."""
    runs: dict[EscalationTrack, list[Event]] = {}
    for event in ticket.events:
        if event.field == NEXT_STEP_FIELD and event.to in set(EscalationStep):
            track = EscalationStep(event.to).track
            continues = event.from_ in track.steps
            runs[track] = [*(runs.get(track, ()) if continues else ()), event]
    current = (run for run in runs.values() if is_current_step(ticket, EscalationStep(run[-1].to)))
    return sorted(chain.from_iterable(current), key=lambda event: event.seq)


def _recipients(
    event: Event, kind: EscalationStep, ticket: Ticket, admins: Sequence[ObjectId]
) -> Iterator[ObjectId | str]:
    if kind is EscalationStep.ACCEPT_REASSIGN and isinstance(event.from_, ObjectId):
        yield event.from_  # its card tells the new one
    if kind in _CHANNEL_STEPS or (
        kind is EscalationStep.DUE_ADMINS and _previous_step(event) in _BEFORE_CHANNEL
    ):
        yield TRIAGE_RECIPIENT
    if kind in _ADMIN_STEPS:
        yield from admins
    was_assignee = _was_assignee_then(ticket, event)
    if ticket.assigned_to and was_assignee and (kind in _ASSIGNEE_STEPS or _is_news(event, kind)):
        yield ticket.assigned_to


def _was_assignee_then(ticket: Ticket, event: Event) -> bool:
    """Whoever was assigned later sees by the card what the state is."""
    assigned = last_event(ticket, EventType.ASSIGNED)
    return assigned is None or assigned.seq < event.seq


def _is_news(event: Event, kind: EscalationStep) -> bool:
    """Whether its assignee hears of it by a step that is for others: whoever it was passed on to
    was not reminded yet, and after a pause of the jobs a step may have been left out."""
    before = _previous_step(event)
    if kind is EscalationStep.ACCEPT_TRIAGE:
        return True
    if kind is EscalationStep.ACCEPT_ADMINS:
        return before is not EscalationStep.ACCEPT_TRIAGE
    return (
        kind in (EscalationStep.DUE_TRIAGE, EscalationStep.DUE_ADMINS) and before in _BEFORE_MISSED
    )


def _previous_step(event: Event) -> EscalationStep | None:
    """The step before it; None where it was the first, or somebody else had the ticket then."""
    return EscalationStep(event.from_) if event.from_ in tuple(EscalationStep) else None
