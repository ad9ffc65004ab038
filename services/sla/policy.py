"""The rules that a ticket's due time is worked out by: the targets, and the team's hours."""

import hashlib
import json
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from services.calendar.office_hours import OFFICE, Office, office_of
from services.calendar.work_week import WorkWeek
from services.core.database import Mongo
from services.core.ttl_cache import TtlCache
from services.sla.targets import TARGETS, URGENCY, Hours, Targets, targets_of

ALWAYS = WorkWeek(zone=ZoneInfo("UTC"), days=frozenset(range(7)), start=time(0), end=time(0))
# Another one has the jobs work out all due times anew.
_EDITION = 2


@dataclass(frozen=True, slots=True)
class SlaPolicy:
    """`mark` is the same for the same rules: eight hex digits by which a ticket says, in
    `target.rules`, what its due time was worked out by."""

    targets: Targets
    office: Office
    mark: str

    @classmethod
    def of(cls, targets: Targets, office: Office) -> "SlaPolicy":
        return cls(targets, office, _mark(targets, office))

    @property
    def week(self) -> WorkWeek:
        """The hours that targets are of."""
        return ALWAYS if self.targets.clock is Hours.AROUND else self.office.week


def rules(db: Mongo) -> SlaPolicy:
    """As they were within the last few seconds: for every change of a ticket."""
    return _KEPT.get(db, rules_now)


def rules_now(db: Mongo) -> SlaPolicy:
    found = db.settings.find({"_id": {"$in": [TARGETS, OFFICE]}})
    docs = {doc["_id"]: doc for doc in found}
    return SlaPolicy.of(targets_of(docs.get(TARGETS)), office_of(docs.get(OFFICE)))


_KEPT: TtlCache[SlaPolicy] = TtlCache()


def _mark(targets: Targets, office: Office) -> str:
    hours = [targets.hours[of] for of in URGENCY]
    accept = [targets.accept[of] for of in URGENCY]
    days = [targets.waiting_days, targets.auto_complete_days]
    when = [office.zone, sorted(office.days), office.start, office.end]
    where = [office.country, office.subdivision]
    told = json.dumps([_EDITION, hours, accept, targets.clock, days, when, where])
    return hashlib.sha256(told.encode()).hexdigest()[:8]
