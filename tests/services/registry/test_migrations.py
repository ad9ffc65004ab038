import itertools
from datetime import datetime, timedelta

import pytest
from bson import ObjectId

from services.core import schema_version
from services.core.clock import utcnow
from services.core.database import Mongo
from services.registry.migrations import (
    FIRST_VERSION,
    GRACE_PERIOD,
    MIGRATIONS,
    PROGRAM_VERSION,
    Migration,
    Migrations,
)

NOW = utcnow()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def double(db: Mongo, *, limit: int, now: datetime) -> int:
    """Replace `n` by `doubled`, in batches."""
    found = list(db.numbers.find({"n": {"$exists": True}}).limit(limit))
    for doc in found:
        change = {"$set": {"doubled": doc["n"] * 2}, "$unset": {"n": ""}}
        db.numbers.update_one({"_id": doc["_id"], "n": doc["n"]}, change)
    return len(found)


def numbers(db: Mongo, count: int) -> None:
    db.numbers.insert_many({"_id": ObjectId(), "n": n} for n in range(count))


DOUBLE = Migration(1, "double the numbers", double)


def test_it_runs_to_the_end_in_slices(db: Mongo) -> None:
    numbers(db, 1_203)
    asked = itertools.count()
    Migrations(db, migrations=[DOUBLE]).run(lambda: next(asked) >= 0)
    assert db.numbers.count_documents({"n": {"$exists": True}}) == 0
    assert sorted(db.numbers.distinct("doubled")) == [2 * n for n in range(1_203)]
    assert next(asked) == 4  # 500, 500, 203, and none left
    assert schema_version.stored_schema(db).version == 1


def test_it_is_resumed_where_it_stopped(db: Mongo) -> None:
    numbers(db, 1_203)
    turns = iter([True, True, False])
    Migrations(db, migrations=[DOUBLE]).run(lambda: next(turns))
    assert db.numbers.count_documents({"n": {"$exists": True}}) == 203
    assert schema_version.stored_schema(db).version == 0
    Migrations(db, migrations=[DOUBLE]).run(lambda: True)
    assert sorted(db.numbers.distinct("doubled")) == [2 * n for n in range(1_203)]
    assert schema_version.stored_schema(db).version == 1


def test_it_is_not_run_again(db: Mongo) -> None:
    Migrations(db, migrations=[DOUBLE]).run(lambda: True)
    numbers(db, 1)
    Migrations(db, migrations=[DOUBLE]).run(lambda: True)
    assert db.numbers.count_documents({"n": {"$exists": True}}) == 1


def test_they_run_in_the_order_of_their_versions(db: Mongo) -> None:
    ran = []

    def note(version: int) -> Migration:
        def run(*_: object, **__: object) -> int:
            ran.append(version)
            return 0

        return Migration(version, "note", run)

    Migrations(db, migrations=[note(2), note(1), note(3)]).run(lambda: True)
    assert ran == [1, 2, 3]


def test_one_that_fails_keeps_the_next_waiting(db: Mongo) -> None:
    def fail(*_: object, **__: object) -> int:
        raise RuntimeError

    numbers(db, 1)
    later = Migration(2, "double the numbers", double)
    with pytest.raises(RuntimeError):
        Migrations(db, migrations=[Migration(1, "fail", fail), later]).run(lambda: True)
    assert db.numbers.count_documents({"n": {"$exists": True}}) == 1
    assert schema_version.stored_schema(db).version == 0


def test_one_that_stops_older_programs_waits_until_they_are_gone(db: Mongo) -> None:
    numbers(db, 1)
    clock = Clock()
    stopping = Migration(5, "double the numbers", double, stops_older=True)
    runner = Migrations(db, clock=clock, migrations=[stopping])
    runner.run(lambda: True)
    assert schema_version.stored_schema(db).min_reader == 5
    clock.now += GRACE_PERIOD - timedelta(seconds=1)
    runner.run(lambda: True)
    assert db.numbers.count_documents({"n": {"$exists": True}}) == 1
    clock.now += timedelta(seconds=1)
    runner.run(lambda: True)
    assert db.numbers.count_documents({"n": {"$exists": True}}) == 0
    assert schema_version.stored_schema(db).version == 5


def test_each_has_a_version_of_its_own_and_the_program_knows_the_newest() -> None:
    versions = [migration.version for migration in MIGRATIONS]
    assert versions == list(range(FIRST_VERSION + 1, FIRST_VERSION + 1 + len(versions)))
    assert max([FIRST_VERSION, *versions]) == PROGRAM_VERSION
