"""Due dates, absences and elapsed times in words, as mrkdwn.

Phrases relative to now are for views that are rendered on demand. A card names the due date itself,
so that it needs no update every minute. Slack shows dates in the reader's time zone.
"""

from datetime import UTC, datetime, timedelta

from services.availability.slack_status import NO_END
from services.models.escalation_track import LATE_STEPS
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.sla.escalation_schedule import NEXT_STEP_FIELD

PAUSED_TEXT = "paused while waiting"
LATE_TEXT = "late"
# If there is more time left, a phrase names the day and time.
SOON_THRESHOLD = timedelta(hours=6)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_UNIT_SECONDS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def due_phrase(ticket: Ticket, *, now: datetime) -> str:
    """Return "due in 40 min", "due in 1 h 50 min", "due tomorrow at 14:00", "due 2 hours
    ago, late" or "paused while waiting", as mrkdwn; "" if the ticket is completed or has no due
    date."""
    at = ticket.due_at
    if ticket.status not in OPEN_STATUSES:
        return ""
    if at is None:
        return _paused_phrase(ticket)
    if at <= now:
        return _late_phrase(time_ago(at, now=now))
    return (
        f"due in {_remaining(at - now)}"
        if at - now < SOON_THRESHOLD
        else f"due {format_datetime(at)}"
    )


def lateness(ticket: Ticket, *, now: datetime) -> str:
    """Return "2 h late", "" if the ticket is completed or not late."""
    at = ticket.due_at
    if ticket.status not in OPEN_STATUSES or at is None or at > now:
        return ""
    return f"{_duration(now - at)} {LATE_TEXT}"


def due_phrase_for_card(ticket: Ticket) -> str:
    """Return the due phrase of a card, which names the status. It says late once people were
    notified of that, because a card is not updated as time passes."""
    at = ticket.due_at
    if ticket.status not in OPEN_STATUSES or at is None:
        return ""
    if is_notified_late(ticket):
        return _late_phrase(time_ago(at))
    return f"due {format_datetime(at)}"


def _late_phrase(elapsed: str) -> str:
    return f"due {elapsed}, *{LATE_TEXT}*"


def is_notified_late(ticket: Ticket) -> bool:
    """Return whether people were notified that the current due date was missed."""
    at = ticket.due_at
    return at is not None and any(
        event.field == NEXT_STEP_FIELD and event.to in LATE_STEPS and event.at >= at
        for event in ticket.events
    )


def due_field(phrase: str) -> str:
    """Return the phrase as the value of a field labelled "Due"."""
    text = phrase.removeprefix("due ")
    return f"{text[:1].upper()}{text[1:]}"


def format_datetime(at: datetime) -> str:
    """Return day and time in the reader's zone; in UTC if Slack cannot format it."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{_in_utc(at)}>"


def format_date(at: datetime) -> str:
    """Return the day in the reader's zone; in UTC if Slack cannot format it."""
    day = at.astimezone(UTC).strftime("%-d %b %Y")
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}}|{day}>"


def away_phrase(until: datetime) -> str:
    return "away" if until >= NO_END else f"away until {format_datetime(until)}"


def time_ago(at: datetime, *, now: datetime | None = None) -> str:
    """Return the elapsed time, counted by Slack when it is read. The fallback is as of `now`, or
    without it the time itself, so that a card's content stays the same."""
    fallback = _elapsed_phrase(at, now) if now else f"on {_in_utc(at)}"
    return f"<!date^{int(at.timestamp())}^{{ago}}|{fallback}>"


def _in_utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def _paused_phrase(ticket: Ticket) -> str:
    is_waiting = ticket.status is Status.WAITING
    return PAUSED_TEXT if is_waiting and ticket.sla_clock and ticket.sla_clock.has_started else ""


def _remaining(time: timedelta) -> str:
    """In hours and minutes, because "1 h" could hide 59 minutes."""
    hours, rest = divmod(time, _HOUR)
    minutes = rest // _MINUTE
    return f"{hours} h {minutes} min" if hours and minutes else _duration(time)


def _duration(time: timedelta) -> str:
    """In the largest unit that is not zero, at least one minute."""
    if time >= _DAY:
        days = time // _DAY
        return f"{days} day{'' if days == 1 else 's'}"
    if time >= _HOUR:
        return f"{time // _HOUR} h"
    return f"{max(time // _MINUTE, 1)} min"


def _elapsed_phrase(at: datetime, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    for unit, length in _UNIT_SECONDS:
        if (count := int(seconds // length)) > 0:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
