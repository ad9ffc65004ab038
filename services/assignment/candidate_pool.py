"""The moderators and admins as candidates for a ticket, read from the database.

In a team of up to `LARGE_TEAM_SIZE` everyone is read, in a larger one a shortlist
(services/assignment/shortlist.py): neither the number of queries nor of documents grows with the
team.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from bson import ObjectId

from services.assignment.candidate import Candidate, ticket_load
from services.assignment.shortlist import Shortlist
from services.availability.slack_status import do_not_disturb_until
from services.calendar.business_hours import (
    BUSINESS_HOURS_ID,
    BusinessHours,
    account_work_week,
    business_hours_from_doc,
)
from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.linking.links import LinkService
from services.models.ticket import OPEN_STATUSES, Ticket, parse_priority, parse_status
from services.models.user import ACTIVE_STAFF, Role, User

LARGE_TEAM_SIZE = 200
# For so many at once it is asked what they have; a list of ids is no faster for being longer.
BATCH_SIZE = 250
FAIRNESS_WINDOW = timedelta(days=7)
DEACTIVATED_STAFF: Document = {**ACTIVE_STAFF, "active": False}
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


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """Some of the staff, or all. `skill_counts` is how many of all know each skill (casefolded);
    None if that is to be counted among these candidates."""

    candidates: list[Candidate]
    is_complete: bool = True
    skill_counts: Mapping[str, int] | None = None


class CandidateLoader:
    def __init__(self, db: Mongo, links: LinkService) -> None:
        self._db = db
        self._links = links
        self._shortlist = Shortlist(db)

    def load_all(self, *, team_id: str, now: datetime) -> list[Candidate]:
        """Whoever may be assigned tickets; five queries, and three more for every 250 people."""
        return self._candidates(self._db.users.find(ACTIVE_STAFF, _CANDIDATE_FIELDS), team_id, now)

    def count(self) -> int:
        """How many `load_all` returns."""
        return self._db.users.count_documents(ACTIVE_STAFF)

    def load_deactivated(self, *, team_id: str, now: datetime) -> list[Candidate]:
        """Whoever would be among them with an account that is active."""
        return self._candidates(
            self._db.users.find(DEACTIVATED_STAFF, _CANDIDATE_FIELDS), team_id, now
        )

    def load_pool(
        self, *, team_id: str, skills: Sequence[str], favoured: Set[ObjectId], now: datetime
    ) -> CandidatePool:
        """Whom to choose from for a ticket. `favoured` are moderators to look at in any case."""
        if not self._shortlist.is_large(now):
            docs = list(
                self._db.users.find(ACTIVE_STAFF, _CANDIDATE_FIELDS).limit(LARGE_TEAM_SIZE + 1)
            )
            if len(docs) <= LARGE_TEAM_SIZE:
                return CandidatePool(self._candidates(docs, team_id, now))
            self._shortlist.mark_large(now)
        if skills:
            ids, skill_counts = self._shortlist.find_by_skills(skills, now=now)
        else:
            ids, skill_counts = self._shortlist.least_recently_assigned(now=now), None
        # By their ids alone: SecantusDB scans the collection where there is a second condition.
        found = self._db.users.find({"_id": {"$in": sorted({*ids, *favoured})}}, _CANDIDATE_FIELDS)
        docs = [doc for doc in found if _is_moderator(doc)]
        return CandidatePool(
            self._candidates(docs, team_id, now), is_complete=False, skill_counts=skill_counts
        )

    def record_chosen(self, user_id: ObjectId, *, now: datetime) -> None:
        self._shortlist.record_chosen(user_id, now=now)

    def _candidates(self, docs: Iterable[Document], team_id: str, now: datetime) -> list[Candidate]:
        business_hours = business_hours_from_doc(
            self._db.settings.find_one({"_id": BUSINESS_HOURS_ID})
        )
        everybody, left = [], iter(docs)
        while some := list(islice(left, BATCH_SIZE)):
            everybody += self._with_counts(some, business_hours, team_id, now)
        return everybody

    def _with_counts(
        self, docs: list[Document], business_hours: BusinessHours, team_id: str, now: datetime
    ) -> list[Candidate]:
        ids = [doc["_id"] for doc in docs]
        linked = self._links.slack_ids(team_id=team_id, user_ids=set(ids))
        counts, loads = self._open_counts(ids)
        recent = self._recent_counts(ids, now)
        return [
            _candidate(
                doc,
                business_hours,
                linked=doc["_id"] in linked,
                open_tickets=counts[doc["_id"]],
                load=loads[doc["_id"]],
                recent_assignments=recent.get(doc["_id"], 0),
                now=now,
            )
            for doc in docs
        ]

    def _open_counts(
        self, user_ids: list[ObjectId]
    ) -> tuple[Mapping[ObjectId, int], Mapping[ObjectId, float]]:
        """How many open tickets each has, and what they weigh."""
        key = {"who": "$assignedTo", "status": "$status", "priority": "$priority"}
        rows = self._count_by(user_ids, {"status": {"$in": list(OPEN_STATUSES)}}, key)
        counts: defaultdict[ObjectId, int] = defaultdict(int)
        loads: defaultdict[ObjectId, float] = defaultdict(float)
        for row in rows:
            status, priority = (row["_id"].get(name) for name in ("status", "priority"))
            weight = ticket_load(parse_priority(priority), parse_status(status) or OPEN_STATUSES[0])
            counts[row["_id"]["who"]] += row["count"]
            loads[row["_id"]["who"]] += row["count"] * weight
        return counts, loads

    def _recent_counts(self, user_ids: list[ObjectId], now: datetime) -> dict[ObjectId, int]:
        lately = {"assignment.at": {"$gt": now - FAIRNESS_WINDOW}}
        return {row["_id"]: row["count"] for row in self._count_by(user_ids, lately, "$assignedTo")}

    def _count_by(self, user_ids: list[ObjectId], which: Document, key: Any) -> list[Document]:
        # In two stages, which MongoDB makes one of, because SecantusDB scans the collection for a
        # list of ids beside another condition.
        pipeline: list[Document] = [
            {"$match": {"assignedTo": {"$in": user_ids}}},
            {"$match": which},
            {"$group": {"_id": key, "count": {"$sum": 1}}},
        ]
        return list(self._db.tickets.aggregate(pipeline))


def without_ticket(
    candidates: list[Candidate], ticket: Ticket, *, now: datetime
) -> list[Candidate]:
    """As if nobody had that ticket, so that whoever has it is measured like the others."""
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


def _candidate(
    doc: Document,
    business_hours: BusinessHours,
    *,
    linked: bool,
    open_tickets: int,
    load: float,
    recent_assignments: int,
    now: datetime,
) -> Candidate:
    user = User.from_doc(doc)
    return Candidate(
        user_id=user.id,
        role=user.role,
        skills=user.skills,
        open_tickets=open_tickets,
        capacity=user.capacity,
        recent_assignments=recent_assignments,
        linked=linked,
        away_until=user.away_until,
        active=user.active,
        load=load,
        week=account_work_week(doc, business_hours),
        do_not_disturb_until=do_not_disturb_until(doc, now=now),
    )
