"""Caches of what is read at every change of a ticket, for a few seconds per process.

A process that is forked does not use what its parent has read.
"""

import os
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache, cached

from services.core.database import Mongo

TTL_SECONDS = 5.0
# A process has one database; tests have many.
MAX_DATABASES = 8

MAX_VALUES = 10_000

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

# Part of every key. So a value that was loaded before a change is not used after it, even if the
# load ends later.
_generation = object()


def ttl_cached(
    load: Callable[[Mongo], T], *, timer: Callable[[], float] = time.monotonic
) -> Callable[[Mongo], T]:
    """Decorate a function that reads settings of a database; thread-safe."""
    values: TTLCache[tuple[Mongo, object], T] = TTLCache(MAX_DATABASES, TTL_SECONDS, timer)
    return cached(values, key=lambda db: (db, _generation), lock=threading.Lock())(load)


def invalidate_caches() -> None:
    """Read all settings again, after this process changed some."""
    global _generation  # noqa: PLW0603  one assignment: another process-wide holder would not differ
    _generation = object()


os.register_at_fork(after_in_child=invalidate_caches)


class ReadCache(Generic[K, T]):
    """What was read in the last `seconds`, by key; with 0 seconds nothing. Thread-safe.

    For values of one database that other processes change without notice, so a caller must be able
    to use one that is out of date.
    """

    def __init__(self, seconds: float, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._values: TTLCache[tuple[K, object], T] = TTLCache(MAX_VALUES, seconds, timer)
        self._lock = threading.Lock()

    def get(self, key: K) -> T | None:
        with self._lock:
            return self._values.get((key, _generation))

    def put(self, key: K, value: T) -> None:
        with self._lock:
            self._values[key, _generation] = value
