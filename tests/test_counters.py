import pytest

from services.counters import next_number
from services.database import Mongo
from tests.conftest import at_once


def test_each_team_counts_for_itself(db: Mongo) -> None:
    assert [next_number(db, team_id="T1") for _ in range(3)] == [1, 2, 3]
    assert next_number(db, team_id="T2") == 1


@pytest.mark.parametrize("team_id", ["T1", "T2", "T3", "T4", "T5"])
def test_no_number_is_given_twice(db: Mongo, team_id: str) -> None:
    def take_five() -> list[int]:
        return [next_number(db, team_id=team_id) for _ in range(5)]

    numbers = [number for five in at_once(*[take_five] * 8) for number in five]
    assert len(set(numbers)) == len(numbers) == 40
    assert min(numbers) >= 1
