import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from services.core.database import Mongo
from services.core.sequences import NumberSequence as core_Sequence
from services.core.sequences import raise_counter
from tests.conftest import at_once
from tests.support.processes import eventually


def test_each_team_counts_for_itself(db: Mongo) -> None:
    numbers = core_Sequence(db)
    assert [numbers.next_number(team_id="T1") for _ in range(3)] == [1, 2, 3]
    assert numbers.next_number(team_id="T2") == 1


@pytest.mark.parametrize("team_id", ["T1", "T2", "T3", "T4", "T5"])
def test_no_number_is_given_twice(db: Mongo, team_id: str) -> None:
    def take_five() -> list[int]:
        numbers = core_Sequence(db)  # as in another process
        return [numbers.next_number(team_id=team_id) for _ in range(5)]

    numbers = [number for five in at_once(*[take_five] * 8) for number in five]
    assert len(set(numbers)) == len(numbers) == 40
    assert min(numbers) >= 1


@pytest.mark.parametrize(("counter", "next_number"), [(None, 8), (3, 8), (7, 8), (9, 10)], ids=str)
def test_a_counter_is_raised_to_the_highest_number(
    db: Mongo, counter: int | None, next_number: int
) -> None:
    db.tickets.insert_many([{"teamId": "T1", "number": number} for number in (2, 7, 5)])
    db.tickets.insert_one({"teamId": "T2", "number": 20})
    if counter:
        db.counters.insert_one({"_id": "tickets:T1", "value": counter})
    raise_counter(db, team_id="T1")
    assert core_Sequence(db).next_number(team_id="T1") == next_number


def test_no_counter_is_made_without_a_ticket(db: Mongo) -> None:
    raise_counter(db, team_id="T1")
    assert db.counters.count_documents({}) == 0


class Held(core_Sequence):
    """The first query waits for `go`; those in `failing` raise."""

    def __init__(self, db: Mongo, *, failing: Sequence[int] = ()) -> None:
        super().__init__(db)
        self.begun, self.go = threading.Event(), threading.Event()
        self.counts: list[int] = []
        self._failing = failing

    def _allocate(self, team_id: str, count: int) -> range:
        self.counts.append(count)
        self.begun.set()
        self.go.wait()
        if len(self.counts) in self._failing:
            raise AutoReconnect("away")
        return super()._allocate(team_id, count)

    def taken(self, *behind: str) -> list[Any]:
        """Return the results of a caller of T1, and of callers of `behind` during its query."""
        teams = ["T1", *behind]

        def take(place: int) -> int:
            if place:
                self.begun.wait()
            return self.next_number(team_id=teams[place])

        threading.Thread(target=self._let_go, args=(len(behind),)).start()
        return at_once(*(partial(take, place) for place in range(len(teams))))

    def _let_go(self, waiting: int) -> None:
        eventually(
            lambda: len(self._waiters) == waiting and self.begun.is_set(), what="all in line"
        )
        self.go.set()


def test_who_waits_in_line_is_asked_for_together(db: Mongo) -> None:
    held = Held(db)
    first, *behind = held.taken("T1", "T1", "T1")
    assert (first, sorted(behind)) == (1, [2, 3, 4])
    assert held.counts == [1, 3]
    assert core_Sequence(db).next_number(team_id="T1") == 5


def test_another_team_is_asked_for_by_itself(db: Mongo) -> None:
    held = Held(db)
    assert held.taken("T2") == [1, 1]
    assert held.counts == [1, 1]


def test_a_failed_query_is_repeated_by_each_waiter(db: Mongo) -> None:
    held = Held(db, failing=[2])
    first, *behind = held.taken("T1", "T1", "T1")
    assert first == 1
    assert held.counts == [1, 3, 1, 1]
    assert len([answer for answer in behind if isinstance(answer, AutoReconnect)]) == 1
    assert sorted(answer for answer in behind if isinstance(answer, int)) == [2, 3]
