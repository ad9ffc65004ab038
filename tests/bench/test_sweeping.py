"""The benchmark of the escalation sweep finds only due tickets."""

from bench import sweeping
from services.core.database import Mongo


def test_it_takes_what_is_due_and_finds_nothing_more(db: Mongo) -> None:
    took, found = sweeping.figures(db, count=60, due=5)
    assert took.name.startswith("take 5 steps due among 60 open tickets, ")
    assert found.name == "find nothing due among 60 open tickets"
    assert db.tickets.count_documents({"ladders.due.done": "due_missed"}) == 5


def test_the_plain_way_finds_the_same(db: Mongo) -> None:
    sweeping.fill(db, count=60, due=5)
    assert sweeping.baseline(db) == sweeping.sweep(db) == 5
    assert sweeping.baseline(db) == 0
