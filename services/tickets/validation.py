"""Checks of ticket fields: each returns the value to store, or raises `InvalidValue`."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.core.errors import InvalidValue
from services.core.text import strip_invisible
from services.models.ticket import Priority, Status, Ticket

MIN_TITLE_LENGTH, MAX_TITLE_LENGTH = 3, 150
MAX_DESCRIPTION_LENGTH = 3_000
MAX_RESOLUTION_LENGTH = 1_000
MAX_QUESTION_LENGTH = 1_000  # to the requester
MAX_REASON_LENGTH = 300  # why the ticket is reassigned or declined
MAX_NOTES_LENGTH = 3_000
MAX_SKILLS = 100
# Slack's limit for an option's value. The legacy backend had no limit for a skill's name.
# https://docs.slack.dev/reference/block-kit/composition-objects/option-object
MAX_SKILL_VALUE_LENGTH = 150
LAST_YEAR = 2099
NO_REQUESTER = "Choose someone whose account is active."


@dataclass(frozen=True, slots=True)
class TicketFields:
    title: str
    description: str
    priority: Priority | None
    deadline: datetime | None = None
    private: bool = False
    not_to: ObjectId | None = None
    requester: ObjectId | None = None  # None: who files it

    def content_hash(self) -> str:
        """Return the same hash for the same values."""
        due = self.deadline.isoformat() if self.deadline else None
        values: list[object] = [self.title, self.description, self.priority, due]
        if self.private or self.not_to:
            values += [self.private, str(self.not_to or "")]
        if self.requester:
            values.append({"requester": str(self.requester)})
        words = json.dumps(values)
        return hashlib.sha256(words.encode()).hexdigest()


def checked_fields(
    *,
    title: str,
    description: str,
    priority: str | None,
    deadline: datetime | None,
    now: datetime,
    private: bool = False,
    not_to: ObjectId | None = None,
    requester: ObjectId | None = None,
) -> TicketFields:
    """Return the fields of a new ticket. Raises `InvalidValue` with the errors of all of them if
    the text or the priority is invalid; the deadline alone is checked when the ticket is stored."""
    errors = field_errors(title=title, description=description, deadline=deadline, now=now)
    deadline_error = {name: errors.pop(name) for name in ("deadline",) if name in errors}
    try:
        checked_priority(priority)
    except InvalidValue as error:
        errors |= error.errors
    if errors:
        field, *_ = errors
        raise InvalidValue(field, errors[field], others={**errors, **deadline_error})
    return TicketFields(
        checked_title(title),
        checked_description(description),
        checked_priority(priority),
        deadline,
        private=private,
        not_to=not_to,
        requester=requester,
    )


def field_errors(
    *, title: str, description: str, deadline: datetime | None, now: datetime
) -> dict[str, str]:
    """Return the error of each field of a new ticket that people type and that is invalid."""
    checks: tuple[Callable[[], object], ...] = (
        lambda: checked_title(title),
        lambda: checked_description(description),
        lambda: checked_deadline(deadline, now=now),
    )
    errors: dict[str, str] = {}
    for check in checks:
        try:
            check()
        except InvalidValue as error:
            errors |= error.errors
    return errors


def checked_title(value: Any) -> str:
    """Return the title on one line, because lists, subjects and notifications show it."""
    title = " ".join(strip_invisible(_text("title", value)).split())
    if len(title) < MIN_TITLE_LENGTH:
        raise InvalidValue("title", f"Give it a title of at least {MIN_TITLE_LENGTH} characters.")
    if len(title) > MAX_TITLE_LENGTH:
        raise InvalidValue(
            "title",
            f"A title has at most {MAX_TITLE_LENGTH} characters; this one has {len(title)}.",
        )
    return title


def checked_description(value: Any) -> str:
    return checked_required_text(
        _text("description", value),
        field="description",
        limit=MAX_DESCRIPTION_LENGTH,
        empty_message="Describe what you need.",
    )


def checked_required_text(text: str, *, field: str, limit: int, empty_message: str) -> str:
    """Return the stripped text, of 1 to `limit` characters."""
    checked = checked_optional_text(text, field=field, limit=limit)
    if checked is None:
        raise InvalidValue(field, empty_message)
    return checked


def checked_optional_text(value: Any, *, field: str, limit: int) -> str | None:
    """Return the stripped text, or None if it is empty."""
    text = strip_invisible(_text(field, value)).strip()
    if len(text) > limit:
        raise InvalidValue(field, f"At most {limit:,} characters; this text has {len(text):,}.")
    return text or None


def checked_question(text: str, *, field: str) -> str:
    return checked_required_text(
        text,
        field=field,
        limit=MAX_QUESTION_LENGTH,
        empty_message="Ask what you need to know; the requester reads it.",
    )


def checked_resolution(text: str, *, field: str) -> str | None:
    """Return the stripped note, or None if it is empty."""
    return checked_optional_text(text, field=field, limit=MAX_RESOLUTION_LENGTH)


def checked_reason(text: str) -> str:
    """Return the stripped reason; it may be empty."""
    if not text.strip():
        return ""
    missing = "Say why in a few words, or leave it empty."
    return checked_required_text(
        text, field="reason", limit=MAX_REASON_LENGTH, empty_message=missing
    )


def checked_notes(value: Any) -> str | None:
    return checked_optional_text(value, field="helpfulNotes", limit=MAX_NOTES_LENGTH)


def checked_priority(value: Any) -> Priority | None:
    if value is None:
        return None
    if _text("priority", value) not in set(Priority):
        raise InvalidValue("priority", f"Choose one of {', '.join(Priority)}.")
    return Priority(value)


def checked_deadline(value: datetime | None, *, now: datetime) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidValue("deadline", "Give the deadline as a day and a time.")
    if value <= now:
        raise InvalidValue(
            "deadline", "The deadline has to lie in the future. Choose a later time."
        )
    if value.year > LAST_YEAR:
        raise InvalidValue("deadline", f"Choose a deadline before the year {LAST_YEAR + 1}.")
    return value


def checked_status(value: Any) -> Status:
    if _text("status", value) not in set(Status):
        raise InvalidValue("status", f"Choose one of {', '.join(Status)}.")
    return Status(value)


def checked_assignee_id(value: Any) -> ObjectId | None:
    if value is None:
        return None
    if not ObjectId.is_valid(value):
        raise InvalidValue("assignedTo", "Choose someone from the list.")
    return ObjectId(value)


def checked_requester_id(value: Any) -> ObjectId:
    if not ObjectId.is_valid(value):
        raise InvalidValue("createdBy", NO_REQUESTER)
    return ObjectId(value)


def checked_skills(value: Any, ticket: Ticket, team_skills: Sequence[str]) -> list[str]:
    if value is not None and not isinstance(value, (list, tuple)):
        raise InvalidValue("relatedSkills", "Give the skills as a list.")
    choices = skill_choices(ticket, team_skills)
    known = {skill[:MAX_SKILL_VALUE_LENGTH].casefold(): skill for skill in choices}
    chosen: dict[str, str] = {}
    for name in value or ():
        key = str(name)[:MAX_SKILL_VALUE_LENGTH].casefold()
        if key not in known:
            raise InvalidValue(
                "relatedSkills", f"No one in the team knows “{name}”. Choose from the list."
            )
        chosen[key] = known[key]
    if len(chosen) > MAX_SKILLS:
        raise InvalidValue("relatedSkills", f"Choose at most {MAX_SKILLS} skills.")
    return list(chosen.values())


def skill_choices(ticket: Ticket, team_skills: Sequence[str]) -> list[str]:
    """Return the skills to choose from, by name: the team's, and the ticket's in its spelling."""
    spelled = {skill.casefold(): skill for skill in ticket.related_skills}
    for skill in team_skills:
        spelled.setdefault(skill.casefold(), skill)
    return sorted(spelled.values(), key=str.casefold)


def _text(field: str, value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidValue(field, "Give this as a text.")
    return value or ""
