"""The window in which a user's digest is sent."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.calendar.business_hours import BusinessHours
from services.digest.digest_schedule import MAX_CHECK_INTERVAL, DigestDay, SendWindow, send_window

BERLIN = ZoneInfo("Europe/Berlin")
BUSINESS_HOURS = BusinessHours(zone="Europe/Berlin", country="DE", is_configured=True)
WEEK = {"days": [0, 1, 2, 3, 4], "start": "09:00", "end": "17:00"}


def local(day: int, hour: int, minute: int = 0, *, month: int = 3) -> datetime:
    """2026 in Berlin: 2 March is a Monday, summer time begins on the 29th."""
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def today(now: datetime, **account: Any) -> DigestDay | None:
    return send_window(account, BUSINESS_HOURS, now=now).today


@pytest.mark.parametrize(
    ("now", "is_so"),
    [
        (local(3, 8, 59), False),
        (local(3, 9), True),
        (local(3, 11, 59), True),
        (local(3, 12), False),
        (local(3, 23), False),
        (local(7, 9), False),  # a Saturday
        (local(3, 9, month=4), False),  # Good Friday
        (local(30, 9), True),  # summer time
    ],
)
def test_from_when_work_begins_until_noon(now: datetime, is_so: bool) -> None:
    assert (today(now) is not None) is is_so


@pytest.mark.parametrize(
    ("start", "end", "from_", "until"),
    [
        ("06:30", "14:00", local(3, 6, 30), local(3, 12)),
        ("11:50", "20:00", local(3, 11, 50), local(3, 12)),
        ("14:00", "22:00", local(3, 14), local(3, 17)),
        ("22:00", "06:00", local(3, 22), local(4, 1)),
        ("09:00", "10:00", local(3, 9), local(3, 10)),
        ("00:00", "00:00", local(3, 0), local(3, 12)),
    ],
)
def test_whatever_their_hours(start: str, end: str, from_: datetime, until: datetime) -> None:
    hours: dict[str, Any] = {"workHours": {**WEEK, "start": start, "end": end}}
    minute = timedelta(minutes=1)
    last = until - minute if until.astimezone(BERLIN).date() == date(2026, 3, 3) else from_
    for now, is_so in ((from_ - minute, False), (from_, True), (last, True), (until, False)):
        assert (today(now, **hours) is not None) is is_so, now


def test_in_their_own_zone_and_by_their_own_holidays() -> None:
    tokyo: dict[str, Any] = {"timezone": "Asia/Tokyo", "country": "JP"}
    assert today(local(3, 9), **tokyo) is None
    found = today(datetime(2026, 3, 3, 0, tzinfo=UTC), **tokyo)
    assert found
    assert (found.day, found.started_at) == (
        date(2026, 3, 3), datetime(2026, 3, 2, 15, tzinfo=UTC)
    )  # fmt: skip
    assert today(datetime(2026, 3, 20, 0, tzinfo=UTC), **tokyo) is None  # the equinox


def test_where_nobody_has_said_anything_the_usual_hours_count() -> None:
    nine = datetime(2026, 3, 3, 9, tzinfo=UTC)
    assert send_window({}, BusinessHours(), now=nine).today
    assert not send_window({}, BusinessHours(), now=nine - timedelta(minutes=1)).today


def test_the_day_before_is_the_last_working_day() -> None:
    tuesday = today(local(3, 9))
    assert tuesday == DigestDay(date(2026, 3, 3), local(3, 0), date(2026, 3, 2), local(2, 0))
    assert tuesday.is_consecutive
    monday = today(local(9, 9))
    assert monday
    assert (monday.previous_workday, monday.previous_started_at) == (date(2026, 3, 6), local(6, 0))
    assert not monday.is_consecutive
    after_easter = today(local(7, 9, month=4))
    assert after_easter
    assert after_easter.previous_workday == date(2026, 4, 2)


def test_of_a_week_with_one_day_it_is_the_week_before() -> None:
    found = today(local(3, 9), workHours={**WEEK, "days": [1]})
    assert found
    assert found.previous_workday == date(2026, 2, 24)


def test_who_is_away_has_none_until_they_are_back() -> None:
    away: dict[str, Any] = {"away": {"until": local(3, 10), "source": "self"}}
    found = send_window({**away}, BUSINESS_HOURS, now=local(3, 9))
    assert (found.today, found.next_check) == (None, local(3, 10))
    assert today(local(3, 10), **away)


def test_who_wants_no_interruption_has_none_for_now() -> None:
    spans = [{"start": local(2, 22), "end": local(3, 9, 30)}]
    found = send_window({"presence": {"quiet": spans}}, BUSINESS_HOURS, now=local(3, 9))
    assert (found.today, found.next_check) == (None, local(3, 9, 30))


def test_it_is_looked_at_again_when_work_begins_or_soon() -> None:
    assert send_window({}, BUSINESS_HOURS, now=local(3, 8, 30)).next_check == local(3, 9)
    assert send_window({}, BUSINESS_HOURS, now=local(3, 4)).next_check == local(3, 6)
    never = {"workHours": {"days": [], "start": "09:00", "end": "17:00"}}
    assert send_window(never, BUSINESS_HOURS, now=local(3, 9)) == SendWindow(None, local(3, 11))


@given(
    now=st.datetimes(
        datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001
    ),
    zone=st.sampled_from(["Pacific/Kiritimati", "Pacific/Niue", "Europe/Berlin", "Asia/Kolkata"]),
    start=st.integers(0, 23),
    hours=st.integers(1, 23),
)  # fmt: skip
def test_the_send_window_is_within_a_working_day(
    now: datetime, zone: str, start: int, hours: int
) -> None:
    end = f"{(start + hours) % 24:02}:00"
    account = {"timezone": zone, "workHours": {**WEEK, "start": f"{start:02}:00", "end": end}}
    found = send_window(account, BusinessHours(), now=now)
    assert now < found.next_check <= now + MAX_CHECK_INTERVAL
    if found.today:
        here = now.astimezone(ZoneInfo(zone))
        assert (found.today.day, here.weekday() < 5) == (here.date(), True)
        assert here.hour < 12 or start >= 12
        assert found.today.previous_started_at < found.today.started_at <= now
