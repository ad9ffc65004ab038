"""Weekly working hours, and working time between two moments. Pure.

A shift begins on each working day that is no public holiday. Moments are aware, results are in UTC.
Shifts are in local time, so that a night shift during a clock change is an hour longer or shorter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.calendar.holidays import public_holidays

DAY = timedelta(days=1)
# If there is no shift for so long, there never is one.
SEARCH_HORIZON = timedelta(days=400)
ZERO_DURATION = timedelta(0)


@lru_cache(maxsize=1_024)
def parse_time_zone(name: str | None) -> ZoneInfo | None:
    """Return None for an unknown name."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class WorkWeek:
    """`days` are those on which a shift begins, Monday being 0. An `end` at or before `start` is on
    the next day: 22:00 to 06:00 is a night shift, 00:00 to 00:00 a whole day.

    `country` and `subdivision` are ISO codes ("DE", "BY"), or "" for no public holidays.
    """

    zone: ZoneInfo
    days: frozenset[int] = frozenset(range(5))
    start: time = time(9)
    end: time = time(17)
    country: str = ""
    subdivision: str = ""

    @property
    def hours_a_day(self) -> float:
        """The length of a shift. An `end` at `start` is 24 hours later."""
        start, end = (at.hour + at.minute / 60 for at in (self.start, self.end))
        return (end - start) % 24 or 24.0

    def is_working_time(self, now: datetime) -> bool:
        return any(start <= now < end for start, end in self._shifts(now, now))

    def current_work_end(self, now: datetime) -> datetime | None:
        """When the current working time ends; None outside of it, or if it never ends."""
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
        """When the next shift after `now` begins; None if none does."""
        starts = (start for start, _ in self._shifts(now, now + SEARCH_HORIZON))
        return next((start for start in starts if start > now), None)

    def add_working_time(self, start: datetime, duration: timedelta) -> datetime | None:
        """The moment after so much working time; None if there are no shifts.

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
        """Working time from `first` to `last`, negative if `last` is earlier."""
        if last < first:
            return -self.working_time_between(last, first)
        spans = (min(e, last) - max(s, first) for s, e in self._shifts(first, last))
        return sum((max(span, ZERO_DURATION) for span in spans), ZERO_DURATION)

    def _shifts(self, first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The shifts that end after `first` and begin by `last`, in order, without overlap."""
        if not self.days:
            return
        # A shift may have begun the day before, and a time zone may skip a whole day.
        day = first.astimezone(self.zone).date() - 2 * DAY
        ended = datetime.min.replace(tzinfo=UTC)
        while True:
            start = max(self._moment(day, self.start), ended)
            if start > last:
                return
            if self._is_working(day):
                overnight = self.end <= self.start
                end = self._moment(day + DAY if overnight else day, self.end)
                # A clock change may leave nothing of a short shift.
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
        return _in_utc(day, at, self.zone)


@lru_cache(maxsize=4_096)
def _in_utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
