"""A team's own words and emoji for an absence, in addition to the usual ones
(services/availability/slack_status.py).

Stored in `settings` as `_id: "presence"`: `away` and `here`, lists of phrases and of emoji such as
":sailboat:". Invalid entries are ignored.
"""

from collections.abc import Iterable
from typing import Any

from services.availability.slack_status import StatusRules
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import InvalidValue
from services.core.text import strip_invisible
from services.models.permissions import Actor, Operator, Permission, require_permission

SETTINGS_ID = "presence"
# As much as a Slack form field holds, in UTF-16 code units.
MAX_TEXT_LENGTH, MAX_ENTRY_LENGTH = 3_000, 60


class StatusRulesStore:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def read(self) -> StatusRules:
        doc = self._db.settings.find_one({"_id": SETTINGS_ID}) or {}
        return StatusRules(away=_entries(doc.get("away")), available=_entries(doc.get("here")))

    def write(
        self, *, actor: Actor | Operator, away: Iterable[str], available: Iterable[str]
    ) -> StatusRules:
        """Set both. Raises `InvalidValue`, naming the field."""
        require_permission(actor, Permission.MANAGE_USERS)
        rules = StatusRules(away=_checked("away", away), available=_checked("here", available))
        values = {
            "away": list(rules.away),
            "here": list(rules.available),
            "at": self._clock(),
            "by": actor.event_author,
        }
        self._db.settings.update_one({"_id": SETTINGS_ID}, {"$set": values}, upsert=True)
        return rules


def format_entries(entries: Iterable[str]) -> str:
    """Format the entries as the form shows them."""
    return ", ".join(entries)


def _checked(field: str, typed: Iterable[str]) -> tuple[str, ...]:
    entries = _entries([strip_invisible(entry) for entry in typed])
    if len(format_entries(entries).encode("utf-16-le")) // 2 > MAX_TEXT_LENGTH:
        raise InvalidValue(field, f"Write less: together at most {MAX_TEXT_LENGTH:,} characters.")
    if any(len(entry) > MAX_ENTRY_LENGTH for entry in entries):
        raise InvalidValue(field, f"A phrase has at most {MAX_ENTRY_LENGTH} characters.")
    return entries


def _entries(listed: Any) -> tuple[str, ...]:
    """Return the distinct entries, with white space normalised."""
    entries = listed if isinstance(listed, list) else []
    texts = (" ".join(entry.split()) for entry in entries if isinstance(entry, str))
    return tuple(dict.fromkeys(filter(None, texts)))
