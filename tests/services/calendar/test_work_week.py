"""Working time across clock changes, holidays, year ends and time zones."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.calendar.work_week import WorkWeek, parse_time_zone

BERLIN, YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
BERLIN_WEEK = WorkWeek(BERLIN)
BAVARIA = WorkWeek(BERLIN, country="DE", subdivision="BY")
NIGHTS = WorkWeek(BERLIN, frozenset(range(7)), time(22), time(6))
ALWAYS = WorkWeek(BERLIN, frozenset(range(7)), time(0), time(0))
DAYS_ROUND = WorkWeek(BERLIN, frozenset(range(5)), time(0), time(0))
NEVER = WorkWeek(BERLIN, frozenset())
# 2026-03-02 is a Monday.


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def told(at: datetime | None) -> str | None:
    """The local time in Berlin."""
    return f"{at.astimezone(BERLIN):%Y-%m-%d %H:%M}" if at else None


@pytest.mark.parametrize(
    ("week", "length"),
    [
        (BERLIN_WEEK, 8),
        (NIGHTS, 8),
        (ALWAYS, 24),
        (WorkWeek(BERLIN, start=time(8, 30), end=time(18)), 9.5),
    ],
)
def test_the_length_of_a_shift(week: WorkWeek, length: float) -> None:
    assert week.hours_a_day == length


@pytest.mark.parametrize(
    ("week", "at", "expected"),
    [
        (BERLIN_WEEK, "2026-03-02 08:59:59.999", False),
        (BERLIN_WEEK, "2026-03-02 09:00", True),
        (BERLIN_WEEK, "2026-03-02 16:59:59.999", True),
        (BERLIN_WEEK, "2026-03-02 17:00", False),
        (BERLIN_WEEK, "2026-03-07 12:00", False),
        (BERLIN_WEEK, "2026-03-30 09:00", True),  # the first Monday of summer time
        (BERLIN_WEEK, "2026-10-26 08:59", False),
        (BAVARIA, "2026-01-06 12:00", False),
        (BERLIN_WEEK, "2026-01-06 12:00", True),
        (NIGHTS, "2026-03-02 05:59", True),
        (NIGHTS, "2026-03-02 12:00", False),
        (NIGHTS, "2026-03-02 22:00", True),
        (ALWAYS, "2026-03-07 03:00", True),
        (DAYS_ROUND, "2026-03-06 23:59", True),
        (DAYS_ROUND, "2026-03-07 00:00", False),
        (NEVER, "2026-03-02 12:00", False),
    ],
)
def test_who_is_at_work(week: WorkWeek, at: str, expected: bool) -> None:
    assert week.is_working_time(berlin(at)) is expected
    assert week.is_working_time(berlin(at).astimezone(YORK)) is expected


def test_a_zone_is_its_own() -> None:
    at = berlin("2026-03-02 15:00")
    assert WorkWeek(YORK).is_working_time(at)
    # For three weeks in March the two are five hours apart.
    assert WorkWeek(YORK).is_working_time(berlin("2026-03-09 14:00"))
    assert not WorkWeek(YORK).is_working_time(berlin("2026-03-02 14:00"))


@pytest.mark.parametrize(
    ("week", "at", "end"),
    [
        (BERLIN_WEEK, "2026-03-02 09:00", "2026-03-02 17:00"),
        (BERLIN_WEEK, "2026-03-02 08:00", None),
        (NIGHTS, "2026-03-28 23:00", "2026-03-29 06:00"),
        (
            DAYS_ROUND,
            "2026-03-02 12:00",
            "2026-03-07 00:00",
        ),  # midnight does not end the working time
        (ALWAYS, "2026-03-02 12:00", None),
        (NEVER, "2026-03-02 12:00", None),
    ],
)
def test_when_it_ends(week: WorkWeek, at: str, end: str | None) -> None:
    assert told(week.current_work_end(berlin(at))) == end


@pytest.mark.parametrize(
    ("week", "at", "start"),
    [
        (BERLIN_WEEK, "2026-03-02 08:59", "2026-03-02 09:00"),
        (BERLIN_WEEK, "2026-03-02 09:00", "2026-03-03 09:00"),
        (BERLIN_WEEK, "2026-03-06 18:00", "2026-03-09 09:00"),
        (BERLIN_WEEK, "2026-03-27 18:00", "2026-03-30 09:00"),
        (BAVARIA, "2026-12-31 18:00", "2027-01-04 09:00"),
        (BAVARIA, "2027-01-05 18:00", "2027-01-07 09:00"),
        (NIGHTS, "2026-03-02 05:00", "2026-03-02 22:00"),
        (NEVER, "2026-03-02 12:00", None),
    ],
)
def test_when_it_begins_again(week: WorkWeek, at: str, start: str | None) -> None:
    assert told(week.next_start(berlin(at))) == start


@pytest.mark.parametrize(
    ("week", "start", "duration", "done"),
    [
        (BERLIN_WEEK, "2026-03-02 09:00", hours(8), "2026-03-02 17:00"),
        (BERLIN_WEEK, "2026-03-02 12:00", hours(8), "2026-03-03 12:00"),
        (BERLIN_WEEK, "2026-03-06 16:00", hours(2), "2026-03-09 10:00"),
        (BERLIN_WEEK, "2026-03-07 16:00", hours(2), "2026-03-09 11:00"),
        (BERLIN_WEEK, "2026-03-07 16:00", hours(0), "2026-03-07 16:00"),
        (BERLIN_WEEK, "2026-03-27 16:00", hours(2), "2026-03-30 10:00"),
        (BERLIN_WEEK, "2026-01-01 09:00", hours(8 * 261), "2026-12-31 17:00"),
        (BAVARIA, "2026-12-31 16:00", hours(2), "2027-01-04 10:00"),
        (
            NIGHTS,
            "2026-03-28 22:00",
            hours(8),
            "2026-03-29 23:00",
        ),  # an hour shorter
        (NIGHTS, "2026-10-24 22:00", hours(9), "2026-10-25 06:00"),  # an hour longer
        (ALWAYS, "2026-03-28 12:00", hours(24), "2026-03-29 13:00"),
        (ALWAYS, "2026-03-02 12:00", timedelta(days=1_000), "2028-11-26 12:00"),
        (NEVER, "2026-03-02 12:00", hours(1), None),
    ],
)
def test_when_so_much_is_done(
    week: WorkWeek, start: str, duration: timedelta, done: str | None
) -> None:
    assert told(week.add_working_time(berlin(start), duration)) == done


def test_time_is_not_taken_back() -> None:
    with pytest.raises(ValueError, match="not negative"):
        BERLIN_WEEK.add_working_time(berlin("2026-03-02 12:00"), hours(-1))


@pytest.mark.parametrize(
    ("week", "first", "last", "expected"),
    [
        (BERLIN_WEEK, "2026-03-02 10:00", "2026-03-02 12:30", hours(2.5)),
        (BERLIN_WEEK, "2026-03-06 16:00", "2026-03-09 10:00", hours(2)),
        (BERLIN_WEEK, "2026-03-09 10:00", "2026-03-06 16:00", hours(-2)),
        (BERLIN_WEEK, "2026-03-07 10:00", "2026-03-08 10:00", hours(0)),
        (BAVARIA, "2026-12-23 00:00", "2027-01-08 00:00", hours(8 * 9)),
        (NIGHTS, "2026-03-28 12:00", "2026-03-29 12:00", hours(7)),
        (NIGHTS, "2026-10-24 12:00", "2026-10-25 12:00", hours(9)),
        (ALWAYS, "2026-10-25 00:00", "2026-10-26 00:00", hours(25)),
        (NEVER, "2026-03-02 12:00", "2027-03-02 12:00", hours(0)),
    ],
)
def test_how_much_lies_between(week: WorkWeek, first: str, last: str, expected: timedelta) -> None:
    assert week.working_time_between(berlin(first), berlin(last)) == expected


def test_a_clock_that_jumps_forward_may_swallow_a_shift() -> None:
    early = WorkWeek(BERLIN, frozenset(range(7)), time(2), time(3))
    first, last = berlin("2026-03-28 00:00"), berlin("2026-03-31 00:00")
    assert early.working_time_between(first, last) == hours(2)


def test_a_day_that_an_island_skipped_is_no_second_shift() -> None:
    samoa = WorkWeek(ZoneInfo("Pacific/Apia"), frozenset(range(7)))
    first = datetime(2011, 12, 28, 12, tzinfo=UTC)
    assert samoa.working_time_between(first, first + timedelta(days=5)) == hours(5 * 8)


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../etc/passwd", "\0", "x" * 300, "a/"])
def test_what_is_no_zone(name: str | None) -> None:
    assert parse_time_zone(name) is None


def test_a_zone_by_its_name() -> None:
    assert parse_time_zone("Europe/Berlin") is BERLIN


# Around clock changes, a leap day and year ends.
MOMENTS = st.builds(
    lambda start, minutes: (
        datetime.fromisoformat(start).replace(tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.sampled_from(["2026-03-27", "2026-10-23", "2026-12-30", "2028-02-28", "2026-03-06"]),
    st.integers(0, 6 * 24 * 60),
)
WEEKS = st.builds(
    WorkWeek,
    st.sampled_from(
        [BERLIN, YORK, ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("Australia/Lord_Howe")]
    ),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.builds(time, st.integers(0, 23), st.sampled_from([0, 30])),
    st.builds(time, st.integers(0, 23), st.sampled_from([0, 30])),
    st.sampled_from(["", "DE", "US"]),
)
DURATIONS = st.integers(0, 100 * 60).map(lambda minutes: timedelta(minutes=minutes))


@given(WEEKS, MOMENTS, DURATIONS)
def test_what_is_added_lies_between(week: WorkWeek, start: datetime, work: timedelta) -> None:
    done = week.add_working_time(start, work)
    assert done is not None
    assert week.working_time_between(start, done) == work
    if work:  # and at no earlier moment
        assert week.working_time_between(start, done - timedelta(minutes=1)) < work


@given(WEEKS, MOMENTS, MOMENTS, MOMENTS)
def test_parts_add_up(week: WorkWeek, first: datetime, then: datetime, last: datetime) -> None:
    between = week.working_time_between
    assert between(first, then) + between(then, last) == between(first, last)
    assert abs(between(first, last)) <= abs(last - first)


@settings(max_examples=25)
@given(WEEKS, MOMENTS)
def test_it_is_what_counting_minutes_comes_to(week: WorkWeek, first: datetime) -> None:
    minutes = [first + timedelta(minutes=count) for count in range(30 * 60)]
    worked = sum(week.is_working_time(minute) for minute in minutes)
    last = minutes[-1] + timedelta(minutes=1)
    assert week.working_time_between(first, last) == timedelta(minutes=worked)


@given(WEEKS, MOMENTS)
def test_an_end_and_a_beginning_are_such(week: WorkWeek, now: datetime) -> None:
    start, end = week.next_start(now), week.current_work_end(now)
    assert start is not None
    assert start > now
    assert week.is_working_time(start)
    if end is not None:
        assert week.is_working_time(now)
        assert not week.is_working_time(end)
        assert week.working_time_between(now, end) == end - now
    if not week.is_working_time(now):
        assert week.working_time_between(now, start) == timedelta(0)


@given(WEEKS.filter(lambda week: week.start < week.end), MOMENTS)
def test_a_day_shift_is_what_the_clock_on_the_wall_says(week: WorkWeek, now: datetime) -> None:
    here = now.astimezone(week.zone)
    if here.utcoffset() != (here - timedelta(days=1)).utcoffset():
        return  # on the day of a clock change a time may occur twice, or not at all
    if not week.country:
        by_clock = here.weekday() in week.days and week.start <= here.time() < week.end
        assert week.is_working_time(now) is by_clock
