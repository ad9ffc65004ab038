"""What each action changes in a ticket. Pure; `ticket_store.apply` stores a change.

Two changes may be joined into one update (`Change.then`) if the second is built from
`with_change(ticket, first)`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.core.database import Document
from services.models.events import EventType, NewEvent
from services.models.resolution import NO_ANSWER_RESOLUTION
from services.models.ticket import MANUAL_SOURCE, AnalysisSource, AssigneeChoice, Status, Ticket

TAKEN_REASON = "took it"  # the reason of an assignment by taking the ticket
NOW_REQUESTER_REASON = "is its requester now"  # the reason why an assignee loses a ticket
MAX_COMMENTS_PER_TICKET = 500
MAX_PARTICIPANTS = 20
# The field of a comment's events: a requester does not read those of internal notes.
EVENT_FIELD_BY_INTERNAL = {False: "comments", True: "notes"}
RETRY_FIELDS = ("assignment.next", "assignment.until")  # removed when assignment has finished


@dataclass(frozen=True, slots=True)
class Change:
    """Fields to set (`values`) and to `remove`, entries to append to arrays (`push`, by field), and
    the events of the ticket's history."""

    values: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[NewEvent, ...] = ()
    remove: tuple[str, ...] = ()
    push: Mapping[str, Any] = field(default_factory=dict)

    def then(self, later: "Change") -> "Change":
        """Return both changes as one; `later` overrides this one field by field."""
        values = {name: value for name, value in self.values.items() if name not in later.remove}
        removed = [name for name in self.remove if name not in later.values]
        return Change(
            values={**values, **later.values},
            events=self.events + later.events,
            remove=tuple(dict.fromkeys([*removed, *later.remove])),
            push={**self.push, **later.push},
        )


NO_CHANGE = Change()


def with_change(ticket: Ticket, change: Change) -> Ticket:
    """Return the ticket with the change applied to the fields that actions depend on."""
    values = change.values
    accepted = None if "acceptedAt" in change.remove else ticket.accepted_at
    return replace(
        ticket,
        status=Status(values.get("status", ticket.status)),
        created_by=values.get("createdBy", ticket.created_by),
        filed_by=values.get("filedBy", None if "filedBy" in change.remove else ticket.filed_by),
        assigned_to=values.get("assignedTo", ticket.assigned_to),
        accepted_at=values.get("acceptedAt", accepted),
    )


def accept(by: ObjectId, ticket: Ticket, *, now: datetime) -> Change:
    """Accept an assigned ticket; a reopened one that kept its assignee goes in progress, too."""
    accepted = Change({"acceptedAt": now}, (NewEvent(EventType.ACCEPTED, by=by),))
    return accepted.then(resume(by, ticket)) if ticket.status is Status.REOPENED else accepted


def assign(
    by: ObjectId, ticket: Ticket, assignee: ObjectId, *, reason: str, now: datetime
) -> Change:
    """Assign the ticket to any user. Taking it (`assignee` is `by`) also accepts it."""
    is_taken = assignee == by
    values: dict[str, Any] = {
        "assignedTo": assignee,
        "assignment.source": MANUAL_SOURCE,
        "assignment.reason": reason,
        "assignment.at": now,
    }
    assigned = NewEvent(
        EventType.ASSIGNED,
        by=by,
        field="assignedTo",
        from_=ticket.assigned_to,
        to=assignee,
        note=reason or None,
        internal=bool(reason),
        skills=ticket.related_skills,
        ends_assignees_work=ticket.assigned_to not in (None, by),
    )
    events = [assigned]
    if is_taken:
        values["acceptedAt"] = now
    if ticket.status in (Status.TODO, Status.REOPENED):
        values["status"] = Status.IN_PROGRESS.value
        events.append(_status_event(EventType.STATUS_CHANGED, by, ticket, Status.IN_PROGRESS))
    removed = (*RETRY_FIELDS, "assignment.score", "assignment.parts")
    return Change(values, tuple(events), removed if is_taken else (*removed, "acceptedAt"))


def unassign(by: ObjectId, ticket: Ticket, *, reason: str, absent: bool = False) -> Change:
    """Return the ticket to assignment; one in progress becomes Open again.

    `absent`: the assignee is away, gone or the requester, so this says nothing about their skills.
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
        ends_assignees_work=not absent and ticket.assigned_to not in (None, by),
    )
    values: dict[str, Any] = {"assignedTo": None}
    if ticket.status is Status.IN_PROGRESS:
        values["status"] = Status.TODO.value
    return Change(values, (event,), ("acceptedAt", *RETRY_FIELDS))


def auto_assign(
    ticket: Ticket, choice: AssigneeChoice, *, source: AnalysisSource, now: datetime
) -> Change:
    """Assign an unassigned ticket to the candidate that assignment chose."""
    values = {
        "assignedTo": choice.user_id,
        "status": Status.IN_PROGRESS.value,
        "assignment.source": source.value,
        "assignment.reason": choice.reason_text,
        "assignment.score": choice.score,
        "assignment.parts": choice.score_parts,
        "assignment.at": now,
    }
    assigned = NewEvent(
        EventType.ASSIGNED,
        by="system",
        field="assignedTo",
        to=choice.user_id,
        note=choice.reason_text,
    )
    status_event = _status_event(EventType.STATUS_CHANGED, "system", ticket, Status.IN_PROGRESS)
    return Change(values, (assigned, status_event), RETRY_FIELDS)


def queue_unassigned(ticket: Ticket, *, retry_at: datetime) -> Change:
    """Queue a ticket for which no candidate is available.

    The history says so once, and again after an assignment.
    """
    event = NewEvent(EventType.NOBODY_AVAILABLE, by="system")
    events = () if ticket.is_queued_unassigned else (event,)
    return Change({"assignment.next": retry_at}, events, ("assignment.until",))


def make_private(by: ObjectId, *, seen_by: Iterable[ObjectId]) -> Change:
    """Show the ticket only to its people and to admins. The event keeps the ids of those who acted
    on it and lose sight of it (`seen_by`).

    An unassigned one is assigned again: from now on it has other candidates.
    """
    event = NewEvent(EventType.EDITED, by=by, field="private", from_=sorted(seen_by), to=True)
    return Change({"private": True}, (event,), RETRY_FIELDS)


def change_requester(by: ObjectId, ticket: Ticket, requester: ObjectId) -> Change:
    """Make it another person's ticket. Who filed it stays the same. No one works on their own
    ticket, so an open one that is assigned to the new requester is assigned again; and a requester
    is no participant."""
    former, filer = ticket.created_by, ticket.filer
    event = NewEvent(EventType.EDITED, by=by, field="createdBy", from_=former, to=requester)
    is_filer = filer in (None, requester)
    values: dict[str, Any] = {"createdBy": requester}
    changed = Change(
        values if is_filer else {**values, "filedBy": filer},
        (event,),
        ("filedBy", *RETRY_FIELDS) if is_filer else RETRY_FIELDS,
    )
    if requester in ticket.participants:
        changed = changed.then(change_participants(by, ticket, removed=[requester]))
    if ticket.assigned_to != requester or ticket.status is Status.COMPLETED:
        return changed
    if ticket.status is Status.WAITING:  # a waiting ticket cannot be unassigned
        resumed = resume(by, ticket)
        changed, ticket = changed.then(resumed), with_change(ticket, resumed)
    return changed.then(unassign(by, ticket, reason=NOW_REQUESTER_REASON, absent=True))


def change_participants(
    by: ObjectId,
    ticket: Ticket,
    *,
    added: Iterable[ObjectId] = (),
    removed: Iterable[ObjectId] = (),
) -> Change:
    """Remove participants, then add some; an event names each. Who is added and takes part already
    gets messages from then on."""
    added, removed = tuple(added), tuple(removed)
    gone = {*removed, *added}
    kept = [user_id for user_id in ticket.participants if user_id not in gone]
    leave, join = EventType.PARTICIPANT_REMOVED, EventType.PARTICIPANT_ADDED
    events = [NewEvent(leave, by=by, field="participants", from_=user_id) for user_id in removed]
    events += [NewEvent(join, by=by, field="participants", to=user_id) for user_id in added]
    return Change({"participants": [*kept, *added]}, tuple(events))


def complete(
    by: ObjectId | str,
    ticket: Ticket,
    event: EventType,
    *,
    resolution: str | None,
    now: datetime,
    note: str | None = None,
) -> Change:
    """Complete the ticket; `event` says how: resolved, cancelled, withdrawn or unanswered."""
    completed = _status_event(event, by, ticket, Status.COMPLETED, note=note)
    is_by_colleague = event in (EventType.RESOLVED, EventType.WITHDRAWN) and by not in (
        ticket.assigned_to,
        ticket.created_by,
    )
    return Change(
        {"status": Status.COMPLETED.value, "resolution": resolution, "completedAt": now},
        (replace(completed, ends_assignees_work=is_by_colleague and bool(ticket.assigned_to)),),
        RETRY_FIELDS,
    )


def close_unanswered(ticket: Ticket, *, now: datetime) -> Change:
    note = "no answer, though asked once more"
    event = EventType.UNANSWERED
    return complete("system", ticket, event, resolution=NO_ANSWER_RESOLUTION, now=now, note=note)


def reopen(
    by: ObjectId, ticket: Ticket, *, keep_assignee: bool, now: datetime, reason: str = ""
) -> Change:
    """Reopen the ticket. `keep_assignee`: the assignee still works on tickets. The reason is a
    comment, as a question is."""
    values: dict[str, Any] = {"status": Status.REOPENED.value}
    if not keep_assignee:
        values["assignedTo"] = None
    event = _status_event(EventType.REOPENED, by, ticket, Status.REOPENED, note=reason or None)
    reopened = Change(values, (event,), ("resolution", "completedAt", "acceptedAt"))
    return reopened.then(_said_with_action(by, ticket, reason, now=now))


def ask_requester(by: ObjectId, ticket: Ticket, *, question: str, now: datetime) -> Change:
    """Wait for the requester's answer. The question is a comment, if there is room for one more.

    The comment's event follows the status event: `comment_sync` recognises a question by that.
    """
    event = _status_event(EventType.WAITING, by, ticket, Status.WAITING, note=question)
    wait = Change({"status": Status.WAITING.value}, (event,))
    return wait.then(_said_with_action(by, ticket, question, now=now))


def _said_with_action(by: ObjectId, ticket: Ticket, text: str, *, now: datetime) -> Change:
    """Return the comment for what was said with an action, if there is room for one more."""
    if not text or len(ticket.comments) >= MAX_COMMENTS_PER_TICKET:
        return Change()
    return add_comment(ticket, comment_doc(by=by, text=text, at=now))


def comment_doc(*, by: ObjectId, text: str, at: datetime, internal: bool = False) -> Document:
    """Return a comment as stored, without files and not from a Slack message."""
    return {
        "id": ObjectId(),
        "at": at,
        "by": by,
        "text": text,
        "internal": internal,
        "files": [],
        "slack": None,
    }


def add_comment(ticket: Ticket, doc: Document) -> Change:
    """Add a comment; the requester's answer to a waiting ticket puts it in progress."""
    by, internal = doc["by"], doc["internal"]
    kind = EventType.NOTED if internal else EventType.COMMENTED
    event = NewEvent(kind, by=by, field=EVENT_FIELD_BY_INTERNAL[internal], to=doc["id"])
    change = Change(events=(event,), push={"comments": doc})
    if ticket.status is Status.WAITING and by == ticket.created_by and not internal:
        return change.then(resume(by, ticket, event=EventType.ANSWERED))
    return change


def resume(by: ObjectId, ticket: Ticket, *, event: EventType = EventType.STATUS_CHANGED) -> Change:
    """Put the ticket in progress."""
    resumed = _status_event(event, by, ticket, Status.IN_PROGRESS)
    return Change({"status": Status.IN_PROGRESS.value}, (resumed,))


def _status_event(
    event: EventType, by: ObjectId | str, ticket: Ticket, to: Status, *, note: str | None = None
) -> NewEvent:
    return NewEvent(event, by=by, field="status", from_=ticket.status.value, to=to.value, note=note)
