import pytest

from services.core.database import Mongo
from services.core.errors import DomainError, InvalidValue, LimitReached
from services.linking.code_attempts import CodeAttempts
from tests.conftest import FixedClock, at_once

WRONG = (
    "This code is wrong, out of date or used already. Get a new one on the page; it is good for "
    "ten minutes."
)


@pytest.fixture
def code_attempts(db: Mongo, clock: FixedClock) -> CodeAttempts:
    return CodeAttempts(db, clock=clock)


def wrong(code_attempts: CodeAttempts, link: str = "T1:U1") -> str:
    with pytest.raises(DomainError) as refused:
        code_attempts.raise_wrong_code(link, attempts=code_attempts.record_attempt(link))
    return str(refused.value)


def test_the_fifth_wrong_code_locks_for_a_quarter_of_an_hour(
    code_attempts: CodeAttempts, clock: FixedClock
) -> None:
    clock.now = clock.now.replace(hour=14, minute=20, second=0, microsecond=0)
    assert [wrong(code_attempts) for _ in range(4)] == [WRONG] * 4
    clock.advance(minutes=10)
    locked = "Too many wrong codes. Try again in 15 minutes, at 14:45 UTC, with a new code."
    assert wrong(code_attempts) == locked
    clock.advance(minutes=14, seconds=30)
    with pytest.raises(LimitReached) as reached:  # also with the right code
        code_attempts.record_attempt("T1:U1")
    assert str(reached.value) == (
        "Too many wrong codes. Try again in a minute, at 14:45 UTC, with a new code."
    )
    assert reached.value.retry_after == 30
    clock.advance(seconds=30)
    assert wrong(code_attempts) == WRONG


def test_it_locks_nobody_else(code_attempts: CodeAttempts) -> None:
    for _ in range(5):
        wrong(code_attempts)
    assert wrong(code_attempts, "T1:U2") == WRONG


def test_wrong_codes_are_forgotten_after_a_quarter_of_an_hour(
    code_attempts: CodeAttempts, clock: FixedClock
) -> None:
    for _ in range(4):
        wrong(code_attempts)
    clock.advance(minutes=15)
    assert [wrong(code_attempts) for _ in range(4)] == [WRONG] * 4


def test_a_right_code_counts_for_nothing_and_forgives_nothing(code_attempts: CodeAttempts) -> None:
    for _ in range(4):
        wrong(code_attempts)
    for _ in range(3):
        assert code_attempts.record_attempt("T1:U1") == 5
        code_attempts.forgive_attempt("T1:U1")
    assert wrong(code_attempts).startswith("Too many wrong codes. Try again in 15 minutes")


def test_a_crowd_of_guesses_at_one_instant_is_counted(
    code_attempts: CodeAttempts, db: Mongo
) -> None:
    outcomes = at_once(*[lambda: wrong_number(code_attempts)] * 12)
    assert [type(outcome) for outcome in outcomes].count(InvalidValue) == 4
    assert [type(outcome) for outcome in outcomes].count(LimitReached) == 8
    assert (db.linkTries.find_one() or {})["tries"] == 12


def wrong_number(code_attempts: CodeAttempts) -> None:
    code_attempts.raise_wrong_code("T1:U1", attempts=code_attempts.record_attempt("T1:U1"))
