"""Filing and the HTTP API of a bot process beside the baselines of `bench/bare_servers.py`.

CPU time is that of the server process, without MongoDB's and Redis's.
"""

import itertools
import json
import random
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from statistics import median
from typing import TypeVar

from bson import ObjectId

from bench.bare_servers import PAGE, SIGNING_SECRET
from bench.desk import VOCABULARY
from bench.measure import Limit, Round, Row, Work, compare
from bench.serving import http_request, send_all
from bench.stand import JWT_SECRET, Stand
from bot.views.inputs import INPUT_VALUE_KEYS
from bot.views.modals.file_ticket import file_ticket_modal
from services.auth.session_tokens import SessionTokens
from services.core import rate_limit
from services.core.database import Document, no_deadline
from services.core.sequences import allocate_numbers
from services.lists.api_pages import MAX_PAGE_SIZE
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import link_id
from services.models.user import User
from tests.support import payloads
from tests.support.slack_workspace import TEAM_ID

EVENTS_PATH, API_PATH = "/slack/events", "/api/tickets"
CONNECTIONS = 10
# Fewer, because they are sent one after another.
SINGLE_REQUESTS, PAGE_REQUESTS = 60, 20
TITLE, DESCRIPTION = "The VPN is down", "It does not work since Monday morning. " * 5
# Of the baseline's time: 0.6 of its throughput.
MAX_RATIO = 1 / 0.6
T = TypeVar("T")


def filing(stand: Stand) -> Iterator[Row]:
    yield _filed(
        stand,
        connections=CONNECTIONS,
        at_most=MAX_RATIO,
        baseline="/polling",
        limits=lambda ours, bare: {
            "CPU time, times the baseline's": Limit(ours.cpu_ms / bare.cpu_ms, 1.8),
            "trips, rounded": Limit(round(ours.trips or 0), 4),
        },
    )
    yield _filed(
        stand,
        connections=1,
        at_most=1.5,
        baseline="/direct",
        limits=lambda ours, _: {"ms": Limit(ours.ms, 8)},
    )


def _filed(
    stand: Stand,
    *,
    connections: int,
    at_most: float,
    baseline: str,
    limits: Callable[..., dict[str, Limit]],
) -> Row:
    number = stand.sizes.requests
    if connections == 1:
        number = min(number, SINGLE_REQUESTS)
    bot, bare = stand.bot, stand.bare
    uses = (stand.sizes.rounds + 1) * number
    people = _spread(lambda: _person(stand), rate_limit.Limit.TICKETS, uses)
    own = [
        http_request("POST", EVENTS_PATH, *submission(person, each))
        for each, person in enumerate(people)
    ]
    other = [http_request("POST", baseline, *submission("U0BARE", each)) for each in range(uses)]
    together = f"{connections} at a time" if connections > 1 else "one at a time, median"
    filed_before = stand.services.db.tickets.estimated_document_count()
    row = compare(
        f"file a ticket, {together}",
        _load(bot.port, own, number=number, connections=connections),
        to=_load(bare.port, other, number=number, connections=connections),
        called="bare Bolt, one insert",
        at_most=at_most,
        rounds=stand.sizes.rounds,
        meter=bot.meter,
        other_meter=bare.meter,
        limits=limits,
    )
    filed = stand.services.db.tickets.estimated_document_count() - filed_before
    if filed != uses:
        raise RuntimeError(f"of {uses} tickets, {filed} are filed")
    return row


def api(stand: Stand) -> Iterator[Row]:
    uses = (stand.sizes.rounds + 1) * stand.sizes.requests
    body = json.dumps({"title": TITLE, "description": DESCRIPTION}).encode()
    accounts = _spread(lambda: _account(stand), rate_limit.Limit.TICKETS, uses)
    yield _beside_flask(
        stand,
        f"POST {API_PATH}, {CONNECTIONS} at a time",
        [http_request("POST", API_PATH, body, _headers(each)) for each in accounts],
        http_request("POST", "/tickets", body, {"Content-Type": "application/json"}),
        called="bare Flask, one insert",
    )
    owners = _spread(lambda: _owner(stand, PAGE), rate_limit.Limit.API_CALLS, uses)
    yield _beside_flask(
        stand,
        f"GET {PAGE} own tickets, {CONNECTIONS} at a time",
        [http_request("GET", API_PATH, headers=_headers(owner)) for owner in owners],
        http_request("GET", "/tickets"),
        called="bare Flask, one query",
    )
    yield _long_list(stand)


def _beside_flask(
    stand: Stand, name: str, own: Iterable[bytes], other: bytes, *, called: str
) -> Row:
    number, bot, bare = stand.sizes.requests, stand.bot, stand.bare
    return compare(
        name,
        _load(bot.port, own, number=number),
        to=_load(bare.port, itertools.repeat(other), number=number),
        called=called,
        at_most=MAX_RATIO,
        rounds=stand.sizes.rounds,
        meter=bot.meter,
        other_meter=bare.meter,
    )


def _long_list(stand: Stand) -> Row:
    def load(size: int) -> Work:
        get = http_request("GET", API_PATH, headers=_headers(_owner(stand, size)))
        number = min(stand.sizes.requests, PAGE_REQUESTS)
        return _load(stand.bot.port, itertools.repeat(get), number=number, connections=1)

    return compare(
        f"GET the newest {MAX_PAGE_SIZE} of {stand.sizes.long_list:,} own tickets",
        load(stand.sizes.long_list),
        to=load(MAX_PAGE_SIZE),
        called=f"of {MAX_PAGE_SIZE}",
        rounds=stand.sizes.rounds,
        meter=stand.bot.meter,
        limits=lambda ours, _: {"CPU ms": Limit(ours.cpu_ms, 7.5)},
    )


def _load(
    port: int, requests: Iterable[bytes], *, number: int, connections: int = CONNECTIONS
) -> Work:
    remaining = iter(requests)

    def run() -> Round:
        sent = list(itertools.islice(remaining, number))
        latencies = send_all(port, sent, connections=connections)
        return Round(number, median(latencies) * number if connections == 1 else None)

    return run


def submission(slack_user_id: str, number: int) -> tuple[bytes, dict[str, str]]:
    """A new form, filled in and submitted: the body and the headers. Each number has other words,
    so that no form is taken for a duplicate."""
    drawn = random.Random(number)  # noqa: S311  the same in each run
    words = drawn.sample(VOCABULARY, k=34)
    view = file_ticket_modal(is_ai_enabled=False)
    typed = {"title": " ".join(words[:4]), "description": " ".join(words[4:])}
    state: Document = {}
    for block in view["blocks"]:
        if block["type"] == "input":
            element, name = block["element"], block["block_id"]
            entered = {INPUT_VALUE_KEYS[element["type"]][0]: typed.get(name)}
            state[name] = {element["action_id"]: {"type": element["type"], **entered}}
    payload = {
        "type": "view_submission",
        "team": {"id": TEAM_ID, "domain": "bench"},
        "user": {"id": slack_user_id, "name": "bench", "team_id": TEAM_ID},
        "api_app_id": "A0BENCH",
        "trigger_id": "1.2.3",
        "view": {**view, "id": f"V{secrets.token_hex(8)}", "state": {"values": state}},
        "response_urls": [],
        "is_enterprise_install": False,
    }
    return payloads.signed(payload, SIGNING_SECRET)


def _account(stand: Stand) -> User:
    email = f"{secrets.token_hex(8)}@example.com"
    return stand.services.users.create(actor=OPERATOR, email=email)


def _person(stand: Stand) -> str:
    """Create a linked account; return the Slack id."""
    user, slack_user_id = _account(stand), f"U{secrets.token_hex(6).upper()}"
    link = {"teamId": TEAM_ID, "slackUserId": slack_user_id, "userId": user.id}
    stand.services.db.links.insert_one({"_id": link_id(TEAM_ID, slack_user_id), **link})
    return slack_user_id


def _headers(user: User) -> dict[str, str]:
    token = SessionTokens(JWT_SECRET).issue(user)
    return {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}


def _owner(stand: Stand, count: int) -> User:
    """Create an account with one filed ticket, and copies of it in the past."""
    owner, db = _account(stand), stand.services.db
    filed = stand.services.tickets.create(
        actor=Actor.from_user(owner),
        team_id=TEAM_ID,
        request_id=None,
        title=TITLE,
        description=DESCRIPTION,
    ).ticket
    doc = db.tickets.find_one({"_id": filed.id}) or {}
    numbers = allocate_numbers(db, team_id=TEAM_ID, count=count)
    copies = [
        {
            **doc,
            "_id": ObjectId(),
            "number": number,
            "createdAt": doc["createdAt"] - timedelta(minutes=age),
        }
        for age, number in enumerate(numbers[1:], start=1)
    ]
    if copies:
        with no_deadline():
            db.tickets.insert_many(copies)
    return owner


def _spread(make: Callable[[], T], limit: rate_limit.Limit, uses: int) -> Iterator[T]:
    """Yield each new account as often as its rate limit allows."""
    amount = rate_limit.RULES[limit].amount
    for start in range(0, uses, amount):
        yield from itertools.repeat(make(), min(amount, uses - start))
