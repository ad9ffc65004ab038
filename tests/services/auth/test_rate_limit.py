"""How often one may try."""

from collections.abc import Callable
from functools import partial

import pytest

from demo.servers import RedisServer
from services.auth.rate_limit import Doing, Throttle
from services.core.errors import LimitReached
from services.core.redis_client import connect_redis
from tests.conftest import FixedClock

NO_REDIS = "redis://127.0.0.1:9/0"
HERE, THERE = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def throttle(clock: FixedClock) -> Throttle:
    """By the test's clock, which no Redis would follow."""
    return Throttle(NO_REDIS, clock=clock)


def refusal(call: Callable[[], object]) -> tuple[str, int | None]:
    with pytest.raises(LimitReached) as refused:
        call()
    return str(refused.value), refused.value.retry_after


def test_ten_failures_close_an_account_for_a_quarter_of_an_hour(
    throttle: Throttle, clock: FixedClock
) -> None:
    for _ in range(10):
        throttle.check(account="jo@example.com")
        throttle.failed(account="jo@example.com")

    def check() -> None:
        throttle.check(account="jo@example.com", address=THERE)

    assert refusal(check) == ("Too many attempts. Try again in 15 minutes.", 900)
    throttle.check(account="al@example.com")
    clock.advance(minutes=14, seconds=1)
    assert refusal(check) == ("Too many attempts. Try again in a minute.", 59)
    clock.advance(seconds=59)
    check()


def test_a_success_begins_anew(throttle: Throttle) -> None:
    for _ in range(9):
        throttle.failed(account="jo@example.com")
    throttle.succeeded(account="jo@example.com")
    for _ in range(9):
        throttle.failed(account="jo@example.com")
    throttle.check(account="jo@example.com")


def test_thirty_failures_close_an_address_whatever_the_accounts(throttle: Throttle) -> None:
    for number in range(30):
        throttle.check(account=f"{number}@example.com", address=HERE)
        throttle.failed(account=f"{number}@example.com", address=HERE)
        # An account of one's own opens nothing.
        throttle.succeeded(account="mine@example.com")
    words, _ = refusal(lambda: throttle.check(account="new@example.com", address=HERE))
    assert words == "Too many attempts. Try again in 15 minutes."
    throttle.check(account="new@example.com", address=THERE)
    throttle.check(account="new@example.com", address=None)


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
def test_what_is_one_address(throttle: Throttle, one: str, other: str, same: bool) -> None:
    for number in range(30):
        throttle.failed(account=str(number), address=one)
    if same:
        refusal(lambda: throttle.check(account="x", address=other))
    else:
        throttle.check(account="x", address=other)


@pytest.mark.parametrize("address", [None, "", "unknown", "example.com", "1.2.3", "\ud83d"])
def test_nobodys_address_is_nobodys(throttle: Throttle, address: str | None) -> None:
    for number in range(40):
        throttle.failed(account=str(number), address=address)
    throttle.check(account="x", address=address)


def test_sign_ups_are_counted_by_address_for_an_hour(throttle: Throttle, clock: FixedClock) -> None:
    def sign_up() -> None:
        throttle.count(Doing.SIGN_UP, address=HERE)

    for _ in range(30):
        sign_up()
    words = "Too many accounts were made from your network within an hour. Try again in 60 minutes."
    assert refusal(sign_up) == (words, 3_600)
    throttle.count(Doing.SIGN_UP, address=THERE)
    throttle.check(account="x", address=HERE)
    clock.advance(hours=1)
    sign_up()


def test_three_mails_an_hour_for_an_account_there_is_or_is_not(throttle: Throttle) -> None:
    for _ in range(3):
        throttle.count(Doing.RESET, account="jo@example.com", address=HERE)
    words, _ = refusal(lambda: throttle.count(Doing.RESET, account="jo@example.com"))
    assert words == "Too many attempts. Try again in 60 minutes."
    throttle.count(Doing.RESET, account="al@example.com", address=HERE)


def test_processes_count_together_and_keep_no_address(
    redis: RedisServer, request: pytest.FixtureRequest
) -> None:
    space = request.node.name
    one, other = Throttle(redis.url, space=space), Throttle(redis.url, space=space)
    for _ in range(5):
        one.failed(account="jo@example.com", address=HERE)
        other.failed(account="jo@example.com", address=HERE)
    for throttle in (one, other):
        words, seconds = refusal(partial(throttle.check, account="jo@example.com"))
        assert words == "Too many attempts. Try again in 15 minutes."
        assert seconds in range(840, 901)
    with connect_redis(redis.url) as client:
        kept = client.keys(f"*{space}*")
        assert len(kept) == 2
        assert not any("jo" in key.split(space)[1] or HERE in key for key in kept)
    one.succeeded(account="jo@example.com")
    other.check(account="jo@example.com", address=HERE)
