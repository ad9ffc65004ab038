"""What assignment reads from and writes to the database. Whom it chooses is in
services/assignment/ranking.py."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ReturnDocument

from services.analysis.analysis_store import store_analysis
from services.analysis.model_answer import Analysis
from services.assignment.candidate import Candidate
from services.assignment.candidate_pool import CandidateLoader, CandidatePool, without_ticket
from services.assignment.feedback import correction_scores
from services.assignment.ranking import Criteria, choose_assignee
from services.assignment.scoring import NO_SCORES
from services.core.database import Mongo
from services.linking.links import LinkService
from services.models.assignee_choice import AnalysisSource, AssigneeChoice, ChoiceReason
from services.models.events import EventType
from services.models.ticket import Status, Ticket
from services.outbox.pending import UNASSIGNED_RETRY_INTERVAL
from services.tickets import ticket_store, transitions
from services.tickets.transitions import Change

CLAIM_DURATION = timedelta(seconds=90)
# How many are looked at for what they have solved or been given, beside a large team's shortlist.
MAX_FAVOURED = 10
UNASSIGNED = {"status": {"$in": [Status.TODO, Status.REOPENED]}, "assignedTo": None}

# Filed since this is installed, or given back by somebody here. The predecessor's old tickets,
# which have none of these, do not enter by themselves.
_ENTRY_EVENTS = frozenset({EventType.FILED, EventType.UNASSIGNED, EventType.REOPENED})
_DECLINE_EVENTS = frozenset({EventType.UNASSIGNED, EventType.REASSIGNED_BY_ESCALATION})


def needs_assignment(ticket: Ticket) -> bool:
    """Whether the ticket waits for assignment now, rather than for a person or for somebody's
    return."""
    return (
        any(event.type in _ENTRY_EVENTS for event in ticket.events)
        and ticket.status in (Status.TODO, Status.REOPENED)
        and ticket.assigned_to is None
        and "next" not in ticket.assignment
    )


def declined_by(ticket: Ticket) -> frozenset[ObjectId]:
    """Those who have declined it, or from whom it was reassigned: they are not chosen for it again.

    Not those who were away or had left, which rules them out only while it lasts.
    """
    former_assignees = (
        event.from_
        for event in ticket.events
        if event.type in _DECLINE_EVENTS and not event.assignee_was_absent
    )
    return frozenset(user_id for user_id in former_assignees if isinstance(user_id, ObjectId))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A choice, from whom it was made, and what it went by."""

    choice: AssigneeChoice | None
    pool: CandidatePool
    criteria: Criteria


class AssignmentService:
    def __init__(self, db: Mongo, links: LinkService) -> None:
        self._db = db
        self._candidate_loader = CandidateLoader(db, links)

    def claim(self, ticket_id: ObjectId, *, now: datetime) -> Ticket | None:
        """Take the ticket for 90 s, so that two tasks never both ask the model; None: taken."""
        free = {"$or": [{"assignment.until": None}, {"assignment.until": {"$lte": now}}]}
        doc = self._db.tickets.find_one_and_update(
            {"_id": ticket_id, **UNASSIGNED, **free},
            {"$set": {"assignment.until": now + CLAIM_DURATION}},
            return_document=ReturnDocument.AFTER,
        )
        return Ticket.from_doc(doc) if doc else None

    def release_claim(self, ticket_id: ObjectId) -> None:
        self._db.tickets.update_one({"_id": ticket_id}, {"$unset": {"assignment.until": ""}})

    def store_analysis(self, ticket: Ticket, analysis: Analysis, *, now: datetime) -> Ticket | None:
        """As `services.analysis.analysis_store.store_analysis`."""
        return store_analysis(self._db, ticket, analysis, now=now)

    def candidates(self, *, team_id: str, now: datetime) -> list[Candidate]:
        """Everybody who may be assigned tickets, for a person to choose from."""
        return self._candidate_loader.load_all(team_id=team_id, now=now)

    def choose(
        self, ticket: Ticket, *, now: datetime, history: Mapping[ObjectId, float] = NO_SCORES
    ) -> AssigneeChoice | None:
        """The best person for it at the moment; None where nobody is available.

        `history` is as in `services.assignment.ranking.choose_assignee`. The number of queries is
        the same however many people there are; only where nobody on a large team's shortlist fits
        is everybody read.
        """
        return self.evaluate(ticket, now=now, history=history).choice

    def evaluate(
        self, ticket: Ticket, *, now: datetime, history: Mapping[ObjectId, float] = NO_SCORES
    ) -> Evaluation:
        """The choice, and how it came about. Nobody is the fuller for having this very ticket."""
        team_id, skills = ticket.team_id or "", ticket.related_skills
        criteria = Criteria(
            skills=skills,
            requester=ticket.created_by,
            now=now,
            declined=declined_by(ticket),
            history=history,
            corrections=correction_scores(self._db, skills=skills, now=now),
        )
        favoured = _top_users(history) | _top_users(criteria["corrections"])
        pool = self._candidate_loader.load_pool(
            team_id=team_id, skills=skills, favoured=favoured, now=now
        )
        evaluation = _evaluate(ticket, pool, criteria)
        choice = evaluation.choice
        is_match = choice is not None and (choice.main_reason is ChoiceReason.SKILLS or not skills)
        if is_match or pool.is_complete:
            return evaluation
        everybody = CandidatePool(self._candidate_loader.load_all(team_id=team_id, now=now))
        return _evaluate(ticket, everybody, criteria)

    def assign(
        self, ticket: Ticket, choice: AssigneeChoice, *, source: AnalysisSource, now: datetime
    ) -> Ticket | None:
        """Hand the ticket to the chosen one; None where it changed meanwhile."""
        self.record_chosen(choice, now=now)
        return self._store(
            ticket, transitions.auto_assign(ticket, choice, source=source, now=now), now
        )

    def record_chosen(self, choice: AssigneeChoice, *, now: datetime) -> None:
        """Whoever else stores what came of `choose` says so here."""
        self._candidate_loader.record_chosen(choice.user_id, now=now)

    def queue_unassigned(self, ticket: Ticket, *, now: datetime) -> Ticket | None:
        """Nobody can take it: look again in five minutes."""
        return self._store(
            ticket,
            transitions.queue_unassigned(ticket, retry_at=now + UNASSIGNED_RETRY_INTERVAL),
            now,
        )

    def _store(self, ticket: Ticket, change: Change, now: datetime) -> Ticket | None:
        return ticket_store.apply(self._db, ticket, change, now=now, **UNASSIGNED)


def _evaluate(ticket: Ticket, pool: CandidatePool, criteria: Criteria) -> Evaluation:
    candidates = without_ticket(pool.candidates, ticket, now=criteria["now"])
    choice = choose_assignee(candidates=candidates, skill_counts=pool.skill_counts, **criteria)
    return Evaluation(choice, replace(pool, candidates=candidates), criteria)


def _top_users(shares: Mapping[ObjectId, float]) -> frozenset[ObjectId]:
    """The few of whom most speaks for them."""
    spoken_for = (who for who in shares if shares[who] > 0)
    return frozenset(sorted(spoken_for, key=lambda who: (-shares[who], who))[:MAX_FAVOURED])
