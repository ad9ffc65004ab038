"""The servers of the tests: embedded, or those that TEST_MONGO_URI and TEST_REDIS_URL name.

Tests that stop or break a server start their own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from demo.servers import MongoServer, RedisServer

MONGO_VARIABLE, REDIS_VARIABLE = "TEST_MONGO_URI", "TEST_REDIS_URL"
NOT_OURS = "This server is not the tests' own: start a MongoServer or RedisServer to stop it."


class UnsyncedMongo(MongoServer):
    """Does not wait for the disk at each write: no test kills it."""

    def _command(self) -> list[str | Path]:
        return [part for part in super()._command() if part != "--sync-on-commit"]


class ExternalMongo(MongoServer):
    """A running MongoDB, such as the replica set of an operator."""

    def __init__(self, uri: str) -> None:
        self._parts = urlsplit(uri)
        self.port = self._parts.port or 27_017

    @property
    def uri(self) -> str:
        return self.uri_for("")

    def uri_for(self, database: str) -> str:
        return urlunsplit(self._parts._replace(path=f"/{database}"))

    def start(self) -> Self:
        raise NotImplementedError(NOT_OURS)

    def stop(self) -> None:
        raise NotImplementedError(NOT_OURS)

    kill = close = stop


class ExternalRedis(RedisServer):
    """A database of a running Redis, by number."""

    def __init__(self, url: str, *, database: int) -> None:
        self._parts = urlsplit(url)
        self._database = database
        self.port = self._parts.port or 6_379

    @property
    def url(self) -> str:
        return urlunsplit(self._parts._replace(path=f"/{self._database}"))

    def start(self) -> Self:
        raise NotImplementedError(NOT_OURS)

    def stop(self) -> None:
        raise NotImplementedError(NOT_OURS)

    kill = close = stop


@contextmanager
def mongo_server() -> Iterator[MongoServer]:
    if uri := os.environ.get(MONGO_VARIABLE):
        yield ExternalMongo(uri)
    else:
        with UnsyncedMongo() as server:
            yield server


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Of an external Redis, each test process has a database, because it empties it."""
    if url := os.environ.get(REDIS_VARIABLE):
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        yield ExternalRedis(url, database=int(worker.removeprefix("gw")))
    else:
        with RedisServer() as server:
            yield server
