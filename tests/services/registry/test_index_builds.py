import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo import IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, OperationFailure

from demo.servers import MongoServer
from services.core import leases
from services.core.database import TIMEOUT_MS, Mongo
from services.registry import index_builds, indexes
from services.registry.index_builds import (
    IndexBuild,
    build_other_indexes,
    build_unique_indexes,
)
from services.registry.indexes import (
    DuplicateDocuments,
    Index,
    build_index,
    declared_indexes,
    drop_retired_indexes,
    ensure_indexes,
    missing_indexes,
)
from services.registry.migrations import Migration, Migrations
from tests.conftest import Commands, at_once


@pytest.fixture
def bare(mongo: MongoServer, commands: Commands) -> Iterator[Mongo]:
    """A database without an index, over a connection with the product's deadline."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        mongo.uri, tz_aware=True, timeoutMS=TIMEOUT_MS, event_listeners=[commands]
    )
    with client:
        yield client[f"test-{ObjectId()}"]


def always() -> bool:
    return True


def built_names(commands: Commands) -> list[str]:
    return [
        f"{command['createIndexes']}.{index['name']}"
        for name, command in commands.sent
        if name == "createIndexes"
        for index in command["indexes"]
    ]


def test_a_process_waits_for_the_unique_indexes_only(bare: Mongo) -> None:
    build = build_unique_indexes(bare)
    assert "tickets.teamId_1_number_1" in build.pending()
    build.start()
    assert build.wait(always)
    assert build.pending() == []
    assert set(missing_indexes(bare)) == set(declared_indexes(unique=False))
    build_other_indexes(bare, always)
    assert missing_indexes(bare) == []


def test_no_build_and_no_migration_has_a_deadline(bare: Mongo, commands: Commands) -> None:
    def touch(db: Mongo, *, limit: int, now: datetime) -> int:
        db.tickets.find_one({"title": "x"})
        return 0

    ensure_indexes(bare)
    Migrations(bare, migrations=[Migration(1, "touch", touch)]).run(always)
    long = [
        command
        for name, command in commands.sent
        if name == "createIndexes" or (name == "find" and command["find"] == "tickets")
    ]
    assert len(long) > len(declared_indexes(unique=False))
    assert [command for command in long if "maxTimeMS" in command] == []


class Gate:
    """Holds each build that has something to do until `open` is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self._open = threading.Event()
        self.open = self._open.set
        create = Collection.create_indexes

        def slow(collection: Collection[Any], models: list[IndexModel]) -> list[str]:
            name = models[0].document["name"]
            if name not in collection.index_information():
                self.begun.append(f"{collection.name}.{name}")
                assert self._open.wait(60)
            return create(collection, models)

        monkeypatch.setattr(Collection, "create_indexes", slow)

    def wait_until_begun(self) -> bool:
        """For `IndexBuild.wait`: go on until a build has begun."""
        return not self.begun


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.open()


def test_several_processes_build_each_index_once(bare: Mongo, gate: Gate) -> None:
    builds = [build_unique_indexes(bare) for _ in range(3)]
    for build in builds:
        build.start()
    assert not builds[0].wait(always, seconds=0.3)
    gate.open()
    assert at_once(*[lambda build=build: build.wait(always) for build in builds]) == [True] * 3
    wanted = [str(index) for index in declared_indexes(unique=True)]
    assert sorted(gate.begun) == sorted(wanted)


def test_the_lease_is_renewed_during_a_build(
    bare: Mongo, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewals = threading.Semaphore(0)
    acquire = leases.Lease.acquire

    def counted(lease: leases.Lease) -> bool:
        renewals.release()
        return acquire(lease)

    monkeypatch.setattr(leases, "LEASE_RENEW_INTERVAL", leases.LEASE_RENEW_INTERVAL / 500)
    monkeypatch.setattr(leases.Lease, "acquire", counted)
    build = build_unique_indexes(bare)
    build.start()
    for _ in range(5):
        assert renewals.acquire(timeout=60)
    assert len(gate.begun) == 1
    assert bare.leases.distinct("_id") == ["unique indexes"]
    gate.open()
    assert build.wait(always)
    assert bare.leases.count_documents({}) == 0


def test_the_log_says_what_is_being_built(
    bare: Mongo, gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="services.registry.index_builds")
    monkeypatch.setattr(index_builds, "LOG_INTERVAL_SECONDS", 0.0)
    build = build_unique_indexes(bare)
    build.start()
    assert not build.wait(lambda: not caplog.messages)
    assert caplog.messages[0] == (
        "indexes are being built: 0 of 5 are complete, next codes.kind_1_userId_1, "
        "tickets.teamId_1_number_1, tickets.teamId_1_requestId_1; 0 s so far"
    )


def test_a_stop_leaves_the_rest_to_the_next_process(bare: Mongo, gate: Gate) -> None:
    build = build_unique_indexes(bare)
    build.start()
    assert not build.wait(gate.wait_until_begun)
    gate.open()
    build._thread.join(60)
    assert len(gate.begun) == 1
    again = build_unique_indexes(bare)
    again.start()
    assert again.wait(always)
    assert len(gate.begun) == len(set(gate.begun)) == len(declared_indexes(unique=True))


def test_it_is_tried_again_while_mongodb_is_away(
    bare: Mongo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers: Iterator[Callable[..., Any]] = iter([_away, _away, missing_indexes])
    monkeypatch.setattr(index_builds, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(index_builds, "LOG_INTERVAL_SECONDS", 0.0)

    def look(*args: Any) -> Any:
        return next(answers)(*args)

    monkeypatch.setattr(index_builds, "missing_indexes", look)
    build = build_unique_indexes(bare)
    build.start()
    assert build.wait(always)
    assert "the indexes are built once MongoDB answers (AutoReconnect)" in caplog.messages


def _away(*_: Any) -> Any:
    raise AutoReconnect("away")


def test_one_that_mongodb_refuses_keeps_no_other_from_being_built(
    bare: Mongo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused, *others = declared_indexes(unique=False)

    def build(db: Mongo, index: Index) -> None:
        if index == refused:
            raise OperationFailure("a foreign index stands in the way", code=85)
        build_index(db, index)

    monkeypatch.setattr(index_builds, "build_index", build)
    with pytest.raises(OperationFailure):
        build_other_indexes(bare, always)
    assert missing_indexes(bare, [refused, *others]) == [refused]
    assert caplog.messages == [f"MongoDB refuses the index {refused}: code 85"]


@pytest.mark.parametrize("keys", [[("nextTryAt", 1)], [("createdAt", 1)]])
def test_one_that_changed_under_its_name_is_replaced(
    db: Mongo, indexes_restored: None, keys: list[tuple[str, int]]
) -> None:
    db.tickets.drop_index("outbox_due")
    db.tickets.create_index(keys, name="outbox_due", sparse=True)
    assert [str(index) for index in missing_indexes(db)] == ["tickets.outbox_due"]
    build_other_indexes(db, always)
    assert missing_indexes(db) == []


def test_a_unique_one_is_not_dropped_before_its_duplicates_are_gone(
    db: Mongo, indexes_restored: None
) -> None:
    (number,) = [one for one in declared_indexes(unique=True) if one.name == "teamId_1_number_1"]
    db.tickets.drop_index(number.name)
    db.tickets.create_index("number", name=number.name)
    db.tickets.insert_many({"teamId": "T1", "number": 1} for _ in range(2))
    with pytest.raises(DuplicateDocuments):
        build_index(db, number)
    assert db.tickets.index_information()[number.name]["key"] == [("number", 1)]


def test_only_old_indexes_of_this_product_are_dropped(db: Mongo, indexes_restored: None) -> None:
    db.tickets.create_index("status")
    db.tickets.create_index([("createdBy", 1), ("createdAt", -1)], unique=False, sparse=True)
    db.users.create_index("email", unique=True)
    build_other_indexes(db, always)
    assert "status_1" not in db.tickets.index_information()
    assert "createdBy_1_createdAt_-1" in db.tickets.index_information()  # defined differently
    assert db.users.index_information()["email_1"]["unique"]
    drop_retired_indexes(db)


def test_one_of_the_same_definition_counts_under_a_foreign_name(
    db: Mongo, indexes_restored: None
) -> None:
    db.users.drop_index("skills_1")
    db.users.create_index("skills", name="of another application")
    assert missing_indexes(db) == []
    ensure_indexes(db)
    assert "skills_1" not in db.users.index_information()


def test_the_documents_that_a_unique_index_forbids_are_listed(
    db: Mongo, indexes_restored: None
) -> None:
    (link,) = [one for one in declared_indexes(unique=True) if one.collection == "links"]
    db.links.drop_index(link.name)
    db.links.insert_many({"_id": f"{n:02}", "teamId": "T1", "userId": n % 2} for n in range(14))
    db.links.insert_many({"_id": f"no user {n:02}"} for n in range(12))
    with pytest.raises(DuplicateDocuments) as refused:
        build_index(db, link)
    text = str(refused.value)
    assert text.startswith(
        "The unique index links.teamId_1_userId_1 cannot be built: documents of links have the "
        "same teamId and userId. _id "
    )
    assert "_id 00, 02, 04, 06, 08, 10, 12" in text
    assert "_id 01, 03, 05, 07, 09, 11, 13" in text
    assert "no user 09 and 2 more" in text


def test_those_of_few_documents_are_built_first() -> None:
    order = [index.is_partial for index in declared_indexes(unique=False)]
    assert order == sorted(order, reverse=True)


def test_retired_indexes_are_not_declared() -> None:
    declared = {str(index) for unique in (True, False) for index in declared_indexes(unique=unique)}
    retired = {str(index) for index in indexes._indexes_of(indexes.RETIRED)}
    assert retired & declared == set()


def test_an_error_in_the_build_reaches_who_waits(
    bare: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(index_builds, "build_index", fail)
    build = IndexBuild(bare, declared_indexes(unique=True), lease_name="x")
    build.start()
    with pytest.raises(RuntimeError):
        build.wait(always)
    with pytest.raises(RuntimeError):
        build.check()
