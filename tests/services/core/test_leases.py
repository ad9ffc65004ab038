from services.core.database import Mongo
from services.core.leases import LEASE_DURATION, LEASE_RENEW_INTERVAL, Lease
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
