"""Times as each reader's Slack shows them, in their own zone."""

from datetime import UTC, datetime

from services.presence import OPEN_END

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def moment(at: datetime) -> str:
    """Day and time; where Slack cannot format it, in UTC."""
    fallback = at.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"


def away(until: datetime) -> str:
    """Of somebody who is away; most say until when."""
    return "away" if until >= OPEN_END else f"away until {moment(until)}"


def ago(at: datetime, *, now: datetime) -> str:
    """How long ago, counted by Slack when it is read; else as it was at `now`."""
    return f"<!date^{int(at.timestamp())}^{{ago}}|{_elapsed(at, now)}>"


def _elapsed(at: datetime, now: datetime) -> str:
    seconds = (now - at).total_seconds()
    for unit, length in _UNITS:
        if (count := int(seconds // length)) > 0:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
