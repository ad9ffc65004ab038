"""What is read of the settings at every change of a ticket, kept for a few seconds a process."""

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from services.core.database import Mongo

TTL_SECONDS = 5.0
# A process has one database; tests have many.
_MOST = 8

T = TypeVar("T")


class TtlCache(Generic[T]):
    """One answer a database; thread-safe."""

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._lock = threading.Lock()
        self._entries: dict[Mongo, tuple[float, T]] = {}
        self._invalidations = 0
        _instances.add(self)

    def get(self, db: Mongo, load: Callable[[Mongo], T]) -> T:
        """Return what `load` returns, or what it returned a moment ago."""
        now = self._timer()
        with self._lock:
            found, before = self._entries.get(db), self._invalidations
        if found and now < found[0] + TTL_SECONDS:
            return found[1]
        answer = load(db)
        with self._lock:
            if (
                before == self._invalidations
            ):  # else it may be from before what was written meanwhile
                self._entries.pop(db, None)
                self._entries[db] = (now, answer)
                while len(self._entries) > _MOST:
                    del self._entries[next(iter(self._entries))]
        return answer

    def invalidate(self, db: Mongo) -> None:
        with self._lock:
            self._invalidations += 1
            self._entries.pop(db, None)


_instances: "weakref.WeakSet[TtlCache[Any]]" = weakref.WeakSet()


def invalidate_caches(db: Mongo) -> None:
    """This process has changed that database's settings: they are read anew."""
    for cache in _instances:
        cache.invalidate(db)
