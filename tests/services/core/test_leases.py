from services.core.database import Mongo
from services.core.leases import LENGTH, RENEW_EVERY, Lease
from tests.conftest import FixedClock, at_once


def test_one_of_two_holds_it(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    assert first.hold()
    assert not second.hold()
    assert first.hold()


def test_one_of_many_at_once_holds_it(db: Mongo, clock: FixedClock) -> None:
    leases = [Lease(db, "jobs", clock=clock) for _ in range(8)]
    assert sorted(at_once(*[lease.hold for lease in leases])) == [False] * 7 + [True]
    clock.advance(seconds=LENGTH.total_seconds())
    assert sorted(at_once(*[lease.hold for lease in leases])) == [False] * 7 + [True]
    assert db.leases.count_documents({}) == 1


def test_renewing_keeps_it(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    for _ in range(20):
        assert first.hold()
        clock.advance(seconds=RENEW_EVERY.total_seconds())
        assert not second.hold()


def test_it_ends_when_its_holder_does(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    first.hold()
    clock.advance(seconds=LENGTH.total_seconds() - 0.001)
    assert not second.hold()
    clock.advance(seconds=0.001)
    assert second.hold()
    assert not first.hold()


def test_released_it_is_taken_over_at_once(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    first.hold()
    first.release()
    assert second.hold()


def test_only_its_holder_releases_it(db: Mongo, clock: FixedClock) -> None:
    first, second = Lease(db, "jobs", clock=clock), Lease(db, "jobs", clock=clock)
    first.hold()
    second.release()
    assert not second.hold()


def test_each_name_has_its_own(db: Mongo, clock: FixedClock) -> None:
    assert Lease(db, "jobs", clock=clock).hold()
    assert Lease(db, "other", clock=clock).hold()
