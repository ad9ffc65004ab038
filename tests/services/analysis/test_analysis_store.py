"""The priority of a ticket when its analysis is stored."""

from dataclasses import replace

import pytest

from services.analysis.analysis_store import requested_priority, store_analysis
from services.analysis.model_exchange import Analysis
from services.analysis.urgency import UrgencySignal
from services.core.database import Mongo
from services.editing.ticket_edits import TicketEdits
from services.models.permissions import Actor
from services.models.ticket import AnalysisSource, Priority, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket
from tests.support.slack_workspace import TEAM_ID

URGENT = Analysis(
    summary="No tunnel.",
    priority=Priority.URGENT,
    related_skills=("VPN",),
    helpful_notes=None,
    confidence=0.9,
    source=AnalysisSource.GEMINI,
)
BACKED = replace(URGENT, signal=UrgencySignal.OUTAGE)
LOW = replace(URGENT, priority=Priority.LOW)


class HelpDesk:
    def __init__(self, db: Mongo, ticket_edits: TicketEdits, clock: FixedClock) -> None:
        self._db = db
        self._edits = ticket_edits
        self._clock = clock

    def read(self, ticket: Ticket, analysis: Analysis) -> Ticket:
        stored = store_analysis(self._db, ticket, analysis, now=self._clock())
        assert stored is not None
        return stored

    def set(self, ticket: Ticket, by: User, **changes: object) -> Ticket:
        return self._edits.update(
            actor=Actor.from_user(by),
            ticket_id=str(ticket.id),
            expected_seq=ticket.seq,
            changes=changes,
        )


@pytest.fixture
def help_desk(db: Mongo, ticket_edits: TicketEdits, clock: FixedClock) -> HelpDesk:
    return HelpDesk(db, ticket_edits, clock)


def weighed(ticket: Ticket) -> tuple[object, ...]:
    analysis = ticket.assignment["analysis"]
    return ticket.priority, analysis["claim"], analysis["signal"]


def test_the_models_urgent_takes_a_second_signal(
    help_desk: HelpDesk, tickets: TicketService, requester: User
) -> None:
    ticket = help_desk.read(file_ticket(tickets, requester), URGENT)
    assert weighed(ticket) == ("high", "model", None)
    assert [event.type for event in ticket.events] == ["filed", "analysed"]
    ticket = help_desk.read(ticket, BACKED)
    assert weighed(ticket) == ("urgent", "model", "outage")
    assert weighed(help_desk.read(ticket, LOW)) == ("low", None, None)


def test_a_requesters_urgent_takes_a_second_signal_and_is_remembered(
    help_desk: HelpDesk, tickets: TicketService, requester: User
) -> None:
    ticket = help_desk.read(file_ticket(tickets, requester, priority="urgent"), LOW)
    assert weighed(ticket) == ("high", "requester", None)
    lowered = ticket.events[-1]
    assert (lowered.by, lowered.type, lowered.field) == ("system", "edited", "priority")
    assert (lowered.from_, lowered.to) == ("urgent", "high")
    assert requested_priority(ticket) is Priority.URGENT

    seen = len(ticket.events)
    ticket = help_desk.read(ticket, LOW)  # analysed again: one event
    assert weighed(ticket) == ("high", "requester", None)
    assert [event.type for event in ticket.events[seen:]] == ["analysed"]
    ticket = help_desk.read(ticket, replace(LOW, signal=UrgencySignal.PEOPLE))
    assert weighed(ticket) == ("urgent", "requester", "people")


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN])
def test_staff_are_trusted(
    help_desk: HelpDesk, tickets: TicketService, people: People, role: Role
) -> None:
    ticket = file_ticket(tickets, people.add(role), priority="urgent")
    for analysis in (LOW, URGENT):
        ticket = help_desk.read(ticket, analysis)
        assert weighed(ticket) == ("urgent", None, None)
    assert "edited" not in [event.type for event in ticket.events]


def test_who_filed_it_has_set_its_priority_not_whose_ticket_it_is(
    help_desk: HelpDesk, tickets: TicketService, people: People, requester: User
) -> None:
    moderator = people.add(Role.MODERATOR)
    ticket = tickets.create(
        actor=Actor.from_user(moderator),
        team_id=TEAM_ID,
        request_id=None,
        title="The printer is on fire",
        description="Smoke comes out of it.",
        priority="urgent",
        requester=requester.id,
    ).ticket
    assert weighed(help_desk.read(ticket, LOW)) == ("urgent", None, None)
    ticket = file_ticket(tickets, requester, priority="urgent")
    ticket = help_desk.set(ticket, moderator, createdBy=moderator.id)
    assert weighed(help_desk.read(ticket, LOW)) == ("high", "requester", None)


def test_a_moderator_who_is_none_any_more_is_not(
    help_desk: HelpDesk, db: Mongo, tickets: TicketService, people: People
) -> None:
    former = people.add(Role.MODERATOR)
    ticket = file_ticket(tickets, former, priority="urgent")
    db.users.update_one({"_id": former.id}, {"$set": {"active": False}})
    assert weighed(help_desk.read(ticket, LOW)) == ("high", "requester", None)


def test_a_moderator_may_raise_what_was_lowered(
    help_desk: HelpDesk, tickets: TicketService, people: People, requester: User
) -> None:
    ticket = help_desk.read(file_ticket(tickets, requester, priority="urgent"), LOW)
    ticket = help_desk.set(ticket, people.add(Role.MODERATOR), priority="urgent")
    assert requested_priority(ticket) is Priority.URGENT
    assert weighed(help_desk.read(ticket, LOW)) == ("urgent", None, None)


@pytest.mark.parametrize("priority", ["low", None])
def test_a_moderators_other_priority_ends_the_claim(
    help_desk: HelpDesk,
    tickets: TicketService,
    people: People,
    requester: User,
    priority: str | None,
) -> None:
    ticket = help_desk.read(file_ticket(tickets, requester, priority="urgent"), LOW)
    ticket = help_desk.set(ticket, people.add(Role.MODERATOR), priority=priority)
    assert requested_priority(ticket) == priority
    assert weighed(help_desk.read(ticket, LOW)) == ("low", None, None)


def test_a_ticket_that_has_changed_is_left_alone(
    help_desk: HelpDesk, db: Mongo, tickets: TicketService, people: People, requester: User
) -> None:
    ticket = file_ticket(tickets, requester, priority="urgent")
    help_desk.set(ticket, people.add(Role.MODERATOR), title="Another one")
    assert store_analysis(db, ticket, URGENT, now=FixedClock()()) is None
