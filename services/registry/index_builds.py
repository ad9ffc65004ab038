"""Builds indexes while the process serves, logs the progress, and can stop.

The unique indexes have to be complete before anything is written: each process waits for them
(`build_unique_indexes`). The others only make queries fast: the leader of the jobs builds them.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from math import inf

from pymongo.errors import OperationFailure

from services.core.database import Mongo, is_unavailable
from services.core.leases import Lease, renewed
from services.registry.indexes import (
    DuplicateDocuments,
    Index,
    build_index,
    declared_indexes,
    drop_retired_indexes,
    missing_indexes,
)

logger = logging.getLogger(__name__)

LOG_INTERVAL_SECONDS = 10.0
RETRY_SECONDS = 1.0
POLL_SECONDS = 0.05


class IndexBuild:
    """Builds indexes in a thread of its own, one process at a time: another waits for the lease.

    Each index is a command of its own, so a build that was killed is resumed at the index it had
    reached. While MongoDB is unavailable it is tried again.
    """

    def __init__(self, db: Mongo, indexes: Sequence[Index], *, lease_name: str) -> None:
        self._db = db
        self._indexes = indexes
        self._lease_name = lease_name
        self._pending = list(indexes)
        self._fault = ""
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-build", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def pending(self) -> list[str]:
        """Return the names of the indexes that are not complete."""
        return [str(index) for index in self._pending]

    def wait(self, should_continue: Callable[[], bool], *, seconds: float = inf) -> bool:
        """Wait until all are built, and log every ten seconds what is being built.

        Return False after `seconds`, or once `should_continue` returns False: then no further
        index is begun, and what MongoDB is building is left to the next process. Raises the error
        that has ended the build.
        """
        started = last_logged = time.monotonic()
        while self._thread.is_alive():
            self._thread.join(POLL_SECONDS)
            now = time.monotonic()
            if not should_continue():
                self._stopping.set()
                return False
            if now - started >= seconds:
                return False
            if now - last_logged >= LOG_INTERVAL_SECONDS:
                last_logged = now
                self._log_progress(now - started)
        self.check()
        return not self._pending

    def check(self) -> None:
        """Raise the error that has ended the build, if one has."""
        if self._error:
            raise self._error

    def _log_progress(self, seconds: float) -> None:
        if self._fault:
            logger.warning("the indexes are built once MongoDB answers (%s)", self._fault)
            return
        pending = self.pending()
        logger.info(
            "indexes are being built: %d of %d are complete, next %s; %d s so far",
            len(self._indexes) - len(pending),
            len(self._indexes),
            ", ".join(pending[:3]),
            seconds,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._build_missing():
                    return
            except Exception as error:  # noqa: BLE001  `wait` raises it in the thread of the caller
                if not is_unavailable(error):
                    self._error = error
                    return
                self._fault = type(error).__name__
            self._stopping.wait(RETRY_SECONDS)

    def _build_missing(self) -> bool:
        """Return False while another process builds."""
        missing = missing_indexes(self._db, self._indexes)
        self._fault = ""
        if not missing:
            self._build()
            return True
        self._pending = missing
        lease = Lease(self._db, self._lease_name)
        if not lease.acquire():
            return False
        with renewed(lease):
            self._build()
        return True

    def _build(self) -> None:
        """Build what is missing, and let MongoDB confirm that the others are complete."""
        failure: Exception | None = None
        pending = list(self._indexes)
        for index in self._indexes:
            if self._stopping.is_set():
                return
            try:
                build_index(self._db, index)
            except (OperationFailure, DuplicateDocuments) as error:
                if is_unavailable(error):
                    raise
                reason = f"code {error.code}" if isinstance(error, OperationFailure) else error
                logger.error("MongoDB refuses the index %s: %s", index, reason)
                failure = failure or error
                continue
            pending.remove(index)
            self._pending = [one for one in self._pending if one is not index]
        if failure:
            raise failure
        self._pending = pending


def build_unique_indexes(db: Mongo) -> IndexBuild:
    """Return the build, not started, that a process completes before it writes."""
    return IndexBuild(db, declared_indexes(unique=True), lease_name="unique indexes")


def build_other_indexes(db: Mongo, should_continue: Callable[[], bool]) -> None:
    """Build the indexes that only make queries fast, then drop those of earlier releases."""
    missing = missing_indexes(db, declared_indexes(unique=False))
    build = IndexBuild(db, missing, lease_name="indexes")
    build.start()
    if build.wait(should_continue):
        drop_retired_indexes(db)
