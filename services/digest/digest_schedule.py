"""When somebody's working day has begun, and with it the time for their digest. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.availability.quiet_hours import notifications_paused_until
from services.calendar.business_hours import BusinessHours, account_work_week
from services.calendar.work_week import DAY, WorkWeek
from services.core.database import Document

# Hours, zone, holidays and absences may change between two looks.
LOOK_AGAIN = timedelta(hours=2)
NOON = time(12)
# Whose work begins later than noon has so long in place of the morning.
LATE_SHIFT = timedelta(hours=3)
# Before that nobody remembers when they were last here.
LOOK_BACK = 7
_MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Today:
    """A day in its owner's own zone: when it began, and `last_day`, the working day before it,
    with when that began."""

    day: date
    began: datetime
    last_day: date
    last_began: datetime

    @property
    def is_after_yesterday(self) -> bool:
        """Whether the working day before was yesterday."""
        return self.day - self.last_day == DAY


@dataclass(frozen=True, slots=True)
class Morning:
    """`today` is None where it is not the morning of a working day, or its owner is away or wants
    no interruption. `next_look` is when that may be another."""

    today: Today | None
    next_look: datetime


def morning(account: Document, office: BusinessHours, *, now: datetime) -> Morning:
    """Of the owner of that account. Where nobody has said so much as a zone, the team's usual
    hours are taken."""
    week = account_work_week(account, office) or office.work_week
    day = now.astimezone(week.zone).date()
    begins, latest = week.next_start(now), now + LOOK_AGAIN
    next_look = min(begins, latest) if begins else latest
    start = _start(week, day)
    if start is None or not start <= now < _over(week, day, start):
        return Morning(None, next_look)
    if quiet := notifications_paused_until(account, office, now=now):
        return Morning(None, min(quiet, latest))
    last_day = _last_day(week, day)
    today = Today(day, _midnight(week, day), last_day, _midnight(week, last_day))
    return Morning(today, next_look)


def _start(week: WorkWeek, day: date) -> datetime | None:
    """When that day's work begins; None where there is none."""
    begins = week.next_start(_midnight(week, day) - _MOMENT)
    return begins if begins and begins.astimezone(week.zone).date() == day else None


def _over(week: WorkWeek, day: date, start: datetime) -> datetime:
    """When it is too late for what was meant for the beginning of the day."""
    noon = datetime.combine(day, NOON, week.zone).astimezone(UTC)
    return noon if start < noon else start + LATE_SHIFT


def _last_day(week: WorkWeek, day: date) -> date:
    """The working day before; yesterday where there was none for long."""
    before = (day - number * DAY for number in range(1, LOOK_BACK + 1))
    return next((day for day in before if _start(week, day)), day - DAY)


def _midnight(week: WorkWeek, day: date) -> datetime:
    return datetime.combine(day, time(), week.zone).astimezone(UTC)
