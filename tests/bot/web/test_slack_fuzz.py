"""Signed payloads of Slack, valid and mutated, and signed garbage, against the real bot.

The cases are the same in each run; `make chaos` makes 20,000, and different ones each time.
"""

import copy
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pymongo
import pytest
import requests
from bson import ObjectId, encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.monitoring import CommandListener

import bot.app
import bot.slack.bot_process
from bot.routes import ROUTES, RouteKind
from bot.slack.bot_process import BotProcess
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer
from bot.web.slack_events import SlackEvents
from demo.servers import MongoServer, RedisServer
from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.redis_client import connect_redis
from services.core.text import strip_invisible
from services.models.permissions import Actor
from services.models.user import Role
from services.registry.indexes import ensure_indexes
from tasks.runtime import Runtime
from tests.conftest import (
    FixedClock,
    Inline,
    People,
    RecordingPublisher,
    build_services,
    make_config,
    web_client,
    work,
)
from tests.support import payloads
from tests.support.http_bot import SECRET
from tests.support.payload_walk import IT_HELP, Template, Walk
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID, TEAM_URL, TRIAGE

Json = dict[str, Any]
REQUEST_CHANNEL = RequestChannel(TEAM_ID, IT_HELP, ChannelMode.EVERY_MESSAGE, name="it-help")

# Only limits a test that fails: the walk takes ten seconds of CPU time.
pytestmark = pytest.mark.timeout(900)
MORE = int(os.environ.get("FUZZ_EXAMPLES", "0"))
INTERNALS = re.compile(
    r"Traceback|\b[A-Z]\w+(Error|Exception)\b|File \"|\b(pymongo|bson|pydantic)\b"
)
READS = {"find", "aggregate", "count", "distinct", "getMore", "ping", "hello", "endSessions",
         "listCollections", "killCursors"}  # fmt: skip
# What a payload leaves behind that was refused.
BOOKKEEPING = {"inbox"}
# A link to a page in the browser; the status of a member who is not assigned tickets.
IDLE = {("block_actions", "link_page"), ("event", "member")}
# Rendered for an address claim, a reminder, an offer to hand over, an emoji on a ticket's message,
# people of one name, or hundreds of accounts.
UNREACHED = {
    "comment_instead",
    "resolve_asked",
    "undo_withdrawal",
    "list_clear",
    "list_previous",
    "confirm_link",
    "disown_account",
    "hand_over",
    "keep_tickets",
    "list_assignee",
    "list_skill",
    "own_account",
    "people_back",
    "people_on",
    "relatedSkills",
    "search_person",
    "set_assignee",
    "show_assigned",
    "show_history",
    "show_list",
    "solved",
    "still_a_problem",
}


def examples(share: float, *, few: int) -> settings:
    return settings(
        max_examples=round(MORE * share) or few,
        derandomize=not MORE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class _Written(CommandListener):
    """The collections that were written to."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def started(self, event: Any) -> None:
        if event.command_name not in READS:
            self.names.add(str(event.command.get(event.command_name)))

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """`changed` are the collections whose documents differ from those before."""

    response: requests.Response
    changed: frozenset[str]
    shown: str
    calls: tuple[str, ...]


class Fuzzed:
    """The bot over signed HTTP. Each case finds the database as the walk left it."""

    def __init__(self, mongo: MongoServer, redis: RedisServer, slack: RecordingSlack) -> None:
        self.slack, self._redis_url = slack, redis.url
        self._written = _Written()
        client: Any = pymongo.MongoClient(mongo.uri, tz_aware=True, event_listeners=[self._written])
        self.db = client[f"fuzz-{ObjectId()}"]
        ensure_indexes(self.db)
        slack.add_channel(TRIAGE, is_member=True, members=None)
        slack.add_channel(IT_HELP, is_member=True)
        self.db.channels.insert_one(REQUEST_CHANNEL.to_doc())
        clock = FixedClock()
        services = build_services(self.db, clock, REDIS_URL=redis.url)
        self._publisher = RecordingPublisher()
        config = make_config(TRIAGE_CHANNEL=TRIAGE, SLACK_SIGNING_SECRET=SECRET)
        process = BotProcess(
            services,
            config=config,
            client=web_client(slack),
            publisher=self._publisher,
            team_id=TEAM_ID,
            team_url=TEAM_URL,
        )
        people = People(self.db, slack)
        self.users = [
            people.add(Role.ADMIN, "VPN"),
            people.add(Role.MODERATOR, "VPN"),
            people.add(),
        ]
        self._runtime = Runtime(services, slack=web_client(slack), publisher=self._publisher)
        app = bot.app.create_app(process, executor=Inline())
        events = SlackEvents(app, signing_secret=SECRET)
        self.web = create_flask_app(is_ready=lambda: True, slack_events=events)
        for number, user in enumerate(self.users * 4):
            services.tickets.create(
                actor=Actor.from_user(user),
                team_id=TEAM_ID,
                request_id=f"request {number}",
                title=f"VPN drops {number}",
                description="Every hour.",
            )
        self.url = ""
        self._session = requests.Session()
        self.templates: list[Template] = []
        self.idle: set[tuple[str, ...]] = set()
        self._documents: dict[str, list[Json]] = {}
        self._digests: dict[str, list[bytes]] = {}
        self._views: set[str] = set()

    def walk(self, url: str) -> None:
        self.url = url
        for doc in self.db.tickets.find():
            self._publisher.publish_ticket(str(doc["_id"]))
        self._work()
        self._change_states()
        self.templates = Walk(self._step, self.slack, self.users).run()
        for name in self.db.list_collection_names():
            self._documents[name] = list(self.db[name].find())
            self._digests[name] = self._digest(name)
        self._views = set(self.slack.workspace.views)

    def _change_states(self) -> None:
        """Let the employee have tickets that are resolved, reopened and waiting, and take part in
        others."""
        admin, employee = Actor.from_user(self.users[0]), self.users[2]
        actions = self._runtime.services.ticket_actions
        first, second, third, *_ = [
            str(doc["_id"]) for doc in self.db.tickets.find({"createdBy": employee.id})
        ]
        actions.resolve(actor=admin, ticket_id=first, resolution="Done.")
        actions.resolve(actor=admin, ticket_id=second, resolution="Done.")
        actions.ask_requester(actor=admin, ticket_id=third, question="Since when?")
        for doc in self.db.tickets.find({"createdBy": {"$ne": employee.id}}):
            self._runtime.services.participants.change(
                actor=admin, ticket_id=str(doc["_id"]), added=[employee.id]
            )
            self._publisher.publish_ticket(str(doc["_id"]))
        for ticket_id in (first, second, third):
            self._publisher.publish_ticket(ticket_id)
        self._work()

    def _step(self, template: Template) -> requests.Response:
        body, headers = payloads.signed(template.payload, SECRET)
        self._written.names.clear()
        response = self._session.post(f"{self.url}/slack/events", data=body, headers=headers)
        if not (self._written.names - BOOKKEEPING or self.slack.calls or response.text):
            self.idle.add(template.key[:2])
        self._work()
        return response

    def _work(self) -> None:
        work(self._runtime, self._publisher)

    def try_out(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send it, and check what holds for every answer. Call `restore` afterwards."""
        self.slack.clear()
        self._written.names.clear()
        response = self._session.post(
            f"{self.url}/slack/events",
            data=body,
            headers={**headers, **payloads.sign(body, SECRET)},
        )
        calls = list(self.slack.calls)
        shown = response.text + json.dumps([call.args for call in calls], default=str)
        changed = frozenset(name for name in self._written.names if self._has_changed(name))
        outcome = Outcome(response, changed, shown, tuple(call.method for call in calls))
        assert response.status_code < 500, self._described(body, outcome)
        assert not INTERNALS.search(shown), self._described(body, outcome)
        refused = response.status_code != 200 or '"response_action":"errors"' in re.sub(
            r"\s", "", response.text
        )
        if refused:
            assert not changed - BOOKKEEPING, self._described(body, outcome)
        return outcome

    def restore(self) -> None:
        """Put everything back as the walk left it."""
        for name in self._written.names:
            if self._has_changed(name):
                self.db[name].delete_many({})
                if documents := self._documents.get(name):
                    self.db[name].insert_many(documents)
        for view in self.slack.workspace.views.keys() - self._views:
            del self.slack.workspace.views[view]
        self._publisher.asked.clear()
        with connect_redis(self._redis_url) as client:
            client.flushdb()

    def _has_changed(self, name: str) -> bool:
        return (name in self._digests and self._digest(name) != self._digests[name]) or (
            name not in self._digests and self.db[name].estimated_document_count() > 0
        )

    def _digest(self, name: str) -> list[bytes]:
        return sorted(encode(doc) for doc in self.db[name].find())

    @staticmethod
    def _described(body: bytes, outcome: Outcome) -> str:
        return (
            f"{outcome.response.status_code} {outcome.response.text[:500]}\n"
            f"changed {sorted(outcome.changed)}\n{outcome.shown[:500]}\n{body[:3000]!r}"
        )


@pytest.fixture(scope="module")
def fuzzed(mongo: MongoServer, redis_server: RedisServer) -> Iterator[Fuzzed]:
    with RecordingSlack() as slack, pytest.MonkeyPatch.context() as patch:
        # A busy machine is no outage.
        patch.setattr(bot.slack.bot_process, "HANDLER_TIMEOUT_SECONDS", 60.0)
        made = Fuzzed(mongo, redis_server, slack)
        with WebServer(made.web, host="127.0.0.1", port=0) as server:
            made.walk(f"http://127.0.0.1:{server.port}")
            yield made
        made.db.client.drop_database(made.db.name)
        made.db.client.close()


# What stands in place of any value.
DEEP: Any = "x"
for _ in range(60):
    DEEP = [DEEP]
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, 0, -1, 2**70, 1.5, "", " ", "x", "\ud800", "\x00", "x" * 5_000]),
    st.sampled_from([[], {}, [[]], [None], {"id": 1}, {"$ne": ""}, {"type": "input"}, DEEP]),
    st.sampled_from(["U0NOBODY", "0" * 24, "f" * 24, "9999999999.000001", "home", "[]", "{}"]),
    st.text(max_size=20),
)
TEXT = st.text(max_size=200)


@st.composite
def mutated(draw: st.DrawFn, payload: Json) -> Json:
    """Change one to three values of the payload, or take them away."""
    changed = copy.deepcopy(payload)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(_paths(changed))
        *way, last = draw(st.sampled_from(paths))
        at: Any = changed
        for step in way:
            at = at[step]
        if draw(st.booleans()):
            del at[last]
        else:
            at[last] = copy.deepcopy(draw(JUNK))
        if not changed:
            break
    return changed


def _paths(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, held in inner:
        yield (*way, key)
        if isinstance(held, (dict, list)) and len(way) < 12:
            yield from _paths(held, (*way, key))


def fresh(payload: Json, number: str) -> Json:
    """As Slack sends it the next time: with a trigger and an event_id of its own."""
    again = copy.deepcopy(payload)
    if "trigger_id" in again:
        again["trigger_id"] = payloads.trigger_id()
    if "event_id" in again:
        again["event_id"] = f"Ev{number}"
    return again


def encoded(payload: Json) -> tuple[bytes, dict[str, str]]:
    kind = payload.get("type")
    if "command" in payload:
        fields = {name: _as_text(value) for name, value in payload.items()}
        body = urlencode(fields, errors="replace").encode()
        return body, {"Content-Type": "application/x-www-form-urlencoded"}
    if kind == "event_callback" or "event" in payload:
        return json.dumps(payload).encode(), {"Content-Type": "application/json"}
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return body, {"Content-Type": "application/x-www-form-urlencoded"}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def test_the_walk_reaches_what_the_product_renders(fuzzed: Fuzzed) -> None:
    reached = {(template.key[0], place) for template in fuzzed.templates for place in template.key}
    kinds = {
        RouteKind.ACTION: "block_actions",
        RouteKind.VIEW: "view_submission",
        RouteKind.OPTIONS: "block_suggestion",
    }
    wanted = {(kinds[route.kind], route.id) for route in ROUTES if route.kind in kinds}
    assert {route for _, route in wanted - reached} == UNREACHED


def test_what_is_valid_has_its_effect(fuzzed: Fuzzed) -> None:
    """In the walk, it writes to the database, calls Slack, or is answered with more than an
    acknowledgement."""
    for template in fuzzed.templates:
        body, headers = encoded(fresh(template.payload, str(ObjectId())))
        outcome = fuzzed.try_out(body, headers)
        fuzzed.restore()
        assert outcome.response.status_code == 200, template.key
        assert "Something went wrong" not in outcome.shown, template.key
    assert fuzzed.idle == IDLE


@examples(0.7, few=200)
@given(data=st.data())
def test_a_mutated_payload_breaks_nothing(fuzzed: Fuzzed, data: st.DataObject) -> None:
    template = data.draw(st.sampled_from(fuzzed.templates))
    payload = data.draw(mutated(fresh(template.payload, str(ObjectId()))))
    try:
        fuzzed.try_out(*encoded(payload))
    finally:
        fuzzed.restore()


# Of these, none is a payload of a kind that the app has.
OBJECTS = st.dictionaries(
    st.sampled_from(["user", "event", "view", "actions", "team", "command", "callback_id"]),
    st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5),
)
TYPES: st.SearchStrategy[Any] = st.sampled_from(
    ["block_actions", "view_submission", "block_suggestion", "shortcut", "message_action",
     "event_callback", 7, None, [], {}]
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.just("\ud800"),
    st.builds(lambda held, kind: held | {"type": kind}, OBJECTS, TYPES),
)
TEXTS = st.one_of(
    st.text(max_size=50).filter(lambda text: "ssl_check" not in text),
    VALUES.map(json.dumps),
    st.integers(1_000, 100_000).map(lambda deep: "[" * deep),
    st.integers(500, 50_000).map(lambda deep: '{"a":' * deep + "1" + "}" * deep),
    st.just('{"type": NaN}'),
    st.just("{" + "x" * 999_990),
)
FORM, JSON_TYPE = "application/x-www-form-urlencoded", "application/json"


@st.composite
def garbage(draw: st.DrawFn) -> tuple[bytes, str]:
    text = draw(TEXTS).encode("utf-8", "replace")
    if draw(st.booleans()):
        return text, draw(st.sampled_from([JSON_TYPE, FORM, "text/plain", ""]))
    return urlencode({"payload": text}).encode()[:1_000_000], FORM


@examples(0.2, few=60)
@given(sent=garbage())
def test_signed_garbage_is_refused(fuzzed: Fuzzed, sent: tuple[bytes, str]) -> None:
    body, content_type = sent
    outcome = fuzzed.try_out(body, {"Content-Type": content_type})
    fuzzed.restore()
    assert outcome.response.status_code == 400
    assert outcome.response.json()["code"] == "malformed_payload"
    assert outcome.response.json()["error"].startswith("This is not a payload of Slack: ")
    assert outcome.changed == frozenset()
    assert outcome.calls == ()


@examples(0.1, few=40)
@given(title=TEXT, description=TEXT)
def test_a_filed_ticket_has_the_words(fuzzed: Fuzzed, title: str, description: str) -> None:
    form = next(t.payload for t in fuzzed.templates if t.key == ("view_submission", "file_ticket"))
    payload = copy.deepcopy(form)
    payload["view"]["id"] = f"V{ObjectId()}"
    values = payload["view"]["state"]["values"]
    values["title"]["title"]["value"] = title
    values["description"]["description"]["value"] = description
    try:
        outcome = fuzzed.try_out(*encoded(payload))
        stored = fuzzed.db.tickets.find_one(sort={"number": -1}) or {}
    finally:
        fuzzed.restore()
    if "tickets" in outcome.changed:
        shown = " ".join(strip_invisible(title).split())
        assert " ".join(stored["title"].split()) == shown
        assert stored["description"] == strip_invisible(description).strip()
    else:
        assert outcome.response.json()["response_action"] == "errors"
