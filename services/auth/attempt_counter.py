"""Counts of attempts, each for a while from the first: in Redis of all processes, else of this."""

import logging
import math
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from redis.exceptions import RedisError

from services.core import redis_client
from services.core.clock import Clock, utcnow

logger = logging.getLogger(__name__)

PREFIX = "ticket-bot:attempts:"
# For so long a Redis that did not answer is not asked again, so that few pay for waiting.
AWAY = timedelta(seconds=30)
# About a megabyte.
MOST_KEPT = 10_000


class Counted(NamedTuple):
    """How many there were, and in how many seconds they are forgotten (0: there are none)."""

    number: int
    seconds: int


class Attempts:
    """Thread-safe. Where Redis does not answer within a second, this process counts for itself.

    `space` keeps those apart that share a Redis.
    """

    def __init__(self, redis_url: str, *, space: str = "", clock: Clock = utcnow) -> None:
        self._redis = redis_client.connect_redis(redis_url)
        self._prefix = f"{PREFIX}{space}:"
        self._clock = clock
        self._own = OwnAttempts(clock)
        self._lock = threading.Lock()
        self._away_until: datetime | None = None

    def look(self, keys: Sequence[str]) -> list[Counted]:
        """The counts of these keys, in their order."""
        own = self._own.look(keys)
        if not self._asks_redis():
            return own
        try:
            pipe = self._redis.pipeline(transaction=False)
            for key in keys:
                pipe.get(self._prefix + key)
                pipe.ttl(self._prefix + key)
            answers = pipe.execute()
        except (RedisError, OSError) as error:
            self._lost(error)
            return own
        shared = [
            Counted(int(number or 0), max(0, seconds))
            for number, seconds in zip(answers[::2], answers[1::2], strict=True)
        ]
        return [max(pair) for pair in zip(own, shared, strict=True)]

    def add(self, key: str, *, window: timedelta) -> Counted:
        """Count one more; what is counted with it, until `window` after the first."""
        if not self._asks_redis():
            return self._own.add(key, window=window)
        try:
            pipe = self._redis.pipeline()
            pipe.set(self._prefix + key, 0, ex=window, nx=True)
            pipe.incr(self._prefix + key)
            pipe.ttl(self._prefix + key)
            _, number, seconds = pipe.execute()
        except (RedisError, OSError) as error:
            self._lost(error)
            return self._own.add(key, window=window)
        return Counted(number, seconds)

    def forget(self, key: str) -> None:
        self._own.forget(key)
        if not self._asks_redis():
            return
        try:
            self._redis.delete(self._prefix + key)
        except (RedisError, OSError) as error:
            self._lost(error)

    def _asks_redis(self) -> bool:
        """Of several threads one finds out whether Redis is back; the others do not wait for it."""
        with self._lock:
            if self._away_until is None:
                return True
            now = self._clock()
            if now < self._away_until:
                return False
            self._away_until = now + AWAY
        try:
            self._redis.ping()
        except (RedisError, OSError):
            return False
        with self._lock:
            self._away_until = None
        logger.info("attempts to sign in are counted in Redis again")
        return True

    def _lost(self, error: Exception) -> None:
        with self._lock:
            known, self._away_until = self._away_until, self._clock() + AWAY
        if known is None:
            kind = type(error).__name__
            logger.warning("Redis is away (%s): each process counts attempts for itself", kind)


class OwnAttempts:
    """This process's counts, of at most `MOST_KEPT` keys: the oldest go first."""

    def __init__(self, clock: Clock = utcnow, *, most: int = MOST_KEPT) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, datetime]] = {}  # with when it ends; oldest first

    def look(self, keys: Sequence[str]) -> list[Counted]:
        with self._lock:
            return [self._living(key) for key in keys]

    def add(self, key: str, *, window: timedelta) -> Counted:
        with self._lock:
            number, _ = self._living(key)
            if number == 0:
                while len(self._counts) >= self._most:
                    del self._counts[next(iter(self._counts))]
                self._counts[key] = (0, self._clock() + window)
            self._counts[key] = (number + 1, self._counts[key][1])
            return self._living(key)

    def forget(self, key: str) -> None:
        with self._lock:
            self._counts.pop(key, None)

    def _living(self, key: str) -> Counted:
        number, until = self._counts.get(key, (0, self._clock()))
        left = math.ceil((until - self._clock()).total_seconds())
        if left <= 0:
            self._counts.pop(key, None)
            return Counted(0, 0)
        return Counted(number, left)
