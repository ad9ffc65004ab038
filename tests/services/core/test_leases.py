from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import pytest

from services.core.database import Mongo
from services.core.leases import (
    LEASE_DURATION,
    LEASE_RENEW_INTERVAL,
    BackoffLock,
    Lease,
    LeaseUnavailable,
    is_paused,
    lease_holder,
    pause,
)
from tests.conftest import FixedClock, at_once


def test_one_of_two_holds_it(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    assert first.acquire()
    assert not second.acquire()
    assert first.acquire()


def test_one_of_many_at_once_holds_it(db: Mongo, clock: FixedClock) -> None:
    leases = [Lease(db, "jobs", clock=clock) for _ in range(8)]
    assert sorted(at_once(*[lease.acquire for lease in leases])) == [False] * 7 + [True]
    clock.advance(seconds=LEASE_DURATION.total_seconds())
    assert sorted(at_once(*[lease.acquire for lease in leases])) == [False] * 7 + [True]
    assert db.leases.count_documents({}) == 1


def test_renewing_keeps_it(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    for _ in range(20):
        assert first.acquire()
        clock.advance(seconds=LEASE_RENEW_INTERVAL.total_seconds())
        assert not second.acquire()


def test_it_ends_when_its_holder_does(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    first.acquire()
    clock.advance(seconds=LEASE_DURATION.total_seconds() - 0.001)
    assert not second.acquire()
    clock.advance(seconds=0.001)
    assert second.acquire()
    assert not first.acquire()


def test_released_it_is_taken_over_at_once(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    first.acquire()
    first.release()
    assert second.acquire()


def test_only_its_holder_releases_it(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    first.acquire()
    second.release()
    assert not second.acquire()


def test_each_name_has_its_own(db: Mongo, clock: FixedClock) -> None:
    assert Lease(db, "jobs", clock=clock).acquire()
    assert Lease(db, "other", clock=clock).acquire()


def test_a_block_waits_for_the_lease_and_releases_it(db: Mongo, clock: FixedClock) -> None:
    order: list[str] = []

    def work(name: str) -> None:
        with Lease(db, "jobs", clock=clock, max_wait_seconds=5):
            order.extend([name, name])

    at_once(*[partial(work, name) for name in "abcd"])
    assert order[::2] == order[1::2]
    assert db.leases.count_documents({}) == 0
    assert Lease(db, "jobs", clock=clock).acquire()
    with pytest.raises(LeaseUnavailable), Lease(db, "jobs", clock=clock, max_wait_seconds=0.05):
        pass


def test_a_block_that_fails_releases_it(db: Mongo, clock: FixedClock) -> None:
    with pytest.raises(ZeroDivisionError), Lease(db, "jobs", clock=clock):
        raise ZeroDivisionError
    assert Lease(db, "jobs", clock=clock).acquire()


@pytest.mark.parametrize(("ahead", "is_taken"), [(4, False), (6, True), (3_600, True)])
def test_a_lease_of_a_holder_whose_clock_is_ahead_is_taken(
    db: Mongo, clock: FixedClock, ahead: int, is_taken: bool
) -> None:
    wrong = Lease(db, "jobs", clock=lambda: clock() + timedelta(seconds=ahead))
    right = Lease(db, "jobs", clock=clock)
    assert wrong.acquire()
    assert (lease_holder(db, "jobs", now=clock()) is None) is is_taken
    assert right.acquire() is is_taken


def test_a_clock_that_is_put_back_does_not_extend_it(
    db: Mongo, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 100.0
    monkeypatch.setattr("services.core.leases.time", SimpleNamespace(monotonic=lambda: passed))
    lease = Lease(db, "jobs", clock=clock)
    assert lease.acquire()
    clock.advance(hours=-1)
    assert lease.is_held()
    passed += LEASE_DURATION.total_seconds()
    assert not lease.is_held()


def test_a_pause_beyond_the_longest_does_not_count(db: Mongo, clock: FixedClock) -> None:
    pause(db, "mail", until=clock() + timedelta(hours=1))
    assert not is_paused(db, "mail", now=clock())
    pause(db, "mail", until=clock() + timedelta(minutes=2))
    pause(db, "mail", until=clock() + timedelta(minutes=1))
    clock.advance(seconds=119)
    assert is_paused(db, "mail", now=clock())
    clock.advance(seconds=1)
    assert not is_paused(db, "mail", now=clock())


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
    dead.release()  # returns late, without its claim
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
