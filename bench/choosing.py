"""Time to choose an assignee: 1,000 candidates in memory, and 10,000 in a database."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bson import ObjectId

from bench.figures import Figure, milliseconds
from services.assignment.assignment_service import AssignmentService
from services.assignment.candidate import Candidate
from services.assignment.ranking import choose_assignee, rate_candidates
from services.calendar.work_week import WorkWeek
from services.core.database import Document, Mongo
from services.models.ticket import AssigneeChoice, Ticket
from services.models.user import Role
from services.registry.indexes import ensure_indexes
from services.registry.services import Services

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
TEAM = "T0BENCH"
SKILLS = [f"Skill {number}" for number in range(40)]
NEEDED = ("Skill 3", "Skill 17")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Africa/Nairobi", "Australia/Sydney")
IN_MEMORY_COUNT, DATABASE_COUNT = 1_000, 10_000
BATCH_SIZE = 5_000
TICKETS_EACH = 4


def candidates(count: int) -> list[Candidate]:
    """Return moderators with four skills each and 40 different work weeks."""
    drawn = random.Random(1)  # noqa: S311  the same in each run
    return [
        Candidate(
            user_id=ObjectId(f"{number:024x}"),
            role=Role.MODERATOR,
            skills=tuple(drawn.sample(SKILLS, 4)),
            open_tickets=drawn.randrange(8),
            capacity=8,
            recent_assignments=drawn.randrange(20),
            load=drawn.randrange(16) / 2,
            week=WorkWeek(ZoneInfo(drawn.choice(ZONES)), start=time(drawn.randrange(6, 14))),
        )
        for number in range(count)
    ]


def fill(db: Mongo, *, people: int, needs: Sequence[str] = NEEDED) -> Ticket:
    """Store linked moderators, their tickets, and one unassigned ticket."""
    ensure_indexes(db)
    drawn = random.Random(2)  # noqa: S311  the same in each run
    team = candidates(people)
    db.users.insert_many([account(who, drawn) for who in team])
    db.links.insert_many([link(who) for who in team])
    tickets = [_ticket(who, drawn) for who in team for _ in range(TICKETS_EACH)]
    for start in range(0, len(tickets), BATCH_SIZE):
        db.tickets.insert_many(tickets[start : start + BATCH_SIZE])
    waiting = {"_id": ObjectId(), "teamId": TEAM, "status": "TODO", "relatedSkills": list(needs)}
    db.tickets.insert_one(waiting)
    return Ticket.from_doc(waiting)


def account(who: Candidate, drawn: random.Random) -> Document:
    return {
        "_id": who.user_id,
        "email": f"{who.user_id}@example.com",
        "emailKey": f"{who.user_id}@example.com",
        "role": who.role.value,
        "skills": list(who.skills),
        "timezone": drawn.choice(ZONES),
        "lastAssignedAt": NOW - timedelta(minutes=drawn.randrange(20_000)),
    }


def link(who: Candidate) -> Document:
    return {
        "_id": f"{TEAM}:{who.user_id}",
        "teamId": TEAM,
        "slackUserId": str(who.user_id),
        "userId": who.user_id,
    }


def _ticket(who: Candidate, drawn: random.Random) -> Document:
    status = drawn.choice(["IN_PROGRESS", "WAITING", "COMPLETED"])
    return {
        "assignedTo": who.user_id,
        "status": status,
        **({"queueKey": "1-"} if status != "COMPLETED" else {}),
        "priority": drawn.choice(["low", "medium", "high", "urgent"]),
        "assignment": {"at": NOW - timedelta(minutes=drawn.randrange(20_000))},
    }


def baseline(team: Sequence[Candidate], needed: Sequence[str]) -> AssigneeChoice | None:
    """Rate every candidate separately, and compute shared values again for each."""
    for who in team:
        rate_candidates(candidates=[who], skills=needed, requester=None, now=NOW)
    order = rate_candidates(candidates=team, skills=needed, requester=None, now=NOW)
    best = order[0].candidate
    return choose_assignee(candidates=[best], skills=needed, requester=None, now=NOW)


def measure_in_memory() -> Figure:
    team = candidates(IN_MEMORY_COUNT)
    # Separate objects, so that the baseline shares no cached values.
    alone = [replace(who) for who in team]

    def ask() -> AssigneeChoice | None:
        return choose_assignee(candidates=team, skills=NEEDED, requester=None, now=NOW)

    return Figure(
        f"choose among {IN_MEMORY_COUNT:,}",
        ms=milliseconds(ask),
        bound=25,
        baseline_ms=milliseconds(lambda: baseline(alone, NEEDED)),
    )


def measure_database(db: Mongo, *, people: int = DATABASE_COUNT) -> Iterator[Figure]:
    """Measure including all queries; the baseline loads every account."""
    ticket = fill(db, people=people)
    services = Services(db)
    for name, needed in (("two skills", NEEDED), ("no skill", ())):
        store, asked = services.assignments, replace(ticket, related_skills=needed)

        def shortlisted(
            store: AssignmentService = store, asked: Ticket = asked
        ) -> AssigneeChoice | None:
            return store.choose(asked, now=NOW)

        def read_all(
            store: AssignmentService = store, asked: Ticket = asked
        ) -> AssigneeChoice | None:
            everybody = store.candidates(team_id=TEAM, now=NOW)
            return choose_assignee(
                candidates=everybody, skills=asked.related_skills, requester=None, now=NOW
            )

        yield Figure(
            f"choose among {people:,}, queries included, {name}",
            ms=milliseconds(shortlisted),
            bound=50,
            baseline_ms=milliseconds(read_all, rounds=1),
        )
