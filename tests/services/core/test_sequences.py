import pytest

from services.core.database import Mongo
from services.core.sequences import allocate_numbers, raise_counter
from tests.conftest import at_once


def next_number(db: Mongo, team_id: str) -> int:
    return allocate_numbers(db, team_id=team_id, count=1)[0]


def test_each_team_counts_for_itself(db: Mongo) -> None:
    assert allocate_numbers(db, team_id="T1", count=3) == range(1, 4)
    assert (next_number(db, "T1"), next_number(db, "T2")) == (4, 1)


@pytest.mark.parametrize("team_id", ["T1", "T2", "T3", "T4", "T5"])
def test_no_number_is_given_twice(db: Mongo, team_id: str) -> None:
    def take_five() -> list[int]:
        return [next_number(db, team_id) for _ in range(5)]

    numbers = [number for five in at_once(*[take_five] * 8) for number in five]
    assert len(set(numbers)) == len(numbers) == 40
    assert min(numbers) >= 1


@pytest.mark.parametrize(("counter", "expected"), [(None, 8), (3, 8), (7, 8), (9, 10)], ids=str)
def test_a_counter_is_raised_to_the_highest_number(
    db: Mongo, counter: int | None, expected: int
) -> None:
    db.tickets.insert_many([{"teamId": "T1", "number": number} for number in (2, 7, 5)])
    db.tickets.insert_one({"teamId": "T2", "number": 20})
    if counter:
        db.counters.insert_one({"_id": "tickets:T1", "value": counter})
    raise_counter(db, team_id="T1")
    assert next_number(db, "T1") == expected


def test_no_counter_is_made_without_a_ticket(db: Mongo) -> None:
    raise_counter(db, team_id="T1")
    assert db.counters.count_documents({}) == 0
