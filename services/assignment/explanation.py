"""Why a ticket has its assignee: who would be chosen now and why, and who is excluded and why.

The dry run reads and scores as the workers do (services/assignment/ranking.py), but stores, sends
and publishes nothing, and calls no model: the offline router analyses a ticket without an analysis,
in memory.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.accounts.users import UserService
from services.analysis.analysis_store import is_analysed, with_analysis
from services.analysis.model_exchange import NO_SOURCES
from services.assignment import feedback
from services.assignment.assignment_service import AssignmentService
from services.assignment.candidate import Candidate, Obstacle, ScoringContext
from services.assignment.candidate_pool import CandidateLoader, CandidatePool, without_ticket
from services.assignment.feedback import Correction
from services.assignment.ranking import (
    Criteria,
    Rating,
    Tier,
    describe_reason,
    rate_candidates,
    strengths,
)
from services.core.clock import Clock, utcnow
from services.core.coerce import as_datetime, as_str
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue, NotFound
from services.core.installation import get_installation
from services.core.redaction import mask
from services.linking.links import Directory, LinkService
from services.models.events import EventType
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.ticket import MANUAL_SOURCE, Ticket
from services.routing import router
from services.routing.model_store import ModelStore

# In a larger team, an interactive caller gets only the shortlist.
MAX_CANDIDATES_READ = 2_000
_NUMBER = re.compile(r"#?([0-9]{1,9})")


class CandidateExclusion(StrEnum):
    """Why a candidate without an `Obstacle` is excluded."""

    NO_MATCH = "no_fit"
    NOT_SHORTLISTED = "not_listed"  # only a part of a large team is considered at a time


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """How a candidate ranks for a ticket. `reason` is what counts in their favour; the
    first candidate's is the text of the card. `exclusion` is None if they could be chosen."""

    candidate: Candidate
    score: float
    parts: Mapping[str, float]
    reason: str
    exclusion: Obstacle | CandidateExclusion | None = None

    @property
    def user_id(self) -> ObjectId:
        return self.candidate.user_id


@dataclass(frozen=True, slots=True)
class Explanation:
    """`eligible` are those who could be chosen, the best first; the others are `excluded`."""

    eligible: tuple[CandidateScore, ...]
    excluded: tuple[CandidateScore, ...]

    @property
    def chosen(self) -> CandidateScore | None:
        return self.eligible[0] if self.eligible else None


@dataclass(frozen=True, slots=True)
class LastAssignment:
    """The ticket's last assignment, as stored at that time.

    `by` is a person's id, "system" for assignment, or "" for another program. A person's choice has
    no score: `score` is None and `parts` are empty.
    """

    to: ObjectId
    by: ObjectId | str
    at: datetime | None
    reason: str
    score: float | None
    parts: Mapping[str, float]


def explain(
    candidates: Sequence[Candidate],
    *,
    shortlisted: Set[ObjectId],
    criteria: Criteria,
) -> Explanation:
    """Return how all candidates rank. The first eligible one is the choice of `choose_assignee`
    from the `shortlisted` ones, by the same criteria."""
    considered = [who for who in candidates if who.user_id in shortlisted]
    # Users who have left are shown, but do not make a skill less rare.
    context = ScoringContext.build(
        considered,
        skills=criteria["skills"],
        now=criteria["now"],
        skill_counts=criteria.get("skill_counts"),
        sources=criteria.get("sources", NO_SOURCES),
    )
    criteria = {**criteria, "skill_counts": context.skill_counts}
    ratings = rate_candidates(candidates=candidates, **criteria)
    why_not = [(rating, _exclusion(rating, shortlisted)) for rating in ratings]
    eligible = [rating for rating, reason in why_not if reason is None]
    return Explanation(
        eligible=tuple(
            _candidate_score(rating, context, first=rating is eligible[0]) for rating in eligible
        ),
        excluded=tuple(
            _candidate_score(rating, context, exclusion=reason)
            for rating, reason in why_not
            if reason
        ),
    )


def last_assignment(ticket: Ticket) -> LastAssignment | None:
    """Return None for a ticket that never had an assignee."""
    given = [event for event in ticket.events if event.type == EventType.ASSIGNED]
    last = given[-1] if given else None
    to = last.to if last and isinstance(last.to, ObjectId) else ticket.assigned_to
    if to is None:
        return None
    assignment = ticket.assignment
    score = _number(assignment.get("score"))
    # "system" and MANUAL_SOURCE: another program assigned it.
    is_ours = last is not None and (
        last.by != "system" or assignment.get("source") != MANUAL_SOURCE
    )
    return LastAssignment(
        to=to,
        by=last.by if last and is_ours else "",
        at=last.at if last else as_datetime(assignment.get("at")),
        reason=as_str(assignment.get("reason")),
        score=score,
        parts=_parts(assignment.get("parts")),
    )


def _candidate_score(
    rating: Rating,
    context: ScoringContext,
    *,
    first: bool = False,
    exclusion: Obstacle | CandidateExclusion | None = None,
) -> CandidateScore:
    return CandidateScore(
        candidate=rating.candidate,
        score=rating.score,
        parts=rating.rounded_parts,
        reason=describe_reason(rating, context) if first else _strengths(rating, context),
        exclusion=exclusion,
    )


def _strengths(rating: Rating, context: ScoringContext) -> str:
    found = strengths(rating, context)
    return f"an admin · {found}" if rating.tier is Tier.ADMIN else found


def _exclusion(rating: Rating, shortlisted: Set[ObjectId]) -> Obstacle | CandidateExclusion | None:
    if rating.obstacle:
        return rating.obstacle
    if rating.tier >= Tier.NO_MATCH:
        return CandidateExclusion.NO_MATCH
    return None if rating.candidate.user_id in shortlisted else CandidateExclusion.NOT_SHORTLISTED


def _parts(stored: Any) -> dict[str, float]:
    """Read stored parts; another version may have other names."""
    parts = stored if isinstance(stored, Mapping) else {}
    read = {str(name): _number(value) for name, value in parts.items()}
    return {name: value for name, value in read.items() if value is not None}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class DryRun:
    """`ticket` has the analysis it was evaluated with: the stored one if `is_analysed`, else the
    router's of now. `was_analysed`: the stored one is of an earlier text.

    `more_eligible` and `more_excluded` count the candidates that `explanation` leaves out at the
    end.
    """

    ticket: Ticket
    is_analysed: bool
    was_analysed: bool
    has_secrets: bool
    explanation: Explanation
    last_assignment: LastAssignment | None
    corrections: tuple[Correction, ...]
    people: Directory
    now: datetime
    more_eligible: int = 0
    more_excluded: int = 0


class ExplainService:
    def __init__(
        self,
        db: Mongo,
        users: UserService,
        links: LinkService,
        models: ModelStore,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._models = models
        self._assignments = AssignmentService(db, links)
        self._candidate_loader = CandidateLoader(db, links)
        self._clock = clock

    def explain(
        self, *, actor: Actor | Operator, ticket_id: str, limit: int | None = None
    ) -> DryRun:
        """Return a dry run for that ticket, with at most `limit` eligible and `limit` excluded
        candidates. Raises `PermissionDenied`, `NotFound`."""
        require_permission(actor, Permission.MANAGE_USERS)
        doc = self._by_id(ticket_id)
        if doc is None:
            raise NotFound("There is no such ticket.")
        return self._dry_run(doc, limit)

    def explain_reference(self, *, actor: Actor | Operator, reference: str) -> DryRun:
        """Return a dry run for a ticket's number, or its id: a legacy ticket has no number
        yet. Raises `PermissionDenied`, `InvalidValue`, `NotFound`."""
        require_permission(actor, Permission.MANAGE_USERS)
        number = _NUMBER.fullmatch(reference.strip())
        if number is None and not ObjectId.is_valid(reference.strip()):
            raise InvalidValue("number", "Write a ticket's number, for example 12, or its id.")
        doc = self._by_number(int(number[1])) if number else self._by_id(reference.strip())
        if doc is None:
            raise NotFound(
                f"There is no ticket {reference.strip()}. A ticket of the legacy backend gets its "
                "number from the jobs; until then, type its id."
            )
        return self._dry_run(doc, None)

    # Not by `services.tickets.queries`, which gives a legacy ticket a number.
    def _by_id(self, ticket_id: str) -> Document | None:
        if not ObjectId.is_valid(ticket_id):
            return None
        return self._db.tickets.find_one({"_id": ObjectId(ticket_id)})

    def _by_number(self, number: int) -> Document | None:
        home = get_installation(self._db)
        if home is None:
            return None
        return self._db.tickets.find_one({"teamId": home.team_id, "number": number})

    def _dry_run(self, doc: Document, most: int | None) -> DryRun:
        now, stored = self._clock(), Ticket.from_doc(doc)
        is_read = is_analysed(stored)
        ticket = self._with_team(stored if is_read else self._route_offline(stored, now))
        explanation, unread = self._evaluate(ticket, now, is_interactive=most is not None)
        shown = Explanation(explanation.eligible[:most], explanation.excluded[:most])
        last = last_assignment(stored)
        corrected = feedback.ticket_corrections(self._db, ticket.id)
        return DryRun(
            ticket=ticket,
            is_analysed=is_read,
            was_analysed=bool(stored.assignment.get("analysis")),
            has_secrets=mask(ticket.text) != ticket.text,
            explanation=shown,
            last_assignment=last,
            corrections=tuple(corrected),
            people=self._people(ticket, shown, last, corrected),
            now=now,
            more_eligible=len(explanation.eligible) - len(shown.eligible),
            more_excluded=len(explanation.excluded) - len(shown.excluded) + unread,
        )

    def _route_offline(self, ticket: Ticket, now: datetime) -> Ticket:
        """Analyse the ticket as the workers do without a model."""
        found = router.route(
            title=ticket.title,
            description=ticket.description,
            skills=self._users.team_skills(),
            learned=self._models.skill_model(),
        )
        return with_analysis(ticket, found, now=now)

    def _with_team(self, ticket: Ticket) -> Ticket:
        """Add the team that the ticket gets when it is adopted."""
        home = None if ticket.team_id else get_installation(self._db)
        return replace(ticket, team_id=home.team_id) if home else ticket

    def _evaluate(
        self, ticket: Ticket, now: datetime, *, is_interactive: bool
    ) -> tuple[Explanation, int]:
        """Return the explanation, and how many candidates were not read."""
        evaluation = self._assignments.evaluate(
            ticket, now=now, history=self._models.resolver_scores(ticket.text)
        )
        pool = evaluation.pool
        listed = {who.user_id for who in pool.candidates}
        size = len(listed) if pool.is_complete else self._candidate_loader.count()
        rest = (
            []
            if is_interactive and size > MAX_CANDIDATES_READ
            else self._other_candidates(ticket, pool, listed, now)
        )
        found = explain(
            [*pool.candidates, *rest],
            shortlisted=listed,
            criteria=evaluation.criteria,
        )
        return found, 0 if rest or pool.is_complete else max(size - len(listed), 0)

    def _other_candidates(
        self, ticket: Ticket, pool: CandidatePool, listed: Set[ObjectId], now: datetime
    ) -> list[Candidate]:
        """Return the candidates that assignment does not consider."""
        team_id = ticket.team_id or ""
        gone = self._candidate_loader.load_all(team_id=team_id, now=now, deactivated=True)
        if pool.is_complete:
            return gone
        staff = without_ticket(
            self._candidate_loader.load_all(team_id=team_id, now=now), ticket, now=now
        )
        return [*(who for who in staff if who.user_id not in listed), *gone]

    def _people(
        self,
        ticket: Ticket,
        shown: Explanation,
        last: LastAssignment | None,
        made: Iterable[Correction],
    ) -> Directory:
        standings: tuple[CandidateScore, ...] = (*shown.eligible, *shown.excluded)
        named = [ticket.created_by, ticket.assigned_to, *(one.user_id for one in standings)]
        named += [last.to] if last else []
        named += [last.by] if last and isinstance(last.by, ObjectId) else []
        for correction in made:
            named += [correction.by, correction.from_, correction.to]
        wanted = {user_id for user_id in named if user_id}
        return self._links.resolve_people(team_id=ticket.team_id, user_ids=wanted)
