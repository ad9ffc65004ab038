from datetime import timedelta
from typing import Any

import pytest

from services.core.database import Mongo
from services.core.work_queue import WorkQueue, backoff
from tests.conftest import FixedClock, at_once

MINUTE = timedelta(minutes=1)


def queue(db: Mongo, **options: Any) -> WorkQueue:
    return WorkQueue(
        db.test_items, "send.at", longest=MINUTE, attempts_field="send.tries", **options
    )


@pytest.mark.parametrize(
    ("failures", "factor", "minutes"),
    [(0, 2, 1), (1, 2, 1), (2, 2, 2), (4, 2, 8), (5, 2, 15), (3, 4, 15), (10_000, 4, 15)],
)
def test_backoff(failures: int, factor: int, minutes: int) -> None:
    assert backoff(failures, initial=MINUTE, maximum=15 * MINUTE, factor=factor) == minutes * MINUTE


def test_one_of_many_claims_a_document_from_due(db: Mongo, clock: FixedClock) -> None:
    db.test_items.insert_many([{"_id": 1, "send": {"at": clock()}}, {"_id": 2}])
    letters = queue(db, includes_new=True)
    new, overdue = letters.due(clock(), limit=9)
    assert (new["_id"], overdue["_id"]) == (2, 1)
    for doc in (new, overdue):
        claims = at_once(*[lambda doc=doc: letters.claim(doc, until=clock() + MINUTE)] * 4)
        (claim,) = filter(None, claims)
        assert claim["send"] == {"at": clock() + MINUTE, "tries": 1}
    assert not letters.has_due(clock())


def test_the_condition_applies_to_every_step(db: Mongo, clock: FixedClock) -> None:
    db.test_items.insert_one({"_id": 1, "state": "sent", "send": {"at": clock()}})
    letters = queue(db, condition={"state": "waiting"})
    assert letters.claim_next(clock(), duration=MINUTE) is None
    assert letters.claim({"_id": 1, "send": {"at": clock()}}, until=clock()) is None
    assert not letters.retry(1, clock(), at=clock() + MINUTE)
    assert not letters.finish(1, clock(), values={"state": "failed"})


def test_a_worker_whose_claim_has_expired_changes_nothing(db: Mongo, clock: FixedClock) -> None:
    db.test_items.insert_one({"_id": 1, "send": {"at": clock()}})
    letters = queue(db)
    lost = letters.claim_next(clock(), duration=MINUTE) or {}
    clock.advance(minutes=1)
    claim = letters.claim_next(clock(), duration=MINUTE, item_id=1) or {}
    assert not letters.retry(1, lost["send"]["at"], at=clock())
    assert not letters.finish(1, lost["send"]["at"], values={})
    assert letters.retry(1, claim["send"]["at"], at=clock(), values={"error": "450"})
    claim = letters.claim_next(clock(), duration=MINUTE) or {}
    assert letters.finish(1, claim["send"]["at"], values={"state": "sent"}, remove=["error"])
    assert db.test_items.find_one() == {"_id": 1, "send": {"tries": 3}, "state": "sent"}


@pytest.mark.parametrize(("ahead", "is_due"), [(65, False), (66, True), (3_600, True)])
def test_a_date_beyond_the_longest_wait_is_due(
    db: Mongo, clock: FixedClock, ahead: int, is_due: bool
) -> None:
    db.test_items.insert_one({"_id": 1, "send": {"at": clock() + timedelta(seconds=ahead)}})
    letters = queue(db)
    assert letters.has_due(clock()) is is_due
    assert bool(letters.due(clock(), limit=1)) is is_due
    assert bool(letters.claim_next(clock(), duration=MINUTE)) is is_due
    assert not letters.has_due(clock())
