"""Processes of the product, for modules that name this file in `pytest_plugins`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.servers import MongoServer, RedisServer
from services.core.database import Mongo
from tests.support.http_bot import HttpBot
from tests.support.processes import Product
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def product(
    mongo: MongoServer, redis: RedisServer, slack: RecordingSlack, db: Mongo, tmp_path: Path
) -> Iterator[Product]:
    """Start no process; stop those that the test starts."""
    made = Product(mongo_uri=mongo.uri_for(db.name), redis=redis, slack=slack, directory=tmp_path)
    yield made
    made.stop()


@pytest.fixture
def http_bot(product: Product) -> HttpBot:
    return HttpBot(product)
