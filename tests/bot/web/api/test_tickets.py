"""The API's routes that file and read tickets."""

from datetime import timedelta

import pytest
from bson import ObjectId

from bot.slack.bot_process import BotProcess
from bot.web.api.response_bodies import _iso
from demo.servers import free_port
from services.calendar.business_hours import BusinessHours
from services.core import request_context
from services.core.database import Mongo
from services.models.user import Role
from services.tickets.filing import TicketService
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket
from tests.support.api_client import FINE, Api, Json, problem
from tests.support.canary import FILED, STRANGERS
from tests.support.processes import celery_for

NO_SUCH_TICKET = {
    "error": "There is no such ticket, or you may not see it.",
    "code": "not_found",
}
BAD_MOMENT = (
    "deadline: Give a date and a time with its zone, such as 2026-12-24T18:00:00Z or "
    "2026-12-24T18:00:00+01:00."
)


def test_a_ticket_is_filed_and_read(
    api: Api, people: People, db: Mongo, publisher: RecordingPublisher, clock: FixedClock
) -> None:
    requester = people.add()
    due = clock.now + timedelta(days=2)
    target = BusinessHours().work_week.add_working_time(clock.now, timedelta(hours=8))
    assert target
    sent = {**FINE, "title": "  VPN   drops ", "priority": "high", "deadline": due.isoformat()}
    answer = api.post("/api/tickets", by=requester, json=sent)
    ticket = answer.json()["ticket"]
    expected = {
        "_id": ticket["_id"],
        "number": 1,
        "title": "VPN drops",
        "description": "Every hour since Monday.",
        "status": "TODO",
        "priority": "high",
        "deadline": _iso(due),
        "dueAt": _iso(min(due, target)),
        "createdBy": str(requester.id),
        "filedBy": str(requester.id),
        "assignedTo": None,
        "participants": [],
        "createdAt": _iso(clock.now),
        "private": False,
        "resolution": None,
        "relatedSkills": [],
        "helpfulNotes": None,
        "summary": None,
    }
    assert problem(answer) == (201, {"message": "Ticket 1 filed.", "ticket": expected})
    assert api.get("/api/tickets", by=requester).json() == {
        "tickets": [expected],
        "nextCursor": None,
    }
    person = {"_id": str(requester.id), "email": requester.email}
    one = {**expected, "createdBy": person, "filedBy": person}
    for path in (f"/api/tickets/{ticket['_id']}", f"/api/tickets/{ticket['_id']}/"):
        assert problem(api.get(path, by=requester)) == (200, {"ticket": one})
    doc = db.tickets.find_one({"_id": ObjectId(ticket["_id"])}) or {}
    assert (doc["teamId"], doc["outbox"], doc["deadline"]) == ("T0TEAM", True, due)
    assert publisher.asked == [(NOTIFY_TASK, ticket["_id"])]


def test_its_people_are_named_where_they_are_still_there(
    api: Api, people: People, db: Mongo
) -> None:
    requester, moderator = people.add(), people.add(Role.MODERATOR)
    path = f"/api/tickets/{api.filed(requester)['_id']}"
    assert api.patch(path, by=moderator, json={"status": "IN_PROGRESS"}).status_code == 200
    ticket = api.get(path, by=moderator).json()["ticket"]
    assert ticket["createdBy"] == {"_id": str(requester.id), "email": requester.email}
    assert ticket["assignedTo"] == {"_id": str(moderator.id), "email": moderator.email}
    db.users.delete_one({"_id": requester.id})
    assert api.get(path, by=moderator).json()["ticket"]["createdBy"] is None


REFUSED: list[tuple[Json, str]] = [
    ({"title": " \t\n"}, "title: Give it a title of at least 3 characters."),
    ({"title": "\u200b\u2060\ufeff"}, "title: Give it a title of at least 3 characters."),
    ({"title": "x" * 151}, "title: A title has at most 150 characters; this one has 151."),
    ({"title": None}, "title: Give this as a text."),
    ({"description": " \n "}, "description: Describe what you need."),
    (
        {"description": "x" * 3_001},
        "description: At most 3,000 characters; this text has 3,001.",
    ),
    ({"description": {"$gt": ""}}, "description: Give this as a text."),
    ({"priority": "asap"}, "priority: Choose one of low, medium, high or urgent."),
    ({"priority": 1}, "priority: Choose one of low, medium, high or urgent."),
    ({"deadline": "tomorrow"}, BAD_MOMENT),
    ({"deadline": "2099-01-01"}, BAD_MOMENT),
    ({"deadline": "2099-01-01T10:00:00"}, BAD_MOMENT),
    ({"deadline": "2099-02-31T10:00:00Z"}, BAD_MOMENT),
    ({"deadline": "0001-01-01T00:00:00+14:00"}, BAD_MOMENT),
    ({"deadline": 4_102_444_800}, BAD_MOMENT),
    ({"deadline": "4102444800"}, BAD_MOMENT),
    (
        {"deadline": "2020-01-01T00:00:00Z"},
        "deadline: The deadline has to lie in the future. Choose a later time.",
    ),
    (
        {"deadline": "2100-01-01T00:00:00Z"},
        "deadline: Choose a deadline before the year 2100.",
    ),
    ({"status": "COMPLETED"}, "status: There is no such field."),
    ({"createdBy": "65f0c0ffee65f0c0ffee0001"}, "createdBy: There is no such field."),
]


def test_what_cannot_be_a_ticket_is_refused(api: Api, people: People, db: Mongo) -> None:
    requester = people.add()
    for fields, sentence in REFUSED:
        answer = api.post("/api/tickets", by=requester, json={**FINE, **fields})
        expected = {"error": sentence, "code": "invalid", "field": sentence.partition(":")[0]}
        assert problem(answer) == (400, expected)
    assert db.tickets.count_documents(FILED) == 0


def test_what_is_missing_is_named(api: Api, people: People) -> None:
    requester = people.add()
    for missing in FINE:
        sent = {name: value for name, value in FINE.items() if name != missing}
        answer = api.post("/api/tickets", by=requester, json=sent)
        expected = {"error": f"{missing}: This is missing.", "code": "invalid", "field": missing}
        assert problem(answer) == (400, expected)


DEADLINES = (
    ("2098-12-24T18:00:00Z", "2098-12-24T18:00:00.000Z"),
    ("2098-12-24t18:00:00.123987z", "2098-12-24T18:00:00.123Z"),
    ("2098-12-24 18:00+01:00", "2098-12-24T17:00:00.000Z"),
    ("2098-12-31T23:30:00-0130", "2099-01-01T01:00:00.000Z"),
    (None, None),
)


def test_a_deadline_is_told_in_utc(api: Api, people: People) -> None:
    requester = people.add()
    for sent, told in DEADLINES:
        assert api.filed(requester, deadline=sent)["deadline"] == told


def test_what_the_model_found_is_for_the_staff(api: Api, people: People, db: Mongo) -> None:
    requester, moderator = people.add(), people.add(Role.MODERATOR)
    ticket_id = api.filed(requester)["_id"]
    found = {"summary": "S3cret", "helpfulNotes": "S3cret", "relatedSkills": ["S3cret"]}
    assignment = {"reason": "S3cret", "parts": {"S3cret": 1}}
    comment = {"id": ObjectId(), "at": None, "by": moderator.id, "text": "S3cret"}
    also = {"assignment": assignment, "comments": [comment]}
    db.tickets.update_one({"_id": ObjectId(ticket_id)}, {"$set": {**found, **also}})
    for path in ("/api/tickets", f"/api/tickets/{ticket_id}"):
        assert "S3cret" not in api.get(path, by=requester).text
        told = api.get(path, by=moderator).json()
        ticket = told["ticket"] if "ticket" in told else told["tickets"][0]
        assert {name: ticket[name] for name in found} == found
        assert not ticket.keys() & {"assignment", "comments", "events", "notices", "cards"}


def test_a_foreign_ticket_is_not_found(api: Api, people: People) -> None:
    owner, other = people.add(), people.add()
    path = f"/api/tickets/{api.filed(owner)['_id']}"
    assert problem(api.get(path, by=other)) == (404, NO_SUCH_TICKET)
    assert api.get("/api/tickets", by=other).json()["tickets"] == []
    for staff, private in ((people.add(Role.MODERATOR), 0), (people.add(Role.ADMIN), STRANGERS)):
        assert api.get(path, by=staff).status_code == 200
        assert len(api.get("/api/tickets", by=staff).json()["tickets"]) == 1 + private


NOTHING = ("65f0c0ffee65f0c0ffee0012", "1", "undefined", "%00", "$gt", "é" * 24, "x" * 999)


@pytest.mark.parametrize("role", list(Role))
def test_an_id_of_nothing_is_not_found(api: Api, people: People, role: Role) -> None:
    somebody = people.add(role)
    for path in (f"/api/tickets/{ticket_id}" for ticket_id in NOTHING):
        for answer in (api.get(path, by=somebody), api.patch(path, by=somebody, json={})):
            assert problem(answer) == (404, NO_SUCH_TICKET)


def test_twenty_tickets_an_hour(
    api: Api, people: People, tickets: TicketService, clock: FixedClock
) -> None:
    requester = people.add()
    for _ in range(20):
        file_ticket(tickets, requester)
        clock.advance(minutes=2)
    answer = api.post("/api/tickets", by=requester, json=FINE)
    expected = {
        "error": "You have filed 20 tickets within an hour, which is the limit. Try again later; "
        "for an emergency, speak to a moderator.",
        "code": "too_many_requests",
    }
    assert problem(answer) == (429, expected)
    assert answer.headers["Retry-After"] == str(20 * 60)  # the first one was 40 minutes ago
    clock.advance(minutes=20, seconds=1)
    api.filed(requester)


def test_the_workers_are_told_under_the_requests_id(
    api: Api, people: People, publisher: RecordingPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried: list[set[str]] = []
    monkeypatch.setattr(
        publisher, "send", lambda *_, **__: carried.append({*request_context.current_ids()})
    )
    api.filed(people.add())
    assert carried == [{request_context.REQUEST_ID, request_context.TICKET_ID}]


def test_with_the_queue_away_a_ticket_is_filed_once(
    api: Api, bot_process: BotProcess, people: People, db: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The legacy backend stored it but answered 500, so the client's retry filed it twice."""
    away = CeleryPublisher(celery_for(f"redis://127.0.0.1:{free_port()}/0"))
    monkeypatch.setattr(bot_process.publisher, "send", away.send)
    ticket = api.filed(people.add())
    assert db.tickets.count_documents(FILED) == 1
    doc = db.tickets.find_one({"_id": ObjectId(ticket["_id"])}) or {}
    assert doc["outbox"]  # the sweep publishes it


def test_the_list_hides_a_secret_that_the_ticket_shows(api: Api, people: People, db: Mongo) -> None:
    requester, secret = people.add(), "password: hunter2"
    sent = {**FINE, "title": secret, "description": f"The {secret}"}
    filed = api.post("/api/tickets", by=requester, json=sent).json()["ticket"]
    for by in (requester, people.add(Role.ADMIN)):
        listed = api.get("/api/tickets", by=by).json()["tickets"][0]
        assert listed["title"] == "password: [password removed]"
        assert listed["description"] == "The password: [password removed]"
        one = api.get(f"/api/tickets/{filed['_id']}", by=by).json()["ticket"]
        assert (one["title"], one["description"]) == (secret, f"The {secret}")
