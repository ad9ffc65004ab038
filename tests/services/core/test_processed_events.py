import threading

from demo.servers import MongoServer
from services.core.database import Mongo, connect
from services.core.processed_events import ProcessedEvents
from tests.conftest import FixedClock


def test_an_event_is_taken_once(db: Mongo) -> None:
    assert ProcessedEvents(db).claim("Ev1")
    assert not ProcessedEvents(db).claim("Ev1")
    assert ProcessedEvents(db).claim("Ev2")


def test_of_many_processes_at_once_one_takes_it(mongo: MongoServer, db: Mongo) -> None:
    others = [connect(mongo.uri_for(db.name)) for _ in range(8)]
    barrier, taken = threading.Barrier(len(others)), []

    def ask(inbox: ProcessedEvents) -> None:
        barrier.wait()
        taken.append(inbox.claim("Ev1"))

    threads = [threading.Thread(target=ask, args=(ProcessedEvents(other),)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.client.close()
    assert sorted(taken) == [False] * 7 + [True]


def test_mongodb_forgets_events_after_a_day(db: Mongo, clock: FixedClock) -> None:
    ProcessedEvents(db, clock=clock).claim("Ev1")
    assert db.inbox.find_one() == {"_id": "Ev1", "at": clock.now}
    (index,) = [
        index for index in db.inbox.index_information().values() if "expireAfterSeconds" in index
    ]
    assert (index["key"], index["expireAfterSeconds"]) == ([("at", 1)], 86_400)


def test_only_an_edit_replaces_a_text_and_no_earlier_text_is_kept(
    db: Mongo, clock: FixedClock
) -> None:
    events = ProcessedEvents(db, clock=clock)
    for text in ("hunter2", "late"):
        events.store_text("offer:D1:1", text, slack_user_id="U1")
    assert events.get_text("offer:D1:1", slack_user_id="U1") == "hunter2"
    events.store_text("offer:D1:1", "Help", slack_user_id="U1", is_edited=True)
    assert events.get_text("offer:D1:1", slack_user_id="U1") == "Help"
    assert events.get_replacement("offer:D1:1", slack_user_id="U1", previous="hunter2") == "Help"
    assert events.get_replacement("offer:D1:1", slack_user_id="U1", previous="Help") is None
    assert "hunter2" not in str(db.inbox.find_one())
    events.delete_text("offer:D1:1")
    assert events.get_text("offer:D1:1", slack_user_id="U1") is None
    assert events.get_replacement("offer:D1:1", slack_user_id="U1", previous="Help") == ""


def test_only_its_author_reads_a_stored_text(db: Mongo, clock: FixedClock) -> None:
    events = ProcessedEvents(db, clock=clock)
    events.store_text("offer:D1:1", "hunter2", slack_user_id="U1")
    assert events.get_text("offer:D1:1", slack_user_id="U2") is None
    events.store_text("offer:D1:1", "Help", slack_user_id="U1", is_edited=True)
    replacement = events.get_replacement("offer:D1:1", slack_user_id="U2", previous="hunter2")
    assert replacement is None
