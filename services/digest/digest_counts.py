"""The figures of a digest. However many tickets or people there are, it is the same few queries."""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from services.core.database import Document, Mongo
from services.models.ticket import Status, Ticket
from services.sla.indexes import IN_QUEUE_FILTER
from services.sla.queue_key import QUEUE_KEY_FIELD, queue_key_bound
from services.tickets.queries import count_open_tickets


@dataclass(frozen=True, slots=True)
class AssigneeCounts:
    """Of one assignee. `next_due` is of what is not overdue yet, None where nothing is due."""

    open: int
    overdue: int
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Of the whole team."""

    unassigned: int
    overdue: int


@dataclass(frozen=True, slots=True)
class TeamActivity:
    """What the whole team has filed and completed within a time."""

    filed: int
    closed: int


class DigestCounts:
    """As everything is at one moment; what is the same for many readers is counted once."""

    def __init__(self, db: Mongo, *, now: datetime) -> None:
        self._db = db
        self._now = now
        self._queue: QueueCounts | None = None
        self._activity: dict[tuple[datetime, datetime], TeamActivity] = {}

    def for_assignee(self, user_id: ObjectId) -> AssigneeCounts:
        late, never = (
            queue_key_bound(self._now, is_assigned=True),
            queue_key_bound(None, is_assigned=True),
        )
        assigned = {"assignedTo": user_id}
        to_come = self._db.tickets.find(
            {**assigned, **_queue_range(late, never)}, {"dueAt": True, "deadline": True}
        )
        first = next(iter(to_come.sort(QUEUE_KEY_FIELD).limit(1)), None)
        ticket = Ticket.from_doc(first) if first else None
        return AssigneeCounts(
            open=count_open_tickets(self._db, user_id),
            overdue=self._count({**assigned, **_queue_range("1", late)}),
            next_due=ticket.due_at or ticket.deadline if ticket else None,
        )

    def queue(self) -> QueueCounts:
        if self._queue is None:
            late = {kind: queue_key_bound(self._now, is_assigned=kind) for kind in (False, True)}
            overdue = (_queue_range("0", late[False]), _queue_range("1", late[True]))
            self._queue = QueueCounts(
                unassigned=self._count(_queue_range("0", "1")),
                overdue=sum(self._count(query) for query in overdue),
            )
        return self._queue

    def activity(self, since: datetime, until: datetime) -> TeamActivity:
        if (since, until) not in self._activity:
            within = {"$gte": since, "$lt": until}
            done = {"status": Status.COMPLETED.value, "completedAt": within}
            self._activity[since, until] = TeamActivity(
                filed=self._count({"createdAt": within}),
                closed=self._count(done),
            )
        return self._activity[since, until]

    def _count(self, query: Document) -> int:
        # Without a hint: by that, SecantusDB goes through the whole of an index.
        return self._db.tickets.count_documents(query)


def _queue_range(first: str, last: str) -> Document:
    """Whose place in the queue is from the one edge to the other."""
    return {QUEUE_KEY_FIELD: {**IN_QUEUE_FILTER[QUEUE_KEY_FIELD], "$gte": first, "$lt": last}}
