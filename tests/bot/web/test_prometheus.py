"""Who may read `/metrics`."""

from ipaddress import ip_network

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from bot.web.flask_app import create_flask_app
from bot.web.prometheus import metrics_blueprint

ELSEWHERE, PROXY = "203.0.113.9", "10.0.0.7"


def web(*, token: str = "", proxies: tuple[str, ...] = ()) -> Flask:
    page = metrics_blueprint(
        lambda: (b"ticket_bot_redis_up 1.0\n", "text/plain; version=0.0.4; charset=utf-8"),
        token=token,
        trusted_proxies=[ip_network(proxy) for proxy in proxies],
    )
    return create_flask_app(is_ready=lambda: True, blueprints=[page])


def get(app: Flask, peer: str, **headers: str) -> TestResponse:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return app.test_client().get("/metrics", headers=named, environ_overrides={"REMOTE_ADDR": peer})


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_read_it(peer: str) -> None:
    answer = get(web(), peer)
    assert answer.status_code == 200
    assert answer.data == b"ticket_bot_redis_up 1.0\n"
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("peer", [ELSEWHERE, "10.0.0.1", "::ffff:203.0.113.9", "", "nonsense"])
def test_nobody_else_may(peer: str) -> None:
    answer = get(web(), peer)
    assert answer.status_code == 403
    assert answer.get_json() == {
        "code": "forbidden",
        "error": "Only this machine may read this, unless METRICS_TOKEN is set.",
    }


def test_nobody_becomes_this_machine_by_saying_so() -> None:
    assert get(web(), ELSEWHERE, X_Forwarded_For="127.0.0.1").status_code == 403
    trusting = web(proxies=(f"{PROXY}/32",))
    assert get(trusting, ELSEWHERE, X_Forwarded_For="127.0.0.1").status_code == 403
    way = f"127.0.0.1, {ELSEWHERE}"  # added by the proxy
    assert get(trusting, PROXY, X_Forwarded_For=way).status_code == 403


def test_through_a_trusted_proxy_its_client_counts() -> None:
    trusting = web(proxies=("10.0.0.0/8", "::1/128"))
    assert get(trusting, PROXY, X_Forwarded_For="127.0.0.1").status_code == 200
    assert get(trusting, "::1", X_Forwarded_For=f"127.0.0.1, {PROXY}").status_code == 200
    assert get(trusting, "::1", X_Forwarded_For=f"{ELSEWHERE}, {PROXY}").status_code == 403
    assert get(trusting, PROXY, X_Forwarded_For="nonsense").status_code == 403
    assert get(trusting, PROXY, X_Forwarded_For=f"127.0.0.1, nonsense, {PROXY}").status_code == 403
    assert get(trusting, PROXY).status_code == 403  # its own request, from another machine


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Proto"],
)
def test_a_proxy_on_this_machine_that_nobody_told_us_of(header: str) -> None:
    answer = get(web(), "127.0.0.1", **{header: "127.0.0.1"})
    assert answer.status_code == 403


def test_a_token_is_asked_of_everybody() -> None:
    app = web(token="s3cret")
    for peer in ("127.0.0.1", ELSEWHERE):
        assert get(app, peer, Authorization="Bearer s3cret").status_code == 200
        assert get(app, peer, Authorization="bearer  s3cret").status_code == 200
        refused = get(app, peer)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="metrics"'
        assert refused.get_json() == {
            "code": "unauthorized",
            "error": "Send METRICS_TOKEN as a bearer token.",
        }


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer ", "s3cret", "Basic s3cret", "Bearer S3CRET", "Bearer s3", "Bearer ü"],
)
def test_a_wrong_token(sent: str) -> None:
    assert get(web(token="s3cret"), "127.0.0.1", Authorization=sent).status_code == 401
