"""Reminders wait to be sent together, each once."""

from datetime import timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.outbox import reminders
from services.outbox.reminders import BATCH_WINDOW, CLAIM_DURATION, Reminders
from tests.conftest import FixedClock, at_once

TICKET, JO = ObjectId("65f0c0ffee65f0c0ffee0012"), ObjectId("65f0c0ffee65f0c0ffee0002")


@pytest.fixture
def reminder_queue(db: Mongo, clock: FixedClock) -> Reminders:
    return Reminders(db, clock=clock)


def post(
    reminder_queue: Reminders, *keys: str, to: ObjectId | str = JO, is_urgent: bool = False
) -> None:
    for key in keys:
        reminder_queue.queue(
            key=key, recipient=to, ticket_id=TICKET, seq=1, kind="due_soon", is_urgent=is_urgent
        )


def test_it_waits_for_others_and_is_sent_with_them(
    reminder_queue: Reminders, clock: FixedClock
) -> None:
    post(reminder_queue, "a")
    clock.advance(seconds=10)
    post(reminder_queue, "b", "a")
    assert reminder_queue.due_recipients() == []
    assert reminder_queue.claim(str(JO)) is None
    clock.advance(seconds=BATCH_WINDOW.total_seconds())
    post(reminder_queue, "c", to="triage")
    assert reminder_queue.due_recipients() == [str(JO)]
    claim = reminder_queue.claim(str(JO))
    assert claim is not None
    assert sorted(reminder.id for reminder in claim.reminders) == ["a", "b"]
    reminder_queue.finish(claim, why="sent")
    post(reminder_queue, "a", "b")  # already sent
    clock.advance(hours=1)
    assert reminder_queue.due_recipients() == ["triage"]


def test_each_reminder_is_claimed_once(reminder_queue: Reminders, clock: FixedClock) -> None:
    post(reminder_queue, *"abcdefgh")
    clock.advance(minutes=1)
    claims = [claim for claim in at_once(*[lambda: reminder_queue.claim(str(JO))] * 4) if claim]
    told = [reminder.id for claim in claims for reminder in claim.reminders]
    assert sorted(told) == list("abcdefgh")


def test_a_worker_that_dies_leaves_it_to_the_next(
    reminder_queue: Reminders, clock: FixedClock
) -> None:
    post(reminder_queue, "a")
    clock.advance(minutes=1)
    assert reminder_queue.claim(str(JO)) is not None
    assert reminder_queue.claim(str(JO)) is None
    clock.advance(seconds=CLAIM_DURATION.total_seconds())
    assert reminder_queue.claim(str(JO)) is not None


def test_what_is_held_or_dropped_is_not_ended_with_the_rest(
    reminder_queue: Reminders, clock: FixedClock, db: Mongo
) -> None:
    post(reminder_queue, "a")
    post(reminder_queue, "b", "c", is_urgent=True)
    clock.advance(minutes=1)
    claim = reminder_queue.claim(str(JO))
    assert claim is not None
    left = reminder_queue.defer(claim, until=clock() + timedelta(hours=8))
    assert [reminder.id for reminder in left.reminders] == ["b", "c"]
    reminder_queue.discard(left, left.reminders[:1])
    reminder_queue.finish(left, why="sent")
    assert {doc["_id"]: doc.get("ended") for doc in db.nudges.find()} == {
        "a": None,
        "b": "dropped",
        "c": "sent",
    }
    assert reminder_queue.due_recipients() == []
    clock.advance(hours=8)
    assert reminder_queue.due_recipients() == [str(JO)]


def test_more_than_are_read_are_counted(
    reminder_queue: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MAX_REMINDERS_READ", 3)
    post(reminder_queue, *"abcde")
    clock.advance(minutes=1)
    claim = reminder_queue.claim(str(JO))
    assert claim is not None
    assert (len(claim.reminders), claim.unread_count) == (3, 2)
    reminder_queue.finish(claim, why="sent")
    assert reminder_queue.claim(str(JO)) is None


def test_only_urgent_reminders_are_sent_outside_working_hours(
    reminder_queue: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MAX_REMINDERS_READ", 2)
    post(reminder_queue, *"abcd")
    post(reminder_queue, "z", is_urgent=True)
    clock.advance(minutes=1)
    claim = reminder_queue.claim(str(JO))
    assert claim is not None
    left = reminder_queue.defer(claim, until=clock() + timedelta(hours=8))
    assert ([reminder.id for reminder in left.reminders], left.unread_count) == (["z"], 0)
    reminder_queue.finish(left, why="sent")
    clock.advance(hours=8)
    claim = reminder_queue.claim(str(JO))
    assert claim is not None
    assert len(claim.reminders) + claim.unread_count == 4


def test_where_more_is_urgent_than_is_read_that_is_counted(
    reminder_queue: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MAX_REMINDERS_READ", 2)
    post(reminder_queue, "a")
    post(reminder_queue, *"xyz", is_urgent=True)
    clock.advance(minutes=1)
    claim = reminder_queue.claim(str(JO))
    assert claim is not None
    left = reminder_queue.defer(claim, until=clock() + timedelta(hours=8))
    assert (len(left.reminders), left.unread_count) == (2, 1)
