"""Until when a user's notifications are paused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.availability.absence import notifications_paused_until
from services.availability.slack_status import NO_END
from services.calendar.business_hours import BusinessHours

BUSINESS_HOURS = BusinessHours(zone="Europe/Berlin", is_configured=True)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """March 2026 in UTC, an hour behind Berlin; the 2nd is a Monday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def away(until: datetime) -> dict[str, Any]:
    return {"away": {"until": until, "source": "self"}}


def dnd(start: datetime, end: datetime) -> dict[str, Any]:
    return {"presence": {"quiet": [{"start": start, "end": end}]}}


@pytest.mark.parametrize(
    ("account", "now", "until"),
    [
        ({}, at(2, 9), None),
        ({}, at(2, 7, 59), at(2, 8)),
        ({}, at(2, 16), at(3, 8)),
        ({}, at(6, 18), at(9, 8)),
        ({"timezone": "Asia/Tokyo"}, at(2, 9), at(3, 0)),
        (away(at(4, 9)), at(2, 9), at(4, 9)),
        (away(at(4, 20)), at(2, 9), at(5, 8)),
        (away(at(1, 9)), at(2, 9), None),
        (dnd(at(2, 8), at(2, 10)), at(2, 9), at(2, 10)),
        (dnd(at(3, 7), at(3, 9)), at(2, 20), at(3, 9)),
        (dnd(at(2, 15), at(2, 17)), at(2, 15, 30), at(3, 8)),
        (dnd(at(2, 11), at(2, 12)), at(2, 9), None),
    ],
    ids=[
        "at work",
        "before work",
        "after work",
        "at the weekend",
        "by their own zone",
        "away",
        "away until the evening",
        "back again",
        "do not disturb",
        "do not disturb in the morning",
        "do not disturb until the evening",
        "do not disturb later",
    ],
)
def test_until(account: dict[str, Any], now: datetime, until: datetime | None) -> None:
    assert notifications_paused_until(account, BUSINESS_HOURS, now=now) == until


def test_where_nobody_has_said_when_they_work_nobody_is_kept_waiting() -> None:
    assert notifications_paused_until({}, BusinessHours(), now=at(1, 3)) is None


@pytest.mark.parametrize(
    "account",
    [
        away(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        dnd(at(2, 9), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_end_of_all_calendars_is_as_good_as_never(account: dict[str, Any]) -> None:
    """One such account must not stop the sweeps."""
    assert notifications_paused_until(account, BUSINESS_HOURS, now=at(2, 9)) == NO_END
