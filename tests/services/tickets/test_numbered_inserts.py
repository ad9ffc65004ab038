import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, DuplicateKeyError

from services.core.database import Document, Mongo
from services.core.sequences import allocate_numbers
from services.tickets.numbered_inserts import NumberedInserts
from tests.conftest import at_once
from tests.support.processes import eventually


class Held(NumberedInserts):
    """The first write waits for `go`. The allocations and writes whose place in their order is in
    `failing_numbers` or `lost_answers` raise: before it is done, or after."""

    def __init__(
        self, db: Mongo, *, failing_numbers: Sequence[int] = (), lost_answers: Sequence[int] = ()
    ) -> None:
        super().__init__(db)
        self.begun, self.go = threading.Event(), threading.Event()
        self.counts: list[int] = []
        self._failing_numbers, self._lost_answers = failing_numbers, lost_answers

    def _number(self, tickets: Sequence[Document]) -> None:
        self.counts.append(len(tickets))
        self.begun.set()
        self.go.wait()
        if len(self.counts) in self._failing_numbers:
            raise AutoReconnect("away")
        super()._number(tickets)

    def _store_together(self, tickets: Sequence[Document]) -> list[Exception | None]:
        refusals = super()._store_together(tickets)
        if len(self.counts) in self._lost_answers:
            raise AutoReconnect("answer lost")
        return refusals

    def insert_all(self, *tickets: Document) -> list[Any]:
        """Return the results of a caller, and of others that come during its write."""

        def insert(place: int) -> None:
            if place:
                self.begun.wait()
            self.insert(tickets[place])

        threading.Thread(target=self._let_go, args=(len(tickets),)).start()
        return at_once(*(partial(insert, place) for place in range(len(tickets))))

    def _let_go(self, callers: int) -> None:
        def are_all_here() -> bool:
            waiting = sum(len(team._waiters) for team in list(self._teams.values()))
            return sum(self.counts) + waiting == callers

        eventually(are_all_here, what="all in line")
        self.go.set()


def ticket(team_id: str = "T1", **fields: Any) -> Document:
    return {"_id": ObjectId(), "teamId": team_id, **fields}


def numbers(db: Mongo, tickets: Sequence[Document]) -> list[int]:
    """Return the stored numbers, which are those that the callers know."""
    stored = [db.tickets.find_one({"_id": one["_id"]}) for one in tickets]
    assert stored == list(tickets)
    return [one["number"] for one in tickets]


def test_tickets_that_wait_are_written_together(db: Mongo) -> None:
    held, four = Held(db), [ticket() for _ in range(4)]
    assert held.insert_all(*four) == [None] * 4
    assert held.counts == [1, 3]
    assert (four[0]["number"], sorted(numbers(db, four))) == (1, [1, 2, 3, 4])


def test_another_team_is_written_by_itself(db: Mongo) -> None:
    held, two = Held(db), [ticket("T1"), ticket("T2")]
    held.insert_all(*two)
    assert (held.counts, numbers(db, two)) == ([1, 1], [1, 1])


def test_only_a_refused_ticket_fails(db: Mongo) -> None:
    first, again, other = ticket(requestId="V1"), ticket(requestId="V1"), ticket(requestId="V2")
    answers = Held(db).insert_all(first, again, other)
    assert [type(answer) for answer in answers] == [type(None), DuplicateKeyError, type(None)]
    assert answers[1].details["keyPattern"] == {"teamId": 1, "requestId": 1}
    assert db.tickets.count_documents({}) == len(numbers(db, [first, other])) == 2


def test_a_failed_allocation_is_repeated_by_each_waiter(db: Mongo) -> None:
    held, four = Held(db, failing_numbers=[2]), [ticket() for _ in range(4)]
    answers = held.insert_all(*four)
    assert held.counts == [1, 3, 1, 1]
    stored = [one for one, answer in zip(four, answers, strict=True) if answer is None]
    assert sorted(numbers(db, stored)) == [1, 2, 3]
    assert [type(answer) for answer in answers if answer] == [AutoReconnect]


def test_a_ticket_whose_answer_was_lost_is_stored_once(db: Mongo) -> None:
    held, four = Held(db, lost_answers=[2]), [ticket() for _ in range(4)]
    answers = held.insert_all(*four)
    assert [type(answer) for answer in answers if answer] == [AutoReconnect]
    assert sorted(numbers(db, four)) == [1, 2, 3, 4]
    assert db.tickets.count_documents({}) == 4
    assert allocate_numbers(db, team_id="T1", count=1)[0] == 5


def test_a_ticket_that_a_lost_write_stores_late_is_acknowledged(db: Mongo) -> None:
    class Late(Held):
        """MongoDB stores the tickets of the lost write after the next writer has looked."""

        looks = 0

        def _is_stored(self, ticket: Document) -> bool:
            self.looks += 1
            return self.looks > 1 and super()._is_stored(ticket)

    held, three = Late(db, lost_answers=[2]), [ticket() for _ in range(3)]
    answers = held.insert_all(*three)
    assert sorted(type(answer).__name__ for answer in answers) == [
        "AutoReconnect",
        "NoneType",
        "NoneType",
    ]
    assert sorted(numbers(db, three)) == [1, 2, 3]


@pytest.mark.parametrize("malformed", ["\ud800", 2**70], ids=["half a character", "too large"])
def test_a_ticket_that_cannot_be_sent_fails_alone(db: Mongo, malformed: Any) -> None:
    held, three = Held(db), [ticket(), ticket(title=malformed), ticket()]
    answers = held.insert_all(*three)
    assert [answer is None for answer in answers] == [True, False, True]
    numbers(db, [three[0], three[2]])
