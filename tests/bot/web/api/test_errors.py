"""The API's answers to invalid requests: always JSON with a sentence."""

import json
import logging
import socket
from contextlib import closing
from dataclasses import replace

import pytest

from bot.slack.bot_process import BotProcess
from bot.web.api.blueprint import api_blueprint
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer
from demo.servers import RedisServer
from services.core.database import connect
from services.lists.api_pages import TicketPager
from services.models.user import Role, User
from tests.conftest import NOBODY_LISTENS, People, build_services
from tests.support.api_client import FINE, PASSWORD, Api, problem

NOT_JSON = {
    "error": "This is not valid JSON. Check its quotes, commas, brackets and encoding.",
    "code": "bad_request",
}
NO_OBJECT = {"error": "Send a JSON object as the body, such as {}.", "code": "bad_request"}
JSON_TYPE = {"Content-Type": "application/json"}
TITLE = {"error": "title: Give this as a text.", "code": "invalid", "field": "title"}


BODIES: tuple[tuple[bytes, dict[str, str]], ...] = (
    (b"{", NOT_JSON),
    (b'{"title": "x",}', NOT_JSON),
    (b"title=VPN", NOT_JSON),
    (b'{"title": NaN}', TITLE),
    (b'\xff\xfe{"title": "x"}', NOT_JSON),
    (b'{"title": "\xff"}', NOT_JSON),
    (b'{"title": "half of an emoji: \\ud83d"}', NOT_JSON),
    (b"[" * 100_000, NOT_JSON),
    (b'{"title":' * 100_000, NOT_JSON),
    (b'{"title": ' + b"9" * 100_000 + b"}", NOT_JSON),
    (b"[]", NO_OBJECT),
    (b'"text"', NO_OBJECT),
    (b"7", NO_OBJECT),
    (b"null", NO_OBJECT),
    (b"", NO_OBJECT),
)


def test_a_body_that_cannot_be_read(api: Api, requester: User) -> None:
    for data, expected in BODIES:
        answer = api.post("/api/tickets", by=requester, data=data, headers=JSON_TYPE)
        assert (data[:40], *problem(answer)) == (data[:40], 400, expected)


def test_a_body_of_another_type(api: Api) -> None:
    data = json.dumps({"email": "jo@example.com", "password": PASSWORD})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"):
        answer = api.post("/api/auth/login", data=data, headers={"Content-Type": kind})
        assert problem(answer) == (
            415,
            {
                "error": "Send the body as JSON, with the header Content-Type: application/json.",
                "code": "unsupported_media_type",
            },
        )


def test_json_may_be_said_in_other_words(api: Api, requester: User) -> None:
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/ld+json"):
        headers = {"Content-Type": kind}
        answer = api.post("/api/tickets", by=requester, data=json.dumps(FINE), headers=headers)
        assert answer.status_code == 201


def test_who_asks_is_found_out_before_what_they_send(api: Api) -> None:
    answer = api.post("/api/tickets", data=b"{", headers=JSON_TYPE)
    assert answer.status_code == 401


@pytest.mark.parametrize("size", [1_000_001, 5_000_000])
def test_a_body_over_one_megabyte(api: Api, requester: User, size: int) -> None:
    data = b'{"title": "' + b"x" * size
    answer = api.post("/api/tickets", by=requester, data=data, headers=JSON_TYPE)
    assert problem(answer) == (
        413,
        {
            "error": "The body is larger than 1 MB, which is the limit. Send less.",
            "code": "request_entity_too_large",
        },
    )


def test_what_the_server_refuses_by_itself_is_json_too(api: Api) -> None:
    head = b"POST /api/tickets HTTP/1.1\r\nHost: x\r\n"
    for sent, status, code in (
        (head + b"Content-Length: 9000000\r\n\r\n", 413, "request_entity_too_large"),
        (head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "length_required"),
        (head + b"Content-Length: x\r\n\r\n", 400, "bad_request"),
        (b"GET /api/" + b"x" * 40_000, 414, "request-uri_too_long"),
    ):
        port = int(api.url.rpartition(":")[2])
        with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as client:
            client.sendall(sent)
            answer = client.makefile("rb").read()
        head_of, _, told = answer.partition(b"\r\n\r\n")
        assert head_of.split()[1] == str(status).encode()
        assert b"Content-Type: application/json" in head_of
        assert json.loads(told)["code"] == code
        assert json.loads(told)["error"].endswith(".")


def test_other_addresses_and_methods(api: Api) -> None:
    for path in (
        "/api",
        "/api/",
        "/api/auth",
        "/api/ticket",
        "/api/tickets/1/comments",
        "/api/%00",
    ):
        assert problem(api.get(path)) == (
            404,
            {
                "error": "There is nothing at this address. Check the path.",
                "code": "not_found",
            },
        )
    for method, path, allowed in (
        ("DELETE", "/api/tickets", {"GET", "HEAD", "POST"}),
        ("PUT", "/api/tickets/1", {"GET", "HEAD", "PATCH"}),
        ("GET", "/api/auth/login", {"POST"}),
        ("OPTIONS", "/api/auth/users", {"GET", "HEAD"}),
        ("TRACE", "/api/auth/users", {"GET", "HEAD"}),
        ("POST", "/api/openapi.json", {"GET", "HEAD", "OPTIONS"}),
    ):
        answer = api.call(method, path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == allowed


def test_without_mongodb_a_call_says_so(
    people: People, redis: RedisServer, bot_process: BotProcess
) -> None:
    away = connect(NOBODY_LISTENS)
    cut_off = replace(bot_process, services=build_services(away, REDIS_URL=redis.url))
    web = create_flask_app(is_ready=lambda: False, blueprints=[api_blueprint(cut_off)])
    token = bot_process.services.sign_in.issue_token(people.add(Role.ADMIN))
    with WebServer(web, host="127.0.0.1", port=0) as server:
        answer = Api(f"http://127.0.0.1:{server.port}").get("/api/tickets", by=token)
    assert answer.headers["Retry-After"] == "5"
    assert problem(answer) == (
        503,
        {
            "error": "This could not be done, because the database is away. Try again in a minute.",
            "code": "unavailable",
        },
    )
    away.client.close()


def test_a_fault_is_told_by_its_reference_alone(
    api: Api, requester: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("S3cret")

    monkeypatch.setattr(TicketPager, "newest_page", fail)
    with caplog.at_level(logging.ERROR):
        answer = api.get("/api/tickets", by=requester)
    reference = answer.json()["error"].rpartition(" ")[2]
    assert answer.status_code == 500
    assert "S3cret" not in answer.text
    assert any(reference in record.getMessage() for record in caplog.records)
