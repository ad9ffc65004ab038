"""Counts for the rate limits in Redis, without Redis, and with a Redis that never answers."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from demo.servers import RedisServer, free_port
from services.core.errors import LimitReached
from services.core.rate_limit import RULES, Limit, refuse
from services.core.rate_limiter import MAX_LOCAL_KEYS, RETRY_DELAY_SECONDS, RateLimiter
from services.core.redis_client import connect_redis
from tests.conftest import FixedClock, at_once

# 20 within an hour.
JO, AL = (Limit.TICKETS, "jo@example.com"), (Limit.TICKETS, "al@example.com")


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


class Seconds:
    """A monotonic clock that only a test advances."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def limiter_at(url: str, clock: FixedClock, seconds: Callable[[], float]) -> RateLimiter:
    return RateLimiter(url, namespace="test", clock=clock, monotonic=seconds)


@pytest.fixture
def limiter(redis: RedisServer, clock: FixedClock, seconds: Seconds) -> RateLimiter:
    return limiter_at(redis.url, clock, seconds)


@pytest.fixture
def local(clock: FixedClock, process_time: None) -> RateLimiter:
    """Without Redis."""
    return RateLimiter("", clock=clock)


@pytest.fixture(params=["Redis", "the process"])
def either(request: pytest.FixtureRequest) -> RateLimiter:
    found: RateLimiter = request.getfixturevalue("limiter" if request.param == "Redis" else "local")
    return found


def use_up(limiter: RateLimiter, limit: Limit = Limit.TICKETS, subject: str = JO[1]) -> None:
    for _ in range(RULES[limit].amount):
        limiter.take((limit, subject))


def refusal(call: Callable[[], object]) -> tuple[str, int | None]:
    with pytest.raises(LimitReached) as refused:
        call()
    return str(refused.value), refused.value.retry_after


def test_within_any_window_no_more_than_the_limit(either: RateLimiter, clock: FixedClock) -> None:
    for _ in range(10):
        either.take(JO)
    clock.advance(minutes=40)
    for _ in range(10):
        either.take(JO)
    assert refusal(lambda: either.take(JO))[1] == 20 * 60
    either.take(AL)
    clock.advance(minutes=20, seconds=1)
    for _ in range(10):
        either.take(JO)
    assert refusal(lambda: either.take(JO))[1] == 40 * 60 - 1


def test_uses_at_once_are_counted_each_for_its_subject(either: RateLimiter) -> None:
    people = [(Limit.TICKETS, f"person{number}@example.com") for number in range(8)]
    amount = RULES[Limit.TICKETS].amount
    for person in people[:4]:
        for _ in range(amount - 1):
            either.take(person)
    for _ in range(2):
        at_once(*(partial(either.take, person) for person in people))
    for person in people[:4]:
        assert either.try_take(person) is None
    for person in people[4:]:
        for _ in range(amount - 2):
            either.take(person)
        assert either.try_take(person) is None


def test_of_many_at_once_no_more_than_the_limit(either: RateLimiter) -> None:
    outcomes = at_once(*[lambda: either.take(JO)] * 40)
    assert sum(isinstance(outcome, LimitReached) for outcome in outcomes) == 20


def test_what_is_given_back_is_free(either: RateLimiter) -> None:
    use_up(either)
    refusal(lambda: either.take(JO))
    place = either.try_take(AL)
    assert place
    for _ in range(3):
        place.give_back()  # once
    for _ in range(20):
        either.take(AL)
    assert either.try_take(AL) is None


def test_a_block_that_fails_gives_back_what_it_took(either: RateLimiter) -> None:
    for _ in range(30):
        with pytest.raises(ZeroDivisionError), either.take(JO):
            _ = 1 / 0
    for _ in range(20):
        with either.take(JO):
            pass
    refusal(lambda: either.take(JO))


def test_of_several_subjects_all_are_counted_or_none(either: RateLimiter) -> None:
    use_up(either)
    for _ in range(30):
        assert refusal(lambda: either.take(AL, JO))[0].startswith("You have filed 20 tickets")
    for _ in range(20):
        either.take(AL)


def test_some_of_several_are_given_back(either: RateLimiter) -> None:
    both = (Limit.TICKETS, "x"), (Limit.RESETS_BY_ACCOUNT, "x")
    either.take(*both).give_back(Limit.RESETS_BY_ACCOUNT)
    use_up(either, Limit.RESETS_BY_ACCOUNT, "x")
    for _ in range(19):
        either.take((Limit.TICKETS, "x"))
    refusal(lambda: either.take((Limit.TICKETS, "x")))


def test_what_is_cleared_begins_anew(either: RateLimiter) -> None:
    use_up(either)
    use_up(either, subject=AL[1])
    either.clear(JO)
    either.take(JO)
    refusal(lambda: either.take(AL))


def test_without_subjects_nothing_is_counted(either: RateLimiter) -> None:
    either.take().give_back()


@pytest.mark.parametrize(
    ("seconds_left", "when"),
    [
        (0.2, "in a minute"),
        (60, "in a minute"),
        (61, "in 2 minutes"),
        (7_140, "in 119 minutes"),
        (7_141, "in 2 hours"),
        (86_400, "in 24 hours"),
    ],
)
def test_a_refusal_says_when_to_try_again(seconds_left: float, when: str) -> None:
    words, retry_after = refusal(
        lambda: refuse(Limit.SIGN_INS, subject="", retry_after=seconds_left)
    )
    assert words == f"There were too many sign-ins from your network. Try again {when}."
    assert retry_after == max(1, round(seconds_left))


# In Redis


def test_processes_count_together(
    limiter: RateLimiter, redis: RedisServer, clock: FixedClock, seconds: Seconds
) -> None:
    other = limiter_at(redis.url, clock, seconds)
    outcomes = at_once(*[lambda: limiter.take(JO), lambda: other.take(JO)] * 20)
    assert sum(isinstance(outcome, LimitReached) for outcome in outcomes) == 20
    assert refusal(lambda: other.take(JO))[1] == 3_600


def test_those_who_share_a_redis_are_kept_apart(limiter: RateLimiter, redis: RedisServer) -> None:
    use_up(limiter)
    RateLimiter(redis.url, namespace="other").take(JO)


def test_the_keys_hold_no_address_and_expire(limiter: RateLimiter, redis: RedisServer) -> None:
    limiter.take(JO, (Limit.SIGN_INS, "198.51.100.7"))
    with connect_redis(redis.url) as client:
        keys = sorted(map(str, client.keys("*")))
        assert [key.partition("/")[0] for key in keys] == [
            "helpdesk:limits:test:sign-ins",
            "helpdesk:limits:test:tickets",
        ]
        assert not any("jo" in key or "198" in key.partition("/")[2][:32] for key in keys)
        assert [client.ttl(key) for key in keys] == [900, 3_600]


def test_an_emptied_redis_counts_anew(limiter: RateLimiter, redis: RedisServer) -> None:
    use_up(limiter)
    refusal(lambda: limiter.take(JO))
    with connect_redis(redis.url) as client:
        client.flushdb()
        client.script_flush()
    use_up(limiter)
    refusal(lambda: limiter.take(JO))


# Without Redis


def test_without_redis_the_process_counts_for_itself(
    clock: FixedClock, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = limiter_at(f"redis://127.0.0.1:{free_port()}/0", clock, seconds)
    use_up(limiter)
    refusal(lambda: limiter.take(JO))
    seconds.now += RETRY_DELAY_SECONDS
    refusal(lambda: limiter.take(JO))
    logged = [r.getMessage() for r in caplog.records if r.name.endswith("rate_limiter")]
    assert logged == ["Redis is away (ConnectionError): each process counts the rate limits itself"]


def test_a_silent_redis_is_waited_for_once_in_a_while(
    clock: FixedClock, seconds: Seconds, silent: Silent
) -> None:
    limiter = limiter_at(silent.url, clock, seconds)
    for _ in range(20):
        limiter.take(JO).give_back()
        limiter.take(JO)
        limiter.clear(AL)
    assert len(silent.met) == 1
    seconds.now += RETRY_DELAY_SECONDS
    refusal(lambda: limiter.take(JO))  # known to be full: Redis is not asked
    at_once(*[lambda: limiter.take(AL)] * 8)
    assert len(silent.met) == 2
    seconds.now += RETRY_DELAY_SECONDS - 1
    limiter.take(AL)
    assert len(silent.met) == 2


def test_redis_stops_and_comes_back(
    own_redis: RedisServer, clock: FixedClock, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = limiter_at(own_redis.url, clock, seconds)
    place = limiter.take(JO)
    own_redis.kill()
    place.give_back()
    use_up(limiter)
    own_redis.start()
    seconds.now += RETRY_DELAY_SECONDS
    with caplog.at_level(logging.INFO):
        limiter.take(AL)
    assert caplog.messages[-1] == "Redis counts the rate limits again"
    # What was counted here still applies here.
    refusal(lambda: limiter.take(JO))
    limiter_at(own_redis.url, clock, seconds).take(JO)


def test_a_restart_between_two_attempts_goes_unnoticed(
    own_redis: RedisServer, clock: FixedClock, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = limiter_at(own_redis.url, clock, seconds)
    limiter.take(JO)
    own_redis.stop()
    own_redis.start()
    use_up(limiter)
    assert caplog.messages == []
    other = limiter_at(own_redis.url, clock, seconds)
    refusal(lambda: other.take(JO))


def test_a_foreign_value_is_counted_by_the_process(
    limiter: RateLimiter, redis: RedisServer
) -> None:
    limiter.take(JO)
    with connect_redis(redis.url) as client:
        (key,) = client.keys("helpdesk:limits:*")
        client.set(key, "x")
    use_up(limiter)
    refusal(lambda: limiter.take(JO))


def test_a_process_keeps_no_more_than_so_many(local: RateLimiter) -> None:
    subjects = [(Limit.RESETS_BY_ACCOUNT, str(number)) for number in range(MAX_LOCAL_KEYS + 500)]
    for subject in subjects:
        for _ in range(3):
            local.take(subject)
    assert len(local._local.events) == MAX_LOCAL_KEYS
    refusal(partial(local.take, subjects[-1]))
    refusal(partial(local.take, subjects[500]))
    local.take(subjects[499])


# Since when the counts in Redis have no gap


def known_since(limiter: RateLimiter) -> datetime | None:
    place = limiter.take(JO)
    place.give_back()
    return place.counts_since


def test_it_is_known_since_when_redis_counts(
    own_redis: RedisServer, clock: FixedClock, seconds: Seconds
) -> None:
    limiter, other = (limiter_at(own_redis.url, clock, seconds) for _ in range(2))
    assert known_since(limiter) is None
    limiter.begin_counts(since=clock())
    began = clock()
    clock.advance(minutes=5)
    other.begin_counts(since=clock())  # it has begun
    assert (known_since(limiter), known_since(other)) == (began, began)
    with connect_redis(own_redis.url) as client:
        client.flushall()
    assert known_since(limiter) is None


def test_after_a_restart_it_is_not_known_since_when_redis_counts(
    clock: FixedClock, seconds: Seconds, tmp_path: Path
) -> None:
    """Even if Redis kept the key: it may have lost what was counted last."""
    with RedisServer(directory=tmp_path) as persistent:
        limiter = limiter_at(persistent.url, clock, seconds)
        limiter.begin_counts(since=clock())
        assert known_since(limiter) == clock()
        persistent.stop()
        persistent.start()
        assert known_since(limiter) is None
        with connect_redis(persistent.url) as client:
            assert client.exists("helpdesk:limits:test:since")


def test_the_counts_begin_anew_after_a_process_counted_by_itself(
    limiter: RateLimiter, redis: RedisServer, clock: FixedClock, seconds: Seconds
) -> None:
    limiter.begin_counts(since=clock())
    limiter._note_failure(OSError())
    assert known_since(limiter) is None  # counted by the process
    clock.advance(minutes=5)
    seconds.now += RETRY_DELAY_SECONDS
    assert known_since(limiter) == clock()
