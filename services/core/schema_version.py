"""The version of the stored data, and which programs may still work on it.

`meta` holds `schema {version, minReader, minReaderAt}`. `version` is the newest migration that is
complete. A program whose `PROGRAM_VERSION` is below `minReader` would misread the data: it stops
with exit status 3. An additive change raises `version` only, so older processes go on.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pymongo
from pymongo.errors import PyMongoError

from services.core.coerce import as_datetime, as_int
from services.core.database import Mongo, connect
from services.core.errors import DomainError

logger = logging.getLogger(__name__)

CHECK_INTERVAL = timedelta(minutes=1)
QUERY_TIMEOUT_SECONDS = 5.0
STOP_TIMEOUT_SECONDS = 1.0
_SCHEMA = {"_id": "schema"}


class ProgramTooOld(DomainError):
    """A newer release has changed the stored data so that this program would misread it."""


@dataclass(frozen=True, slots=True)
class StoredSchema:
    """The `schema` document; all zero for data of a release without one."""

    version: int = 0
    min_reader: int = 0
    min_reader_at: datetime | None = None


def stored_schema(db: Mongo) -> StoredSchema:
    doc = db.meta.find_one(_SCHEMA) or {}
    return StoredSchema(
        version=as_int(doc.get("version")) or 0,
        min_reader=as_int(doc.get("minReader")) or 0,
        min_reader_at=as_datetime(doc.get("minReaderAt")),
    )


def check_program_version(db: Mongo, program_version: int) -> None:
    """Raise `ProgramTooOld` if a program of this version must not work on the data."""
    needed = stored_schema(db).min_reader
    if program_version < needed:
        raise ProgramTooOld(
            f"The database was upgraded by a newer release: it needs data version {needed}, and "
            f"this program knows {program_version}. Install the newer release and start again."
        )


def record_version(db: Mongo, version: int) -> None:
    """Record that the migration to `version` is complete."""
    db.meta.update_one(_SCHEMA, {"$max": {"version": version}}, upsert=True)


def raise_min_reader(db: Mongo, version: int, *, now: datetime) -> None:
    """Stop programs below `version`, if that was not done before."""
    db.meta.update_one(_SCHEMA, {"$max": {"minReader": 0}}, upsert=True)
    lower = {**_SCHEMA, "minReader": {"$lt": version}}
    db.meta.update_one(lower, {"$set": {"minReader": version, "minReaderAt": now}})


class SchemaWatch:
    """Checks once a minute that this process may go on, in a thread of its own.

    `on_too_old` is called once, from that thread, and begins an orderly stop. Each check connects
    and closes: no client is open while a worker forks. An unreachable database changes nothing.
    """

    def __init__(
        self,
        mongo_uri: str,
        program_version: int,
        *,
        on_too_old: Callable[[], None],
        interval: timedelta | None = None,
    ) -> None:
        self._mongo_uri = mongo_uri
        self._program_version = program_version
        self._on_too_old = on_too_old
        self._interval = interval or CHECK_INTERVAL
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schema-watch", daemon=True)
        self.is_too_old = False

    def __enter__(self) -> "SchemaWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_SECONDS)  # a check may hang

    def _run(self) -> None:
        while not self._stopping.wait(self._interval.total_seconds()):
            if self.check():
                return

    def check(self) -> bool:
        """Check now, and return whether this process is too old."""
        try:
            db = connect(self._mongo_uri)
            with db.client, pymongo.timeout(QUERY_TIMEOUT_SECONDS):
                check_program_version(db, self._program_version)
        except ProgramTooOld as error:
            logger.error("this process stops: %s", error)
            self.is_too_old = True
            self._on_too_old()
            return True
        except PyMongoError:  # what needs the database reports it
            pass
        return False
