"""The SLA policy that due times are computed by: the targets and the business hours."""

import hashlib
import json
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from services.calendar.business_hours import (
    BUSINESS_HOURS_ID,
    BusinessHours,
    business_hours_from_doc,
)
from services.calendar.work_week import WorkWeek
from services.core.database import Mongo
from services.core.ttl_cache import TtlCache
from services.sla.targets import (
    PRIORITIES_BY_URGENCY,
    TARGETS_ID,
    CountedHours,
    Targets,
    targets_from_doc,
)

AROUND_THE_CLOCK = WorkWeek(
    zone=ZoneInfo("UTC"), days=frozenset(range(7)), start=time(0), end=time(0)
)
# Increase it to have the jobs recompute every due time.
_POLICY_VERSION = 2


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


def cached_policy(db: Mongo) -> SlaPolicy:
    """The policy, at most a few seconds old."""
    return _POLICY_CACHE.get(db, load_policy)


def load_policy(db: Mongo) -> SlaPolicy:
    found = db.settings.find({"_id": {"$in": [TARGETS_ID, BUSINESS_HOURS_ID]}})
    docs = {doc["_id"]: doc for doc in found}
    return SlaPolicy.build(
        targets_from_doc(docs.get(TARGETS_ID)), business_hours_from_doc(docs.get(BUSINESS_HOURS_ID))
    )


_POLICY_CACHE: TtlCache[SlaPolicy] = TtlCache()


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
