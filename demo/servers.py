"""Real servers on this machine for the demo and the tests: MongoDB, Redis, Slack.

    with MongoServer() as mongo, RedisServer() as redis: ...

`start()` returns once the server answers; `kill()` is like a power cut; another `start()` uses the
same port and data. Leaving the `with` stops it and removes a directory it created.
"""

import json
import re
import shutil
import socket
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Self

import pymongo
import redis
import requests
from pymongo.errors import PyMongoError

from demo.binaries import mongo_binary, redis_binary, slack_binary
from demo.process import PortTakenError, Process

HOST = "127.0.0.1"
START_SECONDS = 20.0


class Server(ABC):
    """A server. With `port=0` it takes a free port and keeps it."""

    name: str
    announces_port: re.Pattern[str] | None = None  # in its output
    listens_on = HOST
    _remove: "weakref.finalize[..., Server] | None" = None

    def __init__(self, *, port: int = 0, directory: Path | None = None) -> None:
        self.port = port
        self.directory = directory or Path(tempfile.mkdtemp(prefix="demo-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        if directory is None:
            self._remove = weakref.finalize(self, shutil.rmtree, self.directory, ignore_errors=True)
        self.process: Process | None = None

    @abstractmethod
    def _command(self) -> list[str | Path]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    def start(self) -> Self:
        """Return once it answers. Raises `ProcessError` with its last output if it does not."""
        if self.port:
            require_free(self.listens_on, self.port, wanted_by=self.name)
        elif self.announces_port is None:
            self.port = free_port()
        self.process = Process(self.name, self._command(), log=self.directory / "server.log")
        self.process.start()
        try:
            self.process.wait_until(self._ready, timeout=START_SECONDS)
        except BaseException:  # Ctrl-C too
            self.process.kill()
            raise
        return self

    def _ready(self) -> bool:
        if not self.port:
            self.port = self._announced_port()
        return bool(self.port) and self._answers()

    def _announced_port(self) -> int:
        if self.announces_port is None or self.process is None:
            return 0
        found = self.announces_port.search(self.process.output())
        return int(found.group(1)) if found else 0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def stop(self) -> None:
        if self.process:
            self.process.stop(grace=5.0)

    def kill(self) -> None:
        if self.process:
            self.process.kill()

    def close(self) -> None:
        """Stop, and remove the directory unless it was given."""
        self.stop()
        if self._remove:
            self._remove()

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


class MongoServer(Server):
    """SecantusDB: MongoDB's protocol; acknowledged writes survive a SIGKILL."""

    name = "MongoDB"
    announces_port = re.compile(r"listening on 127\.0\.0\.1:(\d+)")

    @property
    def uri(self) -> str:
        return f"mongodb://{HOST}:{self.port}/"

    def uri_for(self, database: str) -> str:
        return self.uri + database

    def _command(self) -> list[str | Path]:
        options: dict[str, str | Path] = {
            "--host": HOST,
            "--port": str(self.port),
            "--storage-path": self.directory / "data",
            "--cache-size": "256M",
            # With the default of 2 GB a start after SIGKILL takes 11 s instead of 1.
            "--log-file-max": "128MB",
        }
        # Without --sync-on-commit acknowledged writes are lost when the process is killed.
        return [mongo_binary(), "--sync-on-commit", *_flags(options)]

    def _answers(self) -> bool:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            self.uri, serverSelectionTimeoutMS=300, timeoutMS=300
        )
        try:
            return bool(client.admin.command("ping")["ok"])
        except PyMongoError:
            return False
        finally:
            client.close()


class RedisServer(Server):
    """Redis, in memory only unless a directory is given."""

    name = "Redis"

    def __init__(self, *, port: int = 0, directory: Path | None = None) -> None:
        super().__init__(port=port, directory=directory)
        self._keeps_data = directory is not None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def _command(self) -> list[str | Path]:
        options: dict[str, str | Path] = {
            "--bind": HOST,
            "--port": str(self.port),
            "--dir": self.directory,
            "--save": "",
            "--appendonly": "yes" if self._keeps_data else "no",
        }
        return [redis_binary(), *_flags(options)]

    def _answers(self) -> bool:
        client = redis.Redis(port=self.port, host=HOST, socket_timeout=0.3)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


class LocalSlack(Server):
    """A Slack in the browser, with Web API, Socket Mode and a control API without authentication.

    `config` is its workspace file as a dict (keys `workspace`, `app`, `users`, `channels`).
    It always listens on all interfaces of the machine.
    """

    name = "local-slack"
    announces_port = re.compile(r"Web UI:\s+http://[^:]+:(\d+)")
    listens_on = ""

    def __init__(
        self, config: Mapping[str, Any], *, port: int = 0, directory: Path | None = None
    ) -> None:
        super().__init__(port=port, directory=directory)
        self.config = dict(config)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    def _command(self) -> list[str | Path]:
        file = self.directory / "workspace.json"
        file.write_text(json.dumps(self.config))
        options: dict[str, str | Path] = {
            "--config": file,
            "--port": str(self.port),
            "--base-host": HOST,
            "--files-dir": self.directory / "files",
        }
        return [slack_binary(), *_flags(options)]

    def _answers(self) -> bool:
        try:
            answer = requests.get(f"{self.url}/_control/state", timeout=1)
        except requests.RequestException:
            return False
        return answer.ok


def _flags(options: Mapping[str, str | Path]) -> list[str | Path]:
    return list(chain.from_iterable(options.items()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_free(host: str, port: int, *, wanted_by: str) -> None:
    """Raise `PortTakenError` if another process listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTakenError(
                f"Port {port}, which {wanted_by} needs, cannot be used: {error.strerror}. "
                "End what listens there or choose another port."
            ) from None
