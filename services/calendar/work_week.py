"""When somebody works, and working time between two moments. Pure.

A week is of shifts: one begins on each working day that is no public holiday. Moments are aware;
what is returned is in UTC, and a shift lasts as long as the clock on the wall says, so that the
one of a night with a change of the clocks is an hour longer or shorter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.calendar.holidays import public_holidays

DAY = timedelta(days=1)
# No week is without a shift for longer, unless it never has one.
SEARCH_HORIZON = timedelta(days=400)
ZERO_DURATION = timedelta(0)


@lru_cache(maxsize=1_024)
def parse_time_zone(name: str | None) -> ZoneInfo | None:
    """None for what is no time zone's name."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class WorkWeek:
    """`days` are those on which a shift begins, Monday being 0. One that ends at or before its
    `start` ends the day after: 22:00 to 06:00 is a night, 00:00 to 00:00 a whole day.

    `country` and `subdivision` are ISO codes ("DE", "BY"), or "" where holidays are not kept.
    """

    zone: ZoneInfo
    days: frozenset[int] = frozenset(range(5))
    start: time = time(9)
    end: time = time(17)
    country: str = ""
    subdivision: str = ""

    def is_working_time(self, now: datetime) -> bool:
        return any(start <= now < end for start, end in self._shifts(now, now))

    def current_work_end(self, now: datetime) -> datetime | None:
        """When the work under way at `now` ends; None where none is, or where it never does."""
        until: datetime | None = None
        for start, end in self._shifts(now, now + SEARCH_HORIZON):
            if until is None and not start <= now < end:
                if start > now:
                    return None
                continue
            if until is not None and start > until:
                return until
            until = end
        return None

    def next_start(self, now: datetime) -> datetime | None:
        """When work begins next after `now`; None where it never does."""
        starts = (start for start, _ in self._shifts(now, now + SEARCH_HORIZON))
        return next((start for start in starts if start > now), None)

    def add_working_time(self, start: datetime, duration: timedelta) -> datetime | None:
        """When so much work after `start` will be done; None where nobody ever works.

        Raises `ValueError` for a negative duration.
        """
        if duration < ZERO_DURATION:
            raise ValueError("working time to add is not negative")
        left, at = duration, start.astimezone(UTC)
        while left > ZERO_DURATION:
            began = at
            for opened, closed in self._shifts(at, at + SEARCH_HORIZON):
                available = closed - max(opened, began)
                if available >= left:
                    return max(opened, began) + left
                if available > ZERO_DURATION:
                    left, at = left - available, closed
            if at == began:
                return None
        return at

    def working_time_between(self, first: datetime, last: datetime) -> timedelta:
        """How much of the time from `first` to `last` is work; negative where `last` is earlier."""
        if last < first:
            return -self.working_time_between(last, first)
        spans = (min(e, last) - max(s, first) for s, e in self._shifts(first, last))
        return sum((max(span, ZERO_DURATION) for span in spans), ZERO_DURATION)

    def _shifts(self, first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Those that end after `first` and begin by `last`, in order and never overlapping."""
        if not self.days:
            return
        # A shift may have begun the day before, and a zone's clock may jump over a whole day.
        day = first.astimezone(self.zone).date() - 2 * DAY
        ended = datetime.min.replace(tzinfo=UTC)
        while True:
            start = max(self._moment(day, self.start), ended)
            if start > last:
                return
            if self._is_working(day):
                overnight = self.end <= self.start
                end = self._moment(day + DAY if overnight else day, self.end)
                # A clock that jumps forward may leave nothing of a short shift.
                if end > start:
                    ended = end
                    if end > first:
                        yield start, end
            day += DAY

    def _is_working(self, day: date) -> bool:
        return day.weekday() in self.days and day not in public_holidays(
            self.country, self.subdivision, day.year
        )

    def _moment(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)
