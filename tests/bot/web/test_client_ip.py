"""The client's address for rate limits. `/metrics` has its own tests."""

from ipaddress import ip_network

import pytest
from flask import Flask, request

from bot.web.client_ip import _warn_unknown_proxy, address_for_rate_limit, client_address

PROXY, STRANGER, FORGED = "10.0.0.7", "203.0.113.9", "198.51.100.1"
PUBLIC = "8.8.4.4"


def ask(peer: str, *, proxies: tuple[str, ...] = (), **headers: str) -> tuple[str, str | None]:
    networks = [ip_network(proxy) for proxy in proxies]
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    with Flask(__name__).test_request_context(
        headers=named, environ_overrides={"REMOTE_ADDR": peer}
    ):
        return str(client_address(request, networks)), address_for_rate_limit(request, networks)


@pytest.mark.parametrize("peer", [PUBLIC, STRANGER, "127.0.0.1", "2001:db8::1"])
def test_who_comes_straight_is_who_they_are(peer: str) -> None:
    assert ask(peer) == (peer, peer)


def test_through_a_trusted_proxy_its_client_is_counted() -> None:
    trusted = ("10.0.0.0/8",)
    way = f"{FORGED}, {STRANGER}"
    assert ask(PROXY, proxies=trusted, X_Forwarded_For=way) == (STRANGER, STRANGER)
    assert ask(PROXY, proxies=trusted) == (PROXY, PROXY)


def test_nobody_gets_uncounted_by_calling_themselves_a_proxy() -> None:
    assert ask(PUBLIC, X_Forwarded_For=FORGED) == ("None", PUBLIC)
    assert ask(PUBLIC, Via="1.1 cache") == ("None", PUBLIC)


def test_of_a_proxy_that_nobody_told_us_of_it_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _warn_unknown_proxy.cache_clear()
    for _ in range(2):
        ask(PROXY, X_Forwarded_For=STRANGER)
    ask(PROXY)
    assert caplog.messages == [
        "requests come through a proxy that TRUSTED_PROXIES does not name: sign-in attempts "
        "are limited per account, but not per client address"
    ]


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.7", "192.168.1.1", "::1", "nonsense"])
def test_a_proxy_nearby_that_nobody_told_us_of_is_not_counted_for_all(peer: str) -> None:
    assert ask(peer, X_Forwarded_For=STRANGER) == ("None", None)
