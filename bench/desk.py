"""Databases with few and with many tickets, for work that must not grow with their number."""

import random
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from itertools import accumulate, cycle, islice
from typing import Any, Self
from zoneinfo import ZoneInfo

from bson import ObjectId
from pymongo import MongoClient, UpdateOne

from bench.measure import Meter, Round, Row, Trips, compare
from demo.servers import MongoServer
from services.assignment.candidate import Candidate
from services.calendar.work_week import WorkWeek
from services.core.database import Document, Mongo
from services.core.sequences import allocate_numbers
from services.models.search_words import SearchWords, unique_words
from services.models.slack_member import link_id
from services.models.ticket import Status
from services.models.user import Role
from services.ops.ticket_counts import record_status_counts
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from tests.support.slack_workspace import TEAM_ID

NOW = datetime(2037, 3, 4, 10, tzinfo=UTC)  # a Wednesday, at work
FIRST_DUE_AT = NOW + timedelta(hours=1)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Africa/Nairobi", "Australia/Sydney")
SKILLS = [f"Skill {number}" for number in range(40)]
MODERATORS, TICKETS_PER_REQUESTER, CAPACITY = 50, 20, 12
# Few of the team are below their capacity if more than these are open.
OPEN = 400
# Of so many tickets one is private: usually, and at a desk with many.
PRIVATE_EVERY, OFTEN_PRIVATE_EVERY = 50, 3
_BATCH_SIZE = 1_000
_SYLLABLES = [f"{consonant}{vowel}" for consonant in "bdfgklmnprst" for vowel in "aeiou"]
# Invented words, the most frequent first: the share of each falls with its place, as in a language.
VOCABULARY = list(
    dict.fromkeys(
        "".join(random.Random(number).choices(_SYLLABLES, k=2 + number % 3))  # noqa: S311
        for number in range(3_600)
    )
)[:3_000]
_FREQUENCIES = list(accumulate(1 / place**0.9 for place in range(1, len(VOCABULARY) + 1)))
TITLE_WORDS, WORDS = 3, 12


def candidates(count: int) -> list[Candidate]:
    """Return moderators with four skills each and 40 different work weeks."""
    drawn = random.Random(1)  # noqa: S311  the same in each run
    return [
        Candidate(
            user_id=ObjectId(f"{number + 1:024x}"),  # 0 is below every id that is generated
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


def add_team(db: Mongo, count: int) -> list[ObjectId]:
    """Store `candidates` as linked moderators, and return their ids."""
    drawn = random.Random(2)  # noqa: S311  the same in each run
    team = candidates(count)
    db.users.insert_many(
        {
            "_id": who.user_id,
            "email": f"{who.user_id}@example.com",
            "emailKey": f"{who.user_id}@example.com",
            "role": who.role.value,
            "skills": list(who.skills),
            "capacity": CAPACITY,
            "timezone": drawn.choice(ZONES),
            "lastAssignedAt": NOW - timedelta(minutes=drawn.randrange(20_000)),
        }
        for who in team
    )
    db.links.insert_many(
        {
            "_id": link_id(TEAM_ID, str(who.user_id)),
            "teamId": TEAM_ID,
            "slackUserId": str(who.user_id),
            "userId": who.user_id,
        }
        for who in team
    )
    return [who.user_id for who in team]


class Desk:
    """A team of 50 moderators, and `size` tickets, the last `is_open` of them open: these are due
    from `FIRST_DUE_AT`, one each second. `private_every`: one of so many is private (0: none)."""

    def __init__(
        self, db: Mongo, *, size: int, is_open: int, private_every: int, has_words: bool = False
    ) -> None:
        self.db = db
        self._private_every = private_every
        self._drawn = random.Random(4) if has_words else None  # noqa: S311  the same in each run
        self.now = NOW
        self.services = Services(db, clock=lambda: self.now, has_triage=True)
        self.size = size
        self.numbers = cycle(range(1, size, 7))
        self.requesters = [ObjectId() for _ in range(max(size // TICKETS_PER_REQUESTER, 1))]
        self._open_count = is_open
        self._ids = [ObjectId() for _ in range(size)]
        ensure_indexes(db)
        self.team = add_team(db, MODERATORS)
        db.users.insert_many({"_id": who, "role": "user"} for who in self.requesters)
        docs = (self._ticket(number) for number in range(1, size + 1))
        while batch := list(islice(docs, _BATCH_SIZE)):
            db.tickets.insert_many(batch, ordered=False)
        allocate_numbers(db, team_id=TEAM_ID, count=size)
        record_status_counts(db, now=NOW)

    def open_until(self, count: int) -> None:
        """Open the newest of the completed tickets, until `count` are open."""
        first = self.size - count + 1
        numbers = range(first, self.size - self._open_count + 1)
        self._open_count = count
        self.db.tickets.bulk_write(
            [
                UpdateOne({"_id": self._ids[number - 1]}, {"$set": self._open_fields(number)})
                for number in numbers
            ],
            ordered=False,
        )

    def _ticket(self, number: int) -> Document:
        """A team gets 400 tickets a week, whatever its history."""
        filed_at = NOW - (self.size - number) * timedelta(days=7) / 400
        requester = self.requesters[number % len(self.requesters)]
        team = self.team if number > self.size - OPEN else self.team[:-4]
        event = {"seq": 1, "at": filed_at, "by": requester, "type": "filed"}
        return {
            "_id": self._ids[number - 1],
            "number": number,
            "teamId": TEAM_ID,
            "title": f"Ticket {number}",
            "description": "It does not work. " * 20,
            "status": Status.COMPLETED.value,
            "priority": "medium",
            "createdBy": requester,
            "assignedTo": team[number % len(team)],
            "relatedSkills": [SKILLS[number % len(SKILLS)]],
            "createdAt": filed_at,
            "completedAt": filed_at + timedelta(days=2),
            "assignment": {"at": filed_at, "summary": "What does not work. " * 5},
            "seq": 4,
            "events": [event, {**event, "seq": 2}, {**event, "seq": 3}, {**event, "seq": 4}],
            **({"private": True} if self._is_private(number) else {}),
            **(self._open_fields(number) if number > self.size - self._open_count else {}),
            **self._words(),
        }

    def _is_private(self, number: int) -> bool:
        return self._private_every > 0 and number % self._private_every == 0

    def _words(self) -> Document:
        if self._drawn is None:
            return {}
        words = self._drawn.choices(VOCABULARY, cum_weights=_FREQUENCIES, k=WORDS)
        title, own = unique_words(words[:TITLE_WORDS]), unique_words(words)
        stored = SearchWords(own, title_count=len(title), text_count=len(own), seq=4)
        return {
            "title": " ".join(words[:TITLE_WORDS]),
            "description": " ".join(words[TITLE_WORDS:]),
            "search": stored.to_doc(),
        }

    def _open_fields(self, number: int) -> Document:
        due_at = FIRST_DUE_AT + timedelta(seconds=number - (self.size - self._open_count))
        due_ms = int(due_at.timestamp()) * 1_000
        about, since = f"{due_ms}/medium", NOW - timedelta(days=3)
        return {
            "status": "IN_PROGRESS",
            "acceptedAt": NOW - timedelta(days=2),
            "deadline": due_at,
            "dueAt": due_at,
            "ladders": {"due": {"about": about, "since": since, "done": "due_soon"}},
            "alarm": {"at": due_at, "kind": "due_missed", "about": about},
            "target": {"since": since, "rules": None},
            "queueKey": f"1-{due_ms:015d}-2-{number:015d}",
        }


DeskWork = Callable[[Desk], object]
"""What is measured; it may return a `Round`."""


class Desks:
    """Two desks in one MongoDB of their own; `is_open` tickets of both are open (None: all).
    `has_words`: their texts differ, and can be searched."""

    def __init__(
        self,
        few: int,
        many: int,
        *,
        is_open: int | None,
        private_every: int = PRIVATE_EVERY,
        has_words: bool = False,
    ) -> None:
        self._private_every = private_every
        self._has_words = has_words
        self._sizes = few, many
        self._is_open = is_open
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        mongo = self._exit.enter_context(MongoServer())
        trips = Trips()
        self._client: MongoClient[Document] = MongoClient(
            mongo.uri, tz_aware=True, event_listeners=[trips]
        )
        self._exit.callback(self._client.close)
        processes = [mongo.process.pid] if mongo.process else []
        self._meter = Meter(processes=processes, trips=trips)
        few, many = self._sizes
        self._small, self.large = self._desk(few), self._desk(many)
        return self

    def _desk(self, size: int, private_every: int | None = None) -> Desk:
        every = self._private_every if private_every is None else private_every
        return Desk(
            self._client[f"desk-{size}-{every}"],
            size=size,
            is_open=self._is_open or size,
            private_every=every,
            has_words=self._has_words,
        )

    @cached_property
    def often_private(self) -> Desk:
        """As many tickets as the large desk has, but a third of them private."""
        return self._desk(self.large.size, OFTEN_PRIVATE_EVERY)

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def both(self) -> tuple[Desk, Desk]:
        return self._small, self.large

    def compare(
        self, name: str, work: DeskWork, *, desks: tuple[Desk, Desk] | None = None, **options: Any
    ) -> Row:
        """Measure the work with many tickets, and with few; or at two other desks, and say what the
        second is `called`."""

        def at(desk: Desk) -> Callable[[], Round | None]:
            def run() -> Round | None:
                done = work(desk)
                return done if isinstance(done, Round) else None

            return run

        ours, other = desks or (self.large, self._small)
        options = {"called": f"among {other.size:,}", "meter": self._meter, **options}
        return compare(name, at(ours), to=at(other), **options)


def repeat(work: DeskWork, number: int) -> DeskWork:
    """A round of several operations, since one is too short for the clock of the processor time."""

    def run(desk: Desk) -> Round:
        for _ in range(number):
            work(desk)
        return Round(number)

    return run
