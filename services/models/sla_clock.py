"""The clock of a ticket's target: when it ran, and since when it runs. Pure.

Stored as `target: {ran: [{from, to}], since, rules}`. It counts nothing itself: how much of that
was working time is asked of a calendar, so that other hours or targets can be applied later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.calendar.work_week import WorkWeek
from services.core.coerce import as_datetime

NOTHING = timedelta(0)
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class TargetClock:
    """`since` is None while it stands; `rules` is the mark (services/sla/policy.py) of those that
    the
    ticket's due time was worked out by, None where it was not yet."""

    ran: tuple[Span, ...] = ()
    since: datetime | None = None
    rules: str | None = None

    @classmethod
    def from_doc(cls, doc: Any) -> "TargetClock | None":
        if not isinstance(doc, Mapping):
            return None
        spans = doc.get("ran") if isinstance(doc.get("ran"), list) else []
        mark = doc.get("rules")
        return cls(
            ran=tuple(_spans(spans or [])),
            since=as_datetime(doc.get("since")),
            rules=mark if isinstance(mark, str) else None,
        )

    def to_doc(self) -> dict[str, Any]:
        ran = [{"from": start, "to": end} for start, end in self.ran]
        since = {"since": self.since} if self.since else {}
        return {**({"ran": ran} if ran else {}), **since, "rules": self.rules}

    @property
    def begun(self) -> datetime | None:
        """When the ticket was filed or reopened. None for the predecessor's: no target counts for
        those."""
        return self.ran[0][0] if self.ran else self.since

    @property
    def has_begun(self) -> bool:
        return self.begun is not None

    def start(self, now: datetime) -> "TargetClock":
        return self if self.since else replace(self, since=now)

    def stop(self, now: datetime) -> "TargetClock":
        if self.since is None:
            return self
        span = (self.since, max(now, self.since))
        return replace(self, ran=(*self.ran, span), since=None)

    def reaches(self, duration: timedelta, week: WorkWeek) -> datetime | None:
        """When it has run for so much working time, if it goes on; None while it stands short of
        that, where nobody ever works, and where it would be after the last year there is."""
        left = duration
        for start, end in self.ran:
            worked = week.working_time_between(start, end)
            if worked >= left:
                return week.add_working_time(start, left)
            left -= worked
        if self.since is None:
            return None
        try:
            return week.add_working_time(self.since, left)
        except OverflowError:
            return None


def _spans(stored: Sequence[Any]) -> list[Span]:
    spans = []
    for span in stored:
        start, end = (
            (as_datetime(span.get("from")), as_datetime(span.get("to")))
            if isinstance(span, Mapping)
            else (None, None)
        )
        if start and end and start <= end:
            spans.append((start, end))
    return spans
