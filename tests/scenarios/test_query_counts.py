"""The database queries of a request, listed so that a new one is noticed."""

import dataclasses
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from demo.servers import MongoServer
from services.core.database import Mongo
from services.models.user import Role, User
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from services.tickets.filing import TicketService
from tasks.notifications import notify
from tasks.runtime import Runtime
from tests.conftest import (
    Bot,
    Commands,
    People,
    RecordingPublisher,
    file_ticket,
    reload,
    web_client,
)
from tests.support import payloads
from tests.support.api_client import FINE, Api
from tests.support.http_bot import opened_by
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL, TRIAGE

WHO = "find users"
LINKED_ACCOUNT = "aggregate links"
FILING = ["findAndModify counters", "insert tickets"]
# While it is not known that Redis has counted all tickets of the last hour.
OWN_TICKETS_OF_AN_HOUR, ANY_OF_AN_HOUR = "aggregate tickets", "find tickets"
OWN_OPEN_TICKETS = "aggregate tickets"  # that a form may look like


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


def asked(commands: Commands) -> list[str]:
    """Return the commands since the last call, without what is cached: the settings, and in `meta`
    when the legacy backend last wrote."""
    found = [f"{name} {command[name]}" for name, command in commands.sent]
    commands.sent.clear()
    return [line for line in found if not line.endswith((" settings", "find meta"))]


def test_filing_over_the_api(api: Api, requester: User, commands: Commands) -> None:
    asked(commands)
    api.filed(requester)
    assert asked(commands) == [WHO, OWN_TICKETS_OF_AN_HOUR, ANY_OF_AN_HOUR, *FILING]
    api.filed(requester)
    assert asked(commands) == [WHO, *FILING]


def test_filing_with_a_key_looks_for_the_ticket_only_if_it_exists(
    api: Api, requester: User, commands: Commands
) -> None:
    api.filed(requester)
    asked(commands)
    headers = {"Idempotency-Key": "1"}
    assert api.post("/api/tickets", by=requester, json=FINE, headers=headers).status_code == 201
    assert asked(commands) == [WHO, *FILING]
    assert api.post("/api/tickets", by=requester, json=FINE, headers=headers).status_code == 201
    assert asked(commands) == [WHO, *FILING, "find tickets", "find tickets"]


def test_reading_over_the_api(api: Api, requester: User, commands: Commands) -> None:
    path = f"/api/tickets/{api.filed(requester)['_id']}"
    api.get("/api/tickets", by=requester)  # so that the list is known to be short
    asked(commands)
    assert len(api.get("/api/tickets", by=requester).json()["tickets"]) == 1
    # Those that they have filed, and those that they take part in.
    assert asked(commands) == [WHO, "find tickets", "find tickets"]
    assert api.get(path, by=requester).status_code == 200
    assert asked(commands) == [WHO, "find tickets", WHO]


def test_filing_in_slack(
    ticket_bot: Bot, slack: RecordingSlack, people: People, requester: User, commands: Commands
) -> None:
    user = people.slack_id(requester)
    asked(commands)
    for title, expected in {
        "VPN drops": [
            LINKED_ACCOUNT,
            OWN_OPEN_TICKETS,
            OWN_TICKETS_OF_AN_HOUR,
            ANY_OF_AN_HOUR,
            *FILING,
        ],
        "No toner": [LINKED_ACCOUNT, OWN_OPEN_TICKETS, *FILING],
    }.items():
        command = payloads.slash_command(user=user)
        ticket_bot.answer(command)
        assert asked(commands) == [LINKED_ACCOUNT]
        view = opened_by(slack, command["trigger_id"])
        ticket_bot.answer(payloads.view_submission(view, FINE | {"title": title}, user=user))
        assert asked(commands) == expected


def test_a_ticket_by_its_number_is_loaded_once(
    ticket_bot: Bot, api: Api, people: People, requester: User, commands: Commands
) -> None:
    number = api.filed(requester)["number"]
    asked(commands)
    command = payloads.slash_command(text=f"view {number}", user=people.slack_id(requester))
    assert f"Ticket {number} " in ticket_bot.answer(command)["text"]
    loaded = [line for line in asked(commands) if line == "find tickets"]
    assert len(loaded) == 1


def test_a_reply_in_a_conversation_of_people(
    ticket_bot: Bot, slack: RecordingSlack, commands: Commands
) -> None:
    first = slack.say(GENERAL, "Lunch?", user="U0ANN")
    reply = slack.say(GENERAL, "Yes", user="U0BEN", thread_ts=first["ts"])
    asked(commands)
    assert ticket_bot.answer(payloads.event({**reply, "channel_type": "channel"})) == {}
    assert asked(commands) == ["find tickets"] * 4 + ["find channels"]


def test_a_foreign_reaction_writes_nothing(
    ticket_bot: Bot, people: People, requester: User, commands: Commands
) -> None:
    item = {"type": "message", "channel": "C1", "ts": "1.000001"}
    for name in ("eyes", "thumbsup::skin-tone-3"):
        asked(commands)
        event = {"type": "reaction_added", "reaction": name, "item": item}
        ticket_bot.answer(payloads.event({**event, "user": people.slack_id(requester)}))
        assert [
            line for line in asked(commands) if not line.startswith(("find ", "aggregate "))
        ] == []


def test_assigning_and_its_first_messages(
    services: Services,
    slack: RecordingSlack,
    publisher: RecordingPublisher,
    people: People,
    tickets: TicketService,
    requester: User,
    commands: Commands,
) -> None:
    """A worker that has read the team a moment ago: twelve queries from the filed ticket to the
    last message."""
    slack.add_channel(TRIAGE, is_member=True, members=None)
    worker = Runtime(
        dataclasses.replace(services, cache_seconds=60),
        slack=web_client(slack),
        publisher=publisher,
        triage_channel=TRIAGE,
    )
    people.add(Role.MODERATOR, "VPN")
    notify.run(worker, str(file_ticket(tickets, requester).id))
    ticket = file_ticket(tickets, requester)
    slack.clear()
    asked(commands)
    notify.run(worker, str(ticket.id))
    assert asked(commands) == [
        "find tickets",
        WHO,  # the requester, and again the one to be chosen
        "aggregate tickets",  # their load
        "update tickets",  # the analysis and the assignment
        "find tickets",
        "find links",
        "find links",  # who has the ticket's page open, or the queue
        "find links",
        "update tickets",  # claims the first message
        "update tickets",  # records each, and claims the next or leaves the outbox
        "update tickets",
        "update tickets",
    ]
    assert [call.method for call in slack.calls] == ["chat.postMessage"] * 3
    assert not reload(services.db, ticket).is_in_outbox
