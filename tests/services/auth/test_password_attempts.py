"""Limits on passwords that are tried, over the services that compare them."""

from collections.abc import Callable
from typing import Any

import pytest

from services.auth.password_attempts import forgive_wrong_passwords, password_attempt
from services.auth.sign_in import WRONG_CREDENTIALS
from services.core.errors import InvalidValue, LimitReached, Unauthenticated
from services.core.rate_limiter import RateLimiter
from tests.conftest import FixedClock, at_once

JO, HERE, THERE = "jo@example.com", "198.51.100.7", "203.0.113.9"
LATER = "Too many attempts. Try again in 15 minutes."


def right(limiter: RateLimiter, account: str = JO, client_ip: str | None = HERE, **by: Any) -> None:
    with password_attempt(limiter, account=account, client_ip=client_ip, **by):
        pass


def wrong(limiter: RateLimiter, account: str = JO, client_ip: str | None = HERE, **by: Any) -> None:
    with (
        pytest.raises(Unauthenticated),
        password_attempt(limiter, account=account, client_ip=client_ip, **by),
    ):
        raise Unauthenticated(WRONG_CREDENTIALS)


def refusal(call: Callable[[], None]) -> str:
    with pytest.raises(LimitReached) as refused:
        call()
    return str(refused.value)


def test_ten_wrong_passwords_close_an_account_for_a_network(
    rate_limiter: RateLimiter, clock: FixedClock
) -> None:
    for number in range(10):
        wrong(rate_limiter, client_ip=f"198.51.100.{number}")
    assert refusal(lambda: right(rate_limiter)) == LATER
    right(rate_limiter, client_ip=THERE)
    right(rate_limiter, "al@example.com")
    clock.advance(minutes=15, seconds=1)
    right(rate_limiter)


def test_a_right_password_forgives_the_wrong_ones_of_its_network(rate_limiter: RateLimiter) -> None:
    for client_ip in (HERE, THERE):
        for _ in range(9):
            wrong(rate_limiter, client_ip=client_ip)
    right(rate_limiter)
    for _ in range(9):
        wrong(rate_limiter)
    right(rate_limiter)
    wrong(rate_limiter, client_ip=THERE)
    assert refusal(lambda: right(rate_limiter, client_ip=THERE)) == LATER


def test_concurrent_guesses_do_not_pass_the_limit(rate_limiter: RateLimiter) -> None:
    outcomes = at_once(*[lambda: wrong(rate_limiter)] * 30)
    assert sum(isinstance(outcome, LimitReached) for outcome in outcomes) == 20


def test_thirty_wrong_passwords_close_an_address_for_all_accounts(
    rate_limiter: RateLimiter,
) -> None:
    for number in range(30):
        # Signing in to another account does not reset it.
        right(rate_limiter, "mine@example.com")
        wrong(rate_limiter, f"{number}@example.com")
    assert refusal(lambda: right(rate_limiter)) == LATER
    right(rate_limiter, client_ip="198.51.100.8")
    right(rate_limiter, client_ip=None)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "[2001:db8::2]", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
    ],
)
def test_what_is_one_address(
    rate_limiter: RateLimiter, one: str, other: str, is_same: bool
) -> None:
    for number in range(30):
        wrong(rate_limiter, str(number), one)
    if is_same:
        refusal(lambda: right(rate_limiter, client_ip=other))
    else:
        right(rate_limiter, client_ip=other)


@pytest.mark.parametrize("address", [None, "", "unknown", "example.com", "1.2.3", "\ud83d"])
def test_an_unknown_address_is_counted_for_the_account_only(
    rate_limiter: RateLimiter, address: str | None
) -> None:
    for number in range(110):
        wrong(rate_limiter, str(number), address)
    for _ in range(10):
        wrong(rate_limiter, "x", address)
    assert refusal(lambda: right(rate_limiter, "x", address)) == LATER
    right(rate_limiter, "x", HERE)


def spray(limiter: RateLimiter, guesses: int = 100) -> None:
    for number in range(guesses):
        wrong(limiter, client_ip=f"198.18.{number}.1")


def test_after_a_hundred_wrong_passwords_a_day_only_known_devices_and_sessions_pass(
    rate_limiter: RateLimiter, clock: FixedClock
) -> None:
    spray(rate_limiter)
    assert refusal(lambda: right(rate_limiter)).startswith("There were too many wrong passwords")
    right(rate_limiter, device_id="known")
    with password_attempt(rate_limiter, account=JO, client_ip=HERE, is_signed_in=True):
        pass
    clock.advance(hours=23)
    refusal(lambda: right(rate_limiter))
    clock.advance(hours=1, seconds=1)
    right(rate_limiter)


def test_a_session_gets_no_more_guesses_from_more_networks(rate_limiter: RateLimiter) -> None:
    def guess(number: int) -> None:
        with password_attempt(
            rate_limiter, account=JO, client_ip=f"198.18.{number}.1", is_signed_in=True
        ):
            raise InvalidValue("currentPassword", "wrong")

    for number in range(10):
        with pytest.raises(InvalidValue):
            guess(number)
    assert refusal(lambda: guess(10)) == LATER
    right(rate_limiter)
    forgive_wrong_passwords(rate_limiter, account=JO, client_ip=HERE)
    with pytest.raises(InvalidValue):
        guess(10)


def test_a_known_device_counts_for_itself(rate_limiter: RateLimiter) -> None:
    for _ in range(10):
        wrong(rate_limiter)
    refusal(lambda: right(rate_limiter))
    for _ in range(10):
        wrong(rate_limiter, device_id="known")
    assert refusal(lambda: right(rate_limiter, device_id="known")) == LATER
    right(rate_limiter, device_id="another")


def test_a_new_password_forgives(rate_limiter: RateLimiter) -> None:
    for _ in range(10):
        wrong(rate_limiter)
    spray(rate_limiter, 90)
    forgive_wrong_passwords(rate_limiter, account=JO, client_ip=HERE)
    right(rate_limiter)


def test_an_attempt_without_a_comparison_counts_for_nothing(rate_limiter: RateLimiter) -> None:
    for _ in range(200):
        with (
            pytest.raises(TimeoutError),
            password_attempt(rate_limiter, account=JO, client_ip=HERE),
        ):
            raise TimeoutError
    for _ in range(10):
        wrong(rate_limiter)
