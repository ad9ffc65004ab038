"""The product's own processes for a module that names this file in `pytest_plugins`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.servers import MongoServer, RedisServer
from services.core.database import Mongo
from tests.support.processes import Product
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def product(
    mongo: MongoServer, redis: RedisServer, slack: RecordingSlack, db: Mongo, tmp_path: Path
) -> Iterator[Product]:
    """None runs yet; those that a test starts are stopped after it."""
    made = Product(mongo_uri=mongo.uri_for(db.name), redis=redis, slack=slack, directory=tmp_path)
    yield made
    made.stop()
