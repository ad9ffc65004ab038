"""The SLA policy that due times are computed by: the targets and the business hours.

The targets say how long accepting and resolving a ticket may take. Admins set them. They are
stored in `settings` as `_id: "targets"`; a malformed part is replaced by its default.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from services.calendar.business_hours import (
    BUSINESS_HOURS_ID,
    BusinessHours,
    business_hours_from_doc,
)
from services.calendar.work_week import WorkWeek
from services.core.database import Mongo
from services.core.errors import InvalidValue
from services.core.ttl_cache import ttl_cached
from services.models.ticket import Priority

TARGETS_ID = "targets"
# The most urgent first. The target of one may not be longer than that of the next.
PRIORITIES_BY_URGENCY = (Priority.URGENT, Priority.HIGH, Priority.MEDIUM, Priority.LOW)
DEFAULT_PRIORITY = Priority.MEDIUM  # until a user or the analysis sets a priority
MIN_HOURS, MAX_HOURS = 0.25, 2_000.0
MIN_ACCEPTANCE_MINUTES, MAX_ACCEPTANCE_MINUTES = 1, 10_000  # minutes
MIN_DAYS, MAX_DAYS = 1, 60
AROUND_THE_CLOCK = WorkWeek(
    zone=ZoneInfo("UTC"), days=frozenset(range(7)), start=time(0), end=time(0)
)
# Increase it to have the jobs recompute every due time.
_POLICY_VERSION = 2


class CountedHours(StrEnum):
    BUSINESS = "business"
    AROUND_THE_CLOCK = "around"


@dataclass(frozen=True, slots=True)
class Targets:
    """`resolution_hours` and `acceptance_minutes` are counted in business hours
    (services/calendar/business_hours.py) or around the clock, by `counted_hours`.

    After `waiting_days` working days of waiting the requester is asked once more, and after
    `auto_complete_days` further ones the ticket is completed.
    """

    resolution_hours: Mapping[Priority, float] = field(
        default_factory=lambda: MappingProxyType(
            {Priority.URGENT: 4, Priority.HIGH: 8, Priority.MEDIUM: 24, Priority.LOW: 40}
        )
    )
    acceptance_minutes: Mapping[Priority, int] = field(
        default_factory=lambda: MappingProxyType(
            {Priority.URGENT: 15, Priority.HIGH: 60, Priority.MEDIUM: 240, Priority.LOW: 480}
        )
    )
    counted_hours: CountedHours = CountedHours.BUSINESS
    waiting_days: int = 3
    auto_complete_days: int = 4

    def resolution_time(self, priority: Priority | None) -> timedelta:
        return timedelta(hours=self.resolution_hours[priority or DEFAULT_PRIORITY])

    def acceptance_time(self, priority: Priority | None) -> timedelta:
        return timedelta(minutes=self.acceptance_minutes[priority or DEFAULT_PRIORITY])


@dataclass(frozen=True, slots=True)
class SlaPolicy:
    """`fingerprint` is a hash of the policy, eight hex digits. A ticket stores it in `target.rules`
    to say which policy its due time was computed by."""

    targets: Targets
    business_hours: BusinessHours
    fingerprint: str

    @classmethod
    def build(cls, targets: Targets, business_hours: BusinessHours) -> "SlaPolicy":
        return cls(targets, business_hours, _fingerprint(targets, business_hours))

    @property
    def work_week(self) -> WorkWeek:
        """The hours that targets are counted in."""
        return (
            AROUND_THE_CLOCK
            if self.targets.counted_hours is CountedHours.AROUND_THE_CLOCK
            else self.business_hours.work_week
        )


def load_policy(db: Mongo) -> SlaPolicy:
    found = db.settings.find({"_id": {"$in": [TARGETS_ID, BUSINESS_HOURS_ID]}})
    docs = {doc["_id"]: doc for doc in found}
    return SlaPolicy.build(
        targets_from_doc(docs.get(TARGETS_ID)), business_hours_from_doc(docs.get(BUSINESS_HOURS_ID))
    )


cached_policy = ttl_cached(load_policy)  # at most a few seconds old


def _fingerprint(targets: Targets, business_hours: BusinessHours) -> str:
    hours = [targets.resolution_hours[of] for of in PRIORITIES_BY_URGENCY]
    accept = [targets.acceptance_minutes[of] for of in PRIORITIES_BY_URGENCY]
    days = [targets.waiting_days, targets.auto_complete_days]
    when = [
        business_hours.zone,
        sorted(business_hours.days),
        business_hours.start,
        business_hours.end,
    ]
    where = [business_hours.country, business_hours.subdivision]
    payload = json.dumps([_POLICY_VERSION, hours, accept, targets.counted_hours, days, when, where])
    return hashlib.sha256(payload.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class TargetFields:
    """The targets as the texts of a form's fields."""

    hours_urgent: str
    hours_high: str
    hours_medium: str
    hours_low: str
    accept_urgent: str
    accept_high: str
    accept_medium: str
    accept_low: str
    clock: str
    waiting_days: str
    auto_complete_days: str

    @classmethod
    def from_targets(cls, targets: Targets) -> "TargetFields":
        return cls(
            **{f"hours_{of.value}": f"{hours:g}" for of, hours in targets.resolution_hours.items()},
            **{f"accept_{of.value}": str(time) for of, time in targets.acceptance_minutes.items()},
            clock=targets.counted_hours.value,
            waiting_days=f"{targets.waiting_days}",
            auto_complete_days=f"{targets.auto_complete_days}",
        )


def targets_from_doc(doc: Mapping[str, Any] | None) -> Targets:
    """Read the stored targets, with the default for a malformed part."""
    usual, stored = Targets(), doc or {}
    hours = _by_priority(stored.get("hours"), MIN_HOURS, MAX_HOURS)
    accept = _by_priority(stored.get("accept"), MIN_ACCEPTANCE_MINUTES, MAX_ACCEPTANCE_MINUTES)
    days = [_number(stored.get(name), MIN_DAYS, MAX_DAYS) for name in _DAYS.values()]
    is_around = stored.get("clock") == CountedHours.AROUND_THE_CLOCK.value
    return Targets(
        resolution_hours=MappingProxyType(hours) if hours else usual.resolution_hours,
        acceptance_minutes=MappingProxyType({of: int(accept[of]) for of in accept})
        if accept
        else usual.acceptance_minutes,
        counted_hours=CountedHours.AROUND_THE_CLOCK if is_around else CountedHours.BUSINESS,
        waiting_days=int(days[0] or usual.waiting_days),
        auto_complete_days=int(days[1] or usual.auto_complete_days),
    )


def checked_targets(submitted: TargetFields) -> Targets:
    """Parse the form. Raises `InvalidValue` for the first field that is not valid."""
    hours = {priority: _parse_hours(submitted, priority) for priority in PRIORITIES_BY_URGENCY}
    _check_order(hours, "hours")
    accept = {
        of: _parse_whole_number(submitted, f"accept_{of.value}", MAX_ACCEPTANCE_MINUTES)
        for of in PRIORITIES_BY_URGENCY
    }
    _check_order(accept, "accept")
    if submitted.clock not in set(CountedHours):
        raise InvalidValue("clock", "Choose which hours count.")
    days = {name: _parse_whole_number(submitted, name, MAX_DAYS) for name in _DAYS}
    return Targets(
        resolution_hours=MappingProxyType(hours),
        acceptance_minutes=MappingProxyType(accept),
        counted_hours=CountedHours(submitted.clock),
        **days,
    )


_DAYS = {"waiting_days": "waitingDays", "auto_complete_days": "autoCompleteDays"}


def _parse_hours(submitted: TargetFields, priority: Priority) -> float:
    name = f"hours_{priority.value}"
    typed = getattr(submitted, name).strip().replace(",", ".")
    try:
        hours = round(float(typed), 2) if typed.isascii() else 0.0
    except ValueError:
        hours = 0.0
    if not MIN_HOURS <= hours <= MAX_HOURS:
        raise InvalidValue(name, f"Write hours from {MIN_HOURS:g} to {MAX_HOURS:,.0f}, such as 8.")
    return hours


def _parse_whole_number(submitted: TargetFields, name: str, most: int) -> int:
    typed = getattr(submitted, name).strip()
    is_whole = typed.isascii() and typed.isdigit() and len(typed) <= len(str(most))
    number = int(typed) if is_whole else 0
    if not 1 <= number <= most:
        raise InvalidValue(name, f"Write a whole number from 1 to {most:,}.")
    return number


def _check_order(times: Mapping[Priority, float], kind: str) -> None:
    for higher, lower in pairwise(PRIORITIES_BY_URGENCY):
        if times[higher] > times[lower]:
            raise InvalidValue(
                f"{kind}_{lower.value}",
                f"Write no less than for {higher.value}: the more urgent comes first.",
            )


def _by_priority(stored: Any, least: float, most: float) -> dict[Priority, float] | None:
    """Return None if one is missing, out of bounds or out of order."""
    if not isinstance(stored, Mapping):
        return None
    found = {
        priority: _number(stored.get(priority.value), least, most)
        for priority in PRIORITIES_BY_URGENCY
    }
    times = {of: time for of, time in found.items() if time is not None}
    listed = list(times.values())
    return times if len(times) == len(PRIORITIES_BY_URGENCY) and listed == sorted(listed) else None


def _number(value: Any, least: float, most: float) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and least <= value <= most else None
