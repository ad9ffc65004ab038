"""Who could be given a ticket, and what stands in the way. Pure."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bson import ObjectId

from services.calendar.work_week import WorkWeek
from services.models.ticket import Priority, Status
from services.models.user import Role

# How much of a person's time an open ticket takes, a medium one being the measure.
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

    `load` is `open_tickets` weighed by `ticket_load`, and if that is not known each counts 1;
    `recent_assignments` counts tickets assigned to them in the last week. `week` is None if no
    working hours are set. Until `do_not_disturb_until` they want not to be disturbed, which is no
    absence.
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
    """Why assignment would not choose somebody by itself. A person may, all the same."""

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
    """The first thing that keeps the ticket from them. Off hours and holidays are none: they lower
    a score. `declined` have had it and handed it back, or it was passed on from them."""
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
    """What an open ticket weighs."""
    weight = PRIORITY_LOAD[priority or Priority.MEDIUM]
    return weight * WAITING_LOAD if status is Status.WAITING else weight
