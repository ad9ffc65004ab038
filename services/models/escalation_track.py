"""What is kept in a ticket of what happens to it by the clock.

The steps of one kind that follow each other are a ladder. How far a ticket is on each stands in
`ladders: {accept|due|waiting: {about, since, done, ended}}`, and the next step of all of them in
`alarm: {at, kind, about, aside}`. When which step comes is in services/sla/escalation_schedule.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.core.coerce import as_datetime
from services.core.retry import RetryState


class EscalationStep(StrEnum):
    """The steps, by ladder in their order."""

    ACCEPT_REMINDER = "accept_reminder"
    ACCEPT_NEXT = "accept_next"
    ACCEPT_TRIAGE = "accept_triage"
    ACCEPT_ADMINS = "accept_admins"
    DUE_SOON = "due_soon"
    DUE_MISSED = "due_missed"
    DUE_TRIAGE = "due_triage"
    DUE_ADMINS = "due_admins"
    WAITING_ASK = "waiting_ask"
    WAITING_CLOSE = "waiting_close"

    @property
    def family(self) -> "EscalationTrack":
        return EscalationTrack(self.value.partition("_")[0])


class EscalationTrack(StrEnum):
    """The ladders: to be accepted, to be done, and to be answered by its requester."""

    ACCEPT = "accept"
    DUE = "due"
    WAITING = "waiting"

    @property
    def steps(self) -> tuple[EscalationStep, ...]:
        return tuple(kind for kind in EscalationStep if kind.family is self)


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """The next step, and what it is about: of something else its time would be another.

    `aside`: it could not be taken so far (services/core/retry.py)."""

    at: datetime
    kind: EscalationStep
    about: str
    aside: RetryState | None = None

    @classmethod
    def from_doc(cls, doc: Any) -> "ScheduledStep | None":
        if not isinstance(doc, Mapping) or doc.get("kind") not in set(EscalationStep):
            return None
        at, aside = as_datetime(doc.get("at")), RetryState.from_doc(doc.get("aside"))
        return (
            cls(at, EscalationStep(doc["kind"]), str(doc.get("about") or ""), aside) if at else None
        )

    def to_doc(self) -> dict[str, Any]:
        """Without `aside`: whoever stores a step anew has found that it can be worked out."""
        return {"at": self.at, "kind": self.kind.value, "about": self.about}


@dataclass(frozen=True, slots=True)
class TrackState:
    """How far a ticket is. `about` tells one assignment or due time from another, with which the
    steps begin anew.

    `since` is what the next step is counted from, None while the clock stands; `done` the last
    step that was taken. One that has `ended` has no further steps.
    """

    about: str
    since: datetime | None
    done: EscalationStep | None = None
    ended: bool = False

    @classmethod
    def from_doc(cls, doc: Any) -> "TrackState | None":
        if not isinstance(doc, Mapping) or not isinstance(doc.get("about"), str):
            return None
        done = doc.get("done")
        return cls(
            about=doc["about"],
            since=as_datetime(doc.get("since")),
            done=EscalationStep(done) if done in set(EscalationStep) else None,
            ended=doc.get("ended") is True,
        )

    def to_doc(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"about": self.about}
        if self.since:
            doc["since"] = self.since
        if self.done:
            doc["done"] = self.done.value
        return {**doc, "ended": True} if self.ended else doc

    def is_left(self, kind: EscalationStep) -> bool:
        """Whether that step is still to come."""
        steps = kind.family.steps
        return not self.ended and (self.done is None or steps.index(kind) > steps.index(self.done))


Ladders = Mapping[EscalationTrack, TrackState]


def ladders_of(doc: Any) -> dict[EscalationTrack, TrackState]:
    """As stored; what cannot be read is as if it were not there."""
    stored = doc if isinstance(doc, Mapping) else {}
    found = {family: TrackState.from_doc(stored.get(family.value)) for family in EscalationTrack}
    return {family: ladder for family, ladder in found.items() if ladder}
