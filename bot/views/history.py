"""A ticket's history in words: who did what, and when."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from bot.views import labels
from bot.views.blocks import context
from bot.views.due_text import moment
from bot.views.text import Block, Person, escape, mrkdwn, person, truncate
from services.linking.directory import Directory
from services.models.escalation_track import EscalationStep
from services.models.events import Event, EventType
from services.models.ticket import Priority, Status
from services.sla.escalation_schedule import NEXT_STEP_FIELD

SHOWN = 30
TEXT_MAX = 3_000  # of one text object; a line is far shorter, because names and notes are cut
NOTE_MAX = 120

Named = Callable[[Any], Person]


def history(events: Sequence[Event], people: Directory, *, shown: int = SHOWN) -> list[Block]:
    """The newest events, the last one last, in as few blocks as hold them."""
    newest = events[max(len(events) - shown, 0) :]
    lines = [_line(event, lambda user_id: person(people, user_id)) for event in newest]
    if older := len(events) - len(lines):
        lines.insert(0, f"_{older} older {'entry is' if older == 1 else 'entries are'} not shown_")
    return [context(mrkdwn(text)) for text in _packed(lines)]


def _line(event: Event, named: Named) -> str:
    who = _author(event, named)
    return f"{who[:1].upper()}{who[1:]} {_deed(event, named)} · {moment(event.at)}"


def _author(event: Event, named: Named) -> str:
    ours = {"system": "the help desk", "ai": "Gemini"}
    return ours.get(str(event.by)) or escape(named(event.by).name)


def _deed(event: Event, named: Named) -> str:
    if event.field == NEXT_STEP_FIELD:
        return ALARMS.get(event.to, "looked at it")
    if event.type == EventType.ASSIGNED:
        return _assigned(event, named)
    if event.type in (EventType.EDITED, EventType.STATUS_CHANGED):
        return edit(event.field, event.to)
    deed = DEEDS.get(event.type, "changed the ticket")
    return f"{deed}: {_quoted(event.note)}" if event.note and event.type in REASONED else deed


def _assigned(event: Event, named: Named) -> str:
    if event.to == event.by:
        return "took it"
    if not isinstance(event.by, ObjectId):
        return f"assigned it to {escape(named(event.to).name)}"
    reason = f": {_quoted(event.note)}" if event.note else ""
    return f"gave it to {escape(named(event.to).name)}{reason}"


DEEDS: dict[str, str] = {
    EventType.FILED: "filed the ticket",
    EventType.ANALYSED: "read the ticket",
    EventType.NOBODY_AVAILABLE: "found nobody who is available",
    EventType.RESOLVED: "resolved it",
    EventType.ACCEPTED: "accepted it",
    EventType.UNASSIGNED: "handed it back",
    EventType.WAITING: "waits for the requester's answer",
    EventType.ANSWERED: "answered",
    EventType.CANCELLED: "cancelled it",
    EventType.REOPENED: "reopened it",
    EventType.UNANSWERED: "closed it",
    EventType.COMMENTED: "commented",
    EventType.NOTED: "wrote an internal note",
    EventType.COMMENT_EDITED: "edited a comment",
    EventType.COMMENT_DELETED: "deleted a comment",
}


ALARMS: dict[str, str] = {
    EscalationStep.ACCEPT_REMINDER: "reminded its assignee to accept it",
    EscalationStep.ACCEPT_REASSIGN: "passed it on, because it was not accepted in time",
    EscalationStep.ACCEPT_TRIAGE: "told the triage channel that nobody has accepted it",
    EscalationStep.ACCEPT_ADMINS: "told the admins that nobody has accepted it",
    EscalationStep.DUE_SOON: "reminded its assignee that it is due soon",
    EscalationStep.DUE_MISSED: "reminded its assignee that it is overdue",
    EscalationStep.DUE_TRIAGE: "told the triage channel that it is overdue",
    EscalationStep.DUE_ADMINS: "told the admins that it is overdue",
    EscalationStep.WAITING_REMINDER: "asked its requester once more",
}


def edit(field: str | None, to: Any) -> str:
    """Somebody's change of one field, as the end of a sentence about them."""
    if field == "status":
        return f"set the status to {_word(labels.STATUS, Status, to)}"
    if field == "priority":
        if to is None:
            return "took the priority away"
        return f"set the priority to {_word(labels.PRIORITY, Priority, to)}"
    if field == "deadline":
        if not isinstance(to, datetime):
            return "took the deadline away"
        return f"set the deadline to {moment(to)}"
    return f"changed the {FIELDS.get(field or '', 'ticket')}"


# Whose note says why, or what is asked. What was done stands on the page itself.
REASONED = frozenset({EventType.UNASSIGNED, EventType.WAITING, EventType.UNANSWERED})

FIELDS = {
    "title": "title",
    "description": "description",
    "summary": "summary",
    "helpfulNotes": "notes",
    "relatedSkills": "skills",
}


def _quoted(note: str) -> str:
    """Somebody's words within a line."""
    return escape(truncate(" ".join(note.split()), NOTE_MAX))


def _word(spoken: dict[Any, str], kind: Any, value: Any) -> str:
    return spoken[kind(value)] if value in set(kind) else "another one"


def _packed(lines: Sequence[str]) -> Iterator[str]:
    """The lines, one below the other, in texts that Slack takes."""
    text = ""
    for line in lines:
        if text and len(text) + 1 + len(line) > TEXT_MAX:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
    if text:
        yield text
