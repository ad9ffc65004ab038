"""What a requester may read of their ticket."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from services.models.comment import Comment
from services.models.events import Event, EventType
from services.models.ticket import Ticket
from services.tickets.fields import FIELDS, Access
from services.tickets.visibility import for_requester
from tests.conftest import sample_ticket

AT = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
BEN, VERA = ObjectId("6b0368971218f597fece92cf"), ObjectId("6b0368971218f597fece92d0")
HIDDEN = [
    field.attribute
    for field in FIELDS.values()
    if field.attribute and field.seen_by is not Access.ALL
]


def event(seq: int, type_: str, **fields: Any) -> Event:
    return Event(seq, AT, BEN, type_, **fields)


def seen(*events: Event, **fields: Any) -> list[int]:
    return [e.seq for e in for_requester(sample_ticket(events=events, **fields)).events]


@pytest.mark.parametrize("attribute", HIDDEN)
def test_a_field_for_the_staff_is_left_out(attribute: str) -> None:
    value: Any = {"a": "secret"}
    ticket = replace(sample_ticket(), **{attribute: value})
    assert "secret" not in repr(for_requester(ticket))


def test_the_others_stay() -> None:
    ticket = sample_ticket(assigned_to=BEN, deadline=AT, due_at=AT, resolution="Done.")
    assert for_requester(ticket) == replace(ticket, seq=0, is_in_outbox=False, team_id=None)


def test_requester_sees_only_the_next_attempt_of_the_assignment() -> None:
    ticket = sample_ticket(assignment={"next": AT, "reason": "knows VPN"})
    assert for_requester(ticket).assignment == {"next": AT}


def test_internal_notes_are_left_out() -> None:
    public = Comment(ObjectId(), AT, BEN, "Hello", 0)
    note = Comment(ObjectId(), AT, BEN, "Him again", 1, internal=True)
    assert for_requester(sample_ticket(comments=(public, note))).comments == (public,)


@pytest.mark.parametrize(
    "hidden",
    [
        event(1, EventType.EDITED, field="helpfulNotes"),
        event(1, EventType.EDITED, field="unknown"),
        event(1, EventType.COMMENT_EDITED, field="notes"),
        event(1, EventType.NOTED),
        event(1, EventType.UNASSIGNED, field="assignedTo"),
        event(1, EventType.ESCALATED, field="alarm"),
        event(1, "unknown"),
        event(1, EventType.ASSIGNED, field="assignedTo", to=VERA),
        event(1, EventType.NOBODY_AVAILABLE),
    ],
    ids=str,
)
def test_events_for_the_staff_are_left_out(hidden: Event) -> None:
    assigned = event(2, EventType.ASSIGNED, field="assignedTo", to=BEN)
    assert seen(hidden, assigned, assigned_to=BEN) == [2]


def test_that_no_one_is_available_is_no_secret() -> None:
    assert seen(event(1, EventType.NOBODY_AVAILABLE)) == [1]


def test_events_come_without_their_notes() -> None:
    ticket: Ticket = for_requester(sample_ticket(events=(event(1, EventType.WAITING, note="Why"),)))
    assert [e.note for e in ticket.events] == [None]
