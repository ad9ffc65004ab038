"""Which tickets wait for their assignee."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ticket_list_page
from services.models.permissions import Actor
from services.models.user import Role
from services.sla.queue_key import queue_key
from tests.conftest import sample_ticket

AT = datetime(2026, 5, 4, 9, tzinfo=UTC)
ME, REQUESTER, PARTICIPANT, COLLEAGUE = (ObjectId() for _ in range(4))


def said(by: ObjectId, **fields: Any) -> dict[str, Any]:
    return {"id": ObjectId(), "at": AT, "by": by, "text": "Hi", "internal": False, **fields}


NOTE = said(ME, internal=True)
DELETED = {"id": ObjectId(), "at": AT, "by": REQUESTER, "deleted": True}
ACCEPTED = {"acceptedAt": AT}


@pytest.mark.parametrize(
    ("fields", "is_listed"),
    [
        ({}, True),
        ({"acceptedAt": None}, True),
        ({"status": "REOPENED"}, True),
        (ACCEPTED, False),
        ({**ACCEPTED, "comments": [said(REQUESTER)]}, True),
        ({**ACCEPTED, "comments": [said(ME), said(PARTICIPANT)]}, True),
        ({**ACCEPTED, "comments": [said(REQUESTER), NOTE]}, True),
        ({**ACCEPTED, "comments": [said(REQUESTER), said(ME)]}, False),
        ({**ACCEPTED, "comments": [said(REQUESTER), said(COLLEAGUE)]}, False),
        ({**ACCEPTED, "comments": [said(ME), DELETED]}, False),
        ({**ACCEPTED, "comments": [NOTE]}, False),
        ({**ACCEPTED, "comments": [], "createdBy": None}, False),
        ({**ACCEPTED, "comments": "damaged", "participants": "damaged"}, False),
        ({**ACCEPTED, "comments": [said(REQUESTER), "damaged"]}, True),
        ({"status": "WAITING"}, False),
        ({**ACCEPTED, "status": "WAITING", "comments": [said(REQUESTER)]}, False),
        ({"status": "COMPLETED"}, False),
        ({"assignedTo": COLLEAGUE}, False),
        ({"assignedTo": None}, False),
    ],
)
def test_whose_move_is_next(db: Mongo, fields: dict[str, Any], is_listed: bool) -> None:
    stored = {
        "status": "IN_PROGRESS",
        "createdBy": REQUESTER,
        "assignedTo": ME,
        "participants": [PARTICIPANT],
        "number": 1,
        "queueKey": queue_key(sample_ticket()),
        **fields,
    }
    db.tickets.insert_one(stored)
    query = ListQuery(ListKind.WAITING_FOR_ME)
    page = ticket_list_page(db, actor=Actor(ME, Role.MODERATOR), list_query=query)
    assert [ticket.number for ticket in page.tickets] == ([1] if is_listed else [])
