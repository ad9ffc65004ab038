"""What is read of the settings at every change of a ticket, kept for a few seconds a process."""

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from services.core.database import Mongo

SECONDS = 5.0
# A process has one database; tests have many.
_MOST = 8

T = TypeVar("T")


class TtlCache(Generic[T]):
    """One answer a database; thread-safe."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._answers: dict[Mongo, tuple[float, T]] = {}
        self._forgotten = 0
        _everything.add(self)

    def get(self, db: Mongo, read: Callable[[Mongo], T]) -> T:
        """What `read` answers, or what it answered a moment ago."""
        now = self._seconds()
        with self._lock:
            found, before = self._answers.get(db), self._forgotten
        if found and now < found[0] + SECONDS:
            return found[1]
        answer = read(db)
        with self._lock:
            if before == self._forgotten:  # else it may be from before what was written meanwhile
                self._answers.pop(db, None)
                self._answers[db] = (now, answer)
                while len(self._answers) > _MOST:
                    del self._answers[next(iter(self._answers))]
        return answer

    def forget(self, db: Mongo) -> None:
        with self._lock:
            self._forgotten += 1
            self._answers.pop(db, None)


_everything: "weakref.WeakSet[TtlCache[Any]]" = weakref.WeakSet()


def forget(db: Mongo) -> None:
    """This process has changed that database's settings: they are read anew."""
    for kept in _everything:
        kept.forget(db)
