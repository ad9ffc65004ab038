"""The suite can run on servers of others."""

import pytest

from demo.servers import MongoServer, RedisServer
from services.core.database import connect
from services.core.redis_client import connect_redis
from tests.support import servers


def test_a_mongodb_of_others_keeps_running(
    mongo: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MONGO_URI", f"{mongo.uri}?appName=tests")
    with servers.mongo_server() as server:
        assert server.port == mongo.port
        assert server.uri_for("one") == f"mongodb://127.0.0.1:{mongo.port}/one?appName=tests"
        with pytest.raises(NotImplementedError, match="not the tests' own"):
            server.stop()
    with connect(mongo.uri_for("one")).client as client:
        assert client.admin.command("ping")["ok"]


def test_each_test_process_has_a_database_of_a_redis_of_others(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_REDIS_URL", f"redis://127.0.0.1:{redis.port}")
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw2")
    with servers.redis_server() as server, connect_redis(server.url) as client:
        assert server.url == f"redis://127.0.0.1:{redis.port}/2"
        assert client.ping()
