"""Lines that wait to be told together: each once, whoever tells it."""

from datetime import timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.outbox import reminders
from services.outbox.reminders import BATCH_WINDOW, CLAIM_DURATION, Reminders
from tests.conftest import FixedClock, at_once

TICKET, JO = ObjectId("65f0c0ffee65f0c0ffee0012"), ObjectId("65f0c0ffee65f0c0ffee0002")


@pytest.fixture
def box(db: Mongo, clock: FixedClock) -> Reminders:
    return Reminders(db, clock=clock)


def post(box: Reminders, *keys: str, to: ObjectId | str = JO, is_urgent: bool = False) -> None:
    for key in keys:
        box.queue(
            key=key, recipient=to, ticket_id=TICKET, seq=1, kind="due_soon", is_urgent=is_urgent
        )


def test_it_waits_for_others_and_is_told_with_them(box: Reminders, clock: FixedClock) -> None:
    post(box, "a")
    clock.advance(seconds=10)
    post(box, "b", "a")
    assert box.due_recipients() == []
    assert box.claim(str(JO)) is None
    clock.advance(seconds=BATCH_WINDOW.total_seconds())
    post(box, "c", to="triage")
    assert box.due_recipients() == [str(JO)]
    claim = box.claim(str(JO))
    assert claim is not None
    assert sorted(nudge.id for nudge in claim.reminders) == ["a", "b"]
    box.finish(claim, why="sent")
    post(box, "a", "b")  # told already
    clock.advance(hours=1)
    assert box.due_recipients() == ["triage"]


def test_each_is_one_tellers(box: Reminders, clock: FixedClock) -> None:
    post(box, *"abcdefgh")
    clock.advance(minutes=1)
    claims = [claim for claim in at_once(*[lambda: box.claim(str(JO))] * 4) if claim]
    told = [nudge.id for claim in claims for nudge in claim.reminders]
    assert sorted(told) == list("abcdefgh")


def test_whoever_dies_leaves_it_to_the_next(box: Reminders, clock: FixedClock) -> None:
    post(box, "a")
    clock.advance(minutes=1)
    assert box.claim(str(JO)) is not None
    assert box.claim(str(JO)) is None
    clock.advance(seconds=CLAIM_DURATION.total_seconds())
    assert box.claim(str(JO)) is not None


def test_what_is_held_or_dropped_is_not_ended_with_the_rest(
    box: Reminders, clock: FixedClock, db: Mongo
) -> None:
    post(box, "a")
    post(box, "b", "c", is_urgent=True)
    clock.advance(minutes=1)
    claim = box.claim(str(JO))
    assert claim is not None
    left = box.defer(claim, until=clock() + timedelta(hours=8))
    assert [nudge.id for nudge in left.reminders] == ["b", "c"]
    box.discard(left, left.reminders[:1])
    box.finish(left, why="sent")
    assert {doc["_id"]: doc.get("ended") for doc in db.nudges.find()} == {
        "a": None,
        "b": "dropped",
        "c": "sent",
    }
    assert box.due_recipients() == []
    clock.advance(hours=8)
    assert box.due_recipients() == [str(JO)]


def test_more_than_are_read_are_counted(
    box: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MAX_REMINDERS_READ", 3)
    post(box, *"abcde")
    clock.advance(minutes=1)
    claim = box.claim(str(JO))
    assert claim is not None
    assert (len(claim.reminders), claim.unread_count) == (3, 2)
    box.finish(claim, why="sent")
    assert box.claim(str(JO)) is None


def test_of_more_than_are_read_the_urgent_is_told_at_night_and_the_rest_in_the_morning(
    box: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MAX_REMINDERS_READ", 2)
    post(box, *"abcd")
    post(box, "z", is_urgent=True)
    clock.advance(minutes=1)
    claim = box.claim(str(JO))
    assert claim is not None
    left = box.defer(claim, until=clock() + timedelta(hours=8))
    assert ([nudge.id for nudge in left.reminders], left.unread_count) == (["z"], 0)
    box.finish(left, why="sent")
    clock.advance(hours=8)
    claim = box.claim(str(JO))
    assert claim is not None
    assert len(claim.reminders) + claim.unread_count == 4


def test_where_more_is_urgent_than_is_read_that_is_counted(
    box: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MAX_REMINDERS_READ", 2)
    post(box, "a")
    post(box, *"xyz", is_urgent=True)
    clock.advance(minutes=1)
    claim = box.claim(str(JO))
    assert claim is not None
    left = box.defer(claim, until=clock() + timedelta(hours=8))
    assert (len(left.reminders), left.unread_count) == (2, 1)
