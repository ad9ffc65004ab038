"""What each action changes in a ticket. Pure; `services.tickets.actions` and
`services.editing.ticket_edits` store it.

Two may be joined into one update: the second is then made of `with_change(ticket, first)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.models.assignee_choice import AnalysisSource, AssigneeChoice
from services.models.events import EventType, NewEvent
from services.models.ticket import Status, Ticket
from services.tickets.lifecycle import NO_ANSWER_RESOLUTION

TAKEN_REASON = "took it"  # the reason where somebody makes a ticket their own
_RETRY_FIELDS = ("assignment.next", "assignment.until")  # assignment is not to look at it any more


@dataclass(frozen=True, slots=True)
class Change:
    """`values` to set, fields to `remove`, what arrays get at their end, and the events that tell
    of it."""

    values: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[NewEvent, ...] = ()
    remove: tuple[str, ...] = ()
    push: Mapping[str, Any] = field(default_factory=dict)

    def then(self, later: "Change") -> "Change":
        """Both in one update; of one field the later word counts."""
        values = {name: value for name, value in self.values.items() if name not in later.remove}
        gone = [name for name in self.remove if name not in later.values]
        return Change(
            values={**values, **later.values},
            events=self.events + later.events,
            remove=tuple(dict.fromkeys([*gone, *later.remove])),
            push={**self.push, **later.push},
        )


def with_change(ticket: Ticket, change: Change) -> Ticket:
    """The ticket as it is once that is stored, as far as actions depend on it."""
    values = change.values
    accepted = None if "acceptedAt" in change.remove else ticket.accepted_at
    return replace(
        ticket,
        status=Status(values.get("status", ticket.status)),
        assigned_to=values.get("assignedTo", ticket.assigned_to),
        accepted_at=values.get("acceptedAt", accepted),
    )


def accept(by: ObjectId, ticket: Ticket, *, now: datetime) -> Change:
    """The assignee is at it. A reopened ticket that kept its assignee is in progress by that."""
    accepted = Change({"acceptedAt": now}, (NewEvent(EventType.ACCEPTED, by=by),))
    return accepted.then(resume(by, ticket)) if ticket.status is Status.REOPENED else accepted


def assign(
    by: ObjectId, ticket: Ticket, assignee: ObjectId, *, reason: str, now: datetime
) -> Change:
    """Somebody else's, or one's own: taking a ticket is accepting it."""
    own = assignee == by
    values: dict[str, Any] = {
        "assignedTo": assignee,
        "assignment.source": "manual",
        "assignment.reason": reason,
        "assignment.at": now,
    }
    given = NewEvent(
        EventType.ASSIGNED,
        by=by,
        field="assignedTo",
        from_=ticket.assigned_to,
        to=assignee,
        note=reason or None,
        internal=bool(reason),
        skills=ticket.related_skills,
    )
    events = [given]
    if own:
        values["acceptedAt"] = now
    if ticket.status in (Status.TODO, Status.REOPENED):
        values["status"] = Status.IN_PROGRESS.value
        events.append(_status_event(EventType.STATUS_CHANGED, by, ticket, Status.IN_PROGRESS))
    gone = [*_RETRY_FIELDS, "assignment.score", "assignment.parts"]
    return Change(values, tuple(events), tuple(gone if own else [*gone, "acceptedAt"]))


def unassign(by: ObjectId, ticket: Ticket, *, reason: str, absent: bool = False) -> Change:
    """Back to assignment. A ticket in progress is to do again.

    `absent`: its assignee is away or gone, which says nothing of whether it suits them.
    """
    event = NewEvent(
        EventType.UNASSIGNED,
        by=by,
        field="assignedTo",
        from_=ticket.assigned_to,
        to=None,
        note=reason or None,
        internal=bool(reason),
        skills=None if absent else ticket.related_skills,
        assignee_was_absent=absent,
    )
    values: dict[str, Any] = {"assignedTo": None}
    if ticket.status is Status.IN_PROGRESS:
        values["status"] = Status.TODO.value
    return Change(values, (event,), ("acceptedAt", *_RETRY_FIELDS))


def auto_assign(
    ticket: Ticket, choice: AssigneeChoice, *, source: AnalysisSource, now: datetime
) -> Change:
    """Assignment has chosen somebody for a ticket that nobody has."""
    values = {
        "assignedTo": choice.user_id,
        "status": Status.IN_PROGRESS.value,
        "assignment.source": source.value,
        "assignment.reason": choice.reason_text,
        "assignment.score": choice.score,
        "assignment.parts": choice.score_parts,
        "assignment.at": now,
    }
    given = NewEvent(
        EventType.ASSIGNED,
        by="system",
        field="assignedTo",
        to=choice.user_id,
        note=choice.reason_text,
    )
    status_event = _status_event(EventType.STATUS_CHANGED, "system", ticket, Status.IN_PROGRESS)
    return Change(values, (given, status_event), _RETRY_FIELDS)


def queue_unassigned(ticket: Ticket, *, retry_at: datetime) -> Change:
    """Nobody can take it. Its history says so once, and once more for a ticket that somebody had
    meanwhile."""
    event = NewEvent(EventType.NOBODY_AVAILABLE, by="system")
    events = () if is_queued_unassigned(ticket) else (event,)
    return Change({"assignment.next": retry_at}, events, ("assignment.until",))


def is_queued_unassigned(ticket: Ticket) -> bool:
    """Whether nobody has had it since it was said that nobody is available for it."""
    either = (EventType.NOBODY_AVAILABLE, EventType.ASSIGNED)
    last = next((event for event in reversed(ticket.events) if event.type in either), None)
    return last is not None and last.type == EventType.NOBODY_AVAILABLE


def complete(
    by: ObjectId | str,
    ticket: Ticket,
    event: EventType,
    *,
    resolution: str,
    now: datetime,
    note: str | None = None,
) -> Change:
    """Resolved or cancelled, as `event` says."""
    return Change(
        {"status": Status.COMPLETED.value, "resolution": resolution, "completedAt": now},
        (_status_event(event, by, ticket, Status.COMPLETED, note=note),),
        _RETRY_FIELDS,
    )


def close_unanswered(ticket: Ticket, *, now: datetime) -> Change:
    """Its requester has not answered."""
    note = "no answer, though asked once more"
    event = EventType.UNANSWERED
    return complete("system", ticket, event, resolution=NO_ANSWER_RESOLUTION, now=now, note=note)


def reopen(by: ObjectId, ticket: Ticket, *, keep_assignee: bool) -> Change:
    """`keep_assignee`: its assignee is still there to work on it."""
    values: dict[str, Any] = {"status": Status.REOPENED.value}
    if not keep_assignee:
        values["assignedTo"] = None
    event = _status_event(EventType.REOPENED, by, ticket, Status.REOPENED)
    return Change(values, (event,), ("resolution", "completedAt", "acceptedAt"))


def wait_for_requester(by: ObjectId, ticket: Ticket, *, question: str) -> Change:
    """Its requester has to answer first."""
    event = _status_event(EventType.WAITING, by, ticket, Status.WAITING, note=question)
    return Change({"status": Status.WAITING.value}, (event,))


def resume(by: ObjectId, ticket: Ticket) -> Change:
    """Its assignee goes on with it."""
    event = _status_event(EventType.STATUS_CHANGED, by, ticket, Status.IN_PROGRESS)
    return Change({"status": Status.IN_PROGRESS.value}, (event,))


def _status_event(
    event: EventType, by: ObjectId | str, ticket: Ticket, to: Status, *, note: str | None = None
) -> NewEvent:
    return NewEvent(event, by=by, field="status", from_=ticket.status.value, to=to.value, note=note)
