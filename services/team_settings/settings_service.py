"""What the admins set for the whole team: its targets and its hours.

A form sends back all of its fields; what was not touched in it stays as others have set it.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

from services.calendar.office_hours import (
    OFFICE,
    Office,
    check_country,
    check_hours,
    check_zone,
    office_of,
)
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Invalid
from services.core.ttl_cache import forget
from services.models.permissions import Actor, Operator, Permission, require
from services.sla.targets import (
    TARGETS,
    URGENCY,
    TargetFields,
    Targets,
    checked_targets,
    targets_of,
)


@dataclass(frozen=True, slots=True)
class OfficeFields:
    """The team's hours in a form's words; `days` are numbers, Monday being 0: "0,1,2,3,4"."""

    zone: str
    days: str
    start: str
    end: str
    country: str
    subdivision: str

    @classmethod
    def of(cls, office: Office) -> "OfficeFields":
        return cls(
            zone=office.zone,
            days=",".join(map(str, sorted(office.days))),
            start=office.start,
            end=office.end,
            country=office.country,
            subdivision=office.subdivision,
        )


@dataclass(frozen=True, slots=True)
class Held:
    targets: Targets
    office: Office


Form = TypeVar("Form", TargetFields, OfficeFields)


class TeamSettings:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._targets = TargetStore(db, clock=clock)
        self._office = OfficeStore(db, clock=clock)

    def look(self, *, actor: Actor) -> Held:
        require(actor, Permission.MANAGE_USERS)
        return Held(self._targets.read(), self._office.read())

    def set_targets(self, *, actor: Actor, shown: TargetFields, wanted: TargetFields) -> Targets:
        """Raises `Invalid`, also for a field that somebody else has changed meanwhile."""
        require(actor, Permission.MANAGE_USERS)
        current = TargetFields.of(self._targets.read())
        return self._targets.write(actor=actor, wanted=_merged(current, shown, wanted))

    def set_office(self, *, actor: Actor, shown: OfficeFields, wanted: OfficeFields) -> Office:
        """As `set_targets`."""
        require(actor, Permission.MANAGE_USERS)
        merged = _merged(OfficeFields.of(self._office.read()), shown, wanted)
        return self._office.write(
            actor=actor,
            zone=merged.zone.strip(),
            days=frozenset(int(day) for day in merged.days.split(",") if day.isdecimal()),
            start=merged.start,
            end=merged.end,
            country=merged.country,
            subdivision=merged.subdivision.strip().upper(),
        )


def _merged(current: Form, shown: Form, wanted: Form) -> Form:
    """What is held now, but for the fields that were touched."""
    touched: dict[str, str] = {}
    for name in (field.name for field in fields(current)):
        new, old, now = (getattr(form, name) for form in (wanted, shown, current))
        if new in (old, now):
            continue
        if now != old:
            raise Invalid(
                name,
                f"Somebody has changed this to “{now or 'nothing'}” meanwhile. Close this form "
                "and open it again, then decide.",
            )
        touched[name] = new
    return replace(current, **touched)


class OfficeStore:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def read(self) -> Office:
        """The team's hours; Monday to Friday, 9 to 5 in UTC, for what is not set."""
        return office_of(self._db.settings.find_one({"_id": OFFICE}))

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
    ) -> Office:
        """Set all of it. Raises `Invalid`, naming the field."""
        require(actor, Permission.MANAGE_USERS)
        office = Office(zone, days, start, end, country, subdivision, is_set=True)
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
            "by": actor.by,
        }
        self._db.settings.update_one({"_id": OFFICE}, {"$set": values}, upsert=True)
        forget(self._db)
        return office


class TargetStore:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def read(self) -> Targets:
        """As set, and as is usual for what is not set."""
        return targets_of(self._db.settings.find_one({"_id": TARGETS}))

    def write(self, *, actor: Actor | Operator, wanted: TargetFields) -> Targets:
        """Set all of it. Raises `Invalid`, naming the field.

        Due times of open tickets follow with the jobs' next sweeps.
        """
        require(actor, Permission.MANAGE_USERS)
        targets = checked_targets(wanted)
        values: Document = {
            "hours": {of.value: targets.hours[of] for of in URGENCY},
            "accept": {of.value: targets.accept[of] for of in URGENCY},
            "clock": targets.clock.value,
            "waitingDays": targets.waiting_days,
            "autoCompleteDays": targets.auto_complete_days,
            "at": self._clock(),
            "by": actor.by,
        }
        self._db.settings.update_one({"_id": TARGETS}, {"$set": values}, upsert=True)
        forget(self._db)
        return targets
