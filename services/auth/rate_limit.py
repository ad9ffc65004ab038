"""Rate limits for sign-in, sign-up and password reset.

Existing and unknown accounts are counted alike, so a refusal reveals nothing. Only hashes of
addresses are stored, until the window ends.
"""

import hashlib
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from services.auth.attempt_counter import AttemptCount, AttemptCounter
from services.core.clock import Clock, utcnow
from services.core.errors import LimitReached


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
        _refuse([counted for counted, limit in counts if counted.attempts >= limit.max_attempts])

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
        _refuse(over, _OFTEN.get(action, TOO_MANY_ATTEMPTS))


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


def _refuse(over: list[AttemptCount], why: str = TOO_MANY_ATTEMPTS) -> None:
    if not over:
        return
    seconds = max(1, *(counted.expires_in_seconds for counted in over))
    raise LimitReached(f"{why} Try again {_when(seconds)}.", retry_after=seconds)


def _when(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "in a minute" if minutes == 1 else f"in {minutes} minutes"
