"""Candidates for a ticket, and the obstacles to assigning it to them. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bson import ObjectId

from services.calendar.work_week import WorkWeek
from services.models.ticket import Priority, Status
from services.models.user import Role

# The load of an open ticket, relative to a medium one.
PRIORITY_LOAD: Mapping[Priority, float] = {
    Priority.URGENT: 2.0,
    Priority.HIGH: 1.5,
    Priority.MEDIUM: 1.0,
    Priority.LOW: 0.5,
}
WAITING_LOAD = 0.5  # the requester has to answer first


@dataclass(frozen=True, slots=True)
class Candidate:
    """A moderator or admin.

    `load` is `open_tickets` weighed by `ticket_load`; None: each counts 1. `recent_assignments`
    counts tickets assigned in the last week. `week` is None if no working hours are set. Do not
    disturb (`do_not_disturb_until`) is not an absence.
    """

    user_id: ObjectId
    role: Role
    skills: tuple[str, ...]
    open_tickets: int
    capacity: int
    recent_assignments: int = 0
    linked: bool = True
    away_until: datetime | None = None
    active: bool = True
    load: float | None = None
    week: WorkWeek | None = None
    do_not_disturb_until: datetime | None = None

    @property
    def effective_load(self) -> float:
        return self.open_tickets if self.load is None else self.load


class Obstacle(StrEnum):
    """Why assignment would not choose a candidate. A person still can."""

    REQUESTER = "requester"
    INACTIVE = "inactive"
    AWAY = "away"
    UNLINKED = "unlinked"
    FULL = "full"
    DECLINED = "declined"


def find_obstacle(
    candidate: Candidate,
    *,
    requester: ObjectId | None,
    now: datetime,
    declined: Set[ObjectId] = frozenset(),
) -> Obstacle | None:
    """Return the first obstacle. Time outside business hours and holidays are none: they lower the
    score. `declined` are the users who declined it or from whom it was reassigned."""
    away = candidate.away_until is not None and candidate.away_until > now
    found = {
        Obstacle.REQUESTER: candidate.user_id == requester,
        Obstacle.INACTIVE: not candidate.active,
        Obstacle.AWAY: away,
        Obstacle.UNLINKED: not candidate.linked,
        Obstacle.FULL: candidate.open_tickets >= candidate.capacity,
        Obstacle.DECLINED: candidate.user_id in declined,
    }
    return next((name for name, applies in found.items() if applies), None)


def ticket_load(priority: Priority | None, status: Status) -> float:
    weight = PRIORITY_LOAD[priority or Priority.MEDIUM]
    return weight * WAITING_LOAD if status is Status.WAITING else weight
