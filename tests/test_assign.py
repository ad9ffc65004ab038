"""Assignment, run as a worker runs it, against a real Gemini over HTTP where one is asked."""

import dataclasses
from collections.abc import Iterator

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from services.analysis import Analysis, Analyst
from services.database import Mongo
from services.models import Priority, Role, Status, Ticket, User
from services.tickets import TicketService
from services.waiting import wake
from tasks import assign
from tasks.app import NOTIFY
from tasks.gemini import GeminiAnalyst
from tasks.reading import analyse
from tasks.runtime import Runtime
from tests.aimock import AIMock
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket, reload


@pytest.fixture(scope="module")
def gemini() -> Iterator[AIMock]:
    with AIMock() as server:
        yield server


@pytest.fixture
def reading(runtime: Runtime, gemini: AIMock) -> Runtime:
    """A runtime whose tickets are read by Gemini."""
    gemini.reset()
    analyst = GeminiAnalyst(api_key="k", model="gemini-flash-latest", api_url=gemini.url, timeout=2)
    return dataclasses.replace(runtime, analyst=analyst)


@pytest.fixture
def employee(people: People) -> User:
    return people.add()


def assigned(runtime: Runtime, db: Mongo, ticket: Ticket) -> Ticket:
    assign.run(runtime, str(ticket.id))
    return reload(db, ticket)


def test_gemini_reads_and_the_expert_gets_it(
    reading: Runtime,
    gemini: AIMock,
    people: People,
    employee: User,
    tickets: TicketService,
    db: Mongo,
    publisher: RecordingPublisher,
) -> None:
    expert = people.add(Role.MODERATOR, "VPN")
    people.add(Role.MODERATOR, "Printer")
    gemini.answer(skills=["VPN"], summary="No tunnel.", priority="high", notes="Check the client.")

    ticket = assigned(reading, db, file_ticket(tickets, employee, "Cannot reach the office"))

    assert (ticket.status, ticket.assigned_to) == (Status.IN_PROGRESS, expert.id)
    assert (ticket.summary, ticket.helpful_notes) == ("No tunnel.", "Check the client.")
    assert (ticket.priority, ticket.related_skills) == (Priority.HIGH, ("VPN",))
    assert ticket.assignment["source"] == "gemini"
    assert ticket.assignment["reason"] == "knows VPN · 0 of 8 open"
    assert ticket.assignment["analysis"]["model"] == "gemini-flash-latest"
    assert publisher.asked == [(NOTIFY, str(ticket.id))]


def test_the_requesters_priority_stays(
    reading: Runtime,
    gemini: AIMock,
    people: People,
    employee: User,
    tickets: TicketService,
    db: Mongo,
) -> None:
    people.add(Role.MODERATOR, "VPN")
    gemini.answer(skills=["VPN"], priority="high")
    ticket = assigned(reading, db, file_ticket(tickets, employee, priority="low"))
    assert ticket.priority is Priority.LOW


@pytest.mark.parametrize(("status", "failure"), [(429, "quota"), (503, "unavailable")])
def test_the_router_stands_in_when_gemini_fails(
    reading: Runtime,
    gemini: AIMock,
    people: People,
    employee: User,
    tickets: TicketService,
    db: Mongo,
    status: int,
    failure: str,
) -> None:
    expert = people.add(Role.MODERATOR, "VPN")
    people.add(Role.MODERATOR, "Printer")
    gemini.fail(status)
    ticket = assigned(reading, db, file_ticket(tickets, employee, "My vpn is slow"))
    assert ticket.assigned_to == expert.id
    assert ticket.assignment["source"] == "router"
    assert ticket.assignment["analysis"]["failure"] == failure
    assert ticket.priority is Priority.MEDIUM


def test_the_router_stands_in_when_the_time_limit_strikes(
    runtime: Runtime, people: People, employee: User, tickets: TicketService, db: Mongo
) -> None:
    class Dripping(Analyst):
        def analyse(self, **_: object) -> Analysis:
            raise SoftTimeLimitExceeded

    people.add(Role.MODERATOR, "VPN")
    slow = dataclasses.replace(runtime, analyst=Dripping())
    ticket = assigned(slow, db, file_ticket(tickets, employee))
    assert ticket.assignment["analysis"]["failure"] == "timeout"
    assert ticket.status is Status.IN_PROGRESS


def test_gemini_is_asked_once_while_the_words_stay(
    reading: Runtime,
    gemini: AIMock,
    people: People,
    employee: User,
    tickets: TicketService,
    db: Mongo,
) -> None:
    gemini.answer(skills=None)
    ticket = assigned(reading, db, file_ticket(tickets, employee))
    assert ticket.status is Status.TODO
    moderator = people.add(Role.MODERATOR, "VPN")
    ticket = assigned(reading, db, ticket)
    assert ticket.assigned_to == moderator.id
    assert len(gemini.prompts()) == 1


def test_a_ticket_in_other_hands_is_left_alone(
    runtime: Runtime,
    people: People,
    employee: User,
    tickets: TicketService,
    db: Mongo,
    clock: FixedClock,
) -> None:
    people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, employee)
    runtime.assignments.claim(ticket.id, now=clock())
    assert assigned(runtime, db, ticket).assigned_to is None
    clock.advance(seconds=91)
    assert assigned(runtime, db, ticket).assigned_to is not None


def test_a_finished_or_unknown_ticket_is_left_alone(
    runtime: Runtime, db: Mongo, publisher: RecordingPublisher
) -> None:
    legacy = db.tickets.insert_one({"title": "old", "description": "x", "status": "TODO"})
    for ticket_id in (str(legacy.inserted_id), "6b034d3e158a02994a8b0c47", "no id"):
        assign.run(runtime, ticket_id)
    assert publisher.asked == []


def test_a_ticket_edited_during_its_analysis_is_read_again(
    runtime: Runtime,
    people: People,
    employee: User,
    tickets: TicketService,
    db: Mongo,
    publisher: RecordingPublisher,
) -> None:
    expert = people.add(Role.MODERATOR, "Printer")
    people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, employee, "VPN is gone")

    class Editing(Analyst):
        """The requester corrects the title while the model reads."""

        def analyse(self, **_: object) -> Analysis:
            new = {"$set": {"title": "Printer is gone"}, "$inc": {"seq": 1}}
            db.tickets.update_one({"_id": ticket.id}, new)
            return analyse(runtime, ticket)

    assign.run(dataclasses.replace(runtime, analyst=Editing()), str(ticket.id))
    assert reload(db, ticket).assigned_to is None
    assert publisher.asked == [(NOTIFY, str(ticket.id))]
    assert assigned(runtime, db, ticket).assigned_to == expert.id


def test_nobody_available_keeps_the_ticket_for_later(
    runtime: Runtime,
    people: People,
    employee: User,
    tickets: TicketService,
    db: Mongo,
    clock: FixedClock,
) -> None:
    people.add(Role.MODERATOR, "VPN", linked=False)
    ticket = assigned(runtime, db, file_ticket(tickets, employee))
    assert (ticket.status, ticket.assigned_to) == (Status.TODO, None)
    assert ticket.assignment["next"] > clock()
    assert [event.type for event in ticket.events] == ["filed", "analysed", "nobody_available"]

    wake(db, now=clock())
    ticket = assigned(runtime, db, ticket)
    assert [event.type for event in ticket.events].count("nobody_available") == 1


def test_skills_nobody_has_go_to_an_admin(
    runtime: Runtime, people: People, employee: User, tickets: TicketService, db: Mongo
) -> None:
    people.add(Role.MODERATOR, "VPN", capacity=0)
    people.add(Role.MODERATOR, "Printer")
    admin = people.add(Role.ADMIN)
    ticket = assigned(runtime, db, file_ticket(tickets, employee, "VPN is down"))
    assert ticket.assigned_to == admin.id
    assert ticket.assignment["reason"] == (
        "nobody available knows VPN, so it goes to an admin · 0 of 8 open"
    )
