"""Each sign-in and refusal is one log line and one count, through the whole bot."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from bot import bootstrap
from bot.slack.bot_process import BotProcess
from services.auth.one_time_codes import CodeKind
from services.core import logs, security_events
from services.core.errors import InvalidValue, LimitReached, MemberRefused
from services.core.metrics import NOOP_METER, SECURITY_EVENTS, SampleKey
from services.core.rate_limit import RULES, Limit
from services.models.slack_member import SlackMember
from services.registry.services import Services
from tests.conftest import Bot, People, file_ticket, make_config
from tests.support import payloads
from tests.support.slack_workspace import TEAM_ID

CLIENT, PROXY, PASSWORD = "203.0.113.7", "127.0.0.1", "correct horse battery"
FORGED = 'x"\n2026-01-01 INFO app forged\r\n\x1b[31m{"event": "signed_in"}\u2028@example.com'


@pytest.fixture(params=[logs.JsonFormatter(), logs.TextFormatter("%(levelname)s %(message)s")])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """The log of the product, for log collectors or for a terminal."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(request.param)
    loggers = [logging.getLogger(name) for name in logs.PRODUCT_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield written
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.fixture
def process(bot_process: BotProcess) -> Iterator[BotProcess]:
    config = make_config(
        SLACK_SIGNING_SECRET="signing secret", TRUSTED_PROXIES=f"{PROXY}/32", METRICS_TOKEN="t0"
    )
    yield replace(bot_process, config=config)
    security_events.count_in(NOOP_METER)


@pytest.fixture
def web(process: BotProcess) -> FlaskClient:
    """A client behind a trusted proxy."""
    parts = bootstrap.build_bot_server(process, shared_counts=dict)
    parts.listener_executor.shutdown()
    app = parts.web_server._server.wsgi_app
    assert isinstance(app, Flask)
    client = app.test_client()
    client.environ_base |= {"HTTP_X_FORWARDED_FOR": CLIENT, "REMOTE_ADDR": PROXY}
    return client


def events(log: io.StringIO) -> list[dict[str, str]]:
    """What the security events say, without the request's id; the log is emptied."""
    found = []
    for line in log.getvalue().splitlines():
        if "security event" not in line:
            continue
        said = json.loads(line) if line[0] == "{" else _parsed(line)
        about = ("event", "reason", "account", "member", "client")
        found.append({name: said[name] for name in about if name in said})
    log.seek(0)
    log.truncate()
    return found


def _parsed(line: str) -> dict[str, str]:
    return dict(re.findall(r" (\w+)=(\S+)", line))


def counts(process: BotProcess) -> dict[tuple[str, ...], float]:
    return {
        key.labels: number
        for key, number in process.meter.samples().items()
        if key == SampleKey(SECURITY_EVENTS.name, key.labels)
    }


def csrf_of(web: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', web.get(path).get_data(as_text=True))
    assert found
    return found[1]


def test_sign_ins(
    web: FlaskClient, process: BotProcess, services: Services, log: io.StringIO
) -> None:
    jo = services.sign_in.sign_up(email="jo@example.com", password=PASSWORD)
    known = {"email": "jo@example.com", "password": PASSWORD}
    about = {"account": str(jo.id), "client": CLIENT}
    assert web.post("/api/auth/login", json=known).status_code == 200
    assert events(log) == [{"event": "signed_in", **about}]
    wrong = {**known, "password": "wrong password"}
    assert web.post("/api/auth/login", json=wrong).status_code == 401
    assert events(log) == [{"event": "sign_in_failed", **about}]
    token = csrf_of(web, "/signin")
    assert web.post("/signin", data={**wrong, "csrf": token}).status_code == 401
    assert events(log) == [{"event": "sign_in_failed", **about}]
    unknown = {**known, "email": "other@example.com"}
    assert web.post("/api/auth/login", json=unknown).status_code == 401
    assert events(log) == [{"event": "sign_in_failed", "client": CLIENT}]
    for _ in range(RULES[Limit.WRONG_PASSWORDS].amount - 2):
        web.post("/api/auth/login", json=wrong)
    events(log)
    assert web.post("/api/auth/login", json=known).status_code == 429
    assert events(log) == [{"event": "rate_limited", "reason": "wrong-passwords", "client": CLIENT}]
    assert counts(process) == {
        ("signed_in", ""): 1,
        ("sign_in_failed", ""): 11,
        ("rate_limited", "wrong-passwords"): 1,
    }
    page = web.get("/metrics", headers={"Authorization": "Bearer t0"}).get_data(as_text=True)
    assert 'ticket_bot_security_events_total{event="sign_in_failed",reason=""} 11.0' in page


def test_refusals_over_http(
    web: FlaskClient, process: BotProcess, services: Services, people: People, log: io.StringIO
) -> None:
    user = people.add()
    token = services.sign_in.issue_token(user)
    bearer = {"Authorization": f"Bearer {token}"}
    events(log)
    calls: list[tuple[Callable[[], Any], int, dict[str, str]]] = [
        (lambda: web.post("/slack/events", data="{}"), 401, {"event": "signature_refused"}),
        (
            lambda: web.post("/signin", data={"csrf": FORGED}),
            403,
            {"event": "form_refused", "reason": "stale_token"},
        ),
        (
            lambda: web.post("/signin", headers={"Origin": "https://evil.example"}),
            403,
            {"event": "form_refused", "reason": "other_site"},
        ),
        (
            lambda: web.get("/api/tickets", headers={"Authorization": "Bearer x.y.z"}),
            401,
            {"event": "token_refused", "reason": "session"},
        ),
        (lambda: web.get("/metrics"), 401, {"event": "token_refused", "reason": "metrics"}),
        (
            lambda: web.get("/api/auth/users", headers=bearer),
            403,
            {"event": "permission_denied", "reason": "manage_users", "account": str(user.id)},
        ),
        (
            lambda: web.post(
                "/reset",
                data={
                    "csrf": csrf_of(web, "/signin"),
                    "code": FORGED,
                    "password": PASSWORD,
                    "repeat": PASSWORD,
                },
            ),
            400,
            {"event": "code_refused", "reason": "reset"},
        ),
        (
            lambda: web.get("/reset?code=guessed"),
            400,
            {"event": "code_refused", "reason": "reset"},
        ),
        (
            lambda: web.get("/confirm?code=guessed"),
            400,
            {"event": "code_refused", "reason": "confirm"},
        ),
    ]
    for call, status, expected in calls:
        assert call().status_code == status
        assert events(log) == [{**expected, "client": CLIENT}]
    assert sum(counts(process).values()) == 1 + len(calls)  # and the sign-in


def test_refusals_in_slack(
    web: FlaskClient,
    process: BotProcess,
    services: Services,
    people: People,
    ticket_bot: Bot,
    log: io.StringIO,
) -> None:
    user = people.add()
    slack_id = people.slack_id(user)
    member = SlackMember(TEAM_ID, slack_id, TEAM_ID, user.email, email_confirmed=True)
    ticket_bot.send(payloads.slash_command("queue", user=slack_id))
    account = {"account": str(user.id)}
    assert events(log) == [{"event": "permission_denied", "reason": "see_any_ticket", **account}]
    theirs = file_ticket(services.tickets, people.add())
    for number in (theirs.number, 999):  # only the first exists
        ticket_bot.send(payloads.slash_command(str(number), user=slack_id))
    assert events(log) == [{"event": "permission_denied", "reason": "see_any_ticket", **account}]
    ticket_bot.send(payloads.event({"type": "app_home_opened", "user": "U0X"}, team="T0OTHER"))
    assert events(log) == [{"event": "workspace_refused"}]
    refused = {"event": "code_refused", "reason": "link", "member": f"{TEAM_ID}:{slack_id}"}
    codes = RULES[Limit.LINK_CODES].amount
    for _ in range(codes):
        with pytest.raises(InvalidValue):
            services.account_linking.preview_code(member=member, code="wrong")
        assert events(log) == [refused]
    with pytest.raises(LimitReached):
        services.account_linking.preview_code(member=member, code="wrong")
    limited = {"event": "rate_limited", "reason": "link-codes", "member": refused["member"]}
    assert events(log) == [limited]
    with pytest.raises(InvalidValue):
        services.account_linking.confirm_code(member=member, code_id="forged")
    assert events(log) == [refused]
    stranger = replace(member, slack_user_id="U0STRANGER")
    code = services.codes.issue(kind=CodeKind.LINK, user_id=user.id)
    with pytest.raises(MemberRefused):
        services.account_linking.preview_code(member=stranger, code=code)
    assert events(log) == [
        {
            "event": "code_refused",
            "reason": "linked_elsewhere",
            **account,
            "member": f"{TEAM_ID}:U0STRANGER",
        }
    ]
    for _ in range(RULES[Limit.TICKETS].amount):
        file_ticket(services.tickets, user)
    with pytest.raises(LimitReached):
        file_ticket(services.tickets, user)
    assert events(log) == [{"event": "rate_limited", "reason": "tickets", **account}]
    assert sum(counts(process).values()) == codes + 7


def test_what_a_caller_sends_forges_no_line(web: FlaskClient, log: io.StringIO) -> None:
    """An address, a header or a path with line ends, quotes and codes for a terminal."""
    path = "/api/%0a2026-01-01%20INFO%20app%20forged%0d%0a%1b[31m"
    headers = {"X-Forwarded-For": '203.0.113.7"\\n', "User-Agent": "x" * 99}
    web.post("/api/auth/login", json={"email": FORGED, "password": FORGED}, headers=headers)
    web.post("/signin", data={"email": FORGED, "password": FORGED, "csrf": FORGED})
    web.get(path)
    logging.getLogger("bot").error("%s failed", FORGED)
    try:
        int(FORGED)
    except ValueError:
        logging.getLogger("bot").exception("an error of %s", FORGED)
    text = log.getvalue()
    assert "\x1b" not in text
    assert "\u2028" not in text
    for line in text.splitlines():
        assert re.match(r'\{"|INFO |WARNING |ERROR |  ', line), line
