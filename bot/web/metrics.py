"""`/metrics`, for those who may read it: by a token, or from this machine where none is set."""

import hmac
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import Blueprint, Request, Response, request

from bot.web.errors import problem
from services.settings import Network

Address = IPv4Address | IPv6Address

# Other marks that proxies leave.
FORWARDING = ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Proto")


def metrics(
    page: Callable[[], tuple[bytes, str]], *, token: str, trusted_proxies: Sequence[Network]
) -> Blueprint:
    """`page` makes the text and its content type. `token` "": callers on this machine only."""
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    def show() -> Response:
        if token and not _knows(token, request):
            answer = problem(401, "unauthorized", "Send METRICS_TOKEN as a bearer token.")
            answer.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
            return answer
        if not token and not _is_local(request, trusted_proxies):
            return problem(
                403, "forbidden", "Only this machine may read this, unless METRICS_TOKEN is set."
            )
        body, content_type = page()
        return Response(body, content_type=content_type)

    return blueprint


def _knows(token: str, sent: Request) -> bool:
    scheme, _, given = sent.headers.get("Authorization", "").partition(" ")
    # Compared as bytes: of other than ASCII characters compare_digest takes no text.
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    return same and scheme.lower() == "bearer"


def _is_local(sent: Request, proxies: Sequence[Network]) -> bool:
    client = client_address(sent, proxies)
    return client is not None and client.is_loopback


def client_address(sent: Request, proxies: Sequence[Network]) -> Address | None:
    """Who asks: the last address on the way here that is no trusted proxy's; None: unknown.

    Each proxy appends whom it was asked by, so the list is believed from its end, and only as
    far as trusted proxies wrote it. A peer that is none and yet forwards is a proxy nobody told
    us of, perhaps on this very machine: who asks it cannot be known.
    """
    address = _address(sent.remote_addr)
    way = ",".join(sent.headers.getlist("X-Forwarded-For"))
    hops = [hop.strip() for hop in way.split(",")] if way else []
    while hops and address and _is_in(address, proxies):
        address = _address(hops.pop())
        if address and not _is_in(address, proxies):
            return address
    if way or any(name in sent.headers for name in FORWARDING):
        return None
    return address


def _address(text: str | None) -> Address | None:
    try:
        address = ip_address((text or "").strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
