"""When to send a user's digest: at the beginning of their workday. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.availability.absence import notifications_paused_until
from services.calendar.business_hours import BusinessHours, account_work_week
from services.calendar.work_week import DAY, WorkWeek
from services.core.database import Document

# Hours, zone, holidays and absences may change between two checks.
MAX_CHECK_INTERVAL = timedelta(hours=2)
NOON = time(12)
# The window of a shift that begins after noon; any other ends at noon.
LATE_SHIFT_WINDOW = timedelta(hours=3)
# How far back the previous working day is searched.
MAX_LOOKBACK_DAYS = 7
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class DigestDay:
    """A day in the user's own zone: when it began, and the same of the previous workday."""

    day: date
    started_at: datetime
    previous_workday: date
    previous_started_at: datetime

    @property
    def is_consecutive(self) -> bool:
        """Whether the previous workday was yesterday."""
        return self.day - self.previous_workday == DAY


@dataclass(frozen=True, slots=True)
class SendWindow:
    """`today` is None outside the window of a workday, while the user is away, and during do not
    disturb. `next_check` is when that may have changed."""

    today: DigestDay | None
    next_check: datetime


def send_window(account: Document, business_hours: BusinessHours, *, now: datetime) -> SendWindow:
    """Return the window for the owner of that account. Without a zone of their own, the team's
    business hours apply."""
    week = account_work_week(account, business_hours) or business_hours.work_week
    day = now.astimezone(week.zone).date()
    begins, latest = week.next_start(now), now + MAX_CHECK_INTERVAL
    next_check = min(begins, latest) if begins else latest
    start = _work_start(week, day)
    if start is None or not start <= now < _window_end(week, day, start):
        return SendWindow(None, next_check)
    if paused_until := notifications_paused_until(account, business_hours, now=now):
        return SendWindow(None, min(paused_until, latest))
    previous = _previous_workday(week, day)
    today = DigestDay(day, _midnight(week, day), previous, _midnight(week, previous))
    return SendWindow(today, next_check)


def _work_start(week: WorkWeek, day: date) -> datetime | None:
    """Return when that day's work begins; None on a day off."""
    begins = week.next_start(_midnight(week, day) - _MILLISECOND)
    return begins if begins and begins.astimezone(week.zone).date() == day else None


def _window_end(week: WorkWeek, day: date, start: datetime) -> datetime:
    """Return when it is too late for a message that belongs to the beginning of the day."""
    noon = datetime.combine(day, NOON, week.zone).astimezone(UTC)
    return noon if start < noon else start + LATE_SHIFT_WINDOW


def _previous_workday(week: WorkWeek, day: date) -> date:
    """Return the workday before; yesterday if there was none for `MAX_LOOKBACK_DAYS`."""
    before = (day - number * DAY for number in range(1, MAX_LOOKBACK_DAYS + 1))
    return next((day for day in before if _work_start(week, day)), day - DAY)


def _midnight(week: WorkWeek, day: date) -> datetime:
    return datetime.combine(day, time(), week.zone).astimezone(UTC)
