"""What the admins set for the whole team: its targets and its hours.

A form sends back all of its fields; what was not touched in it stays as others have set it.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

from services.clock import Clock, utcnow
from services.database import Mongo
from services.errors import Invalid
from services.office import Office, OfficeStore
from services.permissions import Actor, Permission, require
from services.targets import TargetFields, Targets, TargetStore


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
