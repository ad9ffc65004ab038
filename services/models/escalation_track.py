"""Escalation state of a ticket: the tracks it is on, and its next scheduled step.

The steps of one kind that follow each other are a track. How far a ticket is on each is stored in
`ladders: {accept|due|waiting: {about, since, done, ended}}`, and the next step of all tracks in
`alarm: {at, kind, about, aside}`. When each step is due is in services/sla/escalation_schedule.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.core.coerce import as_datetime
from services.core.work_queue import RetryState


class EscalationStep(StrEnum):
    """The steps, by track in their order."""

    ACCEPT_REMINDER = "accept_reminder"
    ACCEPT_REASSIGN = "accept_next"
    ACCEPT_TRIAGE = "accept_triage"
    ACCEPT_ADMINS = "accept_admins"
    DUE_SOON = "due_soon"
    DUE_MISSED = "due_missed"
    DUE_TRIAGE = "due_triage"
    DUE_ADMINS = "due_admins"
    WAITING_REMINDER = "waiting_ask"
    WAITING_CLOSE = "waiting_close"

    @property
    def track(self) -> "EscalationTrack":
        return EscalationTrack(self.value.partition("_")[0])


class EscalationTrack(StrEnum):
    """The tracks: to be accepted, to be done, and to be answered by its requester."""

    ACCEPT = "accept"
    DUE = "due"
    WAITING = "waiting"

    @property
    def steps(self) -> tuple[EscalationStep, ...]:
        return tuple(kind for kind in EscalationStep if kind.track is self)


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """The next step, and its `subject`: of another subject its time would be another.

    `retry`: the back-off state, if it could not be taken so far (services/core/work_queue.py).
    """

    at: datetime
    step: EscalationStep
    subject: str
    retry: RetryState | None = None

    @classmethod
    def from_doc(cls, doc: Any) -> "ScheduledStep | None":
        if not isinstance(doc, Mapping) or doc.get("kind") not in set(EscalationStep):
            return None
        at, retry = as_datetime(doc.get("at")), RetryState.from_doc(doc.get("aside"))
        return (
            cls(at, EscalationStep(doc["kind"]), str(doc.get("about") or ""), retry) if at else None
        )

    def to_doc(self) -> dict[str, Any]:
        """Without `retry`: a step that is stored again has just been worked out without a
        failure."""
        return {"at": self.at, "kind": self.step.value, "about": self.subject}


@dataclass(frozen=True, slots=True)
class TrackState:
    """How far a ticket is on a track. `subject` tells one assignment or due time from another; with
    another one the steps begin again.

    `counted_from` is what the next step is counted from, None while the clock is stopped;
    `last_step` is the last step that was taken. A track that `is_ended` has no further steps.
    """

    subject: str
    counted_from: datetime | None
    last_step: EscalationStep | None = None
    is_ended: bool = False

    @classmethod
    def from_doc(cls, doc: Any) -> "TrackState | None":
        if not isinstance(doc, Mapping) or not isinstance(doc.get("about"), str):
            return None
        done = doc.get("done")
        return cls(
            subject=doc["about"],
            counted_from=as_datetime(doc.get("since")),
            last_step=EscalationStep(done) if done in set(EscalationStep) else None,
            is_ended=doc.get("ended") is True,
        )

    def to_doc(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"about": self.subject}
        if self.counted_from:
            doc["since"] = self.counted_from
        if self.last_step:
            doc["done"] = self.last_step.value
        return {**doc, "ended": True} if self.is_ended else doc

    def is_pending(self, step: EscalationStep) -> bool:
        """Whether that step is still to come."""
        steps = step.track.steps
        return not self.is_ended and (
            self.last_step is None or steps.index(step) > steps.index(self.last_step)
        )


TrackStates = Mapping[EscalationTrack, TrackState]


def track_states_from_doc(doc: Any) -> dict[EscalationTrack, TrackState]:
    """As stored; what cannot be read is as if it were not there."""
    stored = doc if isinstance(doc, Mapping) else {}
    found = {track: TrackState.from_doc(stored.get(track.value)) for track in EscalationTrack}
    return {family: state for family, state in found.items() if state}
