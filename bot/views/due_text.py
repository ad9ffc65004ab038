"""When a ticket is due, in words.

Relative ones are for what is opened now and not kept; a card names the time itself, so that it
need not be drawn anew every minute.

Times as each reader's Slack shows them, in their own zone.
"""

from datetime import UTC, datetime, timedelta

from services.availability.slack_status import NO_END
from services.models.escalation_track import EscalationStep
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.sla.escalation_schedule import NEXT_STEP_FIELD

PAUSED = "paused while waiting"
LATE = "late"
# Beyond that, the day and the time say more.
SOON = timedelta(hours=6)
_MISSED = frozenset(
    {EscalationStep.DUE_MISSED, EscalationStep.DUE_TRIAGE, EscalationStep.DUE_ADMINS}
)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def due(ticket: Ticket, *, now: datetime) -> str:
    """As "due in 40 min", "due in 1 h 50 min", "due tomorrow at 14:00", "2 h late" or "paused while
    waiting", for mrkdwn; "" where it is done, or nothing says when it is due."""
    at = ticket.due_at
    if ticket.status not in OPEN_STATUSES:
        return ""
    if at is None:
        return _paused(ticket)
    if at <= now:
        return f"*{_lasting(now - at)} {LATE}*"
    return f"due in {_left(at - now)}" if at - now < SOON else f"due {moment(at)}"


def due_on(ticket: Ticket) -> str:
    """For a card, which is not drawn anew as time goes by: it says that the ticket is late from
    when its people are told so."""
    at = ticket.due_at
    if ticket.status not in OPEN_STATUSES:
        return ""
    if at is None:
        return _paused(ticket)
    return f"due {moment(at)}{f' · *{LATE}*' if is_told_late(ticket) else ''}"


def is_told_late(ticket: Ticket) -> bool:
    """Whether its history says that its present due time was missed."""
    at = ticket.due_at
    return at is not None and any(
        event.field == NEXT_STEP_FIELD and event.to in _MISSED and event.at >= at
        for event in ticket.events
    )


def field(words: str) -> str:
    """The same under the label "Due"."""
    told = words.removeprefix("due ")
    return f"{told[:1].upper()}{told[1:]}"


def _paused(ticket: Ticket) -> str:
    is_waiting = ticket.status is Status.WAITING
    return PAUSED if is_waiting and ticket.sla_clock and ticket.sla_clock.has_started else ""


def _left(time: timedelta) -> str:
    """In hours and minutes: of "1 h" nearly half could be missing."""
    hours, rest = divmod(time, _HOUR)
    minutes = rest // _MINUTE
    return f"{hours} h {minutes} min" if hours and minutes else _lasting(time)


def _lasting(time: timedelta) -> str:
    """The largest unit that there is one of, and never nothing."""
    if time >= _DAY:
        days = time // _DAY
        return f"{days} day{'' if days == 1 else 's'}"
    if time >= _HOUR:
        return f"{time // _HOUR} h"
    return f"{max(time // _MINUTE, 1)} min"


_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def moment(at: datetime) -> str:
    """Day and time; where Slack cannot format it, in UTC."""
    fallback = at.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"


def away(until: datetime) -> str:
    """Of somebody who is away; most say until when."""
    return "away" if until >= NO_END else f"away until {moment(until)}"


def ago(at: datetime, *, now: datetime) -> str:
    """How long ago, counted by Slack when it is read; else as it was at `now`."""
    return f"<!date^{int(at.timestamp())}^{{ago}}|{_elapsed(at, now)}>"


def _elapsed(at: datetime, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    for unit, length in _UNITS:
        if (count := int(seconds // length)) > 0:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
