"""Documents as the legacy app, an admin's shell or a fault may have left them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from services.models.events import Event
from services.models.ticket import Card, Priority, Status, Ticket
from services.models.user import Role, User

ID = ObjectId("65f0c0ffee65f0c0ffee0001")
OTHER = ObjectId("65f0c0ffee65f0c0ffee0002")
AT = datetime(2026, 3, 1, tzinfo=UTC)


def user(**fields: Any) -> User:
    return User.from_doc({"_id": ID, **fields})


def ticket(**fields: Any) -> Ticket:
    return Ticket.from_doc({"_id": ID, **fields})


def test_a_legacy_user() -> None:
    doc = {
        "email": "Jo@Example.com",
        "password": "$2b$10$x",
        "role": "moderator",
        "skills": ["VPN"],
    }
    assert user(**doc, createdAt=AT, __v=0) == User(
        id=ID,
        email="Jo@Example.com",
        role=Role.MODERATOR,
        skills=("VPN",),
        has_password=True,
        created_at=AT,
    )


def test_a_user_of_nothing_but_an_id() -> None:
    assert user() == User(id=ID, email="", role=Role.USER, capacity=8, active=True)


@pytest.mark.parametrize("role", ["root", "ADMIN", None, "", 1, ["admin"], {"$ne": "user"}])
def test_an_unknown_role_is_a_user(role: Any) -> None:
    assert user(role=role).role is Role.USER


@pytest.mark.parametrize(
    ("stored", "skills"),
    [
        (None, ()),
        ([], ()),
        ("VPN", ("VPN",)),
        ([" VPN ", "", "  ", None, 7, "SAP  HR"], ("VPN", "SAP HR")),
        ({"VPN": True}, ()),
    ],
)
def test_skills_of_any_shape(stored: Any, skills: tuple[str, ...]) -> None:
    assert user(skills=stored).skills == skills
    assert ticket(relatedSkills=stored).related_skills == skills


@pytest.mark.parametrize(
    ("stored", "capacity"),
    [(3, 3), (0, 0), (4.0, 4), (None, 8), ("many", 8), (float("nan"), 8), (float("inf"), 8)],
)
def test_capacity_of_any_shape(stored: Any, capacity: int) -> None:
    assert user(capacity=stored).capacity == capacity


@pytest.mark.parametrize(
    ("stored", "version"), [(3, 3), (4.0, 4), (None, 0), ("3", 0), (float("nan"), 0), ({}, 0)]
)
def test_token_version_of_any_shape(stored: Any, version: int) -> None:
    assert user(tokenVersion=stored).token_version == version


@pytest.mark.parametrize(("stored", "active"), [(None, True), (True, True), (False, False)])
def test_only_false_is_inactive(stored: Any, active: bool) -> None:
    assert user(active=stored).active is active


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"name": "Jo", "email": "x@example.com"}, "Jo"),
        ({"name": "", "email": "x@example.com"}, "x"),
        ({"name": 42}, "42"),
        ({"email": None}, "someone"),
    ],
)
def test_everybody_has_a_name_to_show(fields: dict[str, Any], name: str) -> None:
    assert user(**fields).display_name == name


def test_a_legacy_ticket() -> None:
    doc = {
        "title": "No VPN",
        "description": "It drops.",
        "status": "IN_PROGRESS",
        "createdBy": ID,
        "assignedTo": OTHER,
        "priority": "high",
        "deadline": None,
        "helpfulNotes": "Check the client.",
        "relatedSkills": ["VPN"],
        "createdAt": AT,
    }
    assert ticket(**doc) == Ticket(
        id=ID,
        title="No VPN",
        description="It drops.",
        status=Status.IN_PROGRESS,
        created_by=ID,
        assigned_to=OTHER,
        created_at=AT,
        priority=Priority.HIGH,
        helpful_notes="Check the client.",
        related_skills=("VPN",),
    )


def test_a_ticket_of_nothing_but_an_id() -> None:
    bare = ticket()
    assert (bare.title, bare.description, bare.status) == ("", "", Status.TODO)
    assert (bare.number, bare.seq, bare.is_in_outbox, bare.events) == (None, 0, False, ())


@pytest.mark.parametrize(
    ("field", "stored", "read"),
    [
        ("status", "BANANA", Status.TODO),
        ("status", ["TODO"], Status.TODO),
        ("priority", "Sofort!", None),
        ("priority", {"$gt": ""}, None),
        ("priority", "urgent", Priority.URGENT),
    ],
)
def test_unknown_words(field: str, stored: Any, read: Any) -> None:
    assert getattr(ticket(**{field: stored}), field) is read


def test_fields_of_odd_types() -> None:
    nulls = dict.fromkeys(
        ("title", "description", "seq", "events", "cards", "notices", "assignment", "outbox")
    )
    assert ticket(**nulls) == ticket()
    odd = ticket(title=404, createdBy="65f0", assignedTo="", number=12.0, seq=3.0)
    assert (odd.title, odd.number, odd.seq) == ("404", 12, 3)
    assert (odd.created_by, odd.assigned_to) == (None, None)


def test_events_and_cards_are_read_back() -> None:
    line = {"seq": 1, "at": AT, "by": "ai", "type": "edited", "field": "title"}
    shown = Card("requester", ID, "D1", "1.2", seq=1, digest="d")
    read = ticket(events=[line | {"from": "a", "to": "b", "later": 1}], cards=[shown.to_doc()])
    assert read.events == (Event(1, AT, "ai", "edited", field="title", from_="a", to="b"),)
    assert read.cards == (shown,)
