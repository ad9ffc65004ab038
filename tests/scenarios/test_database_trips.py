"""How many times each action asks the database: the table of docs/performance.md.

After a change on purpose: `RECORD=again python -m pytest tests/scenarios/test_database_trips.py`.
"""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from demo.servers import MongoServer
from services.core.database import Mongo
from services.editing.bulk_changes import BulkAction, BulkChange, ReviewedTicket
from services.models.permissions import Actor
from services.models.user import Role, User
from services.ops.ticket_counts import count_tickets
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from tasks.runtime import Runtime
from tests.conftest import Bot, Commands, People, RecordingPublisher, file_ticket, work
from tests.support import payloads
from tests.support.api_client import FINE, Api
from tests.support.home_visitor import Visitor
from tests.support.http_bot import opened_by
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
HEADER = "| action | trips |\n|---|---|\n"


@pytest.fixture
def db(mongo: MongoServer, commands: Commands) -> Iterator[Mongo]:
    """The test's database, whose commands are recorded."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        mongo.uri, tz_aware=True, event_listeners=[commands]
    )
    database = client[f"test-{uuid.uuid4().hex}"]
    ensure_indexes(database)
    yield database
    client.close()


# Read once in a few seconds: the settings, and in `meta` when the legacy backend last wrote.
CACHED = ({"find": "settings"}, {"find": "meta", "filter": {"_id": "legacy-backend"}})


class Trips:
    """Counts the commands of each action, without what is cached."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.counts: dict[str, int] = {}

    def begin(self) -> None:
        self._commands.sent.clear()

    def end(self, action: str) -> None:
        sent = [command for _, command in self._commands.sent]
        cached = [one for one in sent if any(kind.items() <= one.items() for kind in CACHED)]
        self.counts[action] = len(sent) - len(cached)
        self.begin()


def test_the_table_of_trips_is_true(
    ticket_bot: Bot, api: Api, runtime: Runtime, publisher: RecordingPublisher, people: People,
    slack: RecordingSlack, services: Services, commands: Commands,
) -> None:  # fmt: skip
    services.db.tickets.delete_many({})  # those of strangers
    requester, moderator = people.add(), people.add(Role.MODERATOR, "VPN")
    user, staff = people.slack_id(requester), people.slack_id(moderator)
    trips = Trips(commands)
    trips.begin()
    command = payloads.slash_command(user=user)
    ticket_bot.answer(command)
    trips.end("`/ticket` opens the form")
    form = opened_by(slack, command["trigger_id"])
    ticket_bot.answer(payloads.view_submission(form, FINE, user=user))
    trips.end("the form is submitted")
    work(runtime, publisher)
    trips.end("the ticket is analysed and assigned, and its people are notified (worker)")
    visitor = Visitor(ticket_bot, slack, moderator)
    ticket_bot.answer(payloads.slash_command("search vpn", user=staff))
    trips.begin()
    for action, payload in {
        "`/ticket view`": payloads.slash_command("view 1", user=user),
        "`/ticket view` of a moderator": payloads.slash_command("view 1", user=staff),
        "`/ticket list`": payloads.slash_command("list", user=user),
        "`/ticket queue`": payloads.slash_command("queue", user=staff),
        "`/ticket search` again within ten minutes": payloads.slash_command(
            "search vpn", user=staff
        ),
        "a requester opens Home": payloads.home_opened(user),
        "a moderator opens Home": payloads.home_opened(staff),
    }.items():
        ticket_bot.answer(payload)
        trips.end(action)
    for view in ("Waiting for me", "Unassigned", "Overdue"):
        visitor.open()
        trips.begin()
        visitor.press(view)
        trips.end(f'a moderator opens "{view}" in Home')
        visitor.press("Back")
    trips.begin()
    api.filed(requester)
    trips.end("`POST /api/tickets`")
    api.get("/api/tickets", by=requester)
    trips.begin()
    api.get("/api/tickets", by=requester)
    trips.end("`GET /api/tickets`, a page")
    publisher.asked.clear()
    actor = Actor.from_user(moderator)
    ticket = services.tickets.get_by_number(actor=actor, team_id=TEAM_ID, number=1)
    for action, act in _actions(services, str(ticket.id), requester, moderator).items():
        trips.begin()
        act()
        trips.end(action)
        work(runtime, publisher, ticket)
        trips.end(f"{action}, messages (worker)")
    several = [str(file_ticket(services.tickets, requester).id) for _ in range(3)]
    urgent = BulkChange(BulkAction.SET_PRIORITY, "urgent")
    trips.begin()
    review = services.bulk_changes.review(
        actor=actor, team_id=TEAM_ID, change=urgent, ticket_ids=several
    )
    trips.end("the review of a change of three tickets")
    for one in review.tickets:
        reviewed = ReviewedTicket.of(one)
        services.bulk_changes.apply(actor=actor, change=urgent, reviewed=reviewed)
    trips.end("the priority of three tickets is changed")
    count_tickets(services.db)
    trips.end("`/metrics`, at most every 15 s")
    table = HEADER + "".join(f"| {action} | {count} |\n" for action, count in trips.counts.items())
    text = PAGE.read_text(encoding="utf-8")
    (stored,) = re.findall(rf"{re.escape(HEADER)}(?:\|.*\n)*", text)
    if os.environ.get("RECORD"):
        PAGE.write_text(text.replace(stored, table), encoding="utf-8")
        stored = table
    assert stored == table


def _actions(
    services: Services, ticket_id: str, requester: User, moderator: User
) -> dict[str, Callable[[], object]]:
    """Return what the bot does after it has looked up the account."""
    own: dict[str, Any] = {"actor": Actor.from_user(requester), "ticket_id": ticket_id}
    staff: dict[str, Any] = {"actor": Actor.from_user(moderator), "ticket_id": ticket_id}
    return {
        "the assignee accepts": lambda: services.ticket_actions.accept(**staff),
        "the requester comments": lambda: services.comments.add(**own, text="It is back."),
        "the assignee resolves": lambda: services.ticket_actions.resolve(
            **staff, resolution="Done."
        ),
    }
