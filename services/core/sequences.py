"""Numbers people can say aloud: 1, 2, 3, per team. Gaps are allowed, doubles are not."""

import threading
from dataclasses import dataclass
from typing import cast

from pymongo import ReturnDocument

from services.core.database import Document, Mongo


def next_numbers(db: Mongo, *, team_id: str, count: int) -> range:
    """So many at once, one after the other."""
    # Of several that count a team's first tickets at once, SecantusDB gives some no answer. Then
    # the counter exists, and asking again leaves a gap.
    counter = _count(db, team_id, count) or _count(db, team_id, count)
    last = int(cast(Document, counter)["value"])
    return range(last - count + 1, last + 1)


def _count(db: Mongo, team_id: str, count: int) -> Document | None:
    return db.counters.find_one_and_update(
        {"_id": f"tickets:{team_id}"},
        {"$inc": {"value": count}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )


@dataclass(eq=False, slots=True)
class _Place:
    """Somebody in line."""

    team_id: str
    number: int | None = None


class Sequence:
    """The next numbers for a process's threads.

    The counter is one document, whose every write waits for a disk. So who asks the database asks
    for all who wait in line by then: twenty who file at once cost a few writes and not twenty.
    """

    def __init__(self, db: Mongo) -> None:
        self._db = db
        self._asking = threading.Lock()
        self._changing = threading.Lock()
        self._line: list[_Place] = []

    def next(self, *, team_id: str) -> int:
        place = _Place(team_id)
        with self._changing:
            self._line.append(place)
        with self._asking:
            return self._given(place) if place.number is None else place.number

    def _given(self, place: _Place) -> int:
        """It may stand in line no longer: where its asker failed, each asks for itself."""
        with self._changing:
            behind = [p for p in self._line if p.team_id == place.team_id and p is not place]
            self._line = [p for p in self._line if p.team_id != place.team_id]
        numbers = self._ask(place.team_id, 1 + len(behind))
        for another, number in zip(behind, numbers[1:], strict=True):
            another.number = number
        return numbers[0]

    def _ask(self, team_id: str, count: int) -> range:
        return next_numbers(self._db, team_id=team_id, count=count)
