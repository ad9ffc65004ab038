"""Team settings that admins change: SLA targets and business hours.

A form sends all of its fields; a field that the admin did not change keeps its current value.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

from services.calendar.business_hours import (
    BUSINESS_HOURS_ID,
    BusinessHours,
    business_hours_from_doc,
    check_country,
    check_hours,
    check_zone,
)
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue
from services.core.ttl_cache import invalidate_caches
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.sla.targets import (
    PRIORITIES_BY_URGENCY,
    TARGETS_ID,
    TargetFields,
    Targets,
    checked_targets,
    targets_from_doc,
)


@dataclass(frozen=True, slots=True)
class BusinessHoursFields:
    """The business hours as the texts of a form's fields; `days` as "0,1,2,3,4", Monday being 0."""

    zone: str
    days: str
    start: str
    end: str
    country: str
    subdivision: str

    @classmethod
    def from_business_hours(cls, business_hours: BusinessHours) -> "BusinessHoursFields":
        return cls(
            zone=business_hours.zone,
            days=",".join(map(str, sorted(business_hours.days))),
            start=business_hours.start,
            end=business_hours.end,
            country=business_hours.country,
            subdivision=business_hours.subdivision,
        )


@dataclass(frozen=True, slots=True)
class CurrentSettings:
    targets: Targets
    business_hours: BusinessHours


Form = TypeVar("Form", TargetFields, BusinessHoursFields)


class TeamSettings:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._targets = TargetStore(db, clock=clock)
        self._business_hours = BusinessHoursStore(db, clock=clock)

    def get(self, *, actor: Actor) -> CurrentSettings:
        require_permission(actor, Permission.MANAGE_USERS)
        return CurrentSettings(self._targets.read(), self._business_hours.read())

    def set_targets(
        self, *, actor: Actor, original: TargetFields, submitted: TargetFields
    ) -> Targets:
        """Raises `InvalidValue`, also for a field that another admin changed in the meantime."""
        require_permission(actor, Permission.MANAGE_USERS)
        current = TargetFields.from_targets(self._targets.read())
        return self._targets.write(actor=actor, submitted=_merge_form(current, original, submitted))

    def set_business_hours(
        self, *, actor: Actor, original: BusinessHoursFields, submitted: BusinessHoursFields
    ) -> BusinessHours:
        """As `set_targets`."""
        require_permission(actor, Permission.MANAGE_USERS)
        merged = _merge_form(
            BusinessHoursFields.from_business_hours(self._business_hours.read()),
            original,
            submitted,
        )
        return self._business_hours.write(
            actor=actor,
            zone=merged.zone.strip(),
            days=frozenset(int(day) for day in merged.days.split(",") if day.isdecimal()),
            start=merged.start,
            end=merged.end,
            country=merged.country,
            subdivision=merged.subdivision.strip().upper(),
        )


class BusinessHoursStore:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def read(self) -> BusinessHours:
        """The stored business hours; the default is Monday to Friday, 9:00 to 17:00 UTC."""
        return business_hours_from_doc(self._db.settings.find_one({"_id": BUSINESS_HOURS_ID}))

    def write(
        self,
        *,
        actor: Actor | Operator,
        zone: str,
        days: frozenset[int],
        start: str,
        end: str,
        country: str = "",
        subdivision: str = "",
    ) -> BusinessHours:
        """Store all fields. Raises `InvalidValue`, naming the field."""
        require_permission(actor, Permission.MANAGE_USERS)
        business_hours = BusinessHours(
            zone, days, start, end, country, subdivision, is_configured=True
        )
        check_zone(zone)
        check_hours(days=days, start=start, end=end)
        check_country(country, subdivision)
        values = {
            "zone": zone,
            "days": sorted(days),
            "start": start,
            "end": end,
            "country": country,
            "subdivision": subdivision,
            "at": self._clock(),
            "by": actor.event_author,
        }
        self._db.settings.update_one({"_id": BUSINESS_HOURS_ID}, {"$set": values}, upsert=True)
        invalidate_caches(self._db)
        return business_hours


class TargetStore:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def read(self) -> Targets:
        """The stored targets, with the defaults for what is not set."""
        return targets_from_doc(self._db.settings.find_one({"_id": TARGETS_ID}))

    def write(self, *, actor: Actor | Operator, submitted: TargetFields) -> Targets:
        """Store all targets. Raises `InvalidValue`, naming the field.

        A job recomputes the due times of open tickets (services/sla/recompute.py).
        """
        require_permission(actor, Permission.MANAGE_USERS)
        targets = checked_targets(submitted)
        values: Document = {
            "hours": {
                priority.value: targets.resolution_hours[priority]
                for priority in PRIORITIES_BY_URGENCY
            },
            "accept": {of.value: targets.acceptance_minutes[of] for of in PRIORITIES_BY_URGENCY},
            "clock": targets.counted_hours.value,
            "waitingDays": targets.waiting_days,
            "autoCompleteDays": targets.auto_complete_days,
            "at": self._clock(),
            "by": actor.event_author,
        }
        self._db.settings.update_one({"_id": TARGETS_ID}, {"$set": values}, upsert=True)
        invalidate_caches(self._db)
        return targets


def _merge_form(current: Form, original: Form, submitted: Form) -> Form:
    """The current values with the fields that the admin changed."""
    touched: dict[str, str] = {}
    for name in (field.name for field in fields(current)):
        new, old, now = (getattr(form, name) for form in (submitted, original, current))
        if new in (old, now):
            continue
        if now != old:
            raise InvalidValue(
                name,
                f"Somebody has changed this to “{now or 'nothing'}” meanwhile. Close this form "
                "and open it again, then decide.",
            )
        touched[name] = new
    return replace(current, **touched)
