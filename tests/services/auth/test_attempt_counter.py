"""Counts of attempts in Redis, with Redis stopped, and with one that never answers."""

import logging
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from demo.servers import RedisServer, free_port
from services.auth.attempt_counter import MOST_KEPT, Attempts, Counted, OwnAttempts
from services.core.redis_client import connect_redis
from tests.conftest import FixedClock, at_once

WINDOW = timedelta(minutes=15)
NONE = Counted(0, 0)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


class Silent:
    """A Redis that takes connections and never says a word; it counts them."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        self.met: list[socket.socket] = []
        threading.Thread(target=self._meet, daemon=True).start()

    def _meet(self) -> None:
        try:
            while True:
                self.met.append(self._server.accept()[0])
        except OSError:  # closed
            return

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self.met:
            connection.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.close()


@pytest.fixture
def space(request: pytest.FixtureRequest) -> str:
    """The test's own."""
    return str(request.node.name)


def test_they_are_counted_for_all_processes(redis: RedisServer, space: str) -> None:
    one, other = Attempts(redis.url, space=space), Attempts(redis.url, space=space)
    assert one.look(["a", "b"]) == [NONE, NONE]
    assert one.add("a", window=WINDOW).number == 1
    assert other.add("a", window=WINDOW).number == 2
    assert [counted.number for counted in one.look(["b", "a"])] == [0, 2]
    other.forget("a")
    assert one.look(["a"]) == [NONE]


def test_those_who_share_a_redis_are_kept_apart(redis: RedisServer, space: str) -> None:
    Attempts(redis.url, space=f"{space}-1").add("a", window=WINDOW)
    assert Attempts(redis.url, space=f"{space}-2").look(["a"]) == [NONE]


def test_redis_forgets_them_after_the_window(redis: RedisServer, space: str) -> None:
    attempts = Attempts(redis.url, space=space)
    assert attempts.add("a", window=WINDOW).seconds in range(840, 901)
    with connect_redis(redis.url) as client:
        (key,) = client.keys(f"*{space}*")
        client.expire(key, 7)
        # A further one does not lengthen it.
        assert attempts.add("a", window=WINDOW) <= Counted(2, 7)
        client.persist(key)
        client.expire(key, 0)
    assert attempts.look(["a"]) == [NONE]


def test_none_is_lost_of_many_at_once(redis: RedisServer, space: str) -> None:
    attempts = Attempts(redis.url, space=space)
    answers = at_once(*[lambda: attempts.add("a", window=WINDOW)] * 20)
    assert sorted(counted.number for counted in answers) == list(range(1, 21))


def test_without_redis_the_process_counts_for_itself(
    clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = Attempts(f"redis://127.0.0.1:{free_port()}/0", clock=clock)
    with caplog.at_level(logging.INFO):
        for number in range(1, 6):
            assert attempts.add("a", window=WINDOW) == Counted(number, 900)
    assert attempts.look(["a", "b"]) == [Counted(5, 900), NONE]
    assert [record.getMessage() for record in caplog.records] == [
        "Redis is away (ConnectionError): each process counts attempts for itself"
    ]
    clock.advance(minutes=10)
    assert attempts.add("a", window=WINDOW) == Counted(6, 300)
    clock.advance(minutes=5)
    assert attempts.look(["a"]) == [NONE]
    assert attempts.add("a", window=WINDOW) == Counted(1, 900)
    attempts.forget("a")
    assert attempts.look(["a"]) == [NONE]


def test_a_silent_redis_is_waited_for_once_in_a_while(clock: FixedClock, silent: Silent) -> None:
    attempts = Attempts(silent.url, clock=clock)
    for _ in range(20):
        attempts.add("a", window=WINDOW)
        attempts.look(["a"])
    assert len(silent.met) == 1
    clock.advance(seconds=30)
    assert attempts.look(["a"])[0].number == 20
    assert len(silent.met) == 2
    clock.advance(seconds=29)
    attempts.forget("a")
    assert attempts.look(["a"]) == [NONE]
    assert len(silent.met) == 2


def test_of_many_threads_one_finds_out_whether_it_is_back(
    clock: FixedClock, silent: Silent
) -> None:
    attempts = Attempts(silent.url, clock=clock)
    attempts.look(["a"])
    clock.advance(seconds=30)
    at_once(*[lambda: attempts.look(["a"])] * 8)
    assert len(silent.met) == 2


def test_redis_stops_and_comes_back(
    own_redis: RedisServer, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = Attempts(own_redis.url, clock=clock)
    attempts.add("a", window=WINDOW)
    own_redis.kill()
    assert attempts.add("a", window=WINDOW).number == 1
    assert attempts.add("a", window=WINDOW).number == 2
    own_redis.start()
    attempts.add("b", window=WINDOW)
    # For a while it is not asked.
    assert Attempts(own_redis.url).look(["b"]) == [NONE]
    clock.advance(seconds=30)
    with caplog.at_level(logging.INFO):
        assert attempts.add("b", window=WINDOW).number == 1
    assert Attempts(own_redis.url).look(["b"]) != [NONE]
    # What was counted meanwhile still holds here.
    assert attempts.look(["a"])[0].number == 2
    assert "attempts to sign in are counted in Redis again" in caplog.messages


def test_a_restart_between_two_attempts_goes_unnoticed(
    own_redis: RedisServer, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = Attempts(own_redis.url, clock=clock)
    attempts.add("a", window=WINDOW)
    own_redis.stop()
    own_redis.start()
    attempts.add("a", window=WINDOW)
    assert Attempts(own_redis.url).look(["a"])[0].number == 1
    assert caplog.messages == []


def test_a_process_keeps_no_more_than_so_many(clock: FixedClock) -> None:
    own = OwnAttempts(clock, most=3)
    for key in "abcd":
        own.add(key, window=WINDOW)
    own.add("b", window=WINDOW)
    assert [counted.number for counted in own.look("abcd")] == [0, 2, 1, 1]
    own.add("e", window=WINDOW)
    assert [counted.number for counted in own.look("abcde")] == [0, 0, 1, 1, 1]


def test_the_bound_holds_for_a_flood(clock: FixedClock) -> None:
    own = OwnAttempts(clock)
    for number in range(MOST_KEPT + 500):
        own.add(str(number), window=WINDOW)
    kept = own.look([str(number) for number in range(MOST_KEPT + 500)])
    assert sum(counted.number for counted in kept) == MOST_KEPT
