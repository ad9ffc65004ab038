"""The client of an HTTP request: its address behind trusted proxies, and its bearer token."""

import logging
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import Request

from services.core.settings import Network

logger = logging.getLogger(__name__)
IpAddress = IPv4Address | IPv6Address
# Other marks that proxies leave.
PROXY_HEADERS = ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Proto")


def client_address(http_request: Request, trusted_proxies: Sequence[Network]) -> IpAddress | None:
    """Who asks: the last address on the way here that is no trusted proxy's; None: unknown.

    Each proxy appends whom it was asked by, so the list is believed from its end, and only as
    far as trusted proxies wrote it. A peer that is none and yet forwards is a proxy nobody told
    us of, perhaps on this very machine: who asks it cannot be known.
    """
    address = _parse_address(http_request.remote_addr)
    forwarded_for = ",".join(http_request.headers.getlist("X-Forwarded-For"))
    hops = [hop.strip() for hop in forwarded_for.split(",")] if forwarded_for else []
    while hops and address and _is_in(address, trusted_proxies):
        address = _parse_address(hops.pop())
        if address and not _is_in(address, trusted_proxies):
            return address
    if forwarded_for or any(name in http_request.headers for name in PROXY_HEADERS):
        return None
    return address


def address_for_rate_limit(http_request: Request, trusted_proxies: Sequence[Network]) -> str | None:
    """The address a caller's attempts are counted for; None: only a proxy's is known.

    Whoever comes straight from the internet is counted even if they say that they are a proxy. A
    proxy nobody told us of stands nearby, on this machine or in its network, and whoever comes
    through it must not be shut out for all the others.
    """
    client = client_address(http_request, trusted_proxies)
    peer = client or _parse_address(http_request.remote_addr)
    if peer and (client or peer.is_global):
        return str(peer)
    _warn_unknown_proxy()
    return None


def bearer_token(http_request: Request) -> str:
    """Of `Authorization: Bearer TOKEN`; "" for none."""
    scheme, _, token = http_request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@cache
def _warn_unknown_proxy() -> None:
    """Once a process."""
    logger.warning(
        "requests come through a proxy that TRUSTED_PROXIES does not name: attempts to sign in "
        "are counted by account, but not by the caller's address"
    )


def _parse_address(text: str | None) -> IpAddress | None:
    try:
        address = ip_address((text or "").strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(address: IpAddress, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
