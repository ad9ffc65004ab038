from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId
from bson.min_key import MinKey

from services.core.database import Mongo
from services.models.ticket import Card, Ticket
from services.outbox import deliveries, pending
from services.outbox.deliveries import SentMessage
from services.outbox.ticket_filter import CHANGE_INDEX, FIELDS, ticket_filter
from services.tickets import ticket_store
from services.tickets.filing import TicketService
from services.tickets.transitions import Change
from tests.conftest import Commands, FixedClock, People, file_ticket

USER = ObjectId("65f0c0ffee65f0c0ffee0001")
FIRST, SECOND = f"1:requester:{USER}", f"1:assignee:{USER}"
CARD = Card("requester", USER, "D1", "1.5", seq=1, digest="old")
SENT, SENT_CARD = SentMessage(SECOND, "D1", "1.6"), SentMessage(FIRST, "D1", "1.5", CARD)
# Whatever an earlier release, the legacy backend or an operator has stored.
VALUES: tuple[Any, ...] = (
    None,
    [],
    [[]],
    [None],
    {},
    {"a": 1},
    "",
    "x",
    0,
    float("nan"),
    MinKey(),
    [MinKey()],
    True,
)

Act = Callable[[Mongo, Ticket, datetime], object]
ACTS: dict[str, Act] = {
    "claim_first": lambda db, ticket, now: deliveries.claim_first(
        db, ticket.id, [FIRST, SECOND], now=now
    ),
    "mark_sent_and_claim": lambda db, ticket, now: deliveries.mark_sent_and_claim(
        db, ticket.id, SENT_CARD, SECOND, now=now
    ),
    "claim": lambda db, ticket, now: deliveries.claim(db, ticket.id, SECOND, now=now),
    "mark_sent": lambda db, ticket, _: deliveries.mark_sent(db, ticket.id, SENT),
    "claim_card_update": lambda db, ticket, now: deliveries.claim_card_update(
        db, ticket.id, CARD, now=now
    ),
    "record_card_update": lambda db, ticket, now: deliveries.record_card_update(
        db, ticket.id, CARD, seq=2, digest="new", now=now
    ),
    "claim_message_update": lambda db, ticket, now: deliveries.claim_message_update(
        db, ticket.id, SECOND, shown_version=None, now=now
    ),
    "record_message_update": lambda db, ticket, now: deliveries.record_message_update(
        db, ticket.id, SECOND, seq=2, version="v", now=now
    ),
    "mark_last_sent": lambda db, ticket, _: deliveries.mark_last_sent(
        db, ticket.id, SentMessage(SECOND, "D1", "1.7"), expected_seq=ticket.seq
    ),
    "replace_deleted": lambda db, ticket, now: deliveries.replace_deleted(
        db, ticket.id, channel="D1", ts="1.5", now=now
    ),
    "apply": lambda db, ticket, now: ticket_store.apply(
        db, ticket, Change({"title": "x"}), now=now, status="TODO", assignedTo=None
    ),
    "back_off": lambda db, ticket, now: pending.back_off(db, ticket, now=now),
    "mark_delivered": lambda db, ticket, _: pending.mark_delivered(
        db, ticket.id, expected_seq=ticket.seq
    ),
}


@pytest.fixture
def ticket(tickets: TicketService, people: People) -> Ticket:
    return file_ticket(tickets, people.add())


def used_indexes(db: Mongo, query: dict[str, Any]) -> list[str]:
    plan = db.command("explain", {"find": "tickets", "filter": query})["queryPlanner"]
    stage: dict[str, Any] | None = plan["winningPlan"]
    names = []
    while stage:
        names += [str(stage["indexName"])] if "indexName" in stage else []
        stage = stage.get("inputStage")
    return names


def test_no_change_of_a_ticket_scans_all_tickets(
    watched_db: Mongo, commands: Commands, clock: FixedClock, ticket: Ticket
) -> None:
    for name, act in ACTS.items():
        commands.sent.clear()
        act(watched_db, ticket, clock())
        asked = [
            change["q"]
            for _, command in commands.sent
            if command.get("update") == "tickets"
            for change in command["updates"]
        ]
        assert asked, name
        plans = [used_indexes(watched_db, query) for query in asked]
        assert (name, plans) == (name, [[CHANGE_INDEX.document["name"]]] * len(asked))


@pytest.mark.parametrize("field", FIELDS)
def test_it_finds_a_ticket_whatever_is_stored(db: Mongo, field: str) -> None:
    ids = [ObjectId() for _ in (*VALUES, "missing")]
    stored = [{field: value} for value in VALUES]
    docs = [{"_id": one, **doc} for one, doc in zip(ids, [*stored, {}], strict=True)]
    db.tickets.insert_many(docs)
    assert all(used_indexes(db, ticket_filter(one, {})) for one in ids)
    assert [db.tickets.count_documents(ticket_filter(one, {})) for one in ids] == [1] * len(ids)


@pytest.mark.parametrize(
    ("conditions", "is_found"),
    [
        ({"seq": 1}, True),
        ({"seq": 2}, False),
        ({"assignedTo": None}, True),
        ({"assignedTo": USER}, False),
        ({"notices": {"$elemMatch": {"key": FIRST, "state": "sent"}}}, False),
        ({"notices": {"$elemMatch": {"key": FIRST, "state": "claimed"}}}, True),
        ({"title": "x"}, True),  # not among the fields of the index
        ({"title": {"a": 1}}, False),
    ],
)
def test_every_condition_counts(db: Mongo, conditions: dict[str, Any], is_found: bool) -> None:
    doc = {"_id": USER, "title": "x", "seq": 1, "notices": [{"key": FIRST, "state": "claimed"}]}
    db.tickets.insert_one(doc)
    assert db.tickets.count_documents(ticket_filter(USER, conditions)) == is_found
