"""Schemathesis, which makes calls of the document, against the real application.

The same calls at each run; `make fuzz-api` makes many more, and others each time.
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks
from slack_sdk import WebClient

from bot.slack.bot_process import BotProcess
from bot.web.api.blueprint import api_blueprint
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer
from demo.servers import MongoServer, RedisServer
from services.core.database import Mongo, connect
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role
from services.registry.indexes import ensure_indexes
from tests.conftest import (
    FixedClock,
    RecordingPublisher,
    build_services,
    make_config,
)
from tests.support.api_client import SCHEMA

MORE = int(os.environ.get("FUZZ_EXAMPLES", "0"))
load_all_checks()
# Not that what fits the document is taken: it cannot say that a deadline must not be in the past.
CHECKS = [
    checks.negative_data_rejection,
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
PEOPLE = tuple(role for role in Role for _ in range(2))


class Fuzzed:
    """The application, and who calls it next: one of every role in turn, or nobody."""

    def __init__(self, db: Mongo, redis: RedisServer) -> None:
        self._clock = FixedClock()
        services = build_services(db, self._clock, REDIS_URL=redis.url)
        self._users, self._tickets = services.users, services.tickets
        self._sign_in = services.sign_in
        bot_process = BotProcess(
            services,
            config=make_config(TRUSTED_PROXIES="127.0.0.1/32"),
            client=WebClient(),
            publisher=RecordingPublisher(),
            team_id="T0TEAM",
            team_url="",
        )
        self.web = create_flask_app(is_ready=lambda: True, blueprints=[api_blueprint(bot_process)])
        self._db = db
        self._ids = [
            self._join(f"{number}@example.com", role) for number, role in enumerate(PEOPLE)
        ]
        self._turns = itertools.count()

    def prepare(self, case: Case[Any]) -> dict[str, str]:
        """The headers of its caller; every other call is about a ticket that exists."""
        turn = next(self._turns)
        self._clock.advance(minutes=4)  # nobody has filed too many tickets
        headers = {"X-Forwarded-For": f"198.19.{turn // 250 % 250}.{turn % 250}"}
        who = turn % (len(self._ids) + 1)
        if who == len(self._ids):
            return headers
        user = self._users.get(self._ids[who])
        assert user
        if "ticket_id" in case.path_parameters and turn % 2:
            case.path_parameters["ticket_id"] = str(self._ticket(Actor.from_user(user)))
        return {**headers, "Authorization": f"Bearer {self._sign_in.issue_token(user)}"}

    def _join(self, email: str, role: Role) -> ObjectId:
        return self._users.create(actor=OPERATOR, email=email, role=role, skills=["VPN"]).id

    def _ticket(self, actor: Actor) -> ObjectId:
        return self._tickets.create(
            actor=actor,
            team_id="T0TEAM",
            request_id=str(ObjectId()),
            title="VPN drops",
            description="Every hour.",
        ).ticket.id


@pytest.fixture(scope="module")
def fuzzed(mongo: MongoServer, redis_server: RedisServer) -> Iterator[tuple[Fuzzed, str]]:
    db = connect(mongo.uri_for(f"fuzz-{ObjectId()}"))
    ensure_indexes(db)
    made = Fuzzed(db, redis_server)
    with WebServer(made.web, host="127.0.0.1", port=0) as server:
        yield made, f"http://127.0.0.1:{server.port}"
    db.client.close()


def is_as_made(case: Case[Any]) -> bool:
    """Whether what is wrong with it is still there, its caller and its ticket having been set."""
    parts = case.meta.components if case.meta else {}
    wrong = {place for place, part in parts.items() if part.mode.is_negative}
    left = wrong - {ParameterLocation.PATH, ParameterLocation.HEADER}
    return left == wrong or ParameterLocation.BODY in left


@pytest.mark.long
@SCHEMA.parametrize()
@settings(
    max_examples=MORE or 25,
    derandomize=not MORE,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_call_breaks_it_or_gets_an_answer_that_is_not_described(
    case: Case[Any], fuzzed: tuple[Fuzzed, str]
) -> None:
    application, url = fuzzed
    headers = application.prepare(case)
    answer = case.call(base_url=url, headers=headers, timeout=30)
    case.validate_response(answer, checks=CHECKS if is_as_made(case) else CHECKS[1:])
    assert '"password":' not in answer.text
