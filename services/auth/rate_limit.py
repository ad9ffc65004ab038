"""How often one may try: to sign in, to sign up, to ask for a mail.

Accounts that there are and accounts that there are not are counted alike, so that a refusal tells
nothing. What is kept are hashes of addresses, for minutes.
"""

import hashlib
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from services.auth.attempt_counter import Attempts, Counted
from services.core.clock import Clock, utcnow
from services.core.errors import LimitReached


class Limit(NamedTuple):
    most: int
    window: timedelta


class Doing(StrEnum):
    SIGN_IN = "sign-in"  # failures only
    SIGN_UP = "sign-up"
    RESET = "reset"


# An office has one address outside for many people.
PER_ACCOUNT = {
    Doing.SIGN_IN: Limit(10, timedelta(minutes=15)),
    Doing.RESET: Limit(3, timedelta(hours=1)),
}
PER_ADDRESS = {
    Doing.SIGN_IN: Limit(30, timedelta(minutes=15)),
    Doing.SIGN_UP: Limit(30, timedelta(hours=1)),
    Doing.RESET: Limit(30, timedelta(hours=1)),
}

TOO_OFTEN = "Too many attempts."
# Most of those were of other people.
_OFTEN = {Doing.SIGN_UP: "Too many accounts were made from your network within an hour."}


class Throttle:
    """An `account` is what its address is looked up by (`email_key`); an `address` is the
    caller's IP address, None where nobody knows it: then only the account counts.
    """

    def __init__(self, redis_url: str, *, space: str = "", clock: Clock = utcnow) -> None:
        """`space` is the installation's, should several share a Redis."""
        self._attempts = Attempts(redis_url, space=space, clock=clock)

    def check(self, *, account: str, address: str | None = None) -> None:
        """Raise `LimitReached` where sign-in has failed too often."""
        keys = _keys(Doing.SIGN_IN, account, address)
        counts = zip(self._attempts.look(list(keys)), keys.values(), strict=True)
        _refuse([counted for counted, limit in counts if counted.number >= limit.most])

    def failed(self, *, account: str, address: str | None = None) -> None:
        for key, limit in _keys(Doing.SIGN_IN, account, address).items():
            self._attempts.add(key, window=limit.window)

    def succeeded(self, *, account: str) -> None:
        """The account starts anew. Its caller's address does not: an account of one's own would
        open all others to guessing.
        """
        for key in _keys(Doing.SIGN_IN, account, None):
            self._attempts.forget(key)

    def count(self, doing: Doing, *, account: str = "", address: str | None = None) -> None:
        """Count one more of what is limited however it ends; `LimitReached` for one too many."""
        keys = _keys(doing, account, address)
        over = []
        for key, limit in keys.items():
            counted = self._attempts.add(key, window=limit.window)
            if counted.number > limit.most:
                over.append(counted)
        _refuse(over, _OFTEN.get(doing, TOO_OFTEN))


def _keys(doing: Doing, account: str, address: str | None) -> dict[str, Limit]:
    keys = {}
    if account and doing in PER_ACCOUNT:
        keys[_key(doing, "account", account)] = PER_ACCOUNT[doing]
    if (network := _network(address)) and doing in PER_ADDRESS:
        keys[_key(doing, "address", network)] = PER_ADDRESS[doing]
    return keys


def _key(doing: Doing, kind: str, name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    return f"{doing}:{kind}:{digest[:32]}"


def _network(address: str | None) -> str | None:
    """Of IPv6 the network, because whoever has one address there has 2**64 of them."""
    try:
        found = ip_address((address or "").strip("[]"))
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), 64), strict=False))
    return str(found)


def _refuse(over: list[Counted], why: str = TOO_OFTEN) -> None:
    if not over:
        return
    seconds = max(1, *(counted.seconds for counted in over))
    raise LimitReached(f"{why} Try again {_when(seconds)}.", retry_after=seconds)


def _when(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "in a minute" if minutes == 1 else f"in {minutes} minutes"
