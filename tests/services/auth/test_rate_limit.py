"""Rate limits, and their counts in Redis, without Redis, and with a Redis that never answers."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest

from demo.servers import RedisServer, free_port
from services.auth.rate_limit import (
    MAX_LOCAL_KEYS,
    PREFIX,
    AttemptCount,
    AttemptCounter,
    LocalAttemptCounter,
    RateLimitedAction,
    RateLimiter,
)
from services.core.errors import LimitReached
from services.core.redis_client import connect_redis
from tests.conftest import FixedClock, at_once

WINDOW = timedelta(minutes=15)
NONE = AttemptCount(0, 0)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


class Silent:
    """A Redis that accepts connections, counts them and never answers."""

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
    """A Redis of this test alone."""
    return str(request.node.name)


def test_they_are_counted_for_all_processes(redis: RedisServer, space: str) -> None:
    one, other = (
        AttemptCounter(redis.url, namespace=space),
        AttemptCounter(redis.url, namespace=space),
    )
    assert one.get_many(["a", "b"]) == [NONE, NONE]
    assert one.increment("a", window=WINDOW).attempts == 1
    assert other.increment("a", window=WINDOW).attempts == 2
    assert [counted.attempts for counted in one.get_many(["b", "a"])] == [0, 2]
    other.reset("a")
    assert one.get_many(["a"]) == [NONE]


def test_those_who_share_a_redis_are_kept_apart(redis: RedisServer, space: str) -> None:
    AttemptCounter(redis.url, namespace=f"{space}-1").increment("a", window=WINDOW)
    assert AttemptCounter(redis.url, namespace=f"{space}-2").get_many(["a"]) == [NONE]


def test_redis_forgets_them_after_the_window(redis: RedisServer, space: str) -> None:
    attempts = AttemptCounter(redis.url, namespace=space)
    assert attempts.increment("a", window=WINDOW).expires_in_seconds in range(840, 901)
    with connect_redis(redis.url) as client:
        (key,) = client.keys(f"*{space}*")
        client.expire(key, 7)
        # A further attempt does not extend the window.
        assert attempts.increment("a", window=WINDOW) <= AttemptCount(2, 7)
        client.persist(key)
        client.expire(key, 0)
    assert attempts.get_many(["a"]) == [NONE]


def test_none_is_lost_of_many_at_once(redis: RedisServer, space: str) -> None:
    attempts = AttemptCounter(redis.url, namespace=space)
    answers = at_once(*[lambda: attempts.increment("a", window=WINDOW)] * 20)
    assert sorted(counted.attempts for counted in answers) == list(range(1, 21))


def test_without_redis_the_process_counts_for_itself(
    clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = AttemptCounter(f"redis://127.0.0.1:{free_port()}/0", clock=clock)
    with caplog.at_level(logging.INFO):
        for number in range(1, 6):
            assert attempts.increment("a", window=WINDOW) == AttemptCount(number, 900)
    assert attempts.get_many(["a", "b"]) == [AttemptCount(5, 900), NONE]
    assert [record.getMessage() for record in caplog.records] == [
        "Redis is unavailable (ConnectionError): each process counts attempts itself"
    ]
    clock.advance(minutes=10)
    assert attempts.increment("a", window=WINDOW) == AttemptCount(6, 300)
    clock.advance(minutes=5)
    assert attempts.get_many(["a"]) == [NONE]
    assert attempts.increment("a", window=WINDOW) == AttemptCount(1, 900)
    attempts.reset("a")
    assert attempts.get_many(["a"]) == [NONE]


def test_a_silent_redis_is_waited_for_once_in_a_while(clock: FixedClock, silent: Silent) -> None:
    attempts = AttemptCounter(silent.url, clock=clock)
    for _ in range(20):
        attempts.increment("a", window=WINDOW)
        attempts.get_many(["a"])
    assert len(silent.met) == 1
    clock.advance(seconds=30)
    assert attempts.get_many(["a"])[0].attempts == 20
    assert len(silent.met) == 2
    clock.advance(seconds=29)
    attempts.reset("a")
    assert attempts.get_many(["a"]) == [NONE]
    assert len(silent.met) == 2


def test_of_many_threads_one_finds_out_whether_it_is_back(
    clock: FixedClock, silent: Silent
) -> None:
    attempts = AttemptCounter(silent.url, clock=clock)
    attempts.get_many(["a"])
    clock.advance(seconds=30)
    at_once(*[lambda: attempts.get_many(["a"])] * 8)
    assert len(silent.met) == 2


def test_redis_stops_and_comes_back(
    own_redis: RedisServer, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = AttemptCounter(own_redis.url, clock=clock)
    attempts.increment("a", window=WINDOW)
    own_redis.kill()
    assert attempts.increment("a", window=WINDOW).attempts == 1
    assert attempts.increment("a", window=WINDOW).attempts == 2
    own_redis.start()
    attempts.increment("b", window=WINDOW)
    # It is not called for a while.
    assert AttemptCounter(own_redis.url).get_many(["b"]) == [NONE]
    clock.advance(seconds=30)
    with caplog.at_level(logging.INFO):
        assert attempts.increment("b", window=WINDOW).attempts == 1
    assert AttemptCounter(own_redis.url).get_many(["b"]) != [NONE]
    # What was counted locally still applies here.
    assert attempts.get_many(["a"])[0].attempts == 2
    assert "sign-in attempts are counted in Redis again" in caplog.messages


def test_a_restart_between_two_attempts_goes_unnoticed(
    own_redis: RedisServer, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = AttemptCounter(own_redis.url, clock=clock)
    attempts.increment("a", window=WINDOW)
    own_redis.stop()
    own_redis.start()
    attempts.increment("a", window=WINDOW)
    assert AttemptCounter(own_redis.url).get_many(["a"])[0].attempts == 1
    assert caplog.messages == []


def test_a_process_keeps_no_more_than_so_many(clock: FixedClock) -> None:
    own = LocalAttemptCounter(clock, max_keys=3)
    for key in "abcd":
        own.increment(key, window=WINDOW)
    own.increment("b", window=WINDOW)
    assert [counted.attempts for counted in own.get_many("abcd")] == [0, 2, 1, 1]
    own.increment("e", window=WINDOW)
    assert [counted.attempts for counted in own.get_many("abcde")] == [0, 0, 1, 1, 1]


def test_the_bound_holds_for_a_flood(clock: FixedClock) -> None:
    own = LocalAttemptCounter(clock)
    for number in range(MAX_LOCAL_KEYS + 500):
        own.increment(str(number), window=WINDOW)
    kept = own.get_many([str(number) for number in range(MAX_LOCAL_KEYS + 500)])
    assert sum(counted.attempts for counted in kept) == MAX_LOCAL_KEYS


NO_REDIS = "redis://127.0.0.1:9/0"
HERE, THERE = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def rate_limiter(clock: FixedClock) -> RateLimiter:
    """Without Redis, which would not use the test's clock."""
    return RateLimiter(NO_REDIS, clock=clock)


def refusal(call: Callable[[], object]) -> tuple[str, int | None]:
    with pytest.raises(LimitReached) as refused:
        call()
    return str(refused.value), refused.value.retry_after


def test_ten_failures_close_an_account_for_a_quarter_of_an_hour(
    rate_limiter: RateLimiter, clock: FixedClock
) -> None:
    for _ in range(10):
        rate_limiter.check_sign_in(account="jo@example.com")
        rate_limiter.record_sign_in_failure(account="jo@example.com")

    def check() -> None:
        rate_limiter.check_sign_in(account="jo@example.com", client_ip=THERE)

    assert refusal(check) == ("Too many attempts. Try again in 15 minutes.", 900)
    rate_limiter.check_sign_in(account="al@example.com")
    clock.advance(minutes=14, seconds=1)
    assert refusal(check) == ("Too many attempts. Try again in a minute.", 59)
    clock.advance(seconds=59)
    check()


def test_a_success_resets_the_count(rate_limiter: RateLimiter) -> None:
    for _ in range(9):
        rate_limiter.record_sign_in_failure(account="jo@example.com")
    rate_limiter.clear_sign_in_failures(account="jo@example.com")
    for _ in range(9):
        rate_limiter.record_sign_in_failure(account="jo@example.com")
    rate_limiter.check_sign_in(account="jo@example.com")


def test_thirty_failures_close_an_address_whatever_the_accounts(rate_limiter: RateLimiter) -> None:
    for number in range(30):
        rate_limiter.check_sign_in(account=f"{number}@example.com", client_ip=HERE)
        rate_limiter.record_sign_in_failure(account=f"{number}@example.com", client_ip=HERE)
        # Signing in to another account does not reset it.
        rate_limiter.clear_sign_in_failures(account="mine@example.com")
    words, _ = refusal(
        lambda: rate_limiter.check_sign_in(account="new@example.com", client_ip=HERE)
    )
    assert words == "Too many attempts. Try again in 15 minutes."
    rate_limiter.check_sign_in(account="new@example.com", client_ip=THERE)
    rate_limiter.check_sign_in(account="new@example.com", client_ip=None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "[2001:db8::2]", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
    ],
)
def test_what_is_one_address(rate_limiter: RateLimiter, one: str, other: str, same: bool) -> None:
    for number in range(30):
        rate_limiter.record_sign_in_failure(account=str(number), client_ip=one)
    if same:
        refusal(lambda: rate_limiter.check_sign_in(account="x", client_ip=other))
    else:
        rate_limiter.check_sign_in(account="x", client_ip=other)


@pytest.mark.parametrize("address", [None, "", "unknown", "example.com", "1.2.3", "\ud83d"])
def test_nobodys_address_is_nobodys(rate_limiter: RateLimiter, address: str | None) -> None:
    for number in range(40):
        rate_limiter.record_sign_in_failure(account=str(number), client_ip=address)
    rate_limiter.check_sign_in(account="x", client_ip=address)


def test_sign_ups_are_counted_by_address_for_an_hour(
    rate_limiter: RateLimiter, clock: FixedClock
) -> None:
    def sign_up() -> None:
        rate_limiter.record_attempt(RateLimitedAction.SIGN_UP, client_ip=HERE)

    for _ in range(30):
        sign_up()
    words = "Too many accounts were made from your network within an hour. Try again in 60 minutes."
    assert refusal(sign_up) == (words, 3_600)
    rate_limiter.record_attempt(RateLimitedAction.SIGN_UP, client_ip=THERE)
    rate_limiter.check_sign_in(account="x", client_ip=HERE)
    clock.advance(hours=1)
    sign_up()


def test_three_mails_an_hour_for_an_account_there_is_or_is_not(rate_limiter: RateLimiter) -> None:
    for _ in range(3):
        rate_limiter.record_attempt(
            RateLimitedAction.RESET, account="jo@example.com", client_ip=HERE
        )
    words, _ = refusal(
        lambda: rate_limiter.record_attempt(RateLimitedAction.RESET, account="jo@example.com")
    )
    assert words == "Too many attempts. Try again in 60 minutes."
    rate_limiter.record_attempt(RateLimitedAction.RESET, account="al@example.com", client_ip=HERE)


def test_processes_count_together_and_keep_no_address(
    redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    space = request.node.name
    one, other = RateLimiter(redis.url, namespace=space), RateLimiter(redis.url, namespace=space)
    for _ in range(5):
        one.record_sign_in_failure(account="jo@example.com", client_ip=HERE)
        other.record_sign_in_failure(account="jo@example.com", client_ip=HERE)
    for rate_limiter in (one, other):
        words, seconds = refusal(partial(rate_limiter.check_sign_in, account="jo@example.com"))
        assert words == "Too many attempts. Try again in 15 minutes."
        assert seconds in range(840, 901)
    with connect_redis(redis.url) as client:
        kept = client.keys(f"*{space}*")
        assert len(kept) == 2
        assert not any("jo" in key.split(space)[1] or HERE in key for key in kept)
    one.clear_sign_in_failures(account="jo@example.com")
    other.check_sign_in(account="jo@example.com", client_ip=HERE)


def test_a_value_that_is_no_number_is_counted_by_the_process(redis: RedisServer) -> None:
    counter = AttemptCounter(redis.url, namespace="t")
    with connect_redis(redis.url) as client:
        client.set(f"{PREFIX}t:jo", "x")
    assert counter.get_many(["jo"]) == [NONE]
    assert counter.increment("jo", window=WINDOW).attempts == 1
