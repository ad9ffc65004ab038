"""Rate limits for sign-in, sign-up and password reset: attempts per key within a window, counted in
Redis for all processes, else in this process.

Existing and unknown accounts are counted alike, so a refusal reveals nothing. Only hashes of
addresses are stored, until the window ends.
"""

import hashlib
import logging
import math
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from redis.exceptions import RedisError

from services.core import redis_client, security_events
from services.core.clock import Clock, utcnow
from services.core.errors import LimitReached
from services.core.security_events import SecurityEvent

logger = logging.getLogger(__name__)

PREFIX = "ticket-bot:attempts:"
# After a failure Redis is not called for this long, so that few requests wait for it.
REDIS_RETRY_DELAY = timedelta(seconds=30)
# About 1 MB.
MAX_LOCAL_KEYS = 10_000


class AttemptCount(NamedTuple):
    """The attempts, and the seconds until they expire (0 if there are none)."""

    attempts: int
    expires_in_seconds: int


class AttemptCounter:
    """Thread-safe. If Redis does not answer within a second, this process counts locally.

    `namespace` separates installations that share a Redis.
    """

    def __init__(self, redis_url: str, *, namespace: str = "", clock: Clock = utcnow) -> None:
        self._redis = redis_client.connect_redis(redis_url)
        self._prefix = f"{PREFIX}{namespace}:"
        self._clock = clock
        self._local = LocalAttemptCounter(clock)
        self._lock = threading.Lock()
        self._redis_down_until: datetime | None = None

    def get_many(self, keys: Sequence[str]) -> list[AttemptCount]:
        """Return the counts in the order of the keys."""
        local = self._local.get_many(keys)
        if not self._is_redis_available():
            return local
        try:
            pipe = self._redis.pipeline(transaction=False)
            for key in keys:
                pipe.get(self._prefix + key)
                pipe.ttl(self._prefix + key)
            answers = pipe.execute()
            shared = [
                AttemptCount(int(number or 0), max(0, seconds))
                for number, seconds in zip(answers[::2], answers[1::2], strict=True)
            ]
        except (RedisError, OSError, ValueError) as error:  # ValueError: the value is no number
            self._mark_redis_down(error)
            return local
        return [max(pair) for pair in zip(local, shared, strict=True)]

    def increment(self, key: str, *, window: timedelta) -> AttemptCount:
        """Add one attempt and return the count. It expires `window` after the first attempt."""
        if not self._is_redis_available():
            return self._local.increment(key, window=window)
        try:
            pipe = self._redis.pipeline()
            pipe.set(self._prefix + key, 0, ex=window, nx=True)
            pipe.incr(self._prefix + key)
            pipe.ttl(self._prefix + key)
            _, number, seconds = pipe.execute()
        except (RedisError, OSError) as error:
            self._mark_redis_down(error)
            return self._local.increment(key, window=window)
        return AttemptCount(number, seconds)

    def reset(self, key: str) -> None:
        self._local.reset(key)
        if not self._is_redis_available():
            return
        try:
            self._redis.delete(self._prefix + key)
        except (RedisError, OSError) as error:
            self._mark_redis_down(error)

    def _is_redis_available(self) -> bool:
        """Only one thread checks whether Redis is back; the others do not wait for it."""
        with self._lock:
            if self._redis_down_until is None:
                return True
            now = self._clock()
            if now < self._redis_down_until:
                return False
            self._redis_down_until = now + REDIS_RETRY_DELAY
        try:
            self._redis.ping()
        except (RedisError, OSError):
            return False
        with self._lock:
            self._redis_down_until = None
        logger.info("sign-in attempts are counted in Redis again")
        return True

    def _mark_redis_down(self, error: Exception) -> None:
        with self._lock:
            known, self._redis_down_until = (
                self._redis_down_until,
                self._clock() + REDIS_RETRY_DELAY,
            )
        if known is None:
            kind = type(error).__name__
            logger.warning("Redis is unavailable (%s): each process counts attempts itself", kind)


class LocalAttemptCounter:
    """The counts of this process, for at most `max_keys` keys: the oldest are dropped first."""

    def __init__(self, clock: Clock = utcnow, *, max_keys: int = MAX_LOCAL_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, datetime]] = {}  # count and expiry; oldest first

    def get_many(self, keys: Sequence[str]) -> list[AttemptCount]:
        with self._lock:
            return [self._unexpired(key) for key in keys]

    def increment(self, key: str, *, window: timedelta) -> AttemptCount:
        with self._lock:
            number, _ = self._unexpired(key)
            if number == 0:
                while len(self._counts) >= self._max_keys:
                    del self._counts[next(iter(self._counts))]
                self._counts[key] = (0, self._clock() + window)
            self._counts[key] = (number + 1, self._counts[key][1])
            return self._unexpired(key)

    def reset(self, key: str) -> None:
        with self._lock:
            self._counts.pop(key, None)

    def _unexpired(self, key: str) -> AttemptCount:
        number, until = self._counts.get(key, (0, self._clock()))
        left = math.ceil((until - self._clock()).total_seconds())
        if left <= 0:
            self._counts.pop(key, None)
            return AttemptCount(0, 0)
        return AttemptCount(number, left)


class RateLimit(NamedTuple):
    max_attempts: int
    window: timedelta


class RateLimitedAction(StrEnum):
    SIGN_IN = "sign-in"  # failures only
    SIGN_UP = "sign-up"
    RESET = "reset"


# Many users of one office share a public address.
LIMITS_PER_ACCOUNT = {
    RateLimitedAction.SIGN_IN: RateLimit(10, timedelta(minutes=15)),
    RateLimitedAction.RESET: RateLimit(3, timedelta(hours=1)),
}
LIMITS_PER_CLIENT_IP = {
    RateLimitedAction.SIGN_IN: RateLimit(30, timedelta(minutes=15)),
    RateLimitedAction.SIGN_UP: RateLimit(30, timedelta(hours=1)),
    RateLimitedAction.RESET: RateLimit(30, timedelta(hours=1)),
}

TOO_MANY_ATTEMPTS = "Too many attempts."
# The caller may have made none of them.
_OFTEN = {
    RateLimitedAction.SIGN_UP: "Too many accounts were made from your network within an hour."
}


class RateLimiter:
    """`account` is the account's `email_key`; `client_ip` is the caller's, None if unknown: then
    only the account is limited."""

    def __init__(self, redis_url: str, *, namespace: str = "", clock: Clock = utcnow) -> None:
        """`namespace` separates installations that share a Redis."""
        self._attempts = AttemptCounter(redis_url, namespace=namespace, clock=clock)

    def check_sign_in(self, *, account: str, client_ip: str | None = None) -> None:
        """Raise `LimitReached` if sign-in has failed too often."""
        keys = _limits_by_key(RateLimitedAction.SIGN_IN, account, client_ip)
        counts = zip(self._attempts.get_many(list(keys)), keys.values(), strict=True)
        over = [counted for counted, limit in counts if counted.attempts >= limit.max_attempts]
        _refuse(RateLimitedAction.SIGN_IN, over)

    def record_sign_in_failure(self, *, account: str, client_ip: str | None = None) -> None:
        for key, limit in _limits_by_key(RateLimitedAction.SIGN_IN, account, client_ip).items():
            self._attempts.increment(key, window=limit.window)

    def clear_sign_in_failures(self, *, account: str) -> None:
        """Reset the account's count, but not the client address's: otherwise an attacker could
        reset it by signing in to an account of their own.
        """
        for key in _limits_by_key(RateLimitedAction.SIGN_IN, account, None):
            self._attempts.reset(key)

    def record_attempt(
        self, action: RateLimitedAction, *, account: str = "", client_ip: str | None = None
    ) -> None:
        """Count an attempt, successful or not. Raises `LimitReached` above the limit."""
        keys = _limits_by_key(action, account, client_ip)
        over = []
        for key, limit in keys.items():
            counted = self._attempts.increment(key, window=limit.window)
            if counted.attempts > limit.max_attempts:
                over.append(counted)
        _refuse(action, over)


def _limits_by_key(
    action: RateLimitedAction, account: str, client_ip: str | None
) -> dict[str, RateLimit]:
    keys = {}
    if account and action in LIMITS_PER_ACCOUNT:
        keys[_key(action, "account", account)] = LIMITS_PER_ACCOUNT[action]
    if (network := _network(client_ip)) and action in LIMITS_PER_CLIENT_IP:
        keys[_key(action, "address", network)] = LIMITS_PER_CLIENT_IP[action]
    return keys


def _key(action: RateLimitedAction, kind: str, name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    return f"{action}:{kind}:{digest[:32]}"


def _network(client_ip: str | None) -> str | None:
    """Return the IPv4 address or the /64 network: an IPv6 client has 2**64 addresses."""
    try:
        found = ip_address((client_ip or "").strip("[]"))
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), 64), strict=False))
    return str(found)


def _refuse(action: RateLimitedAction, over: list[AttemptCount]) -> None:
    if not over:
        return
    security_events.record(SecurityEvent.RATE_LIMITED, reason=action.value)
    why = _OFTEN.get(action, TOO_MANY_ATTEMPTS)
    seconds = max(1, *(counted.expires_in_seconds for counted in over))
    raise LimitReached(f"{why} Try again {_when(seconds)}.", retry_after=seconds)


def _when(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "in a minute" if minutes == 1 else f"in {minutes} minutes"
