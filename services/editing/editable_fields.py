"""The fields of a ticket that the staff may edit: what each holds now, and what it accepts. Pure.

By field, as stored: `title`, `description` and `helpfulNotes` are texts, `priority` a word,
`deadline` a moment, `relatedSkills` a list of names. All but the first two may be cleared (None).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.core.errors import InvalidValue
from services.core.text import strip_invisible
from services.models.ticket import Priority, Status, Ticket
from services.tickets.validation import (
    checked_deadline,
    checked_description,
    checked_priority,
    checked_title,
)

MAX_NOTES_LENGTH = 3_000
MAX_SKILLS = 100
# What Slack takes as an option's value. The predecessor knew no limit for a skill's name.
MAX_SKILL_VALUE_LENGTH = 150

PLAIN_FIELDS = ("title", "description", "priority", "deadline", "relatedSkills", "helpfulNotes")


def current_value(ticket: Ticket, field: str) -> Any:
    """What the ticket holds there now."""
    values: Mapping[str, Any] = {
        "title": ticket.title,
        "description": ticket.description,
        "status": ticket.status.value,
        "priority": ticket.priority.value if ticket.priority else None,
        "deadline": ticket.deadline,
        "relatedSkills": list(ticket.related_skills),
        "assignedTo": ticket.assigned_to,
        "helpfulNotes": ticket.helpful_notes,
    }
    return values[field]


def is_equal(field: str, one: Any, other: Any) -> bool:
    """Skills are the same in another order or with other capitals."""
    if field == "relatedSkills":
        return {skill.casefold() for skill in one} == {skill.casefold() for skill in other}
    return bool(one == other)


def validate_field(
    field: str, value: Any, *, ticket: Ticket, team_skills: Sequence[str], now: datetime
) -> Any:
    """The value as it is stored; `InvalidValue` for what that field does not accept."""
    if field == "title":
        return checked_title(_text(field, value))
    if field == "description":
        return checked_description(_text(field, value))
    if field == "helpfulNotes":
        return _notes(_text(field, value))
    if field == "priority":
        priority: Priority | None = checked_priority(_text(field, value) or None)
        return priority.value if priority else None
    if field == "deadline":
        return checked_deadline(value, now=now)
    if field == "status":
        return _status(_text(field, value))
    if field == "assignedTo":
        return _person(value)
    return _skills(value, skill_choices(ticket, team_skills))


def skill_choices(ticket: Ticket, team_skills: Sequence[str]) -> list[str]:
    """What may be chosen: the skills the team has and those the ticket has, by name."""
    spelled = {skill.casefold(): skill for skill in ticket.related_skills}
    for skill in team_skills:
        spelled.setdefault(skill.casefold(), skill)
    return sorted(spelled.values(), key=str.casefold)


def _text(field: str, value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidValue(field, "Give this as a text.")
    return value or ""


def _notes(text: str) -> str | None:
    text = strip_invisible(text).strip()
    if len(text) > MAX_NOTES_LENGTH:
        raise InvalidValue(
            "helpfulNotes", f"At most {MAX_NOTES_LENGTH:,} characters; this text has {len(text):,}."
        )
    return text or None


def _status(word: str) -> str:
    if word not in set(Status):
        raise InvalidValue("status", f"Choose one of {', '.join(Status)}.")
    return word


def _person(value: Any) -> ObjectId | None:
    if value is None:
        return None
    if not ObjectId.is_valid(value):
        raise InvalidValue("assignedTo", "Choose somebody from the list.")
    return ObjectId(value)


def _skills(value: Any, choices: Sequence[str]) -> list[str]:
    if value is not None and not isinstance(value, (list, tuple)):
        raise InvalidValue("relatedSkills", "Give the skills as a list.")
    known = {skill[:MAX_SKILL_VALUE_LENGTH].casefold(): skill for skill in choices}
    chosen: dict[str, str] = {}
    for name in value or ():
        key = str(name)[:MAX_SKILL_VALUE_LENGTH].casefold()
        if key not in known:
            raise InvalidValue(
                "relatedSkills", f"Nobody in the team knows “{name}”. Choose from the list."
            )
        chosen[key] = known[key]
    if len(chosen) > MAX_SKILLS:
        raise InvalidValue("relatedSkills", f"Choose at most {MAX_SKILLS} skills.")
    return list(chosen.values())
