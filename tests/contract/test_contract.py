"""Compares names that are stored or used outside with the list in contract.json.

A ticket's fields lie in MongoDB, a button's value lies in a message in Slack, a task's name lies in
Redis, and a path in another program. None of them changes with a module's name, so each is compared
with a checked-in list. A new name is added to the list. A changed or removed one needs a line in
docs/upgrade.md that says what happens to what is stored or posted already.

`python -m pytest tests/contract` with RECORD=again writes the list that the code has.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import redis as redis_client
from flask import Flask
from flask.testing import FlaskClient

from bot import bootstrap
from bot.routes import ROUTES
from bot.slack.bot_process import BotProcess
from demo.servers import RedisServer
from services.auth.device_tokens import DeviceTokens
from services.core import metrics, settings
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.rate_limit import Limit
from services.core.rate_limiter import RateLimiter
from services.core.redis_client import connect_redis
from services.core.slack_gate import SlackGate
from services.ops.ticket_counts import record_status_counts
from services.registry.services import Services
from tasks.processes.jobs import ALL_JOBS
from tasks.queue.celery_app import celery
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.shared_metrics import RedisMeter
from tests.conftest import JWT_SECRET, RecordingPublisher, web_client
from tests.contract import collect, recordings
from tests.contract.recordings import Recording
from tests.support.processes import celery_for
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID, TEAM_URL

LIST = Path(__file__).with_name("contract.json")
UPGRADE = Path(__file__).parents[2] / "docs" / "upgrade.md"
EMAIL, PASSWORD = "jo@example.com", "correct horse battery"
Entries = dict[str, list[str]]

GONE = (
    "It is a contract: it is stored, or others use it. Keep it, or change "
    "tests/contract/contract.json together with a line in docs/upgrade.md that says what happens "
    "to what is stored or posted already."
)
NEW = "Add it to the list, tests/contract/contract.json."


def collected(
    db: Mongo, slack: RecordingSlack, redis_url: str, publisher: RecordingPublisher
) -> Entries:
    recorded = [Recording.load(path) for path in recordings.paths()]
    index_names = list(collect.indexes(db))
    meter = metrics.InMemoryMeter()
    record_status_counts(db, now=utcnow())
    secure, plain = (
        made(db, slack, redis_url, publisher, meter, f"{scheme}://desk.example.com")
        for scheme in ("https", "http")
    )
    clients = [signed_in(web) for web in (secure, plain)]
    token, device_token = token_of(clients[0]), DeviceTokens(JWT_SECRET).issue(account=EMAIL)
    keys_in_redis(redis_url, database=db.name)
    document = clients[0].get("/api/openapi.json").get_json()
    found = {
        "celery": collect.task_messages(celery, recorded),
        "cookies": collect.cookies(*clients),
        "environment": collect.environment(settings.parse_settings),
        "http json fields": collect.json_fields(document),
        "http operations": collect.operations(document),
        "http paths": collect.http_paths(secure),
        "jobs": (job.name for job in ALL_JOBS),
        "jwt claims": [*collect.token_claims(token), *collect.token_claims(device_token)],
        "metrics": collect.metrics(page_of_metrics(plain, meter)),
        "mongodb collections and fields": collect.field_names(recorded),
        "mongodb indexes": index_names,
        "mongodb values": collect.coded_values(recorded),
        "mongodb values of one set": collect.sets_of_values(recorded),
        "redis keys": collect.redis_keys(keys_of(redis_url), database=db.name),
        "slack action_id and values": collect.action_values(recorded),
        "slack block_id": collect.block_ids(recorded),
        "slack callback_id and private_metadata": collect.view_metadata(recorded),
        "slack routes": collect.routes(ROUTES),
    }
    return {category: sorted(set(entries)) for category, entries in found.items()}


def made(
    db: Mongo,
    slack: RecordingSlack,
    redis_url: str,
    publisher: RecordingPublisher,
    meter: metrics.InMemoryMeter,
    app_url: str,
) -> Flask:
    """Return a bot's HTTP app, with every setting that adds a path."""
    env = {
        "MONGO_URI": "mongodb://127.0.0.1/unused",
        "REDIS_URL": redis_url,
        "JWT_SECRET": JWT_SECRET,
        "SLACK_BOT_TOKEN": "xoxb-test",
        "SLACK_SIGNING_SECRET": "signing secret",
        "APP_URL": app_url,
        "MAILTRAP_SMTP_HOST": "127.0.0.1",
    }
    config = settings.load_settings("bot", env)
    bot_process = BotProcess(
        Services.build(db, config),
        config=config,
        client=web_client(slack),
        publisher=publisher,
        team_id=TEAM_ID,
        team_url=TEAM_URL,
        meter=meter,
        name="bot:1",
    )
    parts = bootstrap.build_bot_server(bot_process, shared_counts=dict)
    parts.listener_executor.shutdown()
    web = parts.web_server._server.wsgi_app
    assert isinstance(web, Flask)
    return web


def signed_in(web: Flask) -> FlaskClient:
    """A signed-in browser, after a failed sign-in and a password reset request."""
    client = web.test_client()
    base = "https://desk.example.com"
    sent = {"email": EMAIL, "password": PASSWORD}
    client.post("/api/auth/signup", json=sent, base_url=base)
    for path, password in (("/signin", "wrong password"), ("/forgot", ""), ("/signin", PASSWORD)):
        form = client.get(path, base_url=base).get_data(as_text=True)
        (csrf,) = set(re.findall(r'name="csrf" value="([^"]+)"', form))
        client.post(path, data={**sent, "password": password, "csrf": csrf}, base_url=base)
    return client


def token_of(client: FlaskClient) -> str:
    """Return the token of a sign-in, after one that fails."""
    path, sent = "/api/auth/login", {"email": EMAIL, "password": PASSWORD}
    client.post(path, json={**sent, "email": "other@example.com"})
    return str(client.post(path, json=sent).get_json()["token"])


def page_of_metrics(web: Flask, meter: metrics.InMemoryMeter) -> str:
    for metric in metrics.ALL_METRICS:
        labels = [f"a {label}" for label in metric.labels]
        if metric.buckets:
            meter.observe(metric, 0.1, *labels)
        elif metric.kind == "gauge":
            meter.set(metric, 1.0, *labels)
        else:
            meter.count(metric, *labels)
    return web.test_client().get("/metrics").get_data(as_text=True)


def keys_in_redis(redis_url: str, *, database: str) -> None:
    """Add a task message, a counter, what Slack refuses, and every rate limit."""
    publisher = CeleryPublisher(celery_for(redis_url))
    publisher.publish_ticket("65f0c0ffee65f0c0ffee0001")
    publisher.publish_home_refresh("T0TEAM:U0ANN", countdown=3)
    meter = RedisMeter(redis_url)
    meter.count(metrics.ALL_METRICS[0], "bot", "action")
    meter.flush()
    gate = SlackGate(connect_redis(redis_url))
    gate.record_rate_limit("chat.postMessage", "C1", seconds=60)
    gate.record_error("chat.postMessage", "C1", error="token_revoked")
    limiter = RateLimiter(redis_url, namespace=database)
    limiter.take(*((limit, "anyone") for limit in Limit))
    limiter.begin_counts(since=utcnow())


def keys_of(redis_url: str) -> Iterable[str]:
    with redis_client.Redis.from_url(redis_url, decode_responses=True) as client:
        keys = [str(key) for key in client.scan_iter()]
        client.flushdb()
    return keys


def complaints(listed: Entries, found: Entries) -> list[str]:
    """Yield a sentence for each difference."""
    lines = []
    for category in sorted({*listed, *found}):
        old, new = set(listed.get(category, ())), set(found.get(category, ()))
        lines += [f"{category}: {entry!r} is gone. {GONE}" for entry in sorted(old - new)]
        lines += [f"{category}: {entry!r} is new. {NEW}" for entry in sorted(new - old)]
    return lines


def written(entries: Entries) -> str:
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def test_what_is_stored_or_used_outside_is_on_the_list(
    db: Mongo, slack: RecordingSlack, redis: RedisServer, publisher: RecordingPublisher
) -> None:
    own_database = redis.url.rpartition("/")[0] + "/9"
    found = collected(db, slack, own_database, publisher)
    if os.environ.get("RECORD") == "again":
        LIST.write_text(written(found))
    differences = complaints(json.loads(LIST.read_text()), found)
    assert not differences, "\n".join(differences)


def test_the_list_is_sorted_with_one_entry_a_line() -> None:
    listed = json.loads(LIST.read_text())
    in_order = {category: sorted(set(entries)) for category, entries in sorted(listed.items())}
    assert LIST.read_text() == written(in_order)


def test_a_difference_is_explained() -> None:
    gone, new = complaints({"jobs": ["sweep"]}, {"jobs": ["brush"]})
    assert gone.startswith("jobs: 'sweep' is gone. It is a contract")
    assert "docs/upgrade.md" in gone
    assert UPGRADE.exists()
    assert new == "jobs: 'brush' is new. Add it to the list, tests/contract/contract.json."
