"""Time to choose an assignee: with a long history, in a crisis, and in a large team."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from bson import ObjectId
from pymongo import MongoClient

from bench.desk import MODERATORS, NOW, OPEN, SKILLS, add_team, candidates, repeat
from bench.measure import Limit, Meter, Row, Trips, compare
from bench.stand import Stand
from services.assignment.assignment_service import AssignmentService
from services.assignment.candidate import Candidate
from services.assignment.ranking import choose_assignee, rate_candidates
from services.core.database import Document, Mongo
from services.models.ticket import Ticket
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from tests.support.slack_workspace import TEAM_ID

NEEDED = (SKILLS[3], SKILLS[17])
TICKETS_EACH = 4
BATCH_SIZE = 5_000
# Loading 10,000 accounts takes seconds.
LARGE_TEAM_ROUNDS = 3


def choosing(stand: Stand) -> Iterator[Row]:
    rounds, many = stand.sizes.rounds, stand.sizes.many
    name = f"choose among {MODERATORS} moderators"
    work = repeat(lambda desk: _choose(desk.services.assignments), stand.sizes.operations)
    yield stand.desks.compare(
        f"{name}, {OPEN} of {many:,} tickets open", work, at_most=1.3, rounds=rounds
    )
    stand.desks.large.open_until(stand.sizes.crisis)
    yield stand.desks.compare(
        f"{name}, {stand.sizes.crisis:,} of {many:,} tickets open", work, at_most=5, rounds=rounds
    )
    yield _in_memory(stand)
    yield from _in_large_team(stand)


def _choose(store: AssignmentService, needed: tuple[str, ...] = NEEDED) -> None:
    waiting = {"_id": ObjectId(), "teamId": TEAM_ID, "status": "TODO"}
    ticket = Ticket.from_doc({**waiting, "relatedSkills": list(needed)})
    if store.choose(ticket, now=NOW) is None:
        raise RuntimeError("no one of the team is available")


def _in_memory(stand: Stand) -> Row:
    team = candidates(stand.sizes.candidates)
    # Separate objects, so that the baseline shares no cached values.
    alone = [replace(who) for who in team]
    return compare(
        f"choose among {len(team):,} candidates in memory",
        lambda: _rank(team),
        to=lambda: _rate_one_by_one(alone),
        called="rate each alone",
        at_most=1,
        rounds=stand.sizes.rounds,
        limits=lambda ours, _: {"ms": Limit(ours.ms, 25)},
    )


def _rank(team: list[Candidate], needed: tuple[str, ...] = NEEDED) -> None:
    if choose_assignee(candidates=team, skills=needed, requester=None, now=NOW) is None:
        raise RuntimeError("no one of the team is available")


def _rate_one_by_one(team: list[Candidate]) -> None:
    """Compute for each candidate what they share."""
    for who in team:
        rate_candidates(candidates=[who], skills=NEEDED, requester=None, now=NOW)
    order = rate_candidates(candidates=team, skills=NEEDED, requester=None, now=NOW)
    _rank([order[0].candidate])


def _in_large_team(stand: Stand) -> Iterator[Row]:
    """Including all queries; the baseline loads every account."""
    trips = Trips()
    client: MongoClient[Document] = MongoClient(
        stand.mongo.uri, tz_aware=True, event_listeners=[trips]
    )
    db = client["large-team"]
    _fill(db, stand.sizes.large_team)
    store = Services(db).assignments
    processes = [stand.mongo.process.pid] if stand.mongo.process else []
    for name, needed in (("two skills", NEEDED), ("no skill", ())):
        yield compare(
            f"choose among {stand.sizes.large_team:,} moderators, {name}",
            partial(_choose, store, needed),
            to=partial(_load_all, store, needed),
            called="load all",
            at_most=1,
            rounds=min(stand.sizes.rounds, LARGE_TEAM_ROUNDS),
            meter=Meter(processes=processes, trips=trips),
            limits=lambda ours, _: {"ms": Limit(ours.ms, 50)},
        )
    client.close()


def _load_all(store: AssignmentService, needed: tuple[str, ...]) -> None:
    _rank(store.candidates(team_id=TEAM_ID, now=NOW), needed)


def _fill(db: Mongo, people: int) -> None:
    ensure_indexes(db)
    drawn = random.Random(2)  # noqa: S311  the same in each run
    tickets = [_assigned(who, drawn) for who in add_team(db, people) for _ in range(TICKETS_EACH)]
    for start in range(0, len(tickets), BATCH_SIZE):
        db.tickets.insert_many(tickets[start : start + BATCH_SIZE])


def _assigned(user_id: ObjectId, drawn: random.Random) -> Document:
    status = drawn.choice(["IN_PROGRESS", "WAITING", "COMPLETED"])
    return {
        "_id": ObjectId(),
        "assignedTo": user_id,
        "status": status,
        **({"queueKey": "1-"} if status != "COMPLETED" else {}),
        "priority": drawn.choice(["low", "medium", "high", "urgent"]),
        "assignment": {"at": NOW - timedelta(minutes=drawn.randrange(20_000))},
    }
