from typing import Any

import pytest
from bson import ObjectId

from services.analysis.analysis_store import analysis_source, is_analysed, store_analysis
from services.analysis.model_exchange import Analysis, FailureReason
from services.assignment.assignment_service import (
    CLAIM_DURATION,
    AssignmentService,
    declined_by,
    needs_assignment,
)
from services.core.database import Mongo
from services.editing.ticket_edits import TicketEdits
from services.models.permissions import Actor
from services.models.ticket import (
    AnalysisSource,
    AssigneeChoice,
    ChoiceReason,
    Priority,
    Status,
    Ticket,
)
from services.models.user import Role, User
from services.outbox.pending import UNASSIGNED_RETRY_INTERVAL, retry_unassigned
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, at_once, file_ticket, reload

READ = Analysis(
    summary="No tunnel.",
    priority=Priority.HIGH,
    related_skills=("VPN",),
    helpful_notes="Check the client.",
    confidence=0.9,
    source=AnalysisSource.GEMINI,
    model="gemini-flash-latest",
    tokens=321,
    ms=654,
)
ROUTED = Analysis(
    summary=None,
    priority=None,
    related_skills=(),
    helpful_notes=None,
    confidence=None,
    source=AnalysisSource.ROUTER,
    failure=FailureReason.TIMEOUT.value,
)


@pytest.fixture
def ticket(tickets: TicketService, requester: User) -> Ticket:
    return file_ticket(tickets, requester)


def stored(db: Mongo, ticket: Ticket) -> dict[str, Any]:
    return db.tickets.find_one({"_id": ticket.id}) or {}


def chosen(user_id: ObjectId) -> AssigneeChoice:
    parts = {"skills": 0.6, "load": 0.3, "fairness": 0.1}
    return AssigneeChoice(
        user_id, ChoiceReason.SKILLS, "knows VPN · 1 of 8 tickets with this one", 1.0, parts
    )


def test_one_of_many_claims_it(
    assignments: AssignmentService, db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    answers = at_once(*[lambda: assignments.claim(ticket, now=clock())] * 8)
    assert [answer for answer in answers if answer] == [reload(db, ticket)]
    assert reload(db, ticket).assignment == {"until": clock() + CLAIM_DURATION}
    assert reload(db, ticket).seq == ticket.seq  # a claim is no change


def test_a_claim_ends_by_itself_or_by_release(
    assignments: AssignmentService, clock: FixedClock, ticket: Ticket
) -> None:
    assert assignments.claim(ticket, now=clock())
    clock.advance(seconds=CLAIM_DURATION.total_seconds() - 0.001)
    assert assignments.claim(ticket, now=clock()) is None
    clock.advance(seconds=0.001)
    assert assignments.claim(ticket, now=clock())
    assignments.release_claim(ticket.id)
    assert assignments.claim(ticket, now=clock())


@pytest.mark.parametrize(
    ("fields", "claimable"),
    [
        ({"status": "REOPENED"}, True),
        ({"status": "IN_PROGRESS"}, False),
        ({"status": "WAITING"}, False),
        ({"status": "COMPLETED"}, False),
        ({"assignedTo": ObjectId()}, False),
    ],
)
def test_only_what_nobody_has_is_claimed(
    assignments: AssignmentService,
    db: Mongo,
    clock: FixedClock,
    ticket: Ticket,
    fields: dict[str, Any],
    claimable: bool,
) -> None:
    db.tickets.update_one({"_id": ticket.id}, {"$set": fields})
    assert needs_assignment(reload(db, ticket)) is claimable
    assert bool(assignments.claim(reload(db, ticket), now=clock())) is claimable


def test_legacy_tickets_do_not_enter_by_themselves() -> None:
    assert not needs_assignment(Ticket.from_doc({"_id": ObjectId(), "status": "TODO"}))


def test_an_analysis_is_stored(db: Mongo, clock: FixedClock, ticket: Ticket) -> None:
    assert not is_analysed(ticket)
    analysed = store_analysis(db, ticket, READ, now=clock())
    assert analysed == reload(db, ticket)
    assert is_analysed(analysed)
    assert analysis_source(analysed) is AnalysisSource.GEMINI
    assert (analysed.summary, analysed.helpful_notes) == ("No tunnel.", "Check the client.")
    assert (analysed.priority, analysed.related_skills) == (Priority.HIGH, ("VPN",))
    details = {"model": "gemini-flash-latest", "confidence": 0.9, "tokens": 321, "ms": 654}
    assert analysed.assignment["analysis"].items() >= (details | {"failure": None}).items()
    assert [(event.type, event.by) for event in analysed.events[1:]] == [("analysed", "ai")]


def test_the_router_leaves_the_priority_in_the_middle(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    analysed = store_analysis(db, ticket, ROUTED, now=clock())
    assert analysed is not None
    assert (analysed.priority, analysed.summary) == (Priority.MEDIUM, None)
    assert analysed.assignment["analysis"]["failure"] == "timeout"
    assert (analysis_source(analysed), analysed.events[-1].by) == (AnalysisSource.ROUTER, "system")


def test_a_persons_priority_stays(
    db: Mongo, clock: FixedClock, tickets: TicketService, requester: User
) -> None:
    ticket: Ticket | None = file_ticket(tickets, requester, priority="low")
    for analysis in (READ, ROUTED, READ):
        assert ticket is not None
        ticket = store_analysis(db, ticket, analysis, now=clock())
        assert ticket is not None
        assert ticket.priority is Priority.LOW


def test_an_earlier_analysiss_priority_does_not_stay(
    db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    first = store_analysis(db, ticket, ROUTED, now=clock())
    assert first is not None
    second = store_analysis(db, first, READ, now=clock())
    assert second is not None
    assert second.priority is Priority.HIGH


@pytest.mark.parametrize("field", ["title", "description"])
def test_other_words_need_another_analysis(
    db: Mongo, clock: FixedClock, ticket: Ticket, field: str
) -> None:
    store_analysis(db, ticket, READ, now=clock())
    db.tickets.update_one({"_id": ticket.id}, {"$set": {field: "Something else"}})
    assert not is_analysed(reload(db, ticket))


def test_a_ticket_is_reassigned(
    assignments: AssignmentService, db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"later": {"kept": True}}})
    assignments.claim(ticket, now=clock())
    assignee = ObjectId()

    done = assignments.assign(ticket, chosen(assignee), source=AnalysisSource.GEMINI, now=clock())

    assert done is not None
    assert (done.status, done.assigned_to) == (Status.IN_PROGRESS, assignee)
    assert done.assignment == {
        "source": "gemini",
        "reason": "knows VPN · 1 of 8 tickets with this one",
        "score": 1.0,
        "parts": {"skills": 0.6, "load": 0.3, "fairness": 0.1},
        "at": clock(),
    }
    assert stored(db, ticket)["later"] == {"kept": True}
    assigned, moved = done.events[1:]
    assert (assigned.type, assigned.by, assigned.to) == ("assigned", "system", assignee)
    assert assigned.note == "knows VPN · 1 of 8 tickets with this one"
    assert (moved.type, moved.from_, moved.to) == ("status_changed", "TODO", "IN_PROGRESS")


@pytest.mark.parametrize(
    "change", [{"seq": 9}, {"status": "COMPLETED"}, {"assignedTo": ObjectId()}]
)
def test_a_ticket_that_has_changed_is_left_alone(
    assignments: AssignmentService,
    db: Mongo,
    clock: FixedClock,
    ticket: Ticket,
    change: dict[str, Any],
) -> None:
    db.tickets.update_one({"_id": ticket.id}, {"$set": change})
    before = stored(db, ticket)
    who = chosen(ObjectId())
    assert assignments.assign(ticket, who, source=AnalysisSource.GEMINI, now=clock()) is None
    assert assignments.queue_unassigned(ticket, now=clock()) is None
    if "seq" in change:
        assert store_analysis(db, ticket, READ, now=clock()) is None
    assert stored(db, ticket) == before


def test_of_two_assignments_at_once_one_counts(
    assignments: AssignmentService, db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    def assign() -> Ticket | None:
        return assignments.assign(
            ticket, chosen(ObjectId()), source=AnalysisSource.ROUTER, now=clock()
        )

    answers = at_once(*[assign] * 8)
    assert [answer for answer in answers if answer] == [reload(db, ticket)]


def test_who_was_notified_that_nobody_can_is_notified_once(
    assignments: AssignmentService, db: Mongo, clock: FixedClock, ticket: Ticket
) -> None:
    for _ in range(3):
        claimed = assignments.claim(ticket, now=clock())
        assert claimed is not None
        unassigned = assignments.queue_unassigned(claimed, now=clock())
        assert unassigned is not None
        assert unassigned.assignment == {"next": clock() + UNASSIGNED_RETRY_INTERVAL}
        assert not needs_assignment(unassigned)
        retry_unassigned(db, now=clock())
        assert needs_assignment(reload(db, ticket))
    types = [event.type for event in reload(db, ticket).events]
    assert types == ["filed", "nobody_available"]


def test_a_ticket_unassigned_again_is_notified_again(
    assignments: AssignmentService,
    ticket_actions: TicketActions,
    people: People,
    db: Mongo,
    clock: FixedClock,
    ticket: Ticket,
) -> None:
    moderator = people.add(Role.MODERATOR)
    ids: dict[str, Any] = {"actor": Actor.from_user(moderator), "ticket_id": str(ticket.id)}
    assert assignments.queue_unassigned(ticket, now=clock())
    ticket_actions.take(**ids)
    ticket_actions.reassign(**ids, assignee_id=None)
    for _ in range(2):
        assert assignments.queue_unassigned(reload(db, ticket), now=clock())
    types = [event.type for event in reload(db, ticket).events]
    assert types.count("nobody_available") == 2
    assert types[-2:] == ["handed_back", "nobody_available"]


def test_those_it_was_taken_from_are_not_chosen_again(
    ticket_actions: TicketActions, people: People, db: Mongo, ticket: Ticket
) -> None:
    ben, cleo, admin = (
        people.add(Role.MODERATOR),
        people.add(Role.MODERATOR),
        people.add(Role.ADMIN),
    )
    ids = {"ticket_id": str(ticket.id)}
    for had, by in ((ben, ben), (cleo, admin)):
        ticket_actions.take(actor=Actor.from_user(had), **ids)
        ticket_actions.reassign(actor=Actor.from_user(by), **ids, assignee_id=None)
    ticket_actions.take(actor=Actor.from_user(admin), **ids)
    assert declined_by(reload(db, ticket)) == {ben.id, cleo.id}


def test_an_analysis_does_not_overwrite_edited_fields(
    db: Mongo,
    ticket_edits: TicketEdits,
    people: People,
    ticket: Ticket,
    clock: FixedClock,
) -> None:
    moderator = people.add(Role.MODERATOR, "SAP")
    edited = ticket_edits.update(
        actor=Actor.from_user(moderator),
        ticket_id=str(ticket.id),
        expected_seq=ticket.seq,
        changes={"relatedSkills": ["SAP"], "helpfulNotes": "Ask Ada."},
    )
    analysed = store_analysis(db, edited, READ, now=clock())
    assert analysed is not None
    assert (analysed.related_skills, analysed.helpful_notes) == (("SAP",), "Ask Ada.")
    assert analysed.summary == "No tunnel."
