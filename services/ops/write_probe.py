"""Whether MongoDB stores what it is sent: if its disk is full, it may still answer."""

import logging
import threading
import time
from collections.abc import Callable

import pymongo
from cachetools import TTLCache, cached
from pymongo.errors import PyMongoError

from services.core.clock import Clock, utcnow
from services.core.database import Mongo

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 10.0
TIMEOUT_SECONDS = 1.0


def cached_write_probe(
    db: Mongo, *, clock: Clock = utcnow, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], bool]:
    """Return a function that tries a write, at most every ten seconds, and returns whether the
    last one was stored within a second."""
    lock = threading.Lock()
    was_stored = True

    @cached(TTLCache(1, INTERVAL_SECONDS, monotonic))
    def try_write() -> bool:
        nonlocal was_stored
        fault = _write(db, clock)
        if was_stored == bool(fault):
            was_stored = not fault
            if fault:
                logger.error("MongoDB stores nothing: %s", fault)
            else:
                logger.info("MongoDB stores again")
        return was_stored

    def try_once() -> bool:
        with lock:  # concurrent callers wait for the same result
            return try_write()

    return try_once


def _write(db: Mongo, clock: Clock) -> str:
    """Return what failed, or ""."""
    try:
        with pymongo.timeout(TIMEOUT_SECONDS):
            db.meta.update_one({"_id": "write-probe"}, {"$set": {"at": clock()}}, upsert=True)
    except PyMongoError as error:
        return f"{type(error).__name__}, error {getattr(error, 'code', None)}"
    return ""
