"""Who sees a ticket, and what a requester may read of it."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.core.errors import NotFound
from services.models.comment import Comment
from services.models.events import Event, EventType
from services.models.permissions import OPERATOR, Actor, Operator
from services.models.ticket import Ticket
from services.models.user import Role
from services.tickets.access import (
    for_requester,
    may_change_participants,
    require_visible,
    visible_to,
    was_removed,
)
from services.tickets.fields import FIELDS, Access
from tests.conftest import sample_ticket

AT = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
BEN, VERA = ObjectId("6b0368971218f597fece92cf"), ObjectId("6b0368971218f597fece92d0")
HIDDEN = [
    field.attribute
    for field in FIELDS.values()
    if field.attribute and field.seen_by is not Access.ALL
]


ME, OTHER = ObjectId("6b0368971218f597fece92d1"), ObjectId("6b0368971218f597fece92d2")
U, M, A = Role.USER, Role.MODERATOR, Role.ADMIN
ACTORS = [Actor(ME, role, gets) for role, gets in product(Role, (False, True))]
NO_TICKET = r"^There is no such ticket, or you may not see it\.$"
# As the services, the legacy backend and a direct write leave the fields.
STORED = [
    {
        "_id": ObjectId(),
        **({} if private is None else {"private": private}),
        "createdBy": requester,
        **({} if assignee == "absent" else {"assignedTo": assignee}),
        **({} if participants is None else {"participants": participants}),
    }
    for private, requester, assignee, participants in product(
        (None, False, True, "true"),
        (ME, OTHER, None),
        (ME, OTHER, None, "absent"),
        (None, [], [OTHER], [OTHER, ME]),
    )
]


@pytest.mark.parametrize("relation", ["stranger", "requester", "assignee", "participant"])
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("role", Role)
def test_who_sees_a_ticket(role: Role, private: bool, relation: str) -> None:
    relations: dict[str, Any] = {
        "stranger": {},
        "requester": {"created_by": ME},
        "assignee": {"assigned_to": ME},
        "participant": {"participants": (OTHER, ME)},
    }
    people: dict[str, Any] = {"created_by": OTHER, "assigned_to": OTHER}
    ticket = sample_ticket(private=private, **people | relations[relation])
    expected = {
        U: relation in ("requester", "participant"),
        M: not private or relation != "stranger",
        A: True,
    }[role]
    as_staff = {U: False, M: not private or relation == "assignee", A: True}[role]
    sight = visible_to(Actor(ME, role))
    may_change = as_staff or relation == "requester"
    assert may_change_participants(Actor(ME, role), ticket) is may_change
    assert (sight.covers(ticket), sight.covers_as_staff(ticket)) == (expected, as_staff)
    if expected:
        assert require_visible(Actor(ME, role), ticket) is ticket
    else:
        with pytest.raises(NotFound, match=NO_TICKET):
            require_visible(Actor(ME, role), ticket)


def test_who_was_removed_takes_no_part_again() -> None:
    gone = Event(2, AT, OTHER, EventType.PARTICIPANT_REMOVED, "participants", from_=ME)
    removed = sample_ticket(events=(gone,), participants=(OTHER,))
    assert (was_removed(removed, ME), was_removed(removed, OTHER)) == (True, False)
    assert not was_removed(replace(removed, participants=(ME,)), ME)


@pytest.mark.parametrize(("role", "expected"), [(U, False), (M, True), (A, True)])
def test_those_whom_the_settings_name_see_private_tickets_without_an_assignee(
    role: Role, expected: bool
) -> None:
    ticket = sample_ticket(private=True, created_by=OTHER, assigned_to=None)
    sight = visible_to(Actor(ME, role, gets_private_tickets=True))
    assert sight.covers(ticket) is sight.covers_as_staff(ticket) is expected
    assert sight.covers(replace(ticket, assigned_to=OTHER)) is (role is A)


@pytest.mark.parametrize("role", Role)
def test_no_ticket_reads_like_one_that_may_not_be_seen(role: Role) -> None:
    with pytest.raises(NotFound, match=NO_TICKET):
        require_visible(Actor(ME, role), None)


def test_the_query_finds_what_the_predicate_covers(db: Mongo) -> None:
    db.tickets.insert_many(STORED)
    actors: list[Actor | Operator] = [*ACTORS, OPERATOR]
    for actor in actors:
        sight = visible_to(actor)
        expected = {doc["_id"] for doc in STORED if sight.covers(Ticket.from_doc(doc))}
        found = {doc["_id"] for doc in db.tickets.find(sight.condition(), ["_id"])}
        assert found == expected, actor
        people = ("createdBy", ME), ("assignedTo", ME), ("assignedTo", OTHER), ("participants", ME)
        for within in ({name: who} for name, who in people):
            condition = sight.condition(within=within)
            stages = [{"$match": within}, {"$match": condition}]
            found = {doc["_id"] for doc in db.tickets.aggregate(stages)}
            there = {doc["_id"] for doc in db.tickets.find(within)}
            assert found == expected & there, (actor, within)


def test_a_query_for_what_the_actor_may_see_anyway_has_no_further_condition() -> None:
    sight = visible_to(Actor(ME, M))
    assert sight.condition(within={"createdBy": ME, "status": "TODO"}) == {}
    assert sight.condition(within={"assignedTo": ME}) == {}
    assert sight.condition(within={"assignedTo": OTHER}) != {}


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
