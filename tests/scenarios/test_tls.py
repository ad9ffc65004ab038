"""The main job over TLS, as in production: to Slack, Gemini, Redis and MongoDB.

The certificates come from an authority of the test's own, which the processes trust as an operator
makes them trust a company's: SSL_CERT_FILE, and REQUESTS_CA_BUNDLE for Gemini.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.servers import MongoServer, RedisServer, free_port
from services.core.database import Mongo
from services.models.user import Role
from tests.conftest import People
from tests.support import payloads
from tests.support.aimock import BareGemini, Reply, answer_text, gemini_body
from tests.support.block_text import without_facts
from tests.support.certificates import CertificateAuthority
from tests.support.http_bot import SECRET, HttpBot, opened_by
from tests.support.processes import Product, eventually, is_outbox_empty, run
from tests.support.proxies import ConnectProxy, TlsProxy
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.socket_mode_server import SocketModeServer

pytest_plugins = ["tests.support.product"]

APP_TOKEN = "xapp-1-test"
SLACK, WEBSOCKETS, GEMINI = (
    "slack.com",
    "wss-primary.slack.com",
    "generativelanguage.googleapis.com",
)
LOCALHOST = "127.0.0.1"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trust(authority: CertificateAuthority) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(authority.file), "REQUESTS_CA_BUNDLE": str(authority.file)}


@pytest.fixture
def is_at_slack_com(request: pytest.FixtureRequest) -> bool:
    """Whether Slack is at its own address, as the test's parameter says."""
    return bool(getattr(request, "param", False))


@pytest.fixture
def slack(authority: CertificateAuthority, is_at_slack_com: bool) -> Iterator[RecordingSlack]:
    tls = authority.server_context(LOCALHOST, SLACK)
    with RecordingSlack(tls=tls, address=f"https://{SLACK}" if is_at_slack_com else None) as server:
        yield server
    assert server.refused == []


@pytest.fixture
def gemini(authority: CertificateAuthority) -> Iterator[BareGemini]:
    with BareGemini(tls=authority.server_context(LOCALHOST, GEMINI)) as server:
        server.reply = Reply(gemini_body(answer_text(skills=["VPN"], summary="The tunnel drops.")))
        yield server


def the_main_story(
    answer: Callable[[Json], Json],
    product: Product,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
) -> None:
    """From the command to the resolution, whichever way the payloads come in."""
    slack.add_member("U0EMMA", email="emma@example.com", name="Emma")
    expert = people.add(Role.MODERATOR, "VPN")
    expert_slack = people.slack_id(expert)

    command = payloads.slash_command(user="U0EMMA")
    answer(command)
    entered = {"title": "It drops", "description": "Hourly since Monday."}
    form = opened_by(slack, command["trigger_id"])
    filed = answer(payloads.view_submission(form, entered, user="U0EMMA"))
    assert filed["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"

    eventually(lambda: is_outbox_empty(db), what="the requester and the assignee have cards")
    (card,) = slack.messages(expert_slack)
    assert without_facts(card["text"]) == "Ticket 1 “It drops”: assigned to you"
    (own,) = slack.messages("U0EMMA")
    assert own["text"] == f"Ticket 1 “It drops”: assigned to {expert.name}"

    # An answer to a response_url, the third kind of address of Slack's.
    url = slack.response_url()
    details = payloads.menu_choice(card, "details", user=expert_slack, response_url=url)
    assert answer(details) == {}
    (page,) = slack.wait_for("response_url")
    assert "The tunnel drops." in str(page.args["blocks"])

    press = payloads.menu_choice(card, "resolve", user=expert_slack)
    assert answer(press) == {}
    note = payloads.view_submission(
        opened_by(slack, press["trigger_id"]), {"resolution": "Updated."}, user=expert_slack
    )
    assert answer(note) == {}
    resolved = f"Ticket 1 “It drops”: resolved by {expert.name}"
    eventually(lambda: slack.messages("U0EMMA")[0]["text"] == resolved, what="the card says so")
    eventually(lambda: is_outbox_empty(db), what="everyone was told")


def test_https_to_slack_and_gemini(
    product: Product,
    slack: RecordingSlack,
    gemini: BareGemini,
    people: People,
    db: Mongo,
    trust: dict[str, str],
) -> None:
    product.settings |= {"GEMINI_API_KEY": "key", "GEMINI_API_URL": gemini.url, **trust}
    assert product.settings["SLACK_API_URL"].startswith("https://127.0.0.1:")
    product.start("worker")
    bot = HttpBot(product)
    the_main_story(bot.answer, product, slack, people, db)
    assert len(gemini.received) == 1


@pytest.mark.parametrize("is_at_slack_com", [True], indirect=True)
def test_socket_mode_and_the_addresses_of_production_through_a_proxy(
    product: Product,
    slack: RecordingSlack,
    gemini: BareGemini,
    people: People,
    db: Mongo,
    authority: CertificateAuthority,
    trust: dict[str, str],
) -> None:
    """With neither SLACK_API_URL nor GEMINI_API_URL set. slack_sdk speaks wss on port 443 only."""
    slack.app_tokens.add(APP_TOKEN)
    slack.socket_mode_url = f"wss://{WEBSOCKETS}/link/?ticket=1&app_id=A0APP"
    sockets = SocketModeServer(authority.server_context(WEBSOCKETS))
    ports = {SLACK: slack.port, WEBSOCKETS: sockets.port, GEMINI: gemini.port}
    with sockets, ConnectProxy(ports) as proxy:
        del product.settings["SLACK_API_URL"]
        product.settings |= {"GEMINI_API_KEY": "key", "HTTPS_PROXY": proxy.url, **trust}
        product.start("worker")
        product.start("bot", SLACK_APP_TOKEN=APP_TOKEN, PORT=str(free_port()))
        the_main_story(sockets.answer, product, slack, people, db)
        product.stop()
    assert set(proxy.connected) == {SLACK, WEBSOCKETS, GEMINI}
    assert proxy.refused == []


def test_tls_to_redis_and_mongodb(
    product: Product,
    redis: RedisServer,
    mongo: MongoServer,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
    authority: CertificateAuthority,
    trust: dict[str, str],
) -> None:
    tls = authority.server_context(LOCALHOST)
    with TlsProxy(tls, redis.port) as redis_tls, TlsProxy(tls, mongo.port) as mongo_tls:
        product.settings |= {
            "REDIS_URL": f"rediss://{LOCALHOST}:{redis_tls.port}/0",
            "MONGO_URI": f"mongodb://{LOCALHOST}:{mongo_tls.port}/{db.name}"
            "?tls=true&directConnection=true",  # or it goes on to the address without TLS
            **trust,
        }
        product.start("worker")
        product.start("jobs")
        bot = HttpBot(product)
        requester, expert = people.add(), people.add(Role.MODERATOR, "VPN")
        bot.answer(bot.filled_in(slack, people.slack_id(requester), title="The VPN drops"))
        eventually(lambda: is_outbox_empty(db), what="the requester and the assignee have cards")
        assert len(slack.messages(people.slack_id(expert))) == 1
        product.stop()


def test_it_refuses_a_certificate_of_an_authority_it_does_not_trust(
    slack: RecordingSlack,
    mongo: MongoServer,
    db: Mongo,
    redis: RedisServer,
    tmp_path: Path,
    elsewhere: None,
) -> None:
    env = {
        "MONGO_URI": mongo.uri_for(db.name),
        "REDIS_URL": redis.url,
        "JWT_SECRET": "0" * 32,
        "SLACK_API_URL": slack.url,
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_SIGNING_SECRET": SECRET,
    }
    stranger = CertificateAuthority(tmp_path, name="Stranger")
    for trusted in ({}, {"SSL_CERT_FILE": str(stranger.file)}):
        ended = run("bot", **env, **trusted)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "Slack cannot be reached" in ended.stderr
    assert slack.calls == []
