"""Reminders wait to be sent together: each once, whichever worker sends it."""

from datetime import timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.outbox.reminders import BATCH_WINDOW, CLAIM_DURATION, Reminders
from tests.conftest import FixedClock, at_once

TICKET, JO = ObjectId("65f0c0ffee65f0c0ffee0012"), ObjectId("65f0c0ffee65f0c0ffee0002")


def post(
    reminders: Reminders, *keys: str, to: ObjectId | str = JO, is_urgent: bool = False
) -> None:
    for key in keys:
        reminders.queue(
            key=key, recipient=to, ticket_id=TICKET, seq=1, kind="due_soon", is_urgent=is_urgent
        )


def test_it_waits_for_others_and_is_sent_with_them(reminders: Reminders, clock: FixedClock) -> None:
    post(reminders, "a")
    clock.advance(seconds=10)
    post(reminders, "b", "a")
    assert reminders.due_recipients() == []
    assert reminders.claim(str(JO)) is None
    clock.advance(seconds=BATCH_WINDOW.total_seconds())
    post(reminders, "c", to="triage")
    assert reminders.due_recipients() == [str(JO)]
    claim = reminders.claim(str(JO))
    assert claim is not None
    assert sorted(reminder.id for reminder in claim.reminders) == ["a", "b"]
    reminders.finish(claim, why="sent")
    post(reminders, "a", "b")  # told already
    clock.advance(hours=1)
    assert reminders.due_recipients() == ["triage"]


def test_each_reminder_is_claimed_once(reminders: Reminders, clock: FixedClock) -> None:
    post(reminders, *"abcdefgh")
    clock.advance(minutes=1)
    claims = [claim for claim in at_once(*[lambda: reminders.claim(str(JO))] * 4) if claim]
    told = [reminder.id for claim in claims for reminder in claim.reminders]
    assert sorted(told) == list("abcdefgh")


def test_whoever_dies_leaves_it_to_the_next(reminders: Reminders, clock: FixedClock) -> None:
    post(reminders, "a")
    clock.advance(minutes=1)
    assert reminders.claim(str(JO)) is not None
    assert reminders.claim(str(JO)) is None
    clock.advance(seconds=CLAIM_DURATION.total_seconds())
    assert reminders.claim(str(JO)) is not None


def test_what_is_held_or_dropped_is_not_ended_with_the_rest(
    reminders: Reminders, clock: FixedClock, db: Mongo
) -> None:
    post(reminders, "a")
    post(reminders, "b", "c", is_urgent=True)
    clock.advance(minutes=1)
    claim = reminders.claim(str(JO))
    assert claim is not None
    left = reminders.defer(claim, until=clock() + timedelta(hours=8))
    assert [reminder.id for reminder in left.reminders] == ["b", "c"]
    reminders.discard(left, left.reminders[:1])
    reminders.finish(left, why="sent")
    assert {doc["_id"]: doc.get("ended") for doc in db.nudges.find()} == {
        "a": None,
        "b": "dropped",
        "c": "sent",
    }
    assert reminders.due_recipients() == []
    clock.advance(hours=8)
    assert reminders.due_recipients() == [str(JO)]


def test_more_than_are_read_are_counted(
    reminders: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.outbox.reminders.MAX_REMINDERS_READ", 3)
    post(reminders, *"abcde")
    clock.advance(minutes=1)
    claim = reminders.claim(str(JO))
    assert claim is not None
    assert (len(claim.reminders), claim.unread_count) == (3, 2)
    reminders.finish(claim, why="sent")
    assert reminders.claim(str(JO)) is None


def test_only_urgent_reminders_are_sent_outside_working_hours(
    reminders: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.outbox.reminders.MAX_REMINDERS_READ", 2)
    post(reminders, *"abcd")
    post(reminders, "z", is_urgent=True)
    clock.advance(minutes=1)
    claim = reminders.claim(str(JO))
    assert claim is not None
    left = reminders.defer(claim, until=clock() + timedelta(hours=8))
    assert ([reminder.id for reminder in left.reminders], left.unread_count) == (["z"], 0)
    reminders.finish(left, why="sent")
    clock.advance(hours=8)
    claim = reminders.claim(str(JO))
    assert claim is not None
    assert len(claim.reminders) + claim.unread_count == 4


def test_where_more_is_urgent_than_is_read_that_is_counted(
    reminders: Reminders, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.outbox.reminders.MAX_REMINDERS_READ", 2)
    post(reminders, "a")
    post(reminders, *"xyz", is_urgent=True)
    clock.advance(minutes=1)
    claim = reminders.claim(str(JO))
    assert claim is not None
    left = reminders.defer(claim, until=clock() + timedelta(hours=8))
    assert (len(left.reminders), left.unread_count) == (2, 1)
