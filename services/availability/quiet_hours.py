"""When not to notify a user: outside their working hours, while away, and during Slack's do not
disturb. Pure."""

from datetime import datetime

from services.availability import absence, slack_status
from services.calendar.business_hours import BusinessHours, account_work_week
from services.core.database import Document

_ROUNDS = 5


def notifications_paused_until(
    account: Document, business_hours: BusinessHours, *, now: datetime
) -> datetime | None:
    """When the owner of that account can be notified next; None: now."""
    at = now
    # Each of these may end in another: an absence may end at night, or during do not disturb.
    for _ in range(_ROUNDS):
        later = _over_at(account, business_hours, at)
        if later is None or later <= at:
            break
        at = min(later, slack_status.NO_END)
        if at == slack_status.NO_END:
            break
    return at if at > now else None


def _over_at(account: Document, business_hours: BusinessHours, at: datetime) -> datetime | None:
    if away := absence.current_absence(account, now=at):
        return away.until
    week = account_work_week(account, business_hours)
    if week and not week.is_working_time(at):
        return week.next_start(at)
    return slack_status.do_not_disturb_until(account, now=at)
