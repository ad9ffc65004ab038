from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.outbox.delivery_migration import retry_operator_failures

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
USER = ObjectId("6b034d3e158a02994a8b0c47")


def failed(key: str, error: str) -> dict[str, object]:
    """A delivery as earlier releases store it."""
    return {"key": key, "state": "failed", "until": NOW, "tries": 1, "error": error}


def store(db: Mongo, *notices: dict[str, object], age: timedelta = timedelta(days=1)) -> ObjectId:
    ticket_id = ObjectId.from_datetime(NOW - age)
    doc = {"_id": ticket_id, "seq": 4, "outbox": False, "notices": list(notices)}
    db.tickets.insert_one(doc)
    return ticket_id


def states(db: Mongo, ticket_id: ObjectId) -> list[str]:
    doc = db.tickets.find_one({"_id": ticket_id}) or {}
    return [notice["state"] for notice in doc["notices"]]


def migrate(db: Mongo, limit: int = 500) -> int:
    return retry_operator_failures(db, limit=limit, now=NOW)


def test_what_an_operator_can_correct_is_due_again(db: Mongo) -> None:
    ticket_id = store(
        db,
        failed(f"1:requester:{USER}", "account_inactive"),
        failed(f"2:assignee:{USER}", "messages_tab_disabled"),
        failed("1:triage:C123", "channel_not_found"),
        {"key": f"3:update:{USER}", "state": "sent", "tries": 1},
    )
    assert migrate(db) == 1
    assert states(db, ticket_id) == ["claimed", "claimed", "claimed", "sent"]
    doc = db.tickets.find_one({"_id": ticket_id}) or {}
    assert (doc["outbox"], doc["seq"] > 4, doc["notices"][0]["until"]) == (True, True, NOW)
    assert migrate(db) == 0


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (f"1:requester:{USER}", "user_disabled"),
        (f"1:requester:{USER}", "channel_not_found"),
        (f"1:requester:{USER}", "msg_too_long"),
        ("1:thread:C123", "not_in_channel"),
    ],
)
def test_what_is_final_stays_failed(db: Mongo, key: str, error: str) -> None:
    ticket_id = store(db, failed(key, error))
    assert migrate(db) == 0
    assert states(db, ticket_id) == ["failed"]


def test_old_messages_stay_failed(db: Mongo) -> None:
    store(db, failed(f"1:requester:{USER}", "is_archived"), age=timedelta(days=15))
    assert migrate(db) == 0


def test_it_stops_at_the_limit_and_goes_on(db: Mongo) -> None:
    for days in range(1, 4):
        store(db, failed("1:triage:C1", "is_archived"), age=timedelta(days=days))
    assert [migrate(db, 2), migrate(db, 2), migrate(db, 2)] == [2, 1, 0]
