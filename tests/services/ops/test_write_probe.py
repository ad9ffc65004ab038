"""A write is tried at most every ten seconds."""

from collections.abc import Iterator

import pytest

from demo.servers import MongoServer
from services.core.database import Mongo, connect
from services.ops.write_probe import cached_write_probe
from tests.conftest import NOBODY_LISTENS, FixedClock
from tests.support.proxies import FullDiskProxy


@pytest.fixture
def disk(mongo: MongoServer) -> Iterator[FullDiskProxy]:
    with FullDiskProxy(mongo.port) as proxy:
        yield proxy


def test_it_is_tried_again_after_ten_seconds(
    disk: FullDiskProxy, db: Mongo, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="services.ops.write_probe")
    now = [0.0]
    probed = connect(disk.uri_for(db.name))
    is_writable = cached_write_probe(probed, clock=clock, monotonic=lambda: now[0])
    assert is_writable()
    assert db.meta.find_one() == {"_id": "write-probe", "at": clock()}
    disk.is_full = True
    now[0] = 9.9
    assert is_writable()
    for now[0] in (10.0, 15.0, 20.0, 29.9):
        assert not is_writable()
    assert disk.refused == ["update", "update"]
    disk.is_full = False
    now[0] = 30.0
    assert is_writable()
    assert [record.getMessage() for record in caplog.records] == [
        "MongoDB stores nothing: OperationFailure, error 14031",
        "MongoDB stores again",
    ]
    probed.client.close()


def test_a_database_that_is_away_stores_nothing() -> None:
    away = connect(f"{NOBODY_LISTENS}?serverSelectionTimeoutMS=50")
    assert not cached_write_probe(away)()
    away.client.close()
