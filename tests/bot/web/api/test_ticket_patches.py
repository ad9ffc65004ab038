"""`PATCH /api/tickets/ID`, and the faults of the legacy app there."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from bot.web.api.response_bodies import _iso
from services.core.database import Mongo
from services.models.events import EventType
from services.models.permissions import Actor
from services.models.ticket import Status
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.lifecycle import STATUS_TRANSITIONS
from services.tickets.queries import load_ticket
from tasks.queue.celery_app import NOTIFY_TASK
from tests.conftest import FixedClock, People, RecordingPublisher
from tests.support.api_client import Api, Json, problem

DENIED = {
    "error": "Your role does not allow you to work on tickets. Ask an admin if it should.",
    "code": "forbidden",
}


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "DNS")


@pytest.fixture
def path(api: Api, people: People) -> str:
    return f"/api/tickets/{api.filed(people.add())['_id']}"


def patched(api: Api, path: str, moderator: User, **changes: Any) -> Json:
    answer = api.patch(path, by=moderator, json=changes)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Ticket updated."
    assert answer.json().keys() == {"message", "ticket"}
    return dict(answer.json()["ticket"])


def test_every_field_can_be_set_and_cleared(
    api: Api, path: str, moderator: User, publisher: RecordingPublisher, clock: FixedClock
) -> None:
    due = clock.now + timedelta(days=1)
    changes = {
        "title": "VPN drops daily",
        "description": "At noon.",
        "priority": "urgent",
        "deadline": due.isoformat(),
        "relatedSkills": ["dns", "VPN"],
        "helpfulNotes": "Look at the logs.",
    }
    ticket = patched(api, path, moderator, **changes)
    set_now = {**changes, "deadline": _iso(due), "relatedSkills": ["DNS", "VPN"]}
    assert {name: ticket[name] for name in changes} == set_now
    cleared = dict.fromkeys(("priority", "deadline", "relatedSkills", "helpfulNotes"))
    ticket = patched(api, path, moderator, **cleared)
    assert {name: ticket[name] for name in cleared} == {**cleared, "relatedSkills": []}
    assert (ticket["title"], ticket["description"]) == ("VPN drops daily", "At noon.")
    one = api.get(path, by=moderator).json()["ticket"]
    assert {name: one[name] for name in cleared} == {**cleared, "relatedSkills": []}
    assert publisher.asked == [(NOTIFY_TASK, ticket["_id"])] * 3


def test_what_is_not_sent_or_as_it_was_stays(
    api: Api, path: str, moderator: User, db: Mongo
) -> None:
    before = api.get(path, by=moderator).json()["ticket"]
    seq = (db.tickets.find_one() or {})["seq"]
    for changes in ({}, {"title": before["title"], "status": "TODO", "assignedTo": None}):
        ticket = patched(api, path, moderator, **changes)
        people = {name: before[name]["_id"] for name in ("createdBy", "filedBy")}
        assert ticket == {**before, **people}
    assert (db.tickets.find_one() or {})["seq"] == seq


REFUSED: tuple[tuple[Json, str], ...] = (
    (
        {"status": "BANANA"},
        "status: Choose one of TODO, IN_PROGRESS, WAITING, COMPLETED or REOPENED.",
    ),
    (
        {"status": None},
        "status: Choose one of TODO, IN_PROGRESS, WAITING, COMPLETED or REOPENED.",
    ),
    ({"statsu": "TODO"}, "statsu: There is no such field."),
    ({"createdBy": "65f0c0ffee65f0c0ffee0001"}, "createdBy: There is no such field."),
    ({"seq": 7}, "seq: There is no such field."),
    ({"related_skills": []}, "related_skills: There is no such field."),
    ({"$set": {"role": "admin"}}, "$set: There is no such field."),
    ({"title": None}, "title: Give this as a text."),
    ({"title": "  "}, "title: Give it a title of at least 3 characters."),
    ({"description": ""}, "description: Describe what you need."),
    ({"priority": ""}, "priority: Choose one of low, medium, high or urgent."),
    ({"relatedSkills": "VPN"}, "relatedSkills: Give this as a list of texts."),
    (
        {"relatedSkills": ["Knitting"]},
        "relatedSkills: No one in the team knows “Knitting”. Choose from the list.",
    ),
    ({"helpfulNotes": "x" * 3_001}, "helpfulNotes: At most 3,000 characters; this text has 3,001."),
    (
        {"deadline": "2020-01-01T00:00:00Z"},
        "deadline: The deadline has to lie in the future. Choose a later time.",
    ),
    ({"assignedTo": "me"}, "assignedTo: Give the _id of an account, or null."),
    ({"assignedTo": {"$ne": None}}, "assignedTo: Give this as a text."),
    (
        {"assignedTo": "65f0c0ffee65f0c0ffee0001"},
        "assignedTo: Choose a moderator or an admin who is still active.",
    ),
    (
        {"message": "Hello"},
        "message: This goes out with the status Resolved or Waiting. For anything else, add a "
        "comment.",
    ),
    (
        {"status": "COMPLETED", "message": "x" * 1_001},
        "message: At most 1,000 characters; this text has 1,001.",
    ),
)


def test_what_a_ticket_cannot_become_is_refused_and_named(
    api: Api, path: str, moderator: User, db: Mongo
) -> None:
    before = db.tickets.find_one()
    for changes, sentence in REFUSED:
        answer = api.patch(path, by=moderator, json={"title": "Another title", **changes})
        expected = {"error": sentence, "code": "invalid", "field": sentence.partition(":")[0]}
        assert problem(answer) == (400, expected)
    assert db.tickets.find_one() == before


def test_a_ticket_goes_to_the_staff_alone(
    api: Api, path: str, moderator: User, people: People, db: Mongo
) -> None:
    user, gone = people.add(), people.add(Role.MODERATOR)
    db.users.update_one({"_id": gone.id}, {"$set": {"active": False}})
    for person in (user, gone):
        answer = api.patch(path, by=moderator, json={"assignedTo": str(person.id)})
        assert (answer.status_code, answer.json()["field"]) == (400, "assignedTo")
    admin = people.add(Role.ADMIN)
    ticket = patched(api, path, moderator, assignedTo=str(admin.id))
    assert (ticket["status"], ticket["assignedTo"]) == ("IN_PROGRESS", str(admin.id))
    ticket = patched(api, path, moderator, assignedTo=None)
    assert (ticket["status"], ticket["assignedTo"]) == ("TODO", None)


def test_a_status_alone_does(
    api: Api, path: str, moderator: User, db: Mongo, people: People
) -> None:
    ticket = patched(api, path, moderator, status="IN_PROGRESS")
    assert ticket["assignedTo"] == str(moderator.id)
    assert patched(api, path, moderator, status="WAITING")["status"] == "WAITING"
    patched(api, path, moderator, status="IN_PROGRESS")
    ticket = patched(api, path, moderator, status="COMPLETED")
    assert (ticket["status"], ticket["resolution"]) == ("COMPLETED", None)
    assert patched(api, path, moderator, status="COMPLETED") == ticket
    assert patched(api, path, moderator, status="REOPENED")["resolution"] is None
    ticket = patched(api, path, moderator, status="COMPLETED", message="Replaced the cable.")
    assert ticket["resolution"] == "Replaced the cable."
    stored = load_ticket(db, ticket["_id"])
    assert stored
    told = [event.note for event in stored.events if event.note]
    assert told == [
        "We need more information. Please write a comment.",
        "Replaced the cable.",
    ]
    assert {event.by for event in stored.events[1:]} == {moderator.id}


def in_status(
    ticket_actions: TicketActions, db: Mongo, ticket_id: str, status: Status, moderator: User
) -> None:
    """Bring a new ticket into that status by actions."""
    actor = Actor.from_user(moderator)
    if status is not Status.TODO:
        ticket_actions.take(actor=actor, ticket_id=ticket_id)
    if status is Status.WAITING:
        ticket_actions.ask_requester(actor=actor, ticket_id=ticket_id, question="Which one?")
    if status in (Status.COMPLETED, Status.REOPENED):
        ticket_actions.resolve(actor=actor, ticket_id=ticket_id, resolution="Done.")
    if status is Status.REOPENED:
        ticket_actions.reopen(actor=actor, ticket_id=ticket_id)


@pytest.mark.parametrize("status", list(Status))
def test_the_status_table_is_kept(
    api: Api,
    moderator: User,
    people: People,
    ticket_actions: TicketActions,
    db: Mongo,
    status: Status,
) -> None:
    requester = people.add()
    for wanted in Status:
        ticket_id = api.filed(requester)["_id"]
        in_status(ticket_actions, db, ticket_id, status, moderator)
        path = f"/api/tickets/{ticket_id}"
        answer = api.patch(path, by=moderator, json={"status": wanted})
        now = api.get(path, by=moderator).json()["ticket"]["status"]
        if wanted is status or wanted in STATUS_TRANSITIONS[status]:
            assert (answer.status_code, now) == (200, wanted)
        else:
            assert (answer.status_code, now) == (409, status)
            assert answer.json()["code"] == "conflict"
            assert answer.json()["error"].startswith("status: A ticket that is ")


def test_a_resolved_ticket_is_given_to_nobody_else(
    api: Api, path: str, moderator: User, people: People
) -> None:
    patched(api, path, moderator, status="COMPLETED")
    other = people.add(Role.MODERATOR)
    assert problem(api.patch(path, by=moderator, json={"assignedTo": str(other.id)})) == (
        409,
        {
            "error": "assignedTo: Reopen it before you change who has it: ticket 1 is resolved.",
            "code": "conflict",
            "field": "assignedTo",
        },
    )


def test_whose_ticket_it_is_does_not_make_its_owner_a_moderator(
    api: Api, people: People, db: Mongo
) -> None:
    owner, other = people.add(), people.add()
    path = f"/api/tickets/{api.filed(owner)['_id']}"
    before = db.tickets.find_one()
    for changes in ({"title": "Mine"}, {"status": "COMPLETED"}, {}):
        assert problem(api.patch(path, by=owner, json=changes)) == (403, DENIED)
        assert api.patch(path, by=other, json=changes).status_code == 404
    assert db.tickets.find_one() == before


def test_a_change_is_in_the_history(api: Api, path: str, moderator: User, db: Mongo) -> None:
    patched(api, path, moderator, priority="high", title="VPN is down")
    stored = load_ticket(db, path.rpartition("/")[2])
    assert stored
    assert [(event.type, event.by, event.field) for event in stored.events[1:]] == [
        (EventType.EDITED, moderator.id, "title"),
        (EventType.EDITED, moderator.id, "priority"),
    ]


def test_a_legacy_ticket_keeps_what_is_not_changed(api: Api, moderator: User, db: Mongo) -> None:
    legacy = {
        "_id": ObjectId(),
        "title": "T" * 500,
        "description": "D" * 20_000,
        "status": "TODO",
        "helpfulNotes": "N" * 50_000,
        "attachments": [{"url": "x"}],
        "__v": 3,
    }
    db.tickets.insert_one(dict(legacy))
    ticket = patched(api, f"/api/tickets/{legacy['_id']}", moderator, priority="low")
    assert (ticket["title"], ticket["priority"]) == ("T" * 500, "low")
    stored = db.tickets.find_one({"_id": legacy["_id"]}) or {}
    assert {name: stored[name] for name in legacy} == legacy
