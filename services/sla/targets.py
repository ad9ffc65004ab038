"""By when tickets are to be accepted and done, as the admins set it.

Stored in `settings` as `_id: "targets"`. Reading is forgiving, part by part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from services.core.errors import Invalid
from services.models.ticket import Priority

TARGETS = "targets"
# The most urgent first: none of them may take longer than the next.
URGENCY = (Priority.URGENT, Priority.HIGH, Priority.MEDIUM, Priority.LOW)
USUAL = Priority.MEDIUM  # until somebody or the analysis has set a priority
HOURS_MIN, HOURS_MAX = 0.25, 2_000.0
ACCEPT_MIN, ACCEPT_MAX = 1, 10_000  # minutes
DAYS_MIN, DAYS_MAX = 1, 60


class Hours(StrEnum):
    """Which hours count."""

    BUSINESS = "business"
    AROUND = "around"


@dataclass(frozen=True, slots=True)
class Targets:
    """`hours` to be done in and `accept` minutes to be accepted in, by priority; both are of the
    team's working time (services/calendar/office_hours.py), or around the clock, as `clock` says.

    A ticket that has waited for its requester for `waiting_days` working days is asked about once
    more, and completed after `auto_complete_days` further ones.
    """

    hours: Mapping[Priority, float] = field(
        default_factory=lambda: MappingProxyType(
            {Priority.URGENT: 4, Priority.HIGH: 8, Priority.MEDIUM: 24, Priority.LOW: 40}
        )
    )
    accept: Mapping[Priority, int] = field(
        default_factory=lambda: MappingProxyType(
            {Priority.URGENT: 15, Priority.HIGH: 60, Priority.MEDIUM: 240, Priority.LOW: 480}
        )
    )
    clock: Hours = Hours.BUSINESS
    waiting_days: int = 3
    auto_complete_days: int = 4

    def time_for(self, priority: Priority | None) -> timedelta:
        return timedelta(hours=self.hours[priority or USUAL])

    def time_to_accept(self, priority: Priority | None) -> timedelta:
        return timedelta(minutes=self.accept[priority or USUAL])


@dataclass(frozen=True, slots=True)
class TargetFields:
    """The targets as a form shows them and sends them back, each in a form's words."""

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
    def of(cls, targets: Targets) -> "TargetFields":
        return cls(
            **{f"hours_{of.value}": f"{targets.hours[of]:g}" for of in URGENCY},
            **{f"accept_{of.value}": f"{targets.accept[of]}" for of in URGENCY},
            clock=targets.clock.value,
            waiting_days=f"{targets.waiting_days}",
            auto_complete_days=f"{targets.auto_complete_days}",
        )


def targets_of(doc: Mapping[str, Any] | None) -> Targets:
    """As stored; a part that makes no sense is as if it were not set."""
    usual, stored = Targets(), doc or {}
    hours = _by_priority(stored.get("hours"), HOURS_MIN, HOURS_MAX)
    accept = _by_priority(stored.get("accept"), ACCEPT_MIN, ACCEPT_MAX)
    days = [_number(stored.get(name), DAYS_MIN, DAYS_MAX) for name in _DAYS.values()]
    is_around = stored.get("clock") == Hours.AROUND.value
    return Targets(
        hours=MappingProxyType(hours) if hours else usual.hours,
        accept=MappingProxyType({of: int(accept[of]) for of in accept}) if accept else usual.accept,
        clock=Hours.AROUND if is_around else Hours.BUSINESS,
        waiting_days=int(days[0] or usual.waiting_days),
        auto_complete_days=int(days[1] or usual.auto_complete_days),
    )


def checked_targets(wanted: TargetFields) -> Targets:
    """What a form's words mean; `Invalid` names the first field that is not acceptable."""
    hours = {of: _typed_hours(wanted, of) for of in URGENCY}
    _check_order(hours, "hours")
    accept = {of: _typed_whole(wanted, f"accept_{of.value}", ACCEPT_MAX) for of in URGENCY}
    _check_order(accept, "accept")
    if wanted.clock not in set(Hours):
        raise Invalid("clock", "Choose which hours count.")
    days = {name: _typed_whole(wanted, name, DAYS_MAX) for name in _DAYS}
    return Targets(
        hours=MappingProxyType(hours),
        accept=MappingProxyType(accept),
        clock=Hours(wanted.clock),
        **days,
    )


_DAYS = {"waiting_days": "waitingDays", "auto_complete_days": "autoCompleteDays"}


def _typed_hours(wanted: TargetFields, priority: Priority) -> float:
    name = f"hours_{priority.value}"
    typed = getattr(wanted, name).strip().replace(",", ".")
    try:
        hours = round(float(typed), 2) if typed.isascii() else 0.0
    except ValueError:
        hours = 0.0
    if not HOURS_MIN <= hours <= HOURS_MAX:
        raise Invalid(name, f"Write hours from {HOURS_MIN:g} to {HOURS_MAX:,.0f}, such as 8.")
    return hours


def _typed_whole(wanted: TargetFields, name: str, most: int) -> int:
    typed = getattr(wanted, name).strip()
    is_whole = typed.isascii() and typed.isdigit() and len(typed) <= len(str(most))
    number = int(typed) if is_whole else 0
    if not 1 <= number <= most:
        raise Invalid(name, f"Write a whole number from 1 to {most:,}.")
    return number


def _check_order(times: Mapping[Priority, float], kind: str) -> None:
    """A higher priority takes no longer."""
    for higher, lower in pairwise(URGENCY):
        if times[higher] > times[lower]:
            raise Invalid(
                f"{kind}_{lower.value}",
                f"Write no less than for {higher.value}: the more urgent comes first.",
            )


def _by_priority(stored: Any, least: float, most: float) -> dict[Priority, float] | None:
    """None where one is missing, out of its bounds or out of order."""
    if not isinstance(stored, Mapping):
        return None
    found = {of: _number(stored.get(of.value), least, most) for of in URGENCY}
    times = {of: time for of, time in found.items() if time is not None}
    listed = list(times.values())
    return times if len(times) == len(URGENCY) and listed == sorted(listed) else None


def _number(value: Any, least: float, most: float) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and least <= value <= most else None
