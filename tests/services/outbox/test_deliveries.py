from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.models.ticket import Card, Ticket
from services.outbox.deliveries import (
    CLAIM_DURATION,
    Claim,
    SentMessage,
    claim,
    claim_first,
    delivery_key,
    invalidate_card,
    is_finished,
    mark_failed,
    mark_last_sent,
    mark_sent,
    mark_sent_and_claim,
    record_card_update,
    release_claim,
)
from services.outbox.pending import due_tickets, mark_delivered
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, at_once, file_ticket, reload

KEY = "1:requester:65f0c0ffee65f0c0ffee0001"
CARD = Card("requester", ObjectId("65f0c0ffee65f0c0ffee0001"), "D1", "1.5", seq=1, digest="old")


@pytest.fixture
def ticket(tickets: TicketService, people: People) -> Ticket:
    return file_ticket(tickets, people.add())


def only_delivery(db: Mongo, ticket: Ticket) -> Any:
    (delivery,) = reload(db, ticket).deliveries
    return delivery


def test_a_key_names_event_kind_and_recipient() -> None:
    assert delivery_key(seq=1, kind="requester", recipient=CARD.recipient) == KEY


def test_one_of_many_claims_it(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    claims = at_once(*[lambda: claim(db, ticket.id, KEY, now=clock())] * 8)
    assert list(filter(None, claims)) == [Claim()]
    assert only_delivery(db, ticket) == {
        "key": KEY,
        "state": "claimed",
        "until": clock() + CLAIM_DURATION,
        "tries": 1,
        "unansweredSince": clock(),
    }


def test_each_delivery_has_its_own_claim(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    assert claim(db, ticket.id, KEY, now=clock())
    assert claim(db, ticket.id, "2:assignee:x", now=clock())
    assert not claim(db, ObjectId(), KEY, now=clock())


def test_one_of_many_takes_over_an_expired_claim(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    claim(db, ticket.id, "2:assignee:x", now=clock())
    claim(db, ticket.id, KEY, now=clock())
    assert not claim(db, ticket.id, KEY, now=clock() + CLAIM_DURATION - timedelta(milliseconds=1))
    clock.advance(seconds=CLAIM_DURATION.total_seconds())
    claims = at_once(*[lambda: claim(db, ticket.id, KEY, now=clock())] * 8)
    assert list(filter(None, claims)) == [Claim(unanswered_since=clock() - CLAIM_DURATION)]
    other, this = reload(db, ticket).deliveries
    assert (this["until"], this["tries"]) == (clock() + CLAIM_DURATION, 2)
    assert other["tries"] == 1


@pytest.mark.parametrize("is_unsent", [True, False])
def test_an_attempt_is_unanswered_until_slack_refuses_the_message(
    db: Mongo, clock: FixedClock, ticket: Ticket, is_unsent: bool
) -> None:
    begun = clock()
    claim(db, ticket.id, KEY, now=begun)
    for _ in range(2):
        clock.advance(seconds=5)
        release_claim(db, ticket.id, KEY, until=clock(), is_unsent=is_unsent)
        found = claim(db, ticket.id, KEY, now=clock())
        assert found == Claim(unanswered_since=None if is_unsent else begun)
    mark_sent(db, ticket.id, SentMessage(KEY, "D1", "1.5"))
    assert "unansweredSince" not in only_delivery(db, ticket)


def test_a_released_claim_is_free_from_then_on(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    claim(db, ticket.id, KEY, now=clock())
    release_claim(db, ticket.id, KEY, until=clock() + timedelta(seconds=3), is_unsent=True)
    assert not claim(db, ticket.id, KEY, now=clock() + timedelta(seconds=2))
    assert claim(db, ticket.id, KEY, now=clock() + timedelta(seconds=3))


def test_what_slack_refuses_for_good_is_finished(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    claim(db, ticket.id, KEY, now=clock())
    assert not is_finished(reload(db, ticket), KEY)
    mark_failed(db, ticket.id, KEY, error="channel_not_found")
    assert is_finished(reload(db, ticket), KEY)
    assert not is_finished(reload(db, ticket), "2:assignee:x")
    assert only_delivery(db, ticket)["error"] == "channel_not_found"
    assert not claim(db, ticket.id, KEY, now=clock() + timedelta(days=1))


def test_what_was_sent_is_recorded_with_its_card(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    claim(db, ticket.id, KEY, now=clock())
    mark_sent(db, ticket.id, SentMessage(KEY, "D1", "1.5", CARD))
    found = reload(db, ticket)
    assert is_finished(found, KEY)
    assert found.cards == (CARD,)
    assert only_delivery(db, ticket) | {"until": None} == {
        "key": KEY,
        "state": "sent",
        "until": None,
        "tries": 1,
        "channel": "D1",
        "ts": "1.5",
    }
    assert not claim(db, ticket.id, KEY, now=clock() + timedelta(days=1))


def test_what_was_sent_stays_sent(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    """A worker whose claim has expired reports last."""
    claim(db, ticket.id, KEY, now=clock())
    mark_sent(db, ticket.id, SentMessage(KEY, "D1", "1.5"))
    release_claim(db, ticket.id, KEY, until=clock(), is_unsent=True)
    mark_failed(db, ticket.id, KEY, error="account_inactive")
    assert only_delivery(db, ticket)["state"] == "sent"
    assert reload(db, ticket).cards == ()


FIRST, SECOND, THIRD = KEYS = ["1:requester:x", "2:assignee:y", "1:triage:C1"]


def states(db: Mongo, ticket: Ticket, clock: FixedClock) -> list[str]:
    """Describe each delivery as a worker that takes over finds it."""
    return [
        "being sent"
        if "unansweredSince" in one and one["until"] > clock()
        else f"{one['state']} {one['tries']}"
        for one in reload(db, ticket).deliveries
    ]


def test_of_several_messages_one_at_a_time_is_claimed(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    assert claim_first(db, ticket.id, KEYS, now=clock())
    assert not claim_first(db, ticket.id, KEYS, now=clock())
    assert states(db, ticket, clock) == ["being sent", "claimed 0", "claimed 0"]
    first = SentMessage(FIRST, "D1", "1.5", CARD)
    assert mark_sent_and_claim(db, ticket.id, first, SECOND, now=clock())
    assert states(db, ticket, clock) == ["sent 1", "being sent", "claimed 0"]
    assert reload(db, ticket).cards == (CARD,)
    assert not claim(db, ticket.id, SECOND, now=clock())
    assert claim(db, ticket.id, THIRD, now=clock()) == Claim()  # another worker was faster
    second = SentMessage(SECOND, "D2", "2.5", extra_fields={"version": "v"})
    assert not mark_sent_and_claim(db, ticket.id, second, THIRD, now=clock())
    assert states(db, ticket, clock) == ["sent 1", "sent 1", "being sent"]
    assert reload(db, ticket).deliveries[1]["version"] == "v"


def test_one_of_many_claims_several(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    claims = at_once(*[lambda: claim_first(db, ticket.id, KEYS, now=clock())] * 8)
    assert claims.count(True) == 1
    assert [one["key"] for one in reload(db, ticket).deliveries] == KEYS


def test_with_the_last_message_a_ticket_leaves_the_outbox(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    claim(db, ticket.id, KEY, now=clock())
    db.tickets.update_one({"_id": ticket.id}, {"$inc": {"seq": 1}})
    message = SentMessage(KEY, "D1", "1.5", CARD)
    assert not mark_last_sent(db, ticket.id, message, expected_seq=ticket.seq)
    found = reload(db, ticket)
    assert (found.is_in_outbox, is_finished(found, KEY)) == (True, True)
    claim(db, ticket.id, SECOND, now=clock())
    other = SentMessage(SECOND, "D2", "2.5")
    assert mark_last_sent(db, ticket.id, other, expected_seq=found.seq)
    found = reload(db, ticket)
    assert (found.is_in_outbox, found.next_try_at) == (False, None)
    assert is_finished(found, SECOND)


def show(db: Mongo, ticket: Ticket, clock: FixedClock, *, seq: int, digest: str) -> bool:
    return record_card_update(db, ticket.id, CARD, seq=seq, digest=digest, now=clock())


def with_card(db: Mongo, ticket: Ticket, clock: FixedClock) -> None:
    claim(db, ticket.id, KEY, now=clock())
    mark_sent(db, ticket.id, SentMessage(KEY, "D1", "1.5", CARD))
    db.tickets.update_one({"_id": ticket.id}, {"$push": {"cards": CARD.to_doc() | {"ts": "2.5"}}})


def test_a_card_keeps_what_it_shows(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    with_card(db, ticket, clock)
    assert show(db, ticket, clock, seq=3, digest="new")
    assert show(db, ticket, clock, seq=3, digest="newer")
    this, other = reload(db, ticket).cards
    assert (this.seq, this.digest) == (3, "newer")
    assert (other.seq, other.digest) == (1, "old")


def test_a_card_overwritten_with_older_content_is_out_of_date(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    with_card(db, ticket, clock)
    assert show(db, ticket, clock, seq=3, digest="new")
    mark_delivered(db, ticket.id, expected_seq=1)

    assert not show(db, ticket, clock, seq=2, digest="stale")

    found = reload(db, ticket)
    assert (found.cards[0].seq, found.cards[0].digest, found.is_in_outbox) == (3, "", True)
    clock.advance(minutes=1)
    assert list(due_tickets(db, now=clock(), limit=9)) == [ticket.id]
    assert show(db, ticket, clock, seq=3, digest="new")


def test_the_worker_whose_card_was_overwritten_does_not_mark_it_delivered(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    with_card(db, ticket, clock)
    seen = reload(db, ticket).seq
    assert show(db, ticket, clock, seq=seen, digest="new")
    assert not show(db, ticket, clock, seq=seen - 1, digest="stale")  # another worker, concurrently
    assert not mark_delivered(db, ticket.id, expected_seq=seen)


def test_an_invalidated_card_is_due_again(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    with_card(db, ticket, clock)
    assert mark_delivered(db, ticket.id, expected_seq=1)
    assert invalidate_card(db, ticket.id, channel="D1", ts="2.5", now=clock())
    found = reload(db, ticket)
    assert [card.digest for card in found.cards] == ["old", ""]
    assert (found.is_in_outbox, mark_delivered(db, ticket.id, expected_seq=1)) == (True, False)
    assert not invalidate_card(db, ticket.id, channel="D2", ts="2.5", now=clock())


def test_unknown_cards_and_deliveries_change_nothing(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    mark_failed(db, ticket.id, KEY, error="x")
    mark_sent(db, ticket.id, SentMessage(KEY, "D1", "1.5", CARD))
    release_claim(db, ticket.id, KEY, until=clock(), is_unsent=True)
    assert not show(db, ticket, clock, seq=1, digest="new")
    assert reload(db, ticket) == ticket
