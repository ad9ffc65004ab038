"""Read the moderators and admins from the database as candidates for a ticket.

In a team of up to `LARGE_TEAM_SIZE` everyone is read, in a larger one a shortlist, so that neither
the number of queries nor of documents grows with the team. The shortlist starts with the moderators
who know most of the needed skills, among these with the least recently assigned. An account's
`lastAssignedAt` is kept while a team is large, and only this order depends on it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from bson import ObjectId

from services.assignment.candidate import Candidate, skills_by_key, ticket_load
from services.availability.slack_status import do_not_disturb_until
from services.calendar.business_hours import (
    BUSINESS_HOURS_ID,
    BusinessHours,
    account_work_week,
    business_hours_from_doc,
)
from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.core.ttl_cache import ReadCache
from services.linking.links import LinkService
from services.models.ticket import OPEN_STATUSES, Ticket, parse_priority, parse_status
from services.models.user import ACTIVE_STAFF, Role, User, can_work_on_tickets
from services.sla.indexes import IN_QUEUE_FILTER
from services.sla.queue_key import QUEUE_KEY_FIELD

LARGE_TEAM_SIZE = 200
# Users per query of their tickets; a longer list of ids is no faster.
BATCH_SIZE = 250
SHORTLIST_SIZE = 40
# Users at most whose tickets are counted in a query of their own.
MAX_COUNTED_ALONE = 8
# The team is not counted again for this long.
LARGE_TEAM_TTL = timedelta(minutes=5)
# How many shortlists ahead the order is known after it was read.
_LOOKAHEAD_LISTS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAIRNESS_WINDOW = timedelta(days=7)
_CANDIDATE_FIELDS = dict.fromkeys(
    (
        "role",
        "active",
        "skills",
        "capacity",
        "away",
        "timezone",
        "workHours",
        "country",
        "presence.quiet",
    ),
    True,
)


SkillGroup = tuple[frozenset[str], list[ObjectId]]


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """Some or all of the staff. `skill_counts` is how many of all know each skill (casefolded);
    None: count it among these candidates."""

    candidates: list[Candidate]
    is_complete: bool = True
    skill_counts: Mapping[str, int] | None = None


class CandidateLoader:
    def __init__(self, db: Mongo, links: LinkService, *, cache_seconds: float = 0.0) -> None:
        """`cache_seconds`: for how long `cached` returns a team that was kept."""
        self._db = db
        self._links = links
        self._shortlist = Shortlist(db)
        self._queue_head = _QueueHead(db)
        self._teams: ReadCache[str, dict[ObjectId, Candidate]] = ReadCache(cache_seconds)

    def load_all(
        self, *, team_id: str, now: datetime, deactivated: bool = False
    ) -> list[Candidate]:
        """Return all who may be assigned tickets, or the deactivated ones. Five queries, and three
        more per 250 users."""
        staff = {**ACTIVE_STAFF, "active": False} if deactivated else ACTIVE_STAFF
        return self._candidates(self._db.users.find(staff, _CANDIDATE_FIELDS), team_id, now)

    def load(self, docs: Iterable[Document], *, team_id: str, now: datetime) -> list[Candidate]:
        """Return the candidates of these accounts."""
        return self._candidates(docs, team_id, now)

    def count(self) -> int:
        """Return how many candidates `load_all` returns."""
        return self._db.users.count_documents(ACTIVE_STAFF)

    def load_pool(
        self,
        *,
        team_id: str,
        skills: Sequence[str],
        named: Sequence[str] = (),
        favoured: Set[ObjectId],
        now: datetime,
    ) -> CandidatePool:
        """Return the candidates for a ticket. `favoured` moderators are always among them; those
        who know a skill that the text names come first."""
        if not self._shortlist.is_large(now):
            docs = list(
                self._db.users.find(ACTIVE_STAFF, _CANDIDATE_FIELDS).limit(LARGE_TEAM_SIZE + 1)
            )
            if len(docs) <= LARGE_TEAM_SIZE:
                return CandidatePool(
                    self._candidates(docs, team_id, now, queue_head=self._queue_head)
                )
            self._shortlist.mark_large(now)
        if skills:
            ids, skill_counts = self._shortlist.find_by_skills(skills, named=named, now=now)
        else:
            ids, skill_counts = self._shortlist.least_recently_assigned(now=now), None
        # Only by id: with a second condition SecantusDB scans the collection.
        found = self._db.users.find({"_id": {"$in": sorted({*ids, *favoured})}}, _CANDIDATE_FIELDS)
        docs = [doc for doc in found if _is_moderator(doc)]
        candidates = self._candidates(docs, team_id, now, is_shortlist=True)
        return CandidatePool(candidates, is_complete=False, skill_counts=skill_counts)

    def keep(self, team_id: str, pool: CandidatePool) -> None:
        """Keep a team that is not large for `cached`."""
        if pool.is_complete and len(pool.candidates) <= LARGE_TEAM_SIZE:
            self._teams.put(team_id, {who.user_id: who for who in pool.candidates})

    def cached(self, team_id: str) -> list[Candidate]:
        """Return the team that was kept, or nothing. A candidate who is to be chosen from it has to
        be read again (`reread`)."""
        return list((self._teams.get(team_id) or {}).values())

    def reread(
        self, team_id: str, user_ids: Set[ObjectId], *, requesters: Set[ObjectId], now: datetime
    ) -> bool:
        """Read role, capacity, absence and load of candidates in `cached` again, in two queries;
        return whether one of these has changed.

        The requesters are read with them, because the messages about the assignment name both.
        """
        team = self._teams.get(team_id) or {}
        users = self._links.users.get_many({*user_ids, *requesters})
        able = {
            user_id: user
            for user_id in user_ids & team.keys()
            if (user := users.get(user_id)) and can_work_on_tickets(user)
        }
        is_changed = len(able) < len(user_ids)
        for gone in user_ids - able.keys():
            team.pop(gone, None)
        if not able:
            return is_changed
        capacities = {user_id: user.capacity for user_id, user in able.items()}
        # Of several on SecantusDB, all open tickets are read: those that a few ever had are more.
        counter = _TicketCounter(self._db, capacities, is_whole_team=len(able) > 1)
        counts, loads = counter.open_tickets(now)
        for user_id, user in able.items():
            before = team[user_id]
            team[user_id] = replace(
                before,
                role=user.role,
                capacity=user.capacity,
                away_until=user.away_until,
                open_tickets=counts[user_id],
                load=loads[user_id],
            )
            is_changed = is_changed or team[user_id] != before
        return is_changed

    def count_assigned(self, ticket: Ticket) -> None:
        """Count a ticket that was assigned towards its assignee's load in `cached`."""
        team = self._teams.get(ticket.team_id or "") or {}
        if ticket.assigned_to and (candidate := team.get(ticket.assigned_to)):
            team[candidate.user_id] = with_ticket(candidate, ticket)

    def record_chosen(self, user_id: ObjectId, *, now: datetime) -> None:
        self._shortlist.record_chosen(user_id, now=now)

    def _candidates(
        self,
        docs: Iterable[Document],
        team_id: str,
        now: datetime,
        *,
        is_shortlist: bool = False,
        queue_head: "_QueueHead | None" = None,
    ) -> list[Candidate]:
        stored_hours = self._db.settings.find_one({"_id": BUSINESS_HOURS_ID})
        business_hours = business_hours_from_doc(stored_hours)
        candidates, remaining = [], iter(docs)
        while batch := list(islice(remaining, BATCH_SIZE)):
            counter = _TicketCounter(
                self._db,
                {doc["_id"]: User.from_doc(doc).capacity for doc in batch},
                is_whole_team=not is_shortlist and len(batch) <= LARGE_TEAM_SIZE,
                queue_head=queue_head,
            )
            candidates += self._with_counts(batch, business_hours, team_id, now, counter)
        return candidates

    def _with_counts(
        self,
        docs: list[Document],
        business_hours: BusinessHours,
        team_id: str,
        now: datetime,
        counter: "_TicketCounter",
    ) -> list[Candidate]:
        linked = self._links.slack_ids(team_id=team_id, user_ids={doc["_id"] for doc in docs})
        counts, loads = counter.open_tickets(now)
        recent = counter.recent_assignments(now)
        return [
            Candidate(
                user_id=user.id,
                role=user.role,
                skills=user.skills,
                open_tickets=counts[user.id],
                capacity=user.capacity,
                recent_assignments=recent.get(user.id, 0),
                linked=user.id in linked,
                away_until=user.away_until,
                active=user.active,
                load=loads[user.id],
                week=account_work_week(doc, business_hours),
                do_not_disturb_until=do_not_disturb_until(doc, now=now),
            )
            for doc, user in ((doc, User.from_doc(doc)) for doc in docs)
        ]


class _QueueHead:
    """The beginning of a long queue of assigned tickets. One per process.

    If many tickets are open, most users are at capacity by those that are due first, and the rest
    is counted only for the others. The result does not depend on where the beginning ends.
    """

    def __init__(self, db: Mongo) -> None:
        self._db = db
        self._end = ""
        self._known_until = _EPOCH

    def end(self, now: datetime) -> str:
        """Return the queue key of the first ticket behind it, "" if the queue is not long."""
        return self._end if now < self._known_until else ""

    def learn(self, length: int, now: datetime) -> None:
        """Find the end of the first `length` tickets."""
        following = self._db.tickets.find(_assigned(), {QUEUE_KEY_FIELD: True})
        found = list(following.sort(QUEUE_KEY_FIELD).skip(length).limit(1))
        self._end = found[0][QUEUE_KEY_FIELD] if found else ""
        self._known_until = now + LARGE_TEAM_TTL


class _TicketCounter:
    """Counts the tickets of users, from indexes that hold all that is counted.

    With a `queue_head`, users at capacity may have more open tickets than are counted.
    """

    def __init__(
        self,
        db: Mongo,
        capacities: Mapping[ObjectId, int],
        *,
        is_whole_team: bool,
        queue_head: _QueueHead | None = None,
    ) -> None:
        self._db = db
        self._capacities = capacities
        self._is_whole_team = is_whole_team
        self._queue_head = queue_head
        self._counts: defaultdict[ObjectId, int] = defaultdict(int)
        self._loads: defaultdict[ObjectId, float] = defaultdict(float)

    def open_tickets(
        self, now: datetime
    ) -> tuple[Mapping[ObjectId, int], Mapping[ObjectId, float]]:
        """Return the number of open tickets per user, and their load."""
        everyone = list(self._capacities)
        end = self._queue_head.end(now) if self._queue_head else ""
        if end:
            self._add_open(everyone, _assigned(before=end))
            left = [who for who, most in self._capacities.items() if self._counts[who] < most]
            # SecantusDB reads all behind the beginning, unless only one user is asked for.
            parts = [[who] for who in left] if len(left) <= MAX_COUNTED_ALONE else [left]
            for part in parts:
                self._add_open(part, _assigned(since=end))
        else:
            self._add_open(everyone, _assigned())
            length = 2 * sum(most + 1 for most in self._capacities.values())
            if self._queue_head and sum(self._counts.values()) > length:
                self._queue_head.learn(length, now)
        return self._counts, self._loads

    def _add_open(self, user_ids: list[ObjectId], within: Document) -> None:
        key = {"who": "$assignedTo", "status": "$status", "priority": "$priority"}
        for row in self._count_by(user_ids, within, key):
            status, priority = (row["_id"].get(name) for name in ("status", "priority"))
            parsed = parse_status(status) or OPEN_STATUSES[0]
            if parsed not in OPEN_STATUSES:  # completed by the legacy backend
                continue
            who, weight = row["_id"]["who"], ticket_load(parse_priority(priority), parsed)
            self._counts[who] += row["count"]
            self._loads[who] += row["count"] * weight

    def recent_assignments(self, now: datetime) -> dict[ObjectId, int]:
        lately = {"assignment.at": {"$gt": now - FAIRNESS_WINDOW}}
        rows = self._count_by(list(self._capacities), lately, "$assignedTo")
        return {row["_id"]: row["count"] for row in rows}

    def _count_by(self, user_ids: list[ObjectId], within: Document, key: Any) -> list[Document]:
        # Two stages, which MongoDB merges. SecantusDB uses an index for the first one only, so that
        # is the one with fewer tickets: all that count, or all that a few people ever had.
        own: Document = {"assignedTo": {"$in": user_ids}}
        first, second = (within, own) if self._is_whole_team else (own, within)
        if len(user_ids) == 1:
            first, second = {"assignedTo": user_ids[0], **within}, {}
        pipeline: list[Document] = [
            {"$match": first},
            {"$match": second},
            {"$group": {"_id": key, "count": {"$sum": 1}}},
        ]
        return list(self._db.tickets.aggregate(pipeline))


def _assigned(*, since: str = "1", before: str = "") -> Document:
    """Return the filter for assigned tickets in the queue, by queue key."""
    bounds = {**IN_QUEUE_FILTER[QUEUE_KEY_FIELD], "$gte": since}
    return {QUEUE_KEY_FIELD: {**bounds, "$lt": before} if before else bounds}


def with_ticket(candidate: Candidate, ticket: Ticket) -> Candidate:
    """Return the candidate with one more ticket."""
    return replace(
        candidate,
        open_tickets=candidate.open_tickets + 1,
        load=candidate.effective_load + ticket_load(ticket.priority, ticket.status),
        recent_assignments=candidate.recent_assignments + 1,
    )


def without_ticket(
    candidates: list[Candidate], ticket: Ticket, *, now: datetime
) -> list[Candidate]:
    """Return the candidates as if the ticket were unassigned: it does not count towards its
    assignee's load."""
    if ticket.assigned_to is None:
        return candidates
    at = as_datetime(ticket.assignment.get("at"))
    is_open = ticket.status in OPEN_STATUSES
    is_recent = at is not None and at > now - FAIRNESS_WINDOW
    weight = ticket_load(ticket.priority, ticket.status) if is_open else 0.0
    return [
        replace(
            who,
            open_tickets=max(who.open_tickets - is_open, 0),
            load=max(who.effective_load - weight, 0.0),
            recent_assignments=max(who.recent_assignments - is_recent, 0),
        )
        if who.user_id == ticket.assigned_to
        else who
        for who in candidates
    ]


def _is_moderator(doc: Document) -> bool:
    user = User.from_doc(doc)
    return user.active and user.role is Role.MODERATOR


class Shortlist:
    """One per process. Without a lock: a race between threads costs one more query at most."""

    def __init__(self, db: Mongo) -> None:
        self._db = db
        self._large_until: datetime | None = None
        self._horizon: datetime | None = None

    def is_large(self, now: datetime) -> bool:
        """Whether the team was found large within `LARGE_TEAM_TTL`."""
        until = self._large_until
        return until is not None and now < until

    def mark_large(self, now: datetime) -> None:
        self._large_until = now + LARGE_TEAM_TTL

    def record_chosen(self, user_id: ObjectId, *, now: datetime) -> None:
        """Move the user to the end of the next shortlists."""
        if self.is_large(now):
            self._db.users.update_one({"_id": user_id}, {"$set": {"lastAssignedAt": now}})

    def find_by_skills(
        self, skills: Sequence[str], *, named: Sequence[str] = (), now: datetime
    ) -> tuple[list[ObjectId], dict[str, int]]:
        """Return the shortlist for these skills, and how many know each (casefolded). One query.

        Moderators who know one of the `named` skills come first.

        Only the usual capitalisations of a skill are found: an account with "vPn" may be missed.
        """
        spelled = sorted({as_written for skill in skills for as_written in _spellings(skill)})
        own: Document = {"$cond": [{"$isArray": ["$skills"]}, "$skills", ["$skills"]]}
        known = {"$setIntersection": [own, {"$literal": spelled}]}
        rows = self._db.users.aggregate(
            [
                {"$match": {"skills": {"$in": spelled}}},
                {"$match": _available_moderators(now)},
                {"$project": {"known": known, "lastAssignedAt": True}},
                {"$sort": {"lastAssignedAt": 1, "_id": 1}},
                {"$group": {"_id": "$known", "count": {"$sum": 1}, "ids": {"$push": "$_id"}}},
                {"$project": {"count": True, "ids": {"$slice": ["$ids", SHORTLIST_SIZE]}}},
            ]
        )
        groups: list[SkillGroup] = []
        skill_counts: defaultdict[str, int] = defaultdict(int)
        for row in rows:
            keys = frozenset(skills_by_key(row["_id"]))
            groups.append((keys, row["ids"]))
            for key in keys:
                skill_counts[key] += row["count"]

        first = skills_by_key(named).keys()

        def sort_key(group: SkillGroup) -> tuple[bool, float, list[str]]:
            keys = sorted(group[0])
            return first.isdisjoint(keys), -sum(1 / skill_counts[key] for key in keys), keys

        ids = [user_id for _, found in sorted(groups, key=sort_key) for user_id in found]
        return ids[:SHORTLIST_SIZE], dict(skill_counts)

    def least_recently_assigned(self, *, now: datetime) -> list[ObjectId]:
        """Return the shortlist for a ticket without a needed skill. One to three queries.

        Moderators who were never assigned come first, in any order. The order of the others is
        long; usually only its beginning is read, up to the time that its first 200 reached when it
        was last read.
        """
        ids = self._by_last_assignment(None, now=now, sort=False)
        horizon = self._horizon
        if len(ids) < SHORTLIST_SIZE and horizon:
            until = {"$gt": _EPOCH, "$lte": horizon}
            ids = {**ids, **self._by_last_assignment(until, now=now)}
        if len(ids) < SHORTLIST_SIZE:
            rest = self._by_last_assignment(
                {"$gt": _EPOCH}, now=now, limit=SHORTLIST_SIZE * _LOOKAHEAD_LISTS
            )
            ids = {**ids, **rest}
            self._horizon = max(rest.values(), default=None)
        return list(ids)[:SHORTLIST_SIZE]

    def _by_last_assignment(
        self, chosen_at: Any, *, now: datetime, sort: bool = True, limit: int = SHORTLIST_SIZE
    ) -> dict[ObjectId, Any]:
        """Return when each moderator was last assigned."""
        order: list[Document] = [{"$sort": {"lastAssignedAt": 1}}] if sort else []
        rows = self._db.users.aggregate(
            [
                {"$match": {"role": Role.MODERATOR, "lastAssignedAt": chosen_at}},
                {"$match": _available_moderators(now)},
                *order,
                {"$limit": limit},
                {"$project": {"lastAssignedAt": True}},
            ]
        )
        return {row["_id"]: row.get("lastAssignedAt") for row in rows}


def _available_moderators(now: datetime) -> Document:
    """Return the filter for moderators who are not away."""
    back = [{"away.until": None}, {"away.until": {"$lte": now}}]
    return {"role": Role.MODERATOR, "active": {"$ne": False}, "$or": back}


def _spellings(skill: str) -> set[str]:
    return {skill, skill.lower(), skill.upper(), skill.capitalize(), skill.title()}
