"""Time of what people and jobs do with 1,000 and with 100,000 tickets, most of them completed: it
must not grow with the history.

Each pair is measured in turn. Then 10,000 of the 100,000 tickets are open.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

from bson import ObjectId
from pymongo import UpdateOne

from bench import choosing
from bench.figures import Figure, alternately, growth, milliseconds
from bot.web.prometheus import MetricsPage
from services.core.database import Document, Mongo, connect, no_deadline
from services.home.sessions import Screen
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ListPage, ticket_list_page
from services.models.events import EventType, NewEvent
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role
from services.ops.ticket_counts import count_tickets, record_status_counts
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from services.tickets import ticket_store
from services.tickets.transitions import Change

FEW, MANY = 1_000, 100_000
OPEN, OPEN_IN_CRISIS = 400, 10_000
MODERATORS, TICKETS_PER_REQUESTER, CAPACITY = 50, 20, 12
TEAM = choosing.TEAM
NOW = datetime(2037, 3, 4, 10, tzinfo=UTC)
_BATCH_SIZE = 1_000
_EDIT = NewEvent(EventType.EDITED, by="system", field="title", from_="a", to="b")


class Desk:
    """A database of a team of 50 moderators, its last `is_open` tickets open."""

    def __init__(self, uri: str, *, size: int, is_open: int = OPEN) -> None:
        self.db: Mongo = connect(f"{uri}bench-{ObjectId()}")
        self.services = Services(self.db, clock=lambda: NOW)
        self.size = size
        self._requesters = [ObjectId() for _ in range(max(size // TICKETS_PER_REQUESTER, 1))]
        self._team = [person.user_id for person in choosing.candidates(MODERATORS)]
        self._numbers = cycle(range(1, size, 7))
        self._ids = [ObjectId() for _ in range(size)]
        self._open_count = is_open
        self._fill()

    def close(self) -> None:
        with no_deadline():
            self.db.client.drop_database(self.db.name)
        self.db.client.close()

    def own_list(self) -> ListPage:
        actor = Actor(self._requesters[0], Role.USER)
        return ticket_list_page(self.db, actor=actor, list_query=ListQuery(ListKind.OWN))

    def assigned_list(self) -> ListPage:
        actor = Actor(self._team[0], Role.MODERATOR)
        return ticket_list_page(self.db, actor=actor, list_query=ListQuery(ListKind.ASSIGNED))

    def home_of_user(self) -> object:
        return self._home(Actor(self._requesters[0], Role.USER))

    def home_of_moderator(self) -> object:
        return self._home(Actor(self._team[0], Role.MODERATOR))

    def change(self) -> None:
        """Store one change of a ticket."""
        doc = self.db.tickets.find_one({"teamId": TEAM, "number": next(self._numbers)})
        ticket = Ticket.from_doc(doc or {})
        if ticket_store.apply(self.db, ticket, Change({"title": "b"}, (_EDIT,)), now=NOW) is None:
            raise RuntimeError("another process changes the tickets of the benchmark")

    def choose(self) -> object:
        """Choose an assignee for a ticket that needs two skills."""
        waiting = {"_id": ObjectId(), "teamId": TEAM, "status": "TODO"}
        ticket = Ticket.from_doc({**waiting, "relatedSkills": list(choosing.NEEDED)})
        return self.services.assignments.choose(ticket, now=NOW)

    def scrape(self) -> object:
        page = MetricsPage(
            own=dict,
            shared=dict,
            tickets=lambda: count_tickets(self.db, clock=lambda: NOW),
            is_mongodb_up=lambda: True,
            is_writable=lambda: True,
        )
        return page()

    def reopen(self, count: int) -> None:
        """Open as many of the tickets, in addition: the newest of the completed ones."""
        newest = self.size - self._open_count
        numbers = range(newest - count + 1, newest + 1)
        with no_deadline():
            self.db.tickets.bulk_write(
                [
                    UpdateOne({"_id": self._ids[number - 1]}, {"$set": _open_fields(number)})
                    for number in numbers
                ],
                ordered=False,
            )

    def _home(self, actor: Actor) -> object:
        return self.services.home.get(actor=actor, team_id=TEAM, screen=Screen())

    def _fill(self) -> None:
        ensure_indexes(self.db)
        drawn = random.Random(2)  # noqa: S311  the same in each run
        team = choosing.candidates(MODERATORS)
        accounts = [choosing.account(person, drawn) for person in team]
        self.db.users.insert_many([{**doc, "capacity": CAPACITY} for doc in accounts])
        self.db.users.insert_many({"_id": who, "role": "user"} for who in self._requesters)
        self.db.links.insert_many([choosing.link(person) for person in team])
        docs = (self._ticket(number) for number in range(1, self.size + 1))
        with no_deadline():
            while batch := list(islice(docs, _BATCH_SIZE)):
                self.db.tickets.insert_many(batch, ordered=False)
        record_status_counts(self.db, now=NOW)

    def _ticket(self, number: int) -> Document:
        """A team gets 400 tickets a week, whatever its history."""
        age = (self.size - number) * timedelta(days=7) / 400
        requester = self._requesters[number % len(self._requesters)]
        # Only a few are below their capacity in a crisis.
        team = self._team if number > self.size - OPEN else self._team[:-4]
        assignee = team[number % len(team)]
        filed_at = NOW - age
        event = {"seq": 1, "at": filed_at, "by": requester, "type": "filed"}
        return {
            "_id": self._ids[number - 1],
            "number": number,
            "teamId": TEAM,
            "title": f"Ticket {number}",
            "description": "It does not work. " * 20,
            "status": Status.COMPLETED.value,
            "priority": "medium",
            "createdBy": requester,
            "assignedTo": assignee,
            "relatedSkills": [choosing.SKILLS[number % len(choosing.SKILLS)]],
            "createdAt": filed_at,
            "completedAt": filed_at + timedelta(days=2),
            "assignment": {"at": filed_at, "summary": "What does not work. " * 5},
            "seq": 4,
            "events": [event, {**event, "seq": 2}, {**event, "seq": 3}, {**event, "seq": 4}],
            **(_open_fields(number) if number > self.size - self._open_count else {}),
        }


def _open_fields(number: int) -> Document:
    return {"status": "IN_PROGRESS", "queueKey": f"1-{number:015d}-2-{number:015d}"}


def figures(
    uri: str, *, few: int = FEW, many: int = MANY, crisis: int = OPEN_IN_CRISIS
) -> Iterator[Figure]:
    """Measure in two new databases."""
    small, large = Desk(uri, size=few), Desk(uri, size=many)
    try:
        for name, bound, work in _growing():
            yield growth(
                f"{name} among {many:,} tickets",
                *alternately(work(small), work(large)),
                bound=bound,
            )
        name = f"choose among {MODERATORS} moderators"
        yield growth(
            f"{name}, {OPEN} of {many:,} tickets open",
            *alternately(small.choose, large.choose),
            bound=1.3,
        )
        yield Figure(f"/metrics with {many:,} tickets", milliseconds(large.scrape), 20)
        large.reopen(crisis - OPEN)
        yield growth(
            f"{name}, {crisis:,} tickets open", *alternately(small.choose, large.choose), bound=5
        )
    finally:
        small.close()
        large.close()


def _growing() -> Sequence[tuple[str, float, Callable[[Desk], Callable[[], object]]]]:
    return (
        ("a page of one's own tickets", 2, lambda desk: desk.own_list),
        ("a page of assigned tickets", 2, lambda desk: desk.assigned_list),
        ("Home of a user", 2, lambda desk: desk.home_of_user),
        ("Home of a moderator", 4, lambda desk: desk.home_of_moderator),
        ("change one ticket", 2, lambda desk: desk.change),
    )
