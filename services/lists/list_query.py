"""A list, its filters and its page, as encoded in buttons."""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

from bson import ObjectId

from services.models.ticket import OPEN_STATUSES, Priority, Status
from services.sla.queue_key import QUEUE_KEY_PATTERN, Sort

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR_PATTERN = re.compile(rf"([<>])([0-9]{{1,14}}|{QUEUE_KEY_PATTERN.pattern})~([0-9a-f]{{24}})")


class ListKind(StrEnum):
    OWN = "own"
    PARTICIPATING = "participating"
    ASSIGNED = "assigned"
    QUEUE = "queue"
    WAITING_FOR_ME = "waiting"
    UNASSIGNED = "unassigned"
    OVERDUE = "overdue"


class Filter(StrEnum):
    """What a list can be filtered by. The values are fields of `ListQuery`."""

    STATUS = "status"
    PRIORITY = "priority"
    ASSIGNEE = "assignee"
    SKILL = "skill"


# The lists that can be sorted. Each has open tickets only, and few of them.
SORTABLE = (ListKind.WAITING_FOR_ME, ListKind.UNASSIGNED, ListKind.OVERDUE)
# The lists that may have any open ticket.
TEAM_LISTS = (ListKind.QUEUE, ListKind.UNASSIGNED, ListKind.OVERDUE)
# Skills are not for the requester; assigned tickets have one assignee.
FILTERS: dict[ListKind, tuple[Filter, ...]] = {
    ListKind.OWN: (Filter.STATUS, Filter.PRIORITY),
    ListKind.PARTICIPATING: (Filter.STATUS, Filter.PRIORITY),
    ListKind.ASSIGNED: (Filter.STATUS, Filter.PRIORITY, Filter.SKILL),
    ListKind.QUEUE: tuple(Filter),
    ListKind.WAITING_FOR_ME: (Filter.PRIORITY, Filter.SKILL),
    ListKind.UNASSIGNED: (Filter.PRIORITY, Filter.SKILL),
    ListKind.OVERDUE: tuple(Filter),
}
STATUSES: dict[ListKind, tuple[Status, ...]] = {
    ListKind.OWN: tuple(Status),
    ListKind.PARTICIPATING: tuple(Status),
    ListKind.ASSIGNED: (Status.IN_PROGRESS, Status.WAITING, Status.REOPENED, Status.COMPLETED),
    ListKind.QUEUE: OPEN_STATUSES,
    ListKind.WAITING_FOR_ME: (),
    ListKind.UNASSIGNED: (),
    ListKind.OVERDUE: OPEN_STATUSES,
}
NO_ASSIGNEE = "nobody"


@dataclass(frozen=True, slots=True)
class ListCursor:
    """The page before or after a ticket.

    `sort_key` is a queue key, or the milliseconds of createdAt in lists with the newest first.
    """

    is_backward: bool
    sort_key: str
    ticket_id: ObjectId

    def encode(self) -> str:
        return f"{'<' if self.is_backward else '>'}{self.sort_key}~{self.ticket_id}"

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Return None, for the first page, if `encode` did not write the text."""
        found = _CURSOR_PATTERN.fullmatch(text)
        return cls(found[1] == "<", found[2], ObjectId(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list, its filters and a page of it.

    `status` None means all open tickets. `assignee` is an account's id, `NO_ASSIGNEE`, or "" for
    any; `skill` is a `skill_key`, or "" for any.
    """

    kind: ListKind
    status: Status | None = None
    priority: Priority | None = None
    assignee: str = ""
    skill: str = ""
    cursor: ListCursor | None = None
    sort: Sort = Sort.DUE

    @property
    def has_filters(self) -> bool:
        return self.without_filters != replace(self, cursor=None)

    @property
    def without_filters(self) -> "ListQuery":
        return ListQuery(self.kind, sort=self.sort)

    @property
    def is_queue_order(self) -> bool:
        """Whether the list is in the order of work. Completed tickets are not in the queue, and
        requesters and participants look for a ticket by its date: these lists have the newest
        first."""
        is_done = self.kind is ListKind.ASSIGNED and self.status is Status.COMPLETED
        return self.kind not in (ListKind.OWN, ListKind.PARTICIPATING) and not is_done

    def with_cursor(self, cursor: ListCursor | None) -> "ListQuery":
        return replace(self, cursor=cursor)

    def with_filter(self, by: Filter, value: str) -> "ListQuery":
        """Set a filter to a value from Slack; a value that is not allowed removes the filter."""
        words = {name.value: str(getattr(self, name) or "") for name in Filter}
        return _parse(self.kind.value, **{**words, by.value: value}, sort=self.sort)

    def with_sort(self, value: str) -> "ListQuery":
        """Sort by a value from Slack, from the first page on."""
        return replace(self, sort=_parse_sort(self.kind, value), cursor=None)

    def encode(self) -> str:
        """Return at most 140 characters, for a button's value or a block_id."""
        words = [str(getattr(self, name) or "") for name in Filter]
        words += [self.cursor.encode() if self.cursor else ""]
        words += [] if self.sort is Sort.DUE else [self.sort]
        return ",".join([self.kind, *words])

    @classmethod
    def decode(cls, text: str) -> "ListQuery":
        """Ignore what is not valid; a forged text becomes the reader's own list."""
        words = (text.split(",") + [""] * 7)[:7]
        kind, status, priority, assignee, skill, cursor, sort = words
        read = _parse(
            kind, status=status, priority=priority, assignee=assignee, skill=skill, sort=sort
        )
        return read.with_cursor(ListCursor.decode(cursor))


def skill_key(skill: str) -> str:
    """Return a short key of the skill for payloads, the same for every spelling."""
    return hashlib.sha256(skill.casefold().encode()).hexdigest()[:12]


def created_at_key(at: datetime) -> str:
    """Return the `sort_key` of a `ListCursor` for that time."""
    return str(max(at - _EPOCH, timedelta()) // timedelta(milliseconds=1))


def parse_created_at_key(key: str) -> datetime | None:
    """Return the time of a `sort_key`; None if it is a queue key."""
    return _EPOCH + timedelta(milliseconds=int(key)) if key.isdecimal() else None


def _parse_sort(kind: ListKind, value: str) -> Sort:
    return Sort(value) if value in set(Sort) and kind in SORTABLE else Sort.DUE


def _parse(
    kind: str, *, status: str, priority: str, assignee: str, skill: str, sort: str
) -> ListQuery:
    listed = ListKind(kind) if kind in set(ListKind) else ListKind.OWN
    may = FILTERS[listed]
    is_person = assignee == NO_ASSIGNEE or re.fullmatch("[0-9a-f]{24}", assignee)
    is_skill = re.fullmatch("[0-9a-f]{12}", skill)
    return ListQuery(
        kind=listed,
        status=Status(status) if status in STATUSES[listed] else None,
        priority=Priority(priority) if priority in set(Priority) else None,
        assignee=assignee if is_person and Filter.ASSIGNEE in may else "",
        skill=skill if is_skill and Filter.SKILL in may else "",
        sort=_parse_sort(listed, sort),
    )
