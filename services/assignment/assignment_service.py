"""Assignment's reads and writes in the database. The choice itself is made in
services/assignment/ranking.py."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bson import ObjectId

from services.analysis.analysis_store import skill_sources
from services.analysis.model_exchange import NO_SOURCES
from services.assignment.candidate import (
    NO_SCORES,
    Candidate,
    Obstacle,
    find_obstacle,
    skills_by_key,
)
from services.assignment.candidate_pool import (
    CandidateLoader,
    CandidatePool,
    with_ticket,
    without_ticket,
)
from services.assignment.feedback import correction_scores
from services.assignment.ranking import Criteria, choose_assignee, rate_candidates
from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.core.ttl_cache import ReadCache
from services.core.work_queue import ahead
from services.linking.links import LinkService
from services.models.events import EventType
from services.models.ticket import (
    AnalysisSource,
    AssigneeChoice,
    ChoiceReason,
    Status,
    Ticket,
    parse_priority,
)
from services.models.user import ACTIVE_STAFF, PRIVATE_TICKET_STAFF, Role
from services.outbox import pending
from services.outbox.pending import UNASSIGNED_RETRY_INTERVAL
from services.tickets import ticket_store, transitions
from services.tickets.transitions import NO_CHANGE, Change

CLAIM_DURATION = timedelta(seconds=90)
# Candidates added to a large team's shortlist for their history or corrections.
MAX_FAVOURED = 10
# Cached candidates that `choose` reads again for one ticket; then it reads all.
MAX_REREAD = 5
UNASSIGNED_STATUSES = (Status.TODO, Status.REOPENED)
UNASSIGNED = {"status": {"$in": list(UNASSIGNED_STATUSES)}, "assignedTo": None}

# Tickets filed or given back with this product. The legacy backend's old tickets have none of these
# events and are not assigned automatically.
_ENTRY_EVENTS = frozenset({EventType.FILED, EventType.UNASSIGNED, EventType.REOPENED})
_DECLINE_EVENTS = frozenset({EventType.UNASSIGNED, EventType.REASSIGNED_BY_ESCALATION})


def needs_assignment(ticket: Ticket) -> bool:
    """Whether the ticket waits for assignment now, and not for a person or for a retry."""
    return (
        any(event.type in _ENTRY_EVENTS for event in ticket.events)
        and ticket.status in (Status.TODO, Status.REOPENED)
        and ticket.assigned_to is None
        and "next" not in ticket.assignment
    )


def claimed_at(ticket: Ticket) -> datetime | None:
    """Return when a task began to assign the ticket; None if none does."""
    until = as_datetime(ticket.assignment.get("until"))
    return until - CLAIM_DURATION if until else None


def declined_by(ticket: Ticket) -> frozenset[ObjectId]:
    """Return the users who declined it or from whom it was reassigned. They are not chosen again.

    Users from whom it was taken because they were away or had left are not among them.
    """
    former_assignees = (
        event.from_
        for event in ticket.events
        if event.type in _DECLINE_EVENTS and not event.assignee_was_absent
    )
    return frozenset(user_id for user_id in former_assignees if isinstance(user_id, ObjectId))


def not_chosen(ticket: Ticket) -> frozenset[ObjectId]:
    """Return those who do not get the ticket: `declined_by`, and whom its requester named."""
    return declined_by(ticket) | ({ticket.not_to} if ticket.not_to else frozenset())


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A choice, the candidates it was made from, and its criteria."""

    choice: AssigneeChoice | None
    pool: CandidatePool
    criteria: Criteria


@dataclass(frozen=True, slots=True)
class Unavailability:
    """Why a candidate is not chosen; without an `obstacle`, they do not match the ticket."""

    candidate: Candidate
    obstacle: Obstacle | None


class AssignmentService:
    def __init__(self, db: Mongo, links: LinkService, *, cache_seconds: float = 0.0) -> None:
        """`cache_seconds`: for how long `choose` uses the names, skills and hours of the candidates
        that it has read."""
        self._db = db
        self._candidate_loader = CandidateLoader(db, links, cache_seconds=cache_seconds)
        self._corrections: ReadCache[tuple[str, ...], Mapping[ObjectId, float]] = ReadCache(
            cache_seconds
        )

    def claim(self, ticket: Ticket, *, now: datetime) -> Ticket | None:
        """Take the ticket for 90 s, so that two tasks never both ask the model; None: taken.

        The same update counts the attempt (`pending.back_off`). A ticket that has changed since it
        was loaded is loaded again.
        """
        claimed = self._claim(ticket, now=now)
        if claimed is None:
            doc = self._db.tickets.find_one({"_id": ticket.id})
            claimed = self._claim(Ticket.from_doc(doc), now=now) if doc else None
        return claimed

    def _claim(self, ticket: Ticket, *, now: datetime) -> Ticket | None:
        """Return None if the ticket has changed, or is taken."""
        until = now + CLAIM_DURATION
        unclaimed = {"assignment.until": {"$not": ahead(now, longest=CLAIM_DURATION)}}
        this: Document = {"_id": ticket.id, **UNASSIGNED, **unclaimed}
        change: Document = {"$set": {"assignment.until": until}}
        taken = replace(ticket, assignment={**ticket.assignment, "until": until})
        if ticket.is_in_outbox:
            retry_at = pending.next_attempt(ticket, now=now)
            this |= {"outbox": True, "nextTryAt": ticket.next_try_at}
            change = {"$set": {**change["$set"], "nextTryAt": retry_at}, "$inc": {"attempts": 1}}
            taken = replace(taken, next_try_at=retry_at, attempts=ticket.attempts + 1)
        is_claimed = self._db.tickets.update_one(this, change).matched_count == 1
        return taken if is_claimed else None

    def release_claim(self, ticket_id: ObjectId) -> None:
        self._db.tickets.update_one({"_id": ticket_id}, {"$unset": {"assignment.until": ""}})

    def candidates(self, *, team_id: str, now: datetime) -> list[Candidate]:
        """Return all who may be assigned tickets, for a person to choose from."""
        return self._candidate_loader.load_all(team_id=team_id, now=now)

    def choose(
        self,
        ticket: Ticket,
        *,
        now: datetime,
        history: Mapping[ObjectId, float] = NO_SCORES,
        reread: Set[ObjectId] = frozenset(),
    ) -> AssigneeChoice | None:
        """Return the best assignee at the moment; None if no candidate is available.

        `history` is as in `services.assignment.ranking.Criteria`, `reread` what
        `reread_likely` has returned for this ticket and others. The number of queries does not
        depend on the team's size, except if no one on a large team's shortlist matches: then all
        candidates are read.
        """
        if ticket.private:
            return self.evaluate(ticket, now=now, history=history).choice
        if ticket.assigned_to is None and (
            choice := self._choose_cached(ticket, now, history, reread)
        ):
            return choice
        evaluation = self.evaluate(ticket, now=now, history=history)
        self._candidate_loader.keep(ticket.team_id or "", evaluation.pool)
        return evaluation.choice

    def reread_likely(
        self, tickets: Sequence[tuple[Ticket, Mapping[ObjectId, float]]], *, now: datetime
    ) -> set[ObjectId]:
        """Read role, absence and load again of those who will probably be chosen, for tickets of
        one team and their histories that are assigned right after; return these users."""
        team_id = tickets[0][0].team_id or ""
        team = {who.user_id: who for who in self._candidate_loader.cached(team_id)}
        likely = set()
        for ticket, history in tickets if team else ():
            criteria = self._criteria(ticket, now, history)
            if choice := choose_assignee(candidates=list(team.values()), **criteria):
                team[choice.user_id] = with_ticket(team[choice.user_id], ticket)
                likely.add(choice.user_id)
        if likely:
            requesters = {ticket.created_by for ticket, _ in tickets if ticket.created_by}
            self._candidate_loader.reread(team_id, likely, requesters=requesters, now=now)
        return likely

    def _choose_cached(
        self,
        ticket: Ticket,
        now: datetime,
        history: Mapping[ObjectId, float],
        known: Set[ObjectId],
    ) -> AssigneeChoice | None:
        """Choose among cached candidates; None if there are none, or none of them is available, or
        none knows a skill that the ticket needs: someone who does may have come back since.

        Role, absence and load of the chosen one are read again unless they are `known`, and so is
        the next one's if this changes the choice.
        """
        team_id, reread = ticket.team_id or "", set[ObjectId]()
        requesters = {ticket.created_by} if ticket.created_by else set[ObjectId]()
        if not self._candidate_loader.cached(team_id):
            return None
        criteria = self._criteria(ticket, now, history)
        while len(reread) <= MAX_REREAD:
            choice = choose_assignee(candidates=self._candidate_loader.cached(team_id), **criteria)
            if choice is None or choice.main_reason is ChoiceReason.NO_SKILL_MATCH:
                return None
            if choice.user_id in reread or choice.user_id in known:
                return choice
            if not self._candidate_loader.reread(
                team_id, {choice.user_id}, requesters=requesters, now=now
            ):
                return choice
            reread.add(choice.user_id)
        return None

    def evaluate(
        self, ticket: Ticket, *, now: datetime, history: Mapping[ObjectId, float] = NO_SCORES
    ) -> Evaluation:
        """Return the choice and its basis. The ticket itself does not count towards its assignee's
        load."""
        team_id, skills = ticket.team_id or "", ticket.related_skills
        sources, criteria = skill_sources(ticket), self._criteria(ticket, now, history)
        if ticket.private:
            pool = self._private_pool(team_id, now)
            found = _evaluate(ticket, pool, criteria)
            # There is no one else, so it goes to one of them without the skill, too.
            anyone: Criteria = {**criteria, "skills": (), "sources": NO_SOURCES}
            return found if found.choice else _evaluate(ticket, pool, anyone)
        favoured = _top_users(history) | _top_users(criteria["corrections"])
        pool = self._candidate_loader.load_pool(
            team_id=team_id, skills=skills, named=sources.named, favoured=favoured, now=now
        )
        evaluation = _evaluate(ticket, pool, criteria)
        if pool.is_complete or _is_match(evaluation, sources.named or skills):
            return evaluation
        whole_team = CandidatePool(self._candidate_loader.load_all(team_id=team_id, now=now))
        return _evaluate(ticket, whole_team, criteria)

    def _private_pool(self, team_id: str, now: datetime) -> CandidatePool:
        """Return the only candidates for a private ticket: those whom the settings name, or the
        admins if they name no one. They count as moderators, because there are no others."""
        docs = list(self._db.users.find(PRIVATE_TICKET_STAFF)) or list(
            self._db.users.find({**ACTIVE_STAFF, "role": Role.ADMIN.value})
        )
        loaded = self._candidate_loader.load(docs, team_id=team_id, now=now)
        return CandidatePool([replace(one, role=Role.MODERATOR) for one in loaded])

    def _criteria(
        self, ticket: Ticket, now: datetime, history: Mapping[ObjectId, float]
    ) -> Criteria:
        corrections = self._corrections.get(ticket.related_skills)
        if corrections is None:
            corrections = correction_scores(self._db, skills=ticket.related_skills, now=now)
            self._corrections.put(ticket.related_skills, corrections)
        return Criteria(
            skills=ticket.related_skills,
            requester=ticket.created_by,
            now=now,
            declined=not_chosen(ticket),
            history=history,
            corrections=corrections,
            sources=skill_sources(ticket),
        )

    def unavailable(
        self, ticket: Ticket, *, now: datetime, history: Mapping[ObjectId, float] = NO_SCORES
    ) -> list[Unavailability]:
        """Return why each candidate is not chosen, those who match the ticket first; nothing if
        one is available again."""
        evaluation = self.evaluate(ticket, now=now, history=history)
        if evaluation.choice:
            return []
        ratings = rate_candidates(candidates=evaluation.pool.candidates, **evaluation.criteria)
        ratings.sort(key=lambda rating: (not rating.known_skills, not rating.has_solved))
        return [Unavailability(rating.candidate, rating.obstacle) for rating in ratings]

    def unavailable_for_several(self, *, team_id: str, now: datetime) -> list[Unavailability]:
        """Return what keeps each candidate from any ticket; those for whom nothing does come
        last."""
        found = [
            Unavailability(one, find_obstacle(one, requester=None, now=now))
            for one in self.candidates(team_id=team_id, now=now)
        ]
        return sorted(found, key=lambda one: one.obstacle is None)

    def assign(
        self,
        ticket: Ticket,
        choice: AssigneeChoice,
        *,
        source: AnalysisSource,
        now: datetime,
        analysed: Change = NO_CHANGE,
    ) -> Ticket | None:
        """Assign the ticket, and end its claim; None if it has changed since it was loaded.

        `analysed` is stored with it, for an analysis that is not stored yet.
        """
        if not self.store_assignment(ticket, choice, source=source, now=now, analysed=analysed):
            return None
        doc = self._db.tickets.find_one({"_id": ticket.id})
        return Ticket.from_doc(doc) if doc else None

    def store_assignment(
        self,
        ticket: Ticket,
        choice: AssigneeChoice,
        *,
        source: AnalysisSource,
        now: datetime,
        analysed: Change = NO_CHANGE,
    ) -> bool:
        """As `assign`; the caller reads the ticket, together with others."""
        if ticket.status not in UNASSIGNED_STATUSES:
            return False
        self.record_chosen(choice, now=now)
        change = analysed.then(transitions.auto_assign(ticket, choice, source=source, now=now))
        is_stored = ticket_store.store(self._db, ticket, change, now=now, **_unassigned(ticket))
        if is_stored:
            priority = parse_priority(change.values.get("priority")) or ticket.priority
            assigned = replace(transitions.with_change(ticket, change), priority=priority)
            self._candidate_loader.count_assigned(assigned)
        return is_stored

    def record_chosen(self, choice: AssigneeChoice, *, now: datetime) -> None:
        """Record that `choose`'s result was stored. For callers that store it themselves."""
        self._candidate_loader.record_chosen(choice.user_id, now=now)

    def queue_unassigned(
        self, ticket: Ticket, *, now: datetime, analysed: Change = NO_CHANGE
    ) -> Ticket | None:
        """Queue a ticket that no candidate can take; it is retried in five minutes. The rest is as
        in `assign`."""
        retry_at = now + UNASSIGNED_RETRY_INTERVAL
        queued = transitions.queue_unassigned(ticket, retry_at=retry_at)
        if ticket.status not in UNASSIGNED_STATUSES:
            return None
        change = analysed.then(queued)
        return ticket_store.apply(self._db, ticket, change, now=now, **_unassigned(ticket))


def _unassigned(ticket: Ticket) -> Document:
    return {"status": ticket.status.value, "assignedTo": None}


def _evaluate(ticket: Ticket, pool: CandidatePool, criteria: Criteria) -> Evaluation:
    candidates = without_ticket(pool.candidates, ticket, now=criteria["now"])
    criteria = {**criteria, "skill_counts": pool.skill_counts}
    choice = choose_assignee(candidates=candidates, **criteria)
    return Evaluation(choice, replace(pool, candidates=candidates), criteria)


def _is_match(evaluation: Evaluation, skills: Sequence[str]) -> bool:
    """Whether an assignee was chosen who knows one of the skills, if there are any."""
    choice, needed = evaluation.choice, skills_by_key(skills)
    if choice is None or not needed:
        return choice is not None
    chosen = (who for who in evaluation.pool.candidates if who.user_id == choice.user_id)
    return any(needed.keys() & skills_by_key(who.skills).keys() for who in chosen)


def _top_users(shares: Mapping[ObjectId, float]) -> frozenset[ObjectId]:
    """Return the users with the highest positive shares."""
    favoured = (user_id for user_id, share in shares.items() if share > 0)
    ranked = sorted(favoured, key=lambda user_id: (-shares[user_id], user_id))
    return frozenset(ranked[:MAX_FAVOURED])
