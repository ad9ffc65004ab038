"""Lock with a back-off: one holder at a time, closed for a while after a failure."""

from datetime import timedelta

import pytest

from services.core.database import Mongo
from services.core.leases import BackoffLock
from tests.conftest import FixedClock, at_once

HOLD = timedelta(seconds=40)


def lock(db: Mongo, clock: FixedClock) -> BackoffLock:
    return BackoffLock(db, "mail", lock_timeout=HOLD, clock=clock)


@pytest.mark.parametrize("is_new", [True, False])
def test_of_many_at_once_one_gets_in(db: Mongo, clock: FixedClock, is_new: bool) -> None:
    if not is_new:
        first = lock(db, clock)
        assert first.acquire()
        first.release()
    assert at_once(*[lock(db, clock).acquire for _ in range(8)]).count(True) == 1


def test_who_leaves_lets_the_next_in_at_once(db: Mongo, clock: FixedClock) -> None:
    first, second = lock(db, clock), lock(db, clock)
    assert (first.acquire(), second.acquire()) == (True, False)
    first.release()
    assert second.acquire()


def test_who_dies_inside_has_it_for_a_while(db: Mongo, clock: FixedClock) -> None:
    dead, second = lock(db, clock), lock(db, clock)
    assert dead.acquire()
    clock.advance(seconds=39)
    assert not second.acquire()
    clock.advance(seconds=1)
    assert second.acquire()
    dead.release()  # was not so dead, but has lost it
    assert not lock(db, clock).acquire()


def test_it_is_shut_for_longer_after_each_fault_in_a_row(db: Mongo, clock: FixedClock) -> None:
    pauses = []
    for _ in range(9):
        entered = lock(db, clock)
        assert entered.acquire()
        pause = entered.back_off()
        clock.advance(seconds=pause.total_seconds() - 1)
        assert not lock(db, clock).acquire()
        clock.advance(seconds=1)
        pauses.append(pause.total_seconds())
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_success_makes_pauses_short_again(db: Mongo, clock: FixedClock) -> None:
    for _ in range(3):
        faulty = lock(db, clock)
        assert faulty.acquire()
        clock.advance(seconds=faulty.back_off().total_seconds())
    well = lock(db, clock)
    assert well.acquire()
    well.release()
    again = lock(db, clock)
    assert again.acquire()
    assert again.back_off() == timedelta(seconds=10)
