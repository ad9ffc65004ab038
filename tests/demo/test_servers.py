"""The embedded servers: ready after start, data kept over a restart, nothing left behind."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
import requests

from demo import binaries
from demo.process import PortTakenError, ProcessError
from demo.servers import LocalSlack, MongoServer, RedisServer, Server
from services.core import database
from tests.demo.test_process import wait_until_gone

SERVERS: dict[str, Callable[[], Server]] = {
    "MongoDB": MongoServer,
    "Redis": RedisServer,
    "local-slack": lambda: LocalSlack({}),
}


@pytest.mark.parametrize("name", SERVERS)
def test_leaving_ends_the_process_and_removes_its_directory(name: str) -> None:
    with SERVERS[name]() as server:
        assert server.process is not None
        pid, directory = server.process.pid, server.directory
        assert server.running
        assert directory.exists()
    wait_until_gone(pid)
    assert not directory.exists()


@pytest.mark.parametrize("name", SERVERS)
def test_it_comes_back_on_the_same_port_after_a_kill(name: str) -> None:
    with SERVERS[name]() as server:
        port = server.port
        server.kill()
        assert not server.running
        server.start()
        assert server.running
        assert server.port == port


@pytest.mark.parametrize("name", SERVERS)
def test_a_taken_port_is_named(name: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = SERVERS[name]()
        server.port = other.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            server.start()
        server.close()
    assert str(caught.value) == (
        f"Port {server.port}, which {name} needs, cannot be used: Address already in use. "
        "End what listens there or choose another port."
    )


def test_mongodb_keeps_acknowledged_writes_through_a_kill() -> None:
    with MongoServer() as mongo:
        db = database.connect(mongo.uri_for("kept"))
        for number in range(20):
            db.numbers.insert_one({"_id": number})
        mongo.kill()
        mongo.start()
        assert db.numbers.count_documents({}) == 20
        db.client.close()


def test_redis_forgets_unless_a_directory_is_given(tmp_path: Path) -> None:
    kept = {}
    for name, server in {"own": RedisServer(), "given": RedisServer(directory=tmp_path)}.items():
        with server:
            with redis.Redis(port=server.port) as client:
                client.set("key", "value")
            server.stop()
            server.start()
            with redis.Redis(port=server.port) as client:
                kept[name] = client.get("key")
    assert kept == {"own": None, "given": b"value"}
    assert tmp_path.exists()


def test_local_slack_is_the_workspace_it_was_told_to_be() -> None:
    config = {"workspace": {"teamId": "T0OURS"}, "app": {"botToken": "xoxb-ours"}}
    with LocalSlack(config) as slack:
        answer = requests.post(slack.api_url + "auth.test", timeout=5).json()
        assert answer["team_id"] == "T0OURS"


def test_a_server_that_ends_at_once_is_told_with_its_last_output(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    server = MongoServer(directory=tmp_path)
    with pytest.raises(ProcessError, match=r"^MongoDB ended by itself \(exit 1\)\. Its last out"):
        server.start()
    assert not server.running


def test_a_missing_program_is_told_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "ROOT", tmp_path)
    with pytest.raises(ProcessError) as caught:
        LocalSlack({}).start()
    assert str(caught.value) == "local-slack is missing. Run: make node_modules/ready"
