"""Assignment as a worker runs it, with Gemini over real HTTP."""

import dataclasses
from collections.abc import Iterator

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from services.analysis.model_exchange import Analysis, Analyst
from services.core.database import Mongo
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from services.outbox.pending import retry_unassigned
from services.tickets.filing import TicketService
from tasks.assignment import assign_ticket
from tasks.assignment.analyse import analyse
from tasks.gemini import GeminiAnalyst
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket, reload
from tests.support.aimock import AIMock


@pytest.fixture(scope="module")
def gemini() -> Iterator[AIMock]:
    with AIMock() as server:
        yield server


@pytest.fixture
def ai_runtime(runtime: Runtime, gemini: AIMock) -> Runtime:
    """A runtime with Gemini."""
    gemini.reset()
    analyst = GeminiAnalyst(api_key="k", model="gemini-flash-latest", api_url=gemini.url, timeout=2)
    return dataclasses.replace(runtime, analyst=analyst)


class Case:
    """Tickets of one requester, before and after their assignment."""

    def __init__(self, db: Mongo, tickets: TicketService, employee: User) -> None:
        self._db, self._tickets, self._employee = db, tickets, employee

    def file(self, *words: str, **more: str) -> Ticket:
        return file_ticket(self._tickets, self._employee, *words, **more)

    def assign(self, runtime: Runtime, ticket: Ticket) -> Ticket:
        assign_ticket.run(runtime, str(ticket.id))
        return reload(self._db, ticket)


@pytest.fixture
def case(db: Mongo, tickets: TicketService, people: People) -> Case:
    return Case(db, tickets, people.add())


def test_gemini_reads_and_the_expert_gets_it(
    ai_runtime: Runtime, gemini: AIMock, people: People, publisher: RecordingPublisher, case: Case
) -> None:
    expert = people.add(Role.MODERATOR, "VPN")
    people.add(Role.MODERATOR, "Printer")
    gemini.answer(skills=["VPN"], summary="No tunnel.", priority="high", notes="Check the client.")

    ticket = case.assign(ai_runtime, case.file("Cannot reach the office"))

    assert (ticket.status, ticket.assigned_to) == (Status.IN_PROGRESS, expert.id)
    assert (ticket.summary, ticket.helpful_notes) == ("No tunnel.", "Check the client.")
    assert (ticket.priority, ticket.related_skills) == (Priority.HIGH, ("VPN",))
    assert ticket.assignment["source"] == "gemini"
    assert ticket.assignment["reason"] == "knows VPN · 1 of 8 tickets with this one"
    assert ticket.assignment["analysis"]["model"] == "gemini-flash-latest"
    assert (publisher.asked, publisher.countdowns) == ([(NOTIFY_TASK, str(ticket.id))], [3.0])


def test_the_requesters_priority_stays(
    ai_runtime: Runtime, gemini: AIMock, people: People, case: Case
) -> None:
    people.add(Role.MODERATOR, "VPN")
    gemini.answer(skills=["VPN"], priority="high")
    ticket = case.assign(ai_runtime, case.file(priority="low"))
    assert ticket.priority is Priority.LOW


@pytest.mark.parametrize(("status", "failure"), [(429, "quota"), (503, "unavailable")])
def test_the_router_stands_in_when_gemini_fails(
    ai_runtime: Runtime, gemini: AIMock, people: People, status: int, failure: str, case: Case
) -> None:
    expert = people.add(Role.MODERATOR, "VPN")
    people.add(Role.MODERATOR, "Printer")
    gemini.fail(status)
    ticket = case.assign(ai_runtime, case.file("My vpn is slow"))
    assert ticket.assigned_to == expert.id
    assert ticket.assignment["source"] == "router"
    assert ticket.assignment["analysis"]["failure"] == failure
    assert ticket.priority is Priority.MEDIUM


def test_the_router_stands_in_when_the_time_limit_strikes(
    runtime: Runtime, people: People, case: Case
) -> None:
    class Dripping(Analyst):
        def analyse(self, **_: object) -> Analysis:
            raise SoftTimeLimitExceeded

    people.add(Role.MODERATOR, "VPN")
    slow = dataclasses.replace(runtime, analyst=Dripping())
    ticket = case.assign(slow, case.file())
    assert ticket.assignment["analysis"]["failure"] == "timeout"
    assert ticket.status is Status.IN_PROGRESS


def test_gemini_is_asked_once_while_the_words_stay(
    ai_runtime: Runtime, gemini: AIMock, people: People, case: Case
) -> None:
    gemini.answer(skills=None)
    ticket = case.assign(ai_runtime, case.file())
    assert ticket.status is Status.TODO
    moderator = people.add(Role.MODERATOR, "VPN")
    ticket = case.assign(ai_runtime, ticket)
    assert ticket.assigned_to == moderator.id
    assert len(gemini.prompts()) == 1


def test_a_ticket_in_other_hands_is_left_alone(
    runtime: Runtime, people: People, clock: FixedClock, case: Case
) -> None:
    people.add(Role.MODERATOR, "VPN")
    ticket = case.file()
    runtime.services.assignments.claim(ticket, now=clock())
    assert case.assign(runtime, ticket).assigned_to is None
    clock.advance(seconds=91)
    assert case.assign(runtime, ticket).assigned_to is not None


def test_a_finished_or_unknown_ticket_is_left_alone(
    runtime: Runtime, db: Mongo, publisher: RecordingPublisher
) -> None:
    legacy = db.tickets.insert_one({"title": "old", "description": "x", "status": "TODO"})
    for ticket_id in (str(legacy.inserted_id), "6b034d3e158a02994a8b0c47", "no id"):
        assign_ticket.run(runtime, ticket_id)
    assert publisher.asked == []


def test_a_ticket_edited_during_its_analysis_is_read_again(
    runtime: Runtime, people: People, db: Mongo, publisher: RecordingPublisher, case: Case
) -> None:
    expert = people.add(Role.MODERATOR, "Printer")
    people.add(Role.MODERATOR, "VPN")
    ticket = case.file("VPN is gone")

    class Editing(Analyst):
        """The requester edits the title during the analysis."""

        def analyse(self, **_: object) -> Analysis:
            new = {"$set": {"title": "Printer is gone"}, "$inc": {"seq": 1}}
            db.tickets.update_one({"_id": ticket.id}, new)
            return analyse(runtime, ticket)

    assert not assign_ticket.run(dataclasses.replace(runtime, analyst=Editing()), str(ticket.id))
    assert reload(db, ticket).assigned_to is None
    assert publisher.asked == [(NOTIFY_TASK, str(ticket.id))] * 2
    assert publisher.countdowns == [3.0, None]
    assert case.assign(runtime, ticket).assigned_to == expert.id


def test_nobody_available_keeps_the_ticket_for_later(
    runtime: Runtime, people: People, db: Mongo, clock: FixedClock, case: Case
) -> None:
    people.add(Role.MODERATOR, "VPN", linked=False)
    ticket = case.assign(runtime, case.file())
    assert (ticket.status, ticket.assigned_to) == (Status.TODO, None)
    assert ticket.assignment["next"] > clock()
    assert [event.type for event in ticket.events] == ["filed", "analysed", "nobody_available"]

    retry_unassigned(db, now=clock())
    ticket = case.assign(runtime, ticket)
    assert [event.type for event in ticket.events].count("nobody_available") == 1


def test_skills_nobody_has_go_to_an_admin(runtime: Runtime, people: People, case: Case) -> None:
    people.add(Role.MODERATOR, "VPN", capacity=0)
    people.add(Role.MODERATOR, "Printer")
    admin = people.add(Role.ADMIN)
    ticket = case.assign(runtime, case.file("VPN is down"))
    assert ticket.assigned_to == admin.id
    assert ticket.assignment["reason"] == (
        "no one who could take it knows VPN, so it goes to an admin · 1 of 8 tickets with this one"
    )
