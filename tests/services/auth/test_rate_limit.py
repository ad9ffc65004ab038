"""Rate limits of sign-in, sign-up and password reset."""

from collections.abc import Callable
from functools import partial

import pytest

from demo.servers import RedisServer
from services.auth.rate_limit import RateLimitedAction, RateLimiter
from services.core.errors import LimitReached
from services.core.redis_client import connect_redis
from tests.conftest import FixedClock

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
