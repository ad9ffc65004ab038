"""Validation of a ticket's fields before they are stored."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from services.core.errors import InvalidValue
from services.core.text import strip_invisible
from services.models.ticket import Priority

MIN_TITLE_LENGTH, MAX_TITLE_LENGTH = 3, 150
MAX_DESCRIPTION_LENGTH = 3_000
MAX_RESOLUTION_LENGTH = 1_000
MAX_QUESTION_LENGTH = 1_000  # to the requester
MAX_REASON_LENGTH = 300  # of a reassignment
LAST_YEAR = 2099


@dataclass(frozen=True, slots=True)
class TicketFields:
    title: str
    description: str
    priority: Priority | None
    deadline: datetime | None = None

    def content_hash(self) -> str:
        """Return the same hash for the same values."""
        due = self.deadline.isoformat() if self.deadline else None
        words = json.dumps([self.title, self.description, self.priority, due])
        return hashlib.sha256(words.encode()).hexdigest()


def checked_fields(*, title: str, description: str, priority: str | None) -> TicketFields:
    """Return the fields as they are stored; `InvalidValue` names the first bad one."""
    title = checked_title(title)
    description = checked_description(description)
    return TicketFields(title=title, description=description, priority=checked_priority(priority))


def checked_title(title: str) -> str:
    """Return the title on one line, for lists, subjects and notifications."""
    title = " ".join(strip_invisible(title).split())
    if len(title) < MIN_TITLE_LENGTH:
        raise InvalidValue("title", f"Give it a title of at least {MIN_TITLE_LENGTH} characters.")
    if len(title) > MAX_TITLE_LENGTH:
        raise InvalidValue(
            "title",
            f"A title has at most {MAX_TITLE_LENGTH} characters; this one has {len(title)}.",
        )
    return title


def checked_description(description: str) -> str:
    return checked_required_text(
        description,
        field="description",
        limit=MAX_DESCRIPTION_LENGTH,
        empty_message="Describe what you need.",
    )


def checked_required_text(text: str, *, field: str, limit: int, empty_message: str) -> str:
    """Return the stripped text, of 1 to `limit` characters."""
    text = strip_invisible(text).strip()
    if not text:
        raise InvalidValue(field, empty_message)
    if len(text) > limit:
        raise InvalidValue(field, f"At most {limit:,} characters; this text has {len(text):,}.")
    return text


def checked_question(text: str, *, field: str) -> str:
    return checked_required_text(
        text,
        field=field,
        limit=MAX_QUESTION_LENGTH,
        empty_message="Ask what you need to know; the requester reads it.",
    )


def checked_resolution(text: str, *, field: str) -> str:
    return checked_required_text(
        text,
        field=field,
        limit=MAX_RESOLUTION_LENGTH,
        empty_message="Say in a sentence what was done; the requester reads it.",
    )


def checked_reason(text: str) -> str:
    """Return the stripped reason; it may be empty."""
    if not text.strip():
        return ""
    missing = "Say why in a few words, or leave it empty."
    return checked_required_text(
        text, field="reason", limit=MAX_REASON_LENGTH, empty_message=missing
    )


def checked_priority(value: str | None) -> Priority | None:
    if value is None:
        return None
    if value not in set(Priority):
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
