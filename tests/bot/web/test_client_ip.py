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
        "clients behind a proxy share one address limit: name the proxy in TRUSTED_PROXIES and "
        "let it send X-Forwarded-For"
    ]


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "Via", "X_Real_IP"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.7", "192.168.1.1", "::1"])
def test_an_unnamed_peer_nearby_counts_as_itself(peer: str, header: str) -> None:
    assert ask(peer, proxies=(), **{header: STRANGER}) == ("None", peer)


def test_a_trusted_proxy_without_a_readable_client_counts_as_itself() -> None:
    assert ask(PROXY, proxies=(PROXY,), X_Forwarded_For="unknown") == ("None", PROXY)
    assert ask(PROXY, proxies=(PROXY,), X_Real_IP=STRANGER) == ("None", PROXY)


def test_a_peer_without_an_address_is_not_counted() -> None:
    assert ask("nonsense", X_Forwarded_For=STRANGER) == ("None", None)


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("203.0.113.7:51234", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_every_spelling_of_a_trusted_proxy_is_read(spelling: str, address: str) -> None:
    way = f"{FORGED}, {spelling}"
    assert ask(PROXY, proxies=(PROXY,), X_Forwarded_For=way) == (address, address)
    through_two = f"{way}, {PROXY}:8080"
    assert ask(PROXY, proxies=(PROXY,), X_Forwarded_For=through_two) == (address, address)
