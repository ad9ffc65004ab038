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
