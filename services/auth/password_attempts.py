"""Limits on passwords that are tried, at sign-in and when the password is changed.

An attempt is counted before its password is compared, so concurrent guesses do not pass a limit,
and a right one is forgiven. Wrong passwords are counted for the account and the caller's network,
so a stranger elsewhere cannot lock out the owner, and for each browser or program that has signed
in to the account before (`DeviceTokens`). Those of signed-in callers are also counted for the
account, so that a stolen session gets no more guesses from more networks. Above a number a day from
all networks, only known devices may sign in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network

from services.core.errors import InvalidValue, Unauthenticated
from services.core.rate_limit import Limit
from services.core.rate_limiter import RateLimiter, Subject

# Bits of an address: an IPv6 client has 2**64 addresses, an office or a provider a wider network.
_ADDRESS_BITS, _NETWORK_BITS = (32, 64), (24, 56)
_WRONG_PASSWORD_LIMITS = (
    Limit.WRONG_PASSWORDS,
    Limit.WRONG_PASSWORDS_BY_ACCOUNT,
    Limit.WRONG_PASSWORDS_BY_ADDRESS,
)


@contextmanager
def password_attempt(
    limiter: RateLimiter,
    *,
    account: str,
    client_ip: str | None,
    device_id: str | None = None,
    is_signed_in: bool = False,
) -> Iterator[None]:
    """Count the attempt that is made in the block, which raises `Unauthenticated` or `InvalidValue`
    for a wrong password. Raises `LimitReached` before the block.

    `account` is the account's `email_key`; `client_ip` is None if unknown; `device_id` is that of a
    device that is known for the account; `is_signed_in`: the caller has a session.
    """
    sources = [_source_subject(account, client_ip, device_id)]
    if is_signed_in:
        sources.append(_session_subject(account))
    subjects = list(sources)
    if not (device_id or is_signed_in):
        subjects.append((Limit.WRONG_PASSWORDS_BY_ACCOUNT, account))
    place = limiter.take(
        *subjects, *by_address(client_ip, Limit.WRONG_PASSWORDS_BY_ADDRESS, Limit.SIGN_INS)
    )
    try:
        yield
    except (Unauthenticated, InvalidValue):
        raise
    except BaseException:  # no password was compared
        place.give_back()
        raise
    place.give_back(*_WRONG_PASSWORD_LIMITS)
    # Of this account only: otherwise an attacker could reset the count of an address by signing in
    # to an account of their own.
    limiter.clear(*sources)


def forgive_wrong_passwords(
    limiter: RateLimiter, *, account: str, client_ip: str | None = None
) -> None:
    """Forget the wrong passwords for an account whose owner has set a new one from there."""
    limiter.clear(
        _source_subject(account, client_ip, None),
        _session_subject(account),
        (Limit.WRONG_PASSWORDS_BY_ACCOUNT, account),
    )


def by_address(client_ip: str | None, *limits: Limit) -> list[Subject]:
    """Return the limits of the caller's address; none if it is unknown."""
    address = _network(client_ip, _ADDRESS_BITS)
    return [(limit, address) for limit in limits] if address else []


def _session_subject(account: str) -> Subject:
    return Limit.WRONG_PASSWORDS, f"{account} session"


def _source_subject(account: str, client_ip: str | None, device_id: str | None) -> Subject:
    source = device_id or _network(client_ip, _NETWORK_BITS)
    return Limit.WRONG_PASSWORDS, f"{account} {source}"


def _network(client_ip: str | None, bits: tuple[int, int]) -> str | None:
    """Return the network around the address; `bits` are of an IPv4 and of an IPv6 one."""
    try:
        address = ip_address((client_ip or "").strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ip_network((address, bits[address.version == 6]), strict=False))
