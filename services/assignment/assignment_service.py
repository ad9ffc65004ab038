"""What assignment reads from and writes to the database; whom it chooses is in assignment.py."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ReturnDocument

from services.analysis.analysis_store import store_analysis
from services.analysis.model_answer import Analysis
from services.assignment.candidate import Candidate
from services.assignment.candidate_pool import CandidateLoader, CandidatePool, set_aside
from services.assignment.feedback import net_effects
from services.assignment.ranking import Criteria, choose_assignee
from services.assignment.scoring import NOBODY
from services.core.database import Mongo
from services.linking.links import LinkService
from services.models.assignee_choice import AnalysisSource, AssigneeChoice, ChoiceReason
from services.models.events import EventType
from services.models.ticket import Status, Ticket
from services.outbox.pending import UNASSIGNED_RETRY_INTERVAL
from services.tickets import ticket_store, transitions
from services.tickets.transitions import Change

CLAIM = timedelta(seconds=90)
# How many are looked at for what they have solved or been given, beside a large team's shortlist.
FAVOURED = 10
UNASSIGNED = {"status": {"$in": [Status.TODO, Status.REOPENED]}, "assignedTo": None}

# Filed since this is installed, or given back by somebody here. The predecessor's old tickets,
# which have none of these, do not enter by themselves.
_ENTRIES = frozenset({EventType.FILED, EventType.UNASSIGNED, EventType.REOPENED})
_DECLINED = frozenset({EventType.UNASSIGNED, EventType.REASSIGNED_BY_ESCALATION})


def needs_assignment(ticket: Ticket) -> bool:
    """Whether the ticket waits for assignment now, rather than for a person or for somebody's
    return."""
    return (
        any(event.type in _ENTRIES for event in ticket.events)
        and ticket.status in (Status.TODO, Status.REOPENED)
        and ticket.assigned_to is None
        and "next" not in ticket.assignment
    )


def declined(ticket: Ticket) -> frozenset[ObjectId]:
    """Those from whom it was handed back or passed on: they are not chosen for it again.

    Not those who were away or gone, which stands in their way only while it lasts.
    """
    had = (
        event.from_
        for event in ticket.events
        if event.type in _DECLINED and not event.assignee_was_absent
    )
    return frozenset(user_id for user_id in had if isinstance(user_id, ObjectId))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A choice, from whom it was made, and what it went by."""

    choice: AssigneeChoice | None
    pool: CandidatePool
    grounds: Criteria


class AssignmentService:
    def __init__(self, db: Mongo, links: LinkService) -> None:
        self._db = db
        self._staff = CandidateLoader(db, links)

    def claim(self, ticket_id: ObjectId, *, now: datetime) -> Ticket | None:
        """Take the ticket for 90 s, so that two tasks never both ask the model; None: taken."""
        free = {"$or": [{"assignment.until": None}, {"assignment.until": {"$lte": now}}]}
        doc = self._db.tickets.find_one_and_update(
            {"_id": ticket_id, **UNASSIGNED, **free},
            {"$set": {"assignment.until": now + CLAIM}},
            return_document=ReturnDocument.AFTER,
        )
        return Ticket.from_doc(doc) if doc else None

    def release(self, ticket_id: ObjectId) -> None:
        self._db.tickets.update_one({"_id": ticket_id}, {"$unset": {"assignment.until": ""}})

    def store_analysis(self, ticket: Ticket, analysis: Analysis, *, now: datetime) -> Ticket | None:
        """As `services.analysis.analysis_store.store_analysis`."""
        return store_analysis(self._db, ticket, analysis, now=now)

    def candidates(self, *, team_id: str, now: datetime) -> list[Candidate]:
        """Everybody who may be assigned tickets, for a person to choose from."""
        return self._staff.everybody(team_id=team_id, now=now)

    def choose(
        self, ticket: Ticket, *, now: datetime, history: Mapping[ObjectId, float] = NOBODY
    ) -> AssigneeChoice | None:
        """The best person for it at the moment; None where nobody is available.

        `history` is as in `services.assignment.ranking.choose_assignee`. The number of queries is
        the same however
        many people there are; only where nobody on a large team's shortlist fits is everybody read.
        """
        return self.weigh(ticket, now=now, history=history).choice

    def weigh(
        self, ticket: Ticket, *, now: datetime, history: Mapping[ObjectId, float] = NOBODY
    ) -> Evaluation:
        """The choice, and how it came about. Nobody is the fuller for having this very ticket."""
        team_id, skills = ticket.team_id or "", ticket.related_skills
        grounds = Criteria(
            skills=skills,
            requester=ticket.created_by,
            now=now,
            declined=declined(ticket),
            history=history,
            corrections=net_effects(self._db, skills=skills, now=now),
        )
        favoured = _most(history) | _most(grounds["corrections"])
        pool = self._staff.pool(team_id=team_id, skills=skills, favoured=favoured, now=now)
        weighed = _weighed(ticket, pool, grounds)
        choice = weighed.choice
        is_fit = choice is not None and (choice.main_reason is ChoiceReason.SKILLS or not skills)
        if is_fit or pool.is_everybody:
            return weighed
        everybody = CandidatePool(self._staff.everybody(team_id=team_id, now=now))
        return _weighed(ticket, everybody, grounds)

    def assign(
        self, ticket: Ticket, choice: AssigneeChoice, *, source: AnalysisSource, now: datetime
    ) -> Ticket | None:
        """Hand the ticket to the chosen one; None where it changed meanwhile."""
        self.was_chosen(choice, now=now)
        return self._store(
            ticket, transitions.auto_assign(ticket, choice, source=source, now=now), now
        )

    def was_chosen(self, choice: AssigneeChoice, *, now: datetime) -> None:
        """Whoever else stores what came of `choose` says so here."""
        self._staff.was_chosen(choice.user_id, now=now)

    def park(self, ticket: Ticket, *, now: datetime) -> Ticket | None:
        """Nobody can take it: look again in five minutes."""
        return self._store(
            ticket,
            transitions.queue_unassigned(ticket, retry_at=now + UNASSIGNED_RETRY_INTERVAL),
            now,
        )

    def _store(self, ticket: Ticket, change: Change, now: datetime) -> Ticket | None:
        return ticket_store.apply(
            self._db,
            ticket,
            values=change.values,
            events=change.events,
            now=now,
            remove=change.remove,
            **UNASSIGNED,
        )


def _weighed(ticket: Ticket, pool: CandidatePool, grounds: Criteria) -> Evaluation:
    candidates = set_aside(pool.candidates, ticket, now=grounds["now"])
    choice = choose_assignee(candidates=candidates, holders=pool.holders, **grounds)
    return Evaluation(choice, replace(pool, candidates=candidates), grounds)


def _most(shares: Mapping[ObjectId, float]) -> frozenset[ObjectId]:
    """The few of whom most speaks for them."""
    spoken_for = (who for who in shares if shares[who] > 0)
    return frozenset(sorted(spoken_for, key=lambda who: (-shares[who], who))[:FAVOURED])
