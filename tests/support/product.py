"""Processes of the product, for modules that name this file in `pytest_plugins`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.servers import MongoServer, RedisServer
from services.core.clock import utcnow
from services.core.database import Mongo
from tests.support.canary import CANARY, private_tickets_of_strangers
from tests.support.http_bot import HttpBot
from tests.support.processes import Product
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def empty_product(
    mongo: MongoServer, redis: RedisServer, slack: RecordingSlack, db: Mongo, tmp_path: Path
) -> Iterator[Product]:
    """Start no process; stop those that the test starts."""
    made = Product(mongo_uri=mongo.uri_for(db.name), redis=redis, slack=slack, directory=tmp_path)
    yield made
    made.stop()


@pytest.fixture
def strangers_of_processes(db: Mongo, slack: RecordingSlack, tmp_path: Path) -> Iterator[None]:
    """Private tickets of strangers, whose words the processes write into no log, answer or message;
    see tests/support/canary.py."""
    with private_tickets_of_strangers(db, slack, utcnow):
        yield
    assert [log.name for log in tmp_path.glob("*.log") if CANARY in log.read_text()] == []


@pytest.fixture
def product(strangers_of_processes: None, empty_product: Product) -> Product:
    """As `empty_product`, with tickets of strangers beside those of the test."""
    return empty_product


@pytest.fixture
def http_bot(product: Product) -> HttpBot:
    return HttpBot(product)
