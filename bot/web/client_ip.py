"""The client of an HTTP request: its address behind trusted proxies, and its bearer token."""

import logging
import re
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import Request

from services.core.settings import Network

logger = logging.getLogger(__name__)
IpAddress = IPv4Address | IPv6Address
# Other headers that proxies set.
PROXY_HEADERS = ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Proto")
_WITH_BRACKETS_OR_PORT = re.compile(r"\[(?P<v6>[^]]+)\](:\d+)?|(?P<v4>[^:]+):\d+")


def client_address(http_request: Request, trusted_proxies: Sequence[Network]) -> IpAddress | None:
    """Return the client's address behind the trusted proxies; None if unknown.

    Each proxy appends its caller's address, so the list is trusted from its end, as far as trusted
    proxies wrote it. A peer that forwards but is not trusted is an unknown proxy, perhaps on this
    machine: its client is unknown.
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
    """Return the address that a caller's attempts are counted for; None if there is none at all.

    If the client is unknown, its peer counts: any client can send a proxy's headers, so these must
    not switch the limit off.
    """
    client = client_address(http_request, trusted_proxies)
    peer = _parse_address(http_request.remote_addr)
    if client is None and peer and not peer.is_global:
        _warn_unknown_proxy()
    address = client or peer
    return str(address) if address else None


def bearer_token(http_request: Request) -> str:
    """Return the token of `Authorization: Bearer TOKEN`, or ""."""
    scheme, _, token = http_request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@cache
def _warn_unknown_proxy() -> None:
    """Warn once per process."""
    logger.warning(
        "clients behind a proxy share one address limit: name the proxy in TRUSTED_PROXIES and "
        "let it send X-Forwarded-For"
    )


def _parse_address(text: str | None) -> IpAddress | None:
    """Read an address as proxies spell it: with brackets, port, quotes or zone."""
    text = (text or "").strip('"')
    if match := _WITH_BRACKETS_OR_PORT.fullmatch(text):
        text = match["v6"] or match["v4"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(address: IpAddress, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
