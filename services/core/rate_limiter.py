"""Counts for the rate limits, in Redis for all processes, else in this process.

Keys in Redis: `helpdesk:limits:DATABASE:LIMIT/SUBJECT/AMOUNT/SECONDS/second`. Each is a list of
times that expires with its window. SUBJECT is a hash: no address or account is stored. Known and
unknown accounts are counted alike, so a refusal reveals nothing.

`helpdesk:limits:DATABASE:since` is the time since when these lists have no gap. It begins again
with each start of Redis, and after a process had to count by itself.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from typing import NamedTuple, NoReturn, Protocol, Self, TypeVar

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from services.core.clock import Clock, utcnow
from services.core.rate_limit import RULES, Limit, refuse
from services.core.redis_client import connect_redis
from services.core.shared_call import SharedCall

logger = logging.getLogger(__name__)

KEY_PREFIX = "helpdesk:limits"
_SINCE_KEY = "since"
# A Redis that was started again, perhaps with an old snapshot, has another run id. If it does not
# tell the id, it is not known since when it counts.
_RUN_ID = """
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)')
local known = redis.call('HMGET', KEYS[1], 'run', 'since')
"""
_READ_SINCE = f"{_RUN_ID} return run and known[1] == run and known[2]"
_BEGIN = f"""{_RUN_ID}
if run and not (ARGV[2] == '1' and known[1] == run) then
    redis.call('HSET', KEYS[1], 'run', run, 'since', ARGV[1])
end
"""
# Counts a use in each of the windows `KEYS`, as the library does in one, and reads since when, if a
# last key is given for that. ARGV: the number of windows, the time, and amount and seconds of each.
_ACQUIRE = f"""
local function acquire(KEYS, ARGV) {RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.decode()} end
local function read_since(KEYS) {_READ_SINCE} end
local windows, answers = tonumber(ARGV[1]), {{}}
for i = 1, windows do
    answers[i] = acquire({{KEYS[i]}}, {{ARGV[2], ARGV[2 * i + 1], ARGV[2 * i + 2], 1}})
end
if KEYS[windows + 1] then answers[windows + 1] = read_since({{KEYS[windows + 1]}}) end
return answers
"""
# For the connection, and for each answer.
TIMEOUT_SECONDS = 0.25
# After a failure Redis is not asked for this long.
RETRY_DELAY_SECONDS = 10.0
# In this process, while Redis is away. About 1 MB.
MAX_LOCAL_KEYS = 2_000

Subject = tuple[Limit, str]
T = TypeVar("T")


class Window(NamedTuple):
    """What is counted: uses of one subject, for one limit."""

    limit: Limit
    item: RateLimitItem
    subject: str

    @property
    def key(self) -> str:
        return self.item.key_for(self.subject)


class Acquired(NamedTuple):
    """In which of the windows a use was counted, and the time since when the counts have no gap,
    None if that is not known."""

    is_counted: list[bool]
    counts_since: datetime | None = None


class Windows(Protocol):
    def release(self, windows: Sequence[Window]) -> None:
        """Take back the last use in each window."""

    def clear_window(self, window: Window) -> None: ...

    def seconds_left(self, window: Window) -> float:
        """Return the seconds until the next use; 0 if the window is no longer full."""


class Place:
    """Uses that were counted by `RateLimiter.take`. A `with` block that fails gives them back.

    `counts_since` is the time since when all uses were counted, None if that is not known.
    """

    def __init__(
        self,
        release: Callable[[Sequence[Window]], None],
        windows: list[Window],
        counts_since: datetime | None = None,
    ) -> None:
        self._release = release
        self._windows = windows
        self.counts_since = counts_since

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.give_back()

    def give_back(self, *limits: Limit) -> None:
        """Take back the uses of these limits, without arguments all."""
        returned = [window for window in self._windows if not limits or window.limit in limits]
        self._windows = [window for window in self._windows if window not in returned]
        if returned:
            self._release(returned)


class RateLimiter:
    """Thread-safe. While Redis fails or is slow, this process counts by itself, and goes on
    refusing for what it counted once Redis is back.

    `namespace` separates installations that share a Redis. Without `redis_url`, only this process
    counts.
    """

    def __init__(
        self,
        redis_url: str,
        *,
        namespace: str = "",
        clock: Clock = utcnow,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._local = _ProcessWindows()
        self._shared = (
            _SharedWindows(redis_url, prefix=f"{KEY_PREFIX}:{namespace}", clock=clock)
            if redis_url
            else None
        )
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._away_until: float | None = None
        self._acquire_together = SharedCall(self._acquire_all)

    def take(self, *subjects: Subject) -> Place:
        """Count one use of each subject, or of none if one has reached its limit.

        Atomic: of concurrent callers no more get through than the limit allows. Raises
        `LimitReached`.
        """
        place, counter, full = self._acquire(subjects)
        if full:
            place.give_back()
            self._refuse(counter, full, dict(subjects))
        return place

    def try_take(self, *subjects: Subject) -> Place | None:
        """As `take`, but return None in place of a refusal."""
        place, _, full = self._acquire(subjects)
        if full:
            place.give_back()
            return None
        return place

    def refuse(self, *subjects: Subject) -> NoReturn:
        """Raise the refusal of what `try_take` did not count. Raises `LimitReached`."""
        windows = [_window(limit, subject) for limit, subject in subjects]
        counter: Windows = self._shared or self._local
        self._refuse(self._local if self._local.full(windows) else counter, windows, dict(subjects))

    def begin_counts(self, *, since: datetime) -> None:
        """Record since when the counts in Redis have no gap, unless that is recorded."""
        self._ask_redis(lambda shared: shared.begin(since, only_if_unknown=True))

    def clear(self, *subjects: Subject) -> None:
        """Forget what was counted for these subjects."""
        for limit, subject in subjects:
            window = _window(limit, subject)
            self._local.clear_window(window)
            self._ask_redis(partial(_SharedWindows.clear_window, window=window))

    def _acquire(self, subjects: Sequence[Subject]) -> tuple[Place, Windows, list[Window]]:
        """Return what was counted, by which counter, and the windows that are full."""
        windows = [_window(limit, subject) for limit, subject in subjects]
        full = self._local.full(windows)
        if full:
            return Place(self._local.release, []), self._local, full
        if self._away_until is None:
            acquired = self._acquire_together.ask(windows)
        else:  # who finds out if Redis is back keeps no one waiting
            acquired = self._acquire_all([windows])[0]
        counter: Windows = self._local
        if acquired is not None and self._shared:
            counter = self._shared
        else:
            acquired = self._local.acquire(windows)
        is_counted, since = acquired
        taken = [window for window, is_free in zip(windows, is_counted, strict=True) if is_free]
        full = [window for window in windows if window not in taken]
        return Place(partial(self._release, counter), taken, since), counter, full

    def _acquire_all(self, uses: Sequence[Sequence[Window]]) -> Sequence[Acquired | None]:
        acquired = self._ask_redis(lambda shared: shared.acquire_all(uses))
        return acquired or [None] * len(uses)

    def _refuse(
        self, counter: Windows, full: Sequence[Window], subjects: Mapping[Limit, str]
    ) -> NoReturn:
        def seconds_left(window: Window) -> float:
            if counter is self._local:
                return self._local.seconds_left(window)
            found = self._ask_redis(lambda shared: shared.seconds_left(window))
            return RULES[window.limit].window.total_seconds() if found is None else found

        waits = {window: seconds_left(window) for window in full}
        longest = max(full, key=waits.__getitem__)
        refuse(longest.limit, subject=subjects[longest.limit], retry_after=waits[longest])

    def _release(self, counter: Windows, windows: Sequence[Window]) -> None:
        if counter is self._local:
            self._local.release(windows)
        else:
            self._ask_redis(lambda shared: shared.release(windows))

    def _ask_redis(self, ask: Callable[["_SharedWindows"], T]) -> T | None:
        """Return None while Redis is away. One thread finds out if it is back; the others do not
        wait for it."""
        if self._shared is None or not self._may_ask():
            return None
        try:
            if self._away_until is not None:  # uses of that time are not in Redis
                self._shared.begin(self._clock())
            answer = ask(self._shared)
        except (RedisError, OSError) as error:
            self._note_failure(error)
            return None
        if self._away_until is not None:
            self._away_until = None
            logger.info("Redis counts the rate limits again")
        return answer

    def _may_ask(self) -> bool:
        with self._lock:
            if self._away_until is None:
                return True
            now = self._monotonic()
            if now < self._away_until:
                return False
            self._away_until = now + RETRY_DELAY_SECONDS
            return True

    def _note_failure(self, error: Exception) -> None:
        with self._lock:
            was_away = self._away_until is not None
            self._away_until = self._monotonic() + RETRY_DELAY_SECONDS
        if not was_away:
            kind = type(error).__name__
            logger.warning("Redis is away (%s): each process counts the rate limits itself", kind)


class _SharedWindows(RedisStorage):
    """By the product's clock, because the clocks of the processes may differ."""

    def __init__(self, redis_url: str, *, prefix: str, clock: Clock) -> None:
        client = connect_redis(redis_url, timeout_seconds=TIMEOUT_SECONDS)
        super().__init__(redis_url, connection_pool=client.connection_pool, key_prefix=prefix)
        self._clock = clock
        self._strategy = MovingWindowRateLimiter(self)
        self._acquire_script = client.register_script(_ACQUIRE)

    def acquire_all(self, uses: Sequence[Sequence[Window]]) -> list[Acquired]:
        """Count each of the uses in its windows, in one call of a script that Redis knows by its
        hash."""
        windows = list(chain.from_iterable(uses))
        keys = [self.prefixed_key(window.key) for window in windows]
        if any(window.limit is Limit.TICKETS for window in windows):  # the caller needs it
            keys.append(self.prefixed_key(_SINCE_KEY))
        rules = [(window.item.amount, window.item.get_expiry()) for window in windows]
        now = self._clock().timestamp()
        answers = self._acquire_script(keys, [len(windows), now, *chain.from_iterable(rules)])
        since = answers[len(windows)] if len(answers) > len(windows) else None
        counts_since = datetime.fromtimestamp(float(since), UTC) if since else None
        counted = iter([bool(answer) for answer in answers[: len(windows)]])
        return [Acquired(list(islice(counted, len(each))), counts_since) for each in uses]

    def begin(self, since: datetime, *, only_if_unknown: bool = False) -> None:
        key = self.prefixed_key(_SINCE_KEY)
        self.storage.eval(_BEGIN, 1, key, since.timestamp(), int(only_if_unknown))

    def release(self, windows: Sequence[Window]) -> None:
        pipe = self.storage.pipeline(transaction=False)
        for window in windows:
            pipe.lpop(self.prefixed_key(window.key))  # the newest
        pipe.execute()

    def clear_window(self, window: Window) -> None:
        self.clear(window.key)

    def seconds_left(self, window: Window) -> float:
        stats = self._strategy.get_window_stats(window.item, window.subject)
        return 0.0 if stats.remaining else stats.reset_time - self._clock().timestamp()

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        now = self._clock().timestamp()
        window = self.lua_moving_window([self.prefixed_key(key)], [now - expiry, limit])
        return (float(window[0]), window[1]) if window else (now, 0)


class _ProcessWindows(MemoryStorage):
    """At most `MAX_LOCAL_KEYS`: the oldest are dropped first."""

    def __init__(self) -> None:
        super().__init__()
        # The library counts concurrent uses of a new key twice.
        self._lock = threading.Lock()
        self._strategy = MovingWindowRateLimiter(self)

    def full(self, windows: Sequence[Window]) -> list[Window]:
        with self._lock:
            known = [window for window in windows if window.key in self.events]
            return [
                window for window in known if not self._strategy.test(window.item, window.subject)
            ]

    def acquire(self, windows: Sequence[Window]) -> Acquired:
        """Count a use in each window that is not full."""
        with self._lock:
            acquired = [self._strategy.hit(window.item, window.subject) for window in windows]
            while len(self.events) > MAX_LOCAL_KEYS:
                oldest = next(iter(self.events))
                with self.locks[oldest]:
                    self.clear(oldest)
            return Acquired(acquired)

    def release(self, windows: Sequence[Window]) -> None:
        with self._lock:
            for window in windows:
                with self.locks[window.key]:
                    del self.events.get(window.key, [])[:1]  # the newest

    def clear_window(self, window: Window) -> None:
        with self._lock, self.locks[window.key]:
            self.clear(window.key)

    def seconds_left(self, window: Window) -> float:
        with self._lock:
            stats = self._strategy.get_window_stats(window.item, window.subject)
            return 0.0 if stats.remaining else stats.reset_time - time.time()


def _window(limit: Limit, subject: str) -> Window:
    rule = RULES[limit]
    seconds = int(rule.window.total_seconds())
    digest = hashlib.sha256(subject.encode("utf-8", "replace")).hexdigest()[:32]
    item = RateLimitItemPerSecond(rule.amount, multiples=seconds, namespace=limit.value)
    return Window(limit, item, digest)
