import threading
from datetime import timedelta

import pytest

from demo.servers import MongoServer
from services.core import schema_version
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.schema_version import ProgramTooOld, SchemaWatch, StoredSchema
from tests.conftest import NOBODY_LISTENS
from tests.support.processes import eventually

NOW = utcnow()


def test_data_of_a_release_without_a_version_is_read_by_each_program(db: Mongo) -> None:
    assert schema_version.stored_schema(db) == StoredSchema(version=0, min_reader=0)
    schema_version.check_program_version(db, 0)


def test_an_additive_version_stops_no_older_program(db: Mongo) -> None:
    schema_version.record_version(db, 7)
    schema_version.check_program_version(db, 6)
    assert schema_version.stored_schema(db) == StoredSchema(version=7)


def test_the_version_never_falls(db: Mongo) -> None:
    schema_version.record_version(db, 7)
    schema_version.record_version(db, 6)
    assert schema_version.stored_schema(db).version == 7


def test_a_program_below_the_lowest_reader_is_refused_in_a_sentence(db: Mongo) -> None:
    schema_version.raise_min_reader(db, 4, now=NOW)
    schema_version.check_program_version(db, 4)
    with pytest.raises(ProgramTooOld) as refused:
        schema_version.check_program_version(db, 3)
    assert str(refused.value) == (
        "The database was upgraded by a newer release: it needs data version 4, and this program "
        "knows 3. Install the newer release and start again."
    )


def test_raising_the_lowest_reader_again_keeps_when_it_was_raised(db: Mongo) -> None:
    schema_version.raise_min_reader(db, 4, now=NOW)
    schema_version.raise_min_reader(db, 4, now=NOW + timedelta(hours=1))
    schema_version.raise_min_reader(db, 3, now=NOW + timedelta(hours=2))
    assert schema_version.stored_schema(db) == StoredSchema(0, min_reader=4, min_reader_at=NOW)


def test_unreadable_values_count_as_none(db: Mongo) -> None:
    db.meta.insert_one({"_id": "schema", "version": "x", "minReader": None, "minReaderAt": 3})
    assert schema_version.stored_schema(db) == StoredSchema()


def test_the_watch_stops_a_process_once_it_is_too_old(db: Mongo, mongo: MongoServer) -> None:
    stop = threading.Event()
    uri = mongo.uri_for(db.name)
    watch = SchemaWatch(uri, 3, on_too_old=stop.set, interval=timedelta(milliseconds=20))
    with watch:
        assert not watch.is_too_old
        schema_version.raise_min_reader(db, 4, now=NOW)
        eventually(stop.is_set, what="the watch asks the process to stop")
    assert watch.is_too_old


def test_a_database_that_is_away_stops_nothing() -> None:
    stop = threading.Event()
    watch = SchemaWatch(
        f"{NOBODY_LISTENS}?serverSelectionTimeoutMS=10",
        3,
        on_too_old=stop.set,
        interval=timedelta(milliseconds=1),
    )
    assert not watch.check()
    assert not stop.is_set()
