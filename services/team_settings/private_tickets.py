"""Whether tickets can be private, and what the first private one changes.

A process of an earlier release and the legacy backend know nothing of private tickets: they would
show them to every moderator. The first private ticket stops such processes (`minReader`, see
services/core/schema_version.py). The legacy backend cannot be stopped, so while it is in use an
admin has to decide.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.core import legacy_backend, schema_version
from services.core.database import Mongo
from services.core.errors import InvalidValue
from services.core.ttl_cache import ttl_cached

# The version of the stored data from which on programs know private tickets.
DATA_VERSION = 3
# A legacy backend that has not written for so long is not in use.
LEGACY_WINDOW = timedelta(days=30)
SETTINGS_ID = "privateTickets"
LEGACY_WARNING = "Moderators can still read private tickets in the old backend."
NOT_AVAILABLE = "Tickets can't be private now, because the old backend is in use. Ask an admin."


@dataclass(frozen=True, slots=True)
class PrivateTicketState:
    """`legacy_wrote_at` is when the legacy backend last wrote; `is_accepted`: an admin has accepted
    that it shows private tickets to moderators."""

    legacy_wrote_at: datetime | None = None
    is_accepted: bool = False

    def is_legacy_in_use(self, now: datetime) -> bool:
        return self.legacy_wrote_at is not None and self.legacy_wrote_at > now - LEGACY_WINDOW

    def is_available(self, now: datetime) -> bool:
        return self.is_accepted or not self.is_legacy_in_use(now)


def load_state(db: Mongo) -> PrivateTicketState:
    doc = db.settings.find_one({"_id": SETTINGS_ID}) or {}
    return PrivateTicketState(
        legacy_wrote_at=legacy_backend.last_write(db), is_accepted=doc.get("accepted") is True
    )


cached_state = ttl_cached(load_state)


def prepare_for_private_ticket(db: Mongo, *, now: datetime) -> None:
    """Stop the processes that would show a private ticket. Raises `InvalidValue` if the legacy
    backend would."""
    if not load_state(db).is_available(now):
        raise InvalidValue("private", NOT_AVAILABLE)
    if schema_version.stored_schema(db).min_reader < DATA_VERSION:
        schema_version.raise_min_reader(db, DATA_VERSION, now=now)
