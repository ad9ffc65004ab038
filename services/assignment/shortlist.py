"""Whom of a large team to look at for a ticket: some moderators that the database preselects.

Those who know most of its skills come first, and of them whoever was chosen longest ago; where no
skill is needed, whoever was chosen longest ago. `lastAssignedAt` in an account says when that was;
it is kept while a team is large, and nothing but the order depends on it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from services.assignment.scoring import skills_by_key
from services.core.database import Document, Mongo
from services.models.user import Role

SHORTLIST_SIZE = 40
# A team found large is not counted again for so long.
LARGE_TEAM_TTL = timedelta(minutes=5)
# How far ahead the order of turns is known after it was read, in lists.
_LOOKAHEAD_LISTS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SkillGroup = tuple[frozenset[str], list[ObjectId]]


class Shortlist:
    """One a process. Its threads disturb each other by a query more at most."""

    def __init__(self, db: Mongo) -> None:
        self._db = db
        self._large_until: datetime | None = None
        self._horizon: datetime | None = None

    def is_large(self, now: datetime) -> bool:
        """Whether the team was found large a short while ago."""
        until = self._large_until
        return until is not None and now < until

    def mark_large(self, now: datetime) -> None:
        self._large_until = now + LARGE_TEAM_TTL

    def record_chosen(self, user_id: ObjectId, *, now: datetime) -> None:
        """So that the next list begins with others."""
        if self.is_large(now):
            self._db.users.update_one({"_id": user_id}, {"$set": {"lastAssignedAt": now}})

    def find_by_skills(
        self, skills: Sequence[str], *, now: datetime
    ) -> tuple[list[ObjectId], dict[str, int]]:
        """The list for these skills, and how many know each (casefolded). One query.

        A skill is looked for in the usual capitals: whoever writes "vPn" may stay unseen.
        """
        spelled = sorted({as_written for skill in skills for as_written in _spellings(skill)})
        own: Document = {"$cond": [{"$isArray": ["$skills"]}, "$skills", ["$skills"]]}
        known = {"$setIntersection": [own, spelled]}
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

        def sort_key(group: SkillGroup) -> tuple[float, list[str]]:
            keys = sorted(group[0])
            return -sum(1 / skill_counts[key] for key in keys), keys

        ids = [user_id for _, found in sorted(groups, key=sort_key) for user_id in found]
        return ids[:SHORTLIST_SIZE], dict(skill_counts)

    def least_recently_assigned(self, *, now: datetime) -> list[ObjectId]:
        """The list where no skill is needed. One to three queries.

        Of those who were never chosen any will do. The others stand in a long order, of which
        mostly the beginning is read: up to the moment that its first two hundred reached last time.
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
        """When each was chosen last."""
        order: list[Document] = [{"$sort": {"lastAssignedAt": 1, "_id": 1}}] if sort else []
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
    """Moderators who are not away."""
    back = [{"away.until": None}, {"away.until": {"$lte": now}}]
    return {"role": Role.MODERATOR, "active": {"$ne": False}, "$or": back}


def _spellings(skill: str) -> set[str]:
    return {skill, skill.lower(), skill.upper(), skill.capitalize(), skill.title()}
