"""A ticket's history in words."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from bot.views import labels
from bot.views.blocks import context
from bot.views.due_text import format_datetime
from bot.views.text import Block, DisplayPersonLookup, display_person, escape, mrkdwn
from services.core.text import join_words, truncate
from services.linking.links import Directory
from services.models.escalation_track import STEP_RULES
from services.models.events import Event, EventType, is_next_of_change
from services.models.ticket import Priority, Status
from services.sla.escalation_schedule import NEXT_STEP_FIELD
from services.tickets.fields import FIELDS

MAX_ACTS = 30
MAX_BYTES = 100_000  # of all lines, less than half of what a view may have
MAX_TEXT_LENGTH = 3_000  # Slack's limit for a text object; a line is far shorter
MAX_NOTE_LENGTH = 120


def history_blocks(
    events: Sequence[Event], people: Directory, *, max_acts: int = MAX_ACTS
) -> list[Block]:
    """Return the newest acts, the last one last, in as few blocks as possible."""
    all_acts = acts(events)
    lines: list[str] = []
    size = 0
    for act in reversed(all_acts[max(len(all_acts) - max_acts, 0) :]):
        line = _line(act, people)
        size += len(json.dumps(line))
        if size > MAX_BYTES:
            break
        lines.insert(0, line)
    if older := len(all_acts) - len(lines):
        lines.insert(0, f"_{older} older {'entry is' if older == 1 else 'entries are'} not shown_")
    return [context(mrkdwn(text)) for text in join_lines(lines)]


def acts(events: Sequence[Event]) -> list[tuple[Event, ...]]:
    """Return the events by act: of one change, those that say the same again are left out, and the
    fields of one edit are together."""
    found: list[tuple[Event, ...]] = []
    previous: Event | None = None
    for event in events:
        is_same_change = previous is not None and is_next_of_change(previous, event)
        if previous and is_same_change and (previous.type, event.type) in REPETITIONS:
            if event.type == EventType.ANSWERED:  # says more than its comment
                found[-1] = (event,)
        elif previous and is_same_change and (previous.type, event.type) in JOINED:
            found[-1] += (event,)
        else:
            found.append((event,))
        previous = event
    return found


# Two events of one change that are one act, told together.
JOINED = frozenset(
    {
        (EventType.EDITED, EventType.EDITED),
        (EventType.REASSIGNED_BY_ESCALATION, EventType.ASSIGNED),
        (EventType.PARTICIPANT_ADDED, EventType.PARTICIPANT_ADDED),
        (EventType.PARTICIPANT_REMOVED, EventType.PARTICIPANT_REMOVED),
    }
)
# The same, if the second says nothing new.
REPETITIONS = frozenset(
    {
        (EventType.ASSIGNED, EventType.STATUS_CHANGED),
        (EventType.ACCEPTED, EventType.STATUS_CHANGED),
        (EventType.WAITING, EventType.COMMENTED),
        (EventType.REOPENED, EventType.COMMENTED),
        (EventType.COMMENTED, EventType.ANSWERED),
    }
)


def _line(act: Sequence[Event], people: Directory) -> str:
    event = act[0]
    who = _author(event, people)
    phrase = _act_phrase(act, lambda user_id: display_person(people, user_id))
    return f"{who[:1].upper()}{who[1:]} {phrase} · {format_datetime(event.at)}"


def _act_phrase(act: Sequence[Event], lookup: DisplayPersonLookup) -> str:
    if len(act) > 1 and act[0].type == EventType.REASSIGNED_BY_ESCALATION:
        assignee = escape(lookup(act[1].to).name)
        return f"reassigned it to {assignee}, because it was not accepted in time"
    if act[0].field == "participants":
        return _participants_phrase(act, lookup)
    *phrases, last = [_event_phrase(one, lookup) for one in act]
    return f"{', '.join(phrases)} and {last}" if phrases else last


def _author(event: Event, people: Directory) -> str:
    system_names = {"system": people.app_name, "ai": "Gemini"}
    return escape(system_names.get(str(event.by)) or display_person(people, event.by).name)


def _event_phrase(event: Event, lookup: DisplayPersonLookup) -> str:
    if event.field == NEXT_STEP_FIELD:
        rule = STEP_RULES.get(event.to)
        return rule.label if rule else "looked at it"
    if event.type == EventType.ASSIGNED:
        return _assignment_phrase(event, lookup)
    if event.type == EventType.FILED and event.field == "createdBy":
        return f"filed the ticket for {escape(lookup(event.to).name)}"
    if event.type == EventType.EDITED and event.field == "createdBy":
        former, now = escape(lookup(event.from_).name), escape(lookup(event.to).name)
        return f"changed the requester from {former} to {now}"
    if event.field == "private":
        return _private_phrase(event, lookup)
    if event.type in (EventType.EDITED, EventType.STATUS_CHANGED):
        return edit_phrase(event.field, event.to)
    phrase = EVENT_PHRASES.get(event.type, "changed the ticket")
    if (
        event.type == EventType.UNASSIGNED
        and event.by == event.from_
        and not event.assignee_was_absent
    ):
        phrase = "declined it"
    return (
        f"{phrase}: {_quoted(event.note)}"
        if event.note and event.type in EVENTS_WITH_NOTE
        else phrase
    )


def _assignment_phrase(event: Event, lookup: DisplayPersonLookup) -> str:
    if event.to == event.by:
        return "took it"
    # The note of an automatic assignment is its reason, which the page shows beside it.
    reason = f": {_quoted(event.note)}" if event.note and isinstance(event.by, ObjectId) else ""
    return f"assigned it to {escape(lookup(event.to).name)}{reason}"


def _participants_phrase(act: Sequence[Event], lookup: DisplayPersonLookup) -> str:
    first = act[0]
    if first.from_ and first.to:
        return "moved to their older account"
    is_added = first.type == EventType.PARTICIPANT_ADDED
    if not is_added and first.from_ == first.by:
        return "left"
    people = [event.to if is_added else event.from_ for event in act]
    names = join_words([escape(lookup(user_id).name) for user_id in people])
    return f"added {names}" if is_added else f"removed {names}"


def _private_phrase(event: Event, lookup: DisplayPersonLookup) -> str:
    """Name those who had worked on it and no longer see it."""
    blind = event.from_ if isinstance(event.from_, list) else []
    names = join_words([escape(lookup(user_id).name) for user_id in blind])
    return f"made it private; {names} can no longer see it" if names else "made it private"


EVENT_PHRASES: dict[str, str] = {
    EventType.FILED: "filed the ticket",
    EventType.ANALYSED: "analysed the ticket",
    EventType.NOBODY_AVAILABLE: "found no one available",
    EventType.RESOLVED: "resolved it",
    EventType.ACCEPTED: "accepted it",
    EventType.UNASSIGNED: "returned it to the queue",
    EventType.WAITING: "asked the requester",
    EventType.ANSWERED: "answered",
    EventType.CANCELLED: "cancelled it",
    EventType.WITHDRAWN: "closed it as not a request",
    EventType.REOPENED: "reopened it",
    EventType.UNANSWERED: "closed it",
    EventType.REQUESTER_MERGED: "moved it to their older account",
    EventType.REQUESTER_DISOWNED: "said that someone else filed it with their address",
    EventType.COMMENTED: "commented",
    EventType.NOTED: "wrote an internal note",
    EventType.COMMENT_EDITED: "edited a comment",
    EventType.COMMENT_DELETED: "deleted a comment",
}


def edit_phrase(name: str | None, to: Any) -> str:
    """Return the end of a sentence about a user who changed that field."""
    if name in VALUE_PHRASES:
        return VALUE_PHRASES[name](to)
    field = FIELDS.get(name or "")
    return f"changed the {field.label or field.name if field else 'ticket'}"


def _status_phrase(to: Any) -> str:
    return f"set the status to {_enum_label(labels.STATUS, Status, to)}"


def _priority_phrase(to: Any) -> str:
    if to is None:
        return "removed the priority"
    return f"set the priority to {_enum_label(labels.PRIORITY, Priority, to)}"


def _deadline_phrase(to: Any) -> str:
    if not isinstance(to, datetime):
        return "removed the deadline"
    return f"set the deadline to {format_datetime(to)}"


# Phrases that contain the field's new value.
VALUE_PHRASES: dict[str, Callable[[Any], str]] = {
    "status": _status_phrase,
    "priority": _priority_phrase,
    "deadline": _deadline_phrase,
    "private": lambda _: "made it private",
}

# Their note is a reason or a question. The page itself shows a resolution.
EVENTS_WITH_NOTE = frozenset(
    {EventType.UNASSIGNED, EventType.WAITING, EventType.UNANSWERED, EventType.REOPENED}
)


def _quoted(note: str) -> str:
    return escape(truncate(" ".join(note.split()), MAX_NOTE_LENGTH))


def _enum_label(labels_by_value: dict[Any, str], kind: Any, value: Any) -> str:
    return labels_by_value[kind(value)] if value in set(kind) else "another one"


def join_lines(lines: Sequence[str]) -> Iterator[str]:
    """Join the lines to texts within Slack's limit."""
    text = ""
    for line in lines:
        if text and len(text) + 1 + len(line) > MAX_TEXT_LENGTH:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
    if text:
        yield text
