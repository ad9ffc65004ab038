"""Clock of a ticket's SLA target: when it ran, and since when it has been running. Pure.

Stored as `target: {ran: [{from, to}], since, rules}`. It holds times, not durations: a calendar
computes the working time, so that changed hours or targets apply to it as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.calendar.work_week import WorkWeek
from services.core.coerce import as_datetime

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class SlaClock:
    """`running_since` is None while the clock is stopped; `policy_fingerprint` is the fingerprint
    (services/sla/policy.py) of the policy that the due time was computed by, None before that."""

    spans: tuple[Span, ...] = ()
    running_since: datetime | None = None
    policy_fingerprint: str | None = None

    @classmethod
    def from_doc(cls, doc: Any) -> "SlaClock | None":
        if not isinstance(doc, Mapping):
            return None
        spans, fingerprint = doc.get("ran"), doc.get("rules")
        return cls(
            spans=tuple(_spans(spans if isinstance(spans, list) else [])),
            running_since=as_datetime(doc.get("since")),
            policy_fingerprint=fingerprint if isinstance(fingerprint, str) else None,
        )

    def to_doc(self) -> dict[str, Any]:
        ran = [{"from": start, "to": end} for start, end in self.spans]
        since = {"since": self.running_since} if self.running_since else {}
        return {**({"ran": ran} if ran else {}), **since, "rules": self.policy_fingerprint}

    @property
    def started_at(self) -> datetime | None:
        """When the ticket was filed or reopened. None for the legacy backend's (no target)."""
        return self.spans[0][0] if self.spans else self.running_since

    @property
    def has_started(self) -> bool:
        return self.started_at is not None

    def start(self, now: datetime) -> "SlaClock":
        return self if self.running_since else replace(self, running_since=now)

    def stop(self, now: datetime) -> "SlaClock":
        if self.running_since is None:
            return self
        span = (self.running_since, max(now, self.running_since))
        return replace(self, spans=(*self.spans, span), running_since=None)

    def reaches_at(self, duration: timedelta, week: WorkWeek) -> datetime | None:
        """Return when it will have run for so much working time. None if it is stopped before that,
        if the week has no working time, or if the result is beyond the year 9999."""
        left = duration
        for start, end in self.spans:
            worked = week.working_time_between(start, end)
            if worked >= left:
                return week.add_working_time(start, left)
            left -= worked
        if self.running_since is None:
            return None
        try:
            return week.add_working_time(self.running_since, left)
        except OverflowError:
            return None


def _spans(stored: Sequence[Any]) -> list[Span]:
    spans = []
    for span in stored:
        if not isinstance(span, Mapping):
            continue
        start, end = as_datetime(span.get("from")), as_datetime(span.get("to"))
        if start and end and start <= end:
            spans.append((start, end))
    return spans
