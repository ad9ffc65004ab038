"""Migrations of the stored data, in order, run by the leader of the jobs while the product serves.

A migration is idempotent and resumable: it changes at most `BATCH_SIZE` documents, finds what is
left by a query, and is run again until it returns 0. Reading code must understand both forms until
the migration is complete. One that old programs would misread names `stops_older`: they are told
to stop first (services/core/schema_version.py), and it begins `GRACE_PERIOD` later.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.core import database, legacy_backend, schema_version
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.outbox.delivery_migration import retry_operator_failures
from services.team_settings import private_tickets
from services.tickets.search_index import add_words

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
# Older processes look for `minReader` once a minute, and then finish what they have.
GRACE_PERIOD = schema_version.CHECK_INTERVAL + timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Migration:
    """`migrate_batch(db, limit=..., now=...)` returns how many documents it has changed, at most
    `limit`; 0 if none is left."""

    version: int
    name: str
    migrate_batch: Callable[..., int]
    stops_older: bool = False


def _find_legacy_writes(db: Mongo, *, limit: int, now: datetime) -> int:  # noqa: ARG001  one read
    return legacy_backend.record_earlier_writes(db, now=now, window=private_tickets.LEGACY_WINDOW)


# Version 1 is the data of the first release that stores a version.
MIGRATIONS: Sequence[Migration] = (
    Migration(2, "send again what failed for an operator's fault", retry_operator_failures),
    # `minReader` is raised by the first private ticket, which an older program would show.
    Migration(
        private_tickets.DATA_VERSION, "find the legacy backend's writes", _find_legacy_writes
    ),
    Migration(4, "add the words that tickets are found by", add_words),
)
FIRST_VERSION = 1
PROGRAM_VERSION = max((migration.version for migration in MIGRATIONS), default=FIRST_VERSION)


class Migrations:
    """Runs what is missing. Safe to call from several processes: each batch is idempotent."""

    def __init__(
        self, db: Mongo, *, clock: Clock = utcnow, migrations: Sequence[Migration] = MIGRATIONS
    ) -> None:
        self._db = db
        self._clock = clock
        self._migrations = sorted(migrations, key=lambda migration: migration.version)

    def run(self, should_continue: Callable[[], bool]) -> None:
        """Run the missing migrations in order, until one has to wait or the caller stops."""
        stored = schema_version.stored_schema(self._db)
        for migration in self._migrations:
            if migration.version <= stored.version:
                continue
            if migration.stops_older and not self._may_begin(migration, now=self._clock()):
                return
            if not self._complete(migration, should_continue):
                return
            schema_version.record_version(self._db, migration.version)
            logger.info("migration %d is complete: %s", migration.version, migration.name)
        if stored.version < FIRST_VERSION:
            schema_version.record_version(self._db, FIRST_VERSION)

    def _may_begin(self, migration: Migration, *, now: datetime) -> bool:
        schema_version.raise_min_reader(self._db, migration.version, now=now)
        raised_at = schema_version.stored_schema(self._db).min_reader_at
        return raised_at is not None and now >= raised_at + GRACE_PERIOD

    def _complete(self, migration: Migration, should_continue: Callable[[], bool]) -> bool:
        total = 0
        while should_continue():
            with database.no_deadline():
                changed = migration.migrate_batch(self._db, limit=BATCH_SIZE, now=self._clock())
            if not changed:
                return True
            total += changed
            logger.info("migration %d: %d documents so far", migration.version, total)
        return False
