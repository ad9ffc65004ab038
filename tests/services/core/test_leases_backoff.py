"""One at a time, and nobody for a while after a fault."""

from datetime import timedelta

import pytest

from services.core.database import Mongo
from services.core.leases import BackoffLock
from tests.conftest import FixedClock, at_once

HOLD = timedelta(seconds=40)


def gate(db: Mongo, clock: FixedClock) -> BackoffLock:
    return BackoffLock(db, "mail", hold=HOLD, clock=clock)


@pytest.mark.parametrize("is_new", [True, False])
def test_of_many_at_once_one_gets_in(db: Mongo, clock: FixedClock, is_new: bool) -> None:
    if not is_new:
        first = gate(db, clock)
        assert first.enter()
        first.leave()
    assert at_once(*[gate(db, clock).enter for _ in range(8)]).count(True) == 1


def test_who_leaves_lets_the_next_in_at_once(db: Mongo, clock: FixedClock) -> None:
    first, second = gate(db, clock), gate(db, clock)
    assert (first.enter(), second.enter()) == (True, False)
    first.leave()
    assert second.enter()


def test_who_dies_inside_has_it_for_a_while(db: Mongo, clock: FixedClock) -> None:
    dead, second = gate(db, clock), gate(db, clock)
    assert dead.enter()
    clock.advance(seconds=39)
    assert not second.enter()
    clock.advance(seconds=1)
    assert second.enter()
    dead.leave()  # was not so dead, but has lost it
    assert not gate(db, clock).enter()


def test_it_is_shut_for_longer_after_each_fault_in_a_row(db: Mongo, clock: FixedClock) -> None:
    pauses = []
    for _ in range(9):
        entered = gate(db, clock)
        assert entered.enter()
        pause = entered.shut()
        clock.advance(seconds=pause.total_seconds() - 1)
        assert not gate(db, clock).enter()
        clock.advance(seconds=1)
        pauses.append(pause.total_seconds())
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_success_makes_pauses_short_again(db: Mongo, clock: FixedClock) -> None:
    for _ in range(3):
        faulty = gate(db, clock)
        assert faulty.enter()
        clock.advance(seconds=faulty.shut().total_seconds())
    well = gate(db, clock)
    assert well.enter()
    well.leave()
    again = gate(db, clock)
    assert again.enter()
    assert again.shut() == timedelta(seconds=10)
