"""Real calendars of the pinned library, on dates that will not be moved."""

import subprocess
import sys
from datetime import date

import pytest

from demo.binaries import ROOT
from services.calendar.holidays import has_holidays, public_holidays


@pytest.mark.parametrize(
    ("country", "subdivision", "day", "is_one"),
    [
        ("DE", "", date(2026, 12, 25), True),
        ("DE", "", date(2026, 1, 6), False),
        ("DE", "BY", date(2026, 1, 6), True),
        ("DE", "??", date(2026, 12, 25), True),
        ("US", "", date(2026, 7, 3), True),  # the fourth is a Saturday
        ("DE", "", date(2026, 12, 24), False),
        ("XX", "", date(2026, 12, 25), False),
        ("", "", date(2026, 1, 1), False),
        ("", "BY", date(2026, 1, 1), False),
    ],
)
def test_days_off(country: str, subdivision: str, day: date, is_one: bool) -> None:
    assert (day in public_holidays(country, subdivision, day.year)) is is_one


@pytest.mark.parametrize(
    ("country", "subdivision", "known"),
    [
        ("DE", "", True),
        ("DE", "BY", True),
        ("DE", "CA", False),
        ("US", "CA", True),
        ("XX", "", False),
        ("", "", False),
        ("de", "", False),
    ],
)
def test_which_countries_there_are(country: str, subdivision: str, known: bool) -> None:
    assert has_holidays(country, subdivision) is known


def test_the_library_is_loaded_when_a_country_is_asked_for() -> None:
    code = """
import sys
from services.assignment import ranking
from services.calendar import business_hours
from services.calendar.holidays import public_holidays
public_holidays("", "", 2026)
assert "holidays" not in sys.modules
public_holidays("DE", "", 2026)
assert "holidays.countries.germany" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)  # noqa: S603  our own words
