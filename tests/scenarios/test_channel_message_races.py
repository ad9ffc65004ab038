"""A message in a request channel changes while a ticket of it is being filed, over signed HTTP."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from demo.servers import MongoServer
from services.core.database import Mongo
from services.models.user import User
from services.registry.indexes import ensure_indexes
from tests.support.comment_helpers import changed, deleted
from tests.support.request_channel import Channel

pytest_plugins = ["tests.support.channel_story"]

VPN = "The VPN drops every hour"


class WhileFiling(CommandListener):
    """Acts once, when it is known that the message has no ticket: the author's are counted."""

    def __init__(self) -> None:
        self.act: Callable[[], object] | None = None

    def started(self, event: CommandStartedEvent) -> None:
        if self.act and event.command.get("aggregate") == "tickets":
            act, self.act = self.act, None
            act()

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


@pytest.fixture
def while_filing() -> WhileFiling:
    return WhileFiling()


@pytest.fixture
def db(mongo: MongoServer, while_filing: WhileFiling) -> Iterator[Mongo]:
    client: MongoClient[dict[str, Any]] = MongoClient(
        mongo.uri, tz_aware=True, event_listeners=[while_filing]
    )
    database = client[f"test-{uuid.uuid4().hex}"]
    ensure_indexes(database)
    yield database
    client.close()


def test_a_message_that_is_deleted_meanwhile_leaves_a_cancelled_ticket(
    every: Channel, ann: User, while_filing: WhileFiling
) -> None:
    event = every.written(ann, VPN)
    gone = deleted(event)
    gone["event"]["event_ts"] = event["event"]["ts"]
    while_filing.act = lambda: every.system.bot.answer(gone)
    every.send(event)
    ticket = every.only_ticket()
    assert (ticket.resolution, ticket.title) == ("cancelled", "A deleted message")
    assert VPN not in ticket.description


def test_an_edit_has_the_last_word_if_its_message_is_filed_meanwhile(
    every: Channel, ann: User, while_filing: WhileFiling
) -> None:
    event = every.written(ann, VPN)
    while_filing.act = lambda: every.system.bot.answer(event)
    every.send(changed(event, f"{VPN} in Berlin"))
    assert every.only_ticket().description == f"{VPN} in Berlin"
    assert every.notices() == []
