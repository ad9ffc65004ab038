"""Cache of settings that are read at every change of a ticket, for a few seconds per process."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from cachetools import TTLCache, cached

from services.core.database import Mongo

TTL_SECONDS = 5.0
# A process has one database; tests have many.
MAX_DATABASES = 8

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
