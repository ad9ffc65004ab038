"""The clock, its correction by the database's, and what notices that it was set."""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import PyMongoError

from demo.servers import MongoServer
from services.core import clock as core_clock
from services.core.clock import ClockSync, ClockWatch, database_offset, synchronize, utcnow
from services.core.database import Mongo, connect
from tests.conftest import NOBODY_LISTENS, FixedClock
from tests.support.processes import eventually


class SystemClock:
    """A system clock that is wrong by `error`."""

    error = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.error


@pytest.fixture
def system_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SystemClock]:
    made = SystemClock()
    monkeypatch.setattr("services.core.clock.system_now", made)
    yield made
    core_clock._shared[0] = core_clock._shared[1] = 0


def is_right(at: datetime) -> bool:
    return abs(at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("hours", "words"),
    [(1, "1:00:00 ahead of"), (-1, "1:00:00 behind"), (-30, "1 day, 6:00:00 behind")],
)
def test_a_wrong_clock_is_corrected_by_the_databases_and_logged_once(
    db: Mongo,
    system_clock: SystemClock,
    caplog: pytest.LogCaptureFixture,
    hours: int,
    words: str,
) -> None:
    caplog.set_level(logging.INFO, "services.core.clock")
    system_clock.error = timedelta(hours=hours)
    assert not is_right(utcnow())
    for _ in range(3):
        synchronize(db)
        assert is_right(utcnow())
    system_clock.error = timedelta()
    assert abs(synchronize(db)) < timedelta(seconds=1)
    assert caplog.messages == [
        f"the system clock is {words} MongoDB's; times are corrected",
        "the system clock agrees with MongoDB's again",
    ]


def test_a_small_difference_is_corrected_and_not_logged(
    db: Mongo, system_clock: SystemClock, caplog: pytest.LogCaptureFixture
) -> None:
    system_clock.error = timedelta(seconds=1)
    assert abs(synchronize(db) + system_clock.error) < timedelta(seconds=0.5)
    assert caplog.messages == []


def test_the_same_clock_is_not_corrected(db: Mongo) -> None:
    assert {synchronize(db) for _ in range(20)} == {timedelta()}
    assert utcnow().microsecond % 1000 == 0


def test_without_the_database_the_system_clock_applies(system_clock: SystemClock) -> None:
    system_clock.error = timedelta(hours=1)
    away = connect(NOBODY_LISTENS + "?serverSelectionTimeoutMS=50")
    with away.client, pytest.raises(PyMongoError):
        synchronize(away)
    assert database_offset() == timedelta()


def test_a_forked_child_follows_its_parents_measurements(
    db: Mongo, system_clock: SystemClock
) -> None:
    reads, writes = os.pipe()
    if (child := os.fork()) == 0:
        os.read(reads, 1)
        os._exit(database_offset() < timedelta(minutes=-59))
    system_clock.error = timedelta(hours=1)
    synchronize(db)
    os.write(writes, b".")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    for end in (reads, writes):
        os.close(end)


def test_a_thread_synchronizes_when_the_clock_is_set(
    mongo: MongoServer, system_clock: SystemClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.core.clock.CLOCK_CHECK_SECONDS", 0.02)
    watch = ClockWatch(clock=system_clock)
    monkeypatch.setattr("services.core.clock.ClockWatch", lambda: watch)
    with ClockSync(mongo.uri):
        for hours in (1, -1, 0):
            system_clock.error = timedelta(hours=hours)
            eventually(lambda: is_right(utcnow()), what="the time is right again")


@pytest.mark.parametrize(
    ("real", "shown", "jump"),
    [
        (10.0, 10.0, timedelta()),
        (10.0, 11.9, timedelta()),
        (10.0, 3_610.0, timedelta(hours=1)),
        (10.0, -3_590.0, timedelta(hours=-1)),
    ],
)
def test_a_clock_that_is_set_is_noticed_once(
    clock: FixedClock, real: float, shown: float, jump: timedelta
) -> None:
    passed = 0.0
    watch = ClockWatch(clock=clock, monotonic=lambda: passed)
    clock.now, passed = clock.now + timedelta(seconds=shown), real
    assert watch.jump() == jump
    clock.now, passed = clock.now + timedelta(seconds=5), passed + 5
    assert watch.jump() == timedelta()
