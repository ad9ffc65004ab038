"""The outbox of replies to events: stored once, claimed, finished, dropped and changed."""

from typing import Any

import pytest

from services.core.database import Mongo
from services.outbox.replies import MAX_AGE_BY_KIND, Replies, ReplyKind
from tests.conftest import FixedClock, at_once

MESSAGE = {"text": "Shall I?", "blocks": []}


def queued(replies: Replies, kind: ReplyKind = ReplyKind.OFFER, **fields: Any) -> str:
    values = {"event": "D1:1.000001", "recipient": "D1", "slack_user_id": "U1", "message": MESSAGE}
    return replies.queue(kind, **{**values, **fields})


def test_a_repeated_event_queues_one_reply(replies: Replies, db: Mongo) -> None:
    at_once(*[lambda: queued(replies)] * 5)
    assert [doc["_id"] for doc in db.replies.find()] == ["D1:1.000001:offer"]
    queued(replies, ReplyKind.NOTICE)
    assert db.replies.count_documents({}) == 2


def test_one_worker_has_a_reply_until_its_claim_expires(
    replies: Replies, clock: FixedClock
) -> None:
    reply_id = queued(replies)
    claims = [claim for claim in at_once(*[lambda: replies.claim(reply_id)] * 5) if claim]
    assert [claim.message for claim in claims] == [MESSAGE]
    assert replies.next_due_id() is None
    clock.advance(seconds=61)
    assert replies.next_due_id() == reply_id
    again = replies.claim()
    assert again is not None
    replies.mark_sent(claims[0], channel="D1", ts="2.000001")  # its claim has expired
    assert replies.revise(ReplyKind.OFFER, event="D1:1.000001", message=MESSAGE) == reply_id
    replies.mark_failed(again, error="channel_not_found")


@pytest.mark.parametrize("end", ["sent", "failed"])
def test_a_finished_reply_holds_no_text_and_is_not_queued_again(
    replies: Replies, db: Mongo, end: str
) -> None:
    reply = replies.claim(queued(replies))
    assert reply is not None
    if end == "sent":
        replies.mark_sent(reply, channel="D1", ts="2.000001")
    else:
        replies.mark_failed(reply, error="channel_not_found")
    (doc,) = db.replies.find()
    assert doc["state"] == end
    assert "Shall I?" not in str(doc)
    queued(replies)
    assert replies.next_due_id() is None


@pytest.mark.parametrize("kind", ReplyKind)
def test_a_reply_expires_by_its_kind(
    replies: Replies, clock: FixedClock, kind: ReplyKind, db: Mongo
) -> None:
    reply = replies.claim(queued(replies, kind))
    assert reply is not None
    assert not reply.is_expired(clock())
    assert reply.is_expired(clock() + MAX_AGE_BY_KIND[kind])
    replies.drop(reply)
    assert db.replies.count_documents({}) == 0


def test_the_wait_doubles(replies: Replies, clock: FixedClock) -> None:
    waits = []
    queued(replies)
    for _ in range(12):
        reply = replies.claim()
        assert reply is not None
        replies.retry_later(reply, error="internal_error")
        before = clock()
        while replies.next_due_id() is None:
            clock.advance(seconds=5)
        waits.append((clock() - before).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900]


def test_there_is_nothing_to_revise(replies: Replies) -> None:
    assert replies.revise(ReplyKind.OFFER, event="D1:1.000001", message=MESSAGE) is None
