"""Holds back calls that Slack would refuse, for all processes that send.

A 429 closes a method for as long as Slack asks: `chat.postMessage`, which Slack limits by channel,
for that channel, and for all if a second channel gets a 429 in that time. An error that an operator
has to correct closes everything (token), the method (scope) or the channel, and one call a minute
is let through to see whether it is corrected. Which scope it takes to read a conversation depends
on its kind, so a missing one closes the method for that conversation.

Keys in Redis: `helpdesk:closed:METHOD:CHANNEL`, with `*` for any; the value is Slack's error code.
While Redis is unreachable each process remembers what it was told itself.

https://docs.slack.dev/apis/web-api/rate-limits
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import RedisError

from services.core.slack_errors import ErrorKind, error_kind

KEY_PREFIX = "helpdesk:closed:"
_PROBE_PREFIX = "helpdesk:probe:"
_LIMITED_KEY = "helpdesk:limited"
RATE_LIMITED = "ratelimited"
PROBE_INTERVAL_SECONDS = 60
# An operator's error is forgotten after this time without a call.
OPERATOR_CLOSED_SECONDS = 24 * 60 * 60
ANY = "*"
# Slack limits it by channel; the other methods are limited for the workspace.
_METHOD_BY_CHANNEL = "chat.postMessage"
# Each kind of conversation has a scope of its own, such as channels:history and im:history.
_METHODS_BY_KIND = frozenset(
    {"conversations.history", "conversations.info", "conversations.replies"}
)
# A press or a form is answered with them. They are tried in any case.
_INTERACTIVE_METHODS = frozenset({"auth.test", "views.open", "views.push", "views.update"})


@dataclass(frozen=True, slots=True)
class Closed:
    """`error` is Slack's code; `seconds` until the next attempt."""

    error: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Admission:
    """`closed` says why the call must not be made. `probed` are the keys that its success opens."""

    closed: Closed | None = None
    probed: tuple[str, ...] = ()


class SlackGate:
    """`client` must have short timeouts. Raises nothing: without Redis, this process decides."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._local: dict[str, tuple[str, float]] = {}

    def admit(self, method: str, channel: str) -> Admission:
        """Return whether a call may be made now."""
        if method in _INTERACTIVE_METHODS:
            return Admission()
        keys = _keys(method, channel)
        closed = self._check_local(keys)
        if closed:
            return Admission(closed)
        try:
            return self._check_shared(keys)
        except (RedisError, OSError):
            return Admission()

    def record_success(self, admission: Admission) -> None:
        """Open what an operator has corrected."""
        if admission.probed:
            with suppress(RedisError, OSError):
                self._redis.delete(*admission.probed, *map(_probe_key, admission.probed))

    def record_rate_limit(self, method: str, channel: str, *, seconds: int) -> None:
        scope = channel if method == _METHOD_BY_CHANNEL and channel else ANY
        self._close(_key(method, scope), RATE_LIMITED, seconds)
        if scope == ANY:
            return
        limited = f"{_LIMITED_KEY}:{method}"
        try:
            other = self._redis.set(limited, scope, ex=seconds, get=True)
        except (RedisError, OSError):
            return
        if other and other != scope:
            self._close(_key(method, ANY), RATE_LIMITED, seconds)

    def record_error(self, method: str, channel: str, *, error: str) -> None:
        """Close what Slack refuses until an operator has corrected it."""
        match error_kind(error, channel=channel):
            case ErrorKind.INSTALLATION:
                key = _key(ANY, ANY)
            case ErrorKind.SCOPE:
                is_by_kind = channel and method in _METHODS_BY_KIND
                key = _key(method, channel if is_by_kind else ANY)
            case ErrorKind.CHANNEL if channel:
                key = _key(method, channel)
            case _:
                return
        self._close(key, error, OPERATOR_CLOSED_SECONDS)

    def _close(self, key: str, error: str, seconds: int) -> None:
        is_operators = _is_operators(error)
        wait = PROBE_INTERVAL_SECONDS if is_operators else seconds
        try:
            pipe = self._redis.pipeline()
            pipe.set(key, error, ex=seconds)
            if is_operators:
                pipe.set(_probe_key(key), "", ex=wait)
            pipe.execute()
        except (RedisError, OSError):
            self._local[key] = error, time.monotonic() + wait

    def _check_local(self, keys: list[str]) -> Closed | None:
        now = time.monotonic()
        for key in keys:
            error, until = self._local.get(key, ("", 0.0))
            if until > now:
                return Closed(error, _whole_seconds(until - now))
            self._local.pop(key, None)
        return None

    def _check_shared(self, keys: list[str]) -> Admission:
        probed = []
        for key, error in zip(keys, self._errors(keys), strict=True):
            if error is None:
                continue
            if not _is_operators(error):
                return Admission(Closed(error, _whole_seconds(self._redis.ttl(key))))
            probe = _probe_key(key)
            if not self._redis.set(probe, "", ex=PROBE_INTERVAL_SECONDS, nx=True):
                return Admission(Closed(error, _whole_seconds(self._redis.ttl(probe))))
            probed.append(key)
        return Admission(probed=tuple(probed))

    def _errors(self, keys: list[str]) -> list[str | None]:
        return [None if error is None else str(error) for error in self._redis.mget(keys)]


def operator_errors(client: redis.Redis) -> dict[str, str]:
    """Return what is closed until an operator acts: error codes by "METHOD:CHANNEL".

    Raises `RedisError`.
    """
    keys = [str(key) for key in client.scan_iter(f"{KEY_PREFIX}*", count=1_000)]
    errors: list[Any] = client.mget(keys) if keys else []
    return {
        key.removeprefix(KEY_PREFIX): error
        for key, error in sorted(zip(keys, errors, strict=True))
        if _is_operators(error)
    }


def _keys(method: str, channel: str) -> list[str]:
    """The keys that can hold back a call, the widest first."""
    keys = [_key(ANY, ANY), _key(method, ANY)]
    return [*keys, _key(method, channel)] if channel else keys


def _key(method: str, channel: str) -> str:
    return f"{KEY_PREFIX}{method}:{channel}"


def _probe_key(key: str) -> str:
    return _PROBE_PREFIX + key.removeprefix(KEY_PREFIX)


def _is_operators(error: str | None) -> bool:
    return error not in (None, RATE_LIMITED)


def _whole_seconds(seconds: float) -> int:
    return max(int(seconds) + 1, 1)
