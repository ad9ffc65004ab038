"""The escalation steps, and the progress of a ticket through them.

The steps of one kind are a track. The progress on each track is stored in
`ladders: {accept|due|waiting: {about, since, done, ended}}`, and the next step of all tracks in
`alarm: {at, kind, about, aside}`.

`STEP_RULES` is the one table of steps. It holds names only: services/sla/escalation_schedule.py
maps the delays to times, services/escalation/escalation_steps.py the conditions and changes to
functions, and tasks/notifications/reminders.py the audiences to recipients.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Any

from services.core.coerce import as_datetime
from services.core.work_queue import RetryState


class EscalationTrack(StrEnum):
    """The tracks: until the ticket is accepted, resolved, or answered by its requester; and until
    the requester has reacted to a question or resolution in a request channel."""

    ACCEPT = "accept"
    DUE = "due"
    WAITING = "waiting"
    ANSWER = "answer"

    @property
    def is_of_the_requester(self) -> bool:
        """Whether it counts while the ticket waits for its requester."""
        return self in (EscalationTrack.WAITING, EscalationTrack.ANSWER)

    @property
    def is_sequential(self) -> bool:
        """Whether each delay starts at the previous step. On the other tracks, every delay starts
        at the due time."""
        return self is not EscalationTrack.DUE

    @property
    def steps(self) -> tuple["EscalationStep", ...]:
        return _STEPS[self]


class EscalationStep(StrEnum):
    """The steps as stored, by track in their order. The value begins with the track's."""

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
    ANSWER_DIRECT = "answer_direct"

    @property
    def track(self) -> EscalationTrack:
        return EscalationTrack(self.value.partition("_")[0])

    @property
    def rule(self) -> "StepRule":
        return STEP_RULES[self]

    def steps_after(self, previous: "EscalationStep | None") -> tuple["EscalationStep", ...]:
        """The steps of its track after `previous`, up to this one; from the first one if None."""
        steps = self.track.steps
        first = steps.index(previous) + 1 if previous in steps else 0
        return steps[first : steps.index(self) + 1]

    @property
    def next(self) -> "EscalationStep":
        """The next step of its track, which is taken if this one cannot be."""
        steps = self.track.steps
        return steps[steps.index(self) + 1]


# To ask each step for its track, for every ticket filed, costs as much as the rest of its timing.
_STEPS: Mapping[EscalationTrack, tuple[EscalationStep, ...]] = {
    track: tuple(step for step in EscalationStep if step.track is track)
    for track in EscalationTrack
}


class StepDelay(Enum):
    """What determines the time of a step."""

    ACCEPTANCE_TIME = auto()
    HALF_ACCEPTANCE_TIME = auto()
    BEFORE_DUE = auto()
    DUE = auto()
    ESCALATION_DELAY = auto()
    WAITING_DAYS = auto()
    AUTO_COMPLETE_DAYS = auto()
    ANSWER_TIME = auto()


class StepCondition(Enum):
    """The condition of a step; if it is not met, the next step of the track is taken."""

    IS_ASSIGNED = auto()
    ASSIGNEE_CAN_ACCEPT = auto()
    HAS_TRIAGE_CHANNEL = auto()


class StepChange(Enum):
    """What a step does to the ticket."""

    REMIND = auto()
    ESCALATE = auto()
    REASSIGN = auto()
    CLOSE = auto()


class Audience(Enum):
    """Who is notified of a step."""

    ASSIGNEE = auto()
    FORMER_ASSIGNEE = auto()
    REQUESTER = auto()
    TRIAGE_CHANNEL = auto()
    ADMINS = auto()


@dataclass(frozen=True, slots=True)
class StepRule:
    """`label` is the step in a ticket's history, as the end of "The help desk ...".

    `is_late`: the ticket's due time has passed.
    """

    after: StepDelay
    change: StepChange
    audience: frozenset[Audience]
    label: str
    condition: StepCondition | None = None
    is_late: bool = False


STEP_RULES: Mapping[EscalationStep, StepRule] = {
    EscalationStep.ACCEPT_REMINDER: StepRule(
        after=StepDelay.ACCEPTANCE_TIME,
        condition=StepCondition.ASSIGNEE_CAN_ACCEPT,
        change=StepChange.REMIND,
        audience=frozenset({Audience.ASSIGNEE}),
        label="reminded its assignee to accept it",
    ),
    EscalationStep.ACCEPT_REASSIGN: StepRule(
        after=StepDelay.HALF_ACCEPTANCE_TIME,
        change=StepChange.REASSIGN,
        audience=frozenset({Audience.FORMER_ASSIGNEE}),
        label="reassigned it, because it was not accepted in time",
    ),
    EscalationStep.ACCEPT_TRIAGE: StepRule(
        after=StepDelay.ACCEPTANCE_TIME,
        condition=StepCondition.HAS_TRIAGE_CHANNEL,
        change=StepChange.ESCALATE,
        # A new assignee has not been reminded before.
        audience=frozenset({Audience.ASSIGNEE, Audience.TRIAGE_CHANNEL}),
        label="notified the triage channel that it is not accepted yet",
    ),
    EscalationStep.ACCEPT_ADMINS: StepRule(
        after=StepDelay.ACCEPTANCE_TIME,
        change=StepChange.ESCALATE,
        audience=frozenset({Audience.ADMINS}),
        label="notified the admins that it is not accepted yet",
    ),
    EscalationStep.DUE_SOON: StepRule(
        after=StepDelay.BEFORE_DUE,
        condition=StepCondition.IS_ASSIGNED,
        change=StepChange.REMIND,
        audience=frozenset({Audience.ASSIGNEE}),
        label="reminded its assignee that it is due soon",
    ),
    EscalationStep.DUE_MISSED: StepRule(
        after=StepDelay.DUE,
        condition=StepCondition.IS_ASSIGNED,
        change=StepChange.REMIND,
        audience=frozenset({Audience.ASSIGNEE}),
        label="reminded its assignee that it is overdue",
        is_late=True,
    ),
    EscalationStep.DUE_TRIAGE: StepRule(
        after=StepDelay.ESCALATION_DELAY,
        condition=StepCondition.HAS_TRIAGE_CHANNEL,
        change=StepChange.ESCALATE,
        audience=frozenset({Audience.TRIAGE_CHANNEL}),
        label="notified the triage channel that it is overdue",
        is_late=True,
    ),
    EscalationStep.DUE_ADMINS: StepRule(
        after=StepDelay.ESCALATION_DELAY,
        change=StepChange.ESCALATE,
        audience=frozenset({Audience.ADMINS}),
        label="notified the admins that it is overdue",
        is_late=True,
    ),
    EscalationStep.WAITING_REMINDER: StepRule(
        after=StepDelay.WAITING_DAYS,
        change=StepChange.REMIND,
        audience=frozenset({Audience.REQUESTER}),
        label="asked its requester once more",
    ),
    EscalationStep.WAITING_CLOSE: StepRule(
        after=StepDelay.AUTO_COMPLETE_DAYS,
        change=StepChange.CLOSE,
        audience=frozenset({Audience.REQUESTER}),
        label="closed it",
    ),
    EscalationStep.ANSWER_DIRECT: StepRule(
        after=StepDelay.ANSWER_TIME,
        change=StepChange.REMIND,
        audience=frozenset({Audience.REQUESTER}),
        label="wrote to its requester in a direct message",
    ),
}
LATE_STEPS = frozenset(step for step, rule in STEP_RULES.items() if rule.is_late)


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """A step with its time. `subject` is what the time was computed for: an assignment or due time.

    `retry`: the back-off state, if the step could not be taken (services/core/work_queue.py).
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
        """Return the stored form without `retry`: storing a step again resets its back-off."""
        return {"at": self.at, "kind": self.step.value, "about": self.subject}


@dataclass(frozen=True, slots=True)
class TrackState:
    """The progress of a ticket on a track. `subject` identifies the assignment or due time; if it
    changes, the steps start again.

    `counted_from` is when the delay of the next step starts, None while the clock is stopped;
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
        """Whether the step has not been taken yet."""
        steps = step.track.steps
        return not self.is_ended and (
            self.last_step is None or steps.index(step) > steps.index(self.last_step)
        )


TrackStates = Mapping[EscalationTrack, TrackState]


def track_states_from_doc(doc: Any) -> dict[EscalationTrack, TrackState]:
    """Read the stored states, without those that are malformed."""
    stored = doc if isinstance(doc, Mapping) else {}
    if not stored:
        return {}
    found = {track: TrackState.from_doc(stored.get(track.value)) for track in EscalationTrack}
    return {track: state for track, state in found.items() if state}
