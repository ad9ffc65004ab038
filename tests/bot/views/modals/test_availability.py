from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from bot.views.modals.availability import availability_modal, country_options, days_text
from services.availability.absence import Absence, AbsenceSource
from services.availability.availability_service import Availability, WorkHours
from services.availability.slack_status import NO_END
from services.calendar.business_hours import BusinessHours
from services.calendar.holidays import search_countries
from services.models.user import Role, User
from tests.support.block_text import read
from tests.support.blockkit import check_view

FRIDAY = datetime(2026, 3, 6, 17, 0, tzinfo=UTC)
FRIDAY_TEXT = "<!date^1772816400^{date_short_pretty} at {time}|6 Mar 2026, 17:00 UTC>"
NILS = User(ObjectId("65f0c0ffee65f0c0ffee0001"), "nils@example.com", Role.MODERATOR, name="Nils")


def shown(*, is_own: bool = True, **fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "user": NILS,
        "absence": None,
        "hours": WorkHours(frozenset(range(5)), "09:00", "17:00"),
        "has_own_hours": False,
        "country": "",
        "zone": "Europe/Berlin",
        "own_zone": "",
        "open_ticket_count": 2,
        "business_hours": BusinessHours(country="DE", is_configured=True),
    }
    view = availability_modal(Availability(**{**usual, **fields}), is_own=is_own)
    assert check_view(view) == []
    return view


def element(view: dict[str, Any], field: str) -> dict[str, Any]:
    (found,) = [b["element"] for b in view["blocks"] if b.get("block_id") == field]
    return dict(found)


def hint(view: dict[str, Any], field: str) -> str:
    (found,) = [b for b in view["blocks"] if b.get("block_id") == field]
    return str(found.get("hint", {}).get("text", ""))


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ({0, 1, 2, 3, 4}, "Monday to Friday"),
        ({0, 1, 2, 5}, "Monday to Wednesday, Saturday"),
        ({5, 6}, "Saturday, Sunday"),
        ({2}, "Wednesday"),
    ],
)
def test_days_in_a_row_are_a_range(days: set[int], text: str) -> None:
    assert days_text(days) == text


def test_ones_own() -> None:
    view = shown()
    assert view["title"]["text"] == "My availability"
    assert "2 open tickets, at most 8 are assigned automatically" in read(view)
    assert [block["block_id"] for block in view["blocks"] if "block_id" in block] == [
        "presence", "awayUntil", "days", "start", "end", "country", "zone"
    ]  # fmt: skip
    assert hint(view, "days") == "These are the team's hours, and change with them."
    assert hint(view, "country") == (
        "Its public holidays are days off. Left empty, the team's count: Germany."
    )
    assert (
        hint(view, "zone") == "Leave it empty to use that of your Slack profile, now Europe/Berlin."
    )
    assert element(view, "presence")["initial_option"]["value"] == "here"


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (
            Absence(FRIDAY, AbsenceSource.SLACK),
            f"away until {FRIDAY_TEXT}, as the Slack status says",
        ),
        (Absence(NO_END, AbsenceSource.SLACK), "away, as the Slack status says"),
        (Absence(FRIDAY, AbsenceSource.SELF), f"away until {FRIDAY_TEXT}, as set here"),
        (Absence(FRIDAY, AbsenceSource.ADMIN), f"away until {FRIDAY_TEXT}, as an admin has set"),
    ],
)
def test_by_whose_word_they_are_away(away: Absence, words: str) -> None:
    view = shown(absence=away)
    assert f"2 open tickets, at most 8 are assigned automatically · {words}" in read(view)
    assert element(view, "presence")["initial_option"]["value"] == "away"
    assert ("initial_date_time" in element(view, "awayUntil")) == (away.until == FRIDAY)


def test_another_persons() -> None:
    view = shown(is_own=False)
    assert (view["title"]["text"], view["private_metadata"]) == ("Availability", str(NILS.id))
    assert "Nils" in read(view)
    assert (
        hint(view, "zone")
        == "Leave it empty to use that of their Slack profile, now Europe/Berlin."
    )


def test_hours_that_no_half_hour_is() -> None:
    view = shown(hours=WorkHours(frozenset(), "09:15", "23:59"), is_own=True)
    times = [option["value"] for option in element(view, "start")["options"]]
    assert len(times) == 49
    assert times == sorted(times)
    assert element(view, "start")["initial_option"]["value"] == "09:15"
    assert "initial_options" not in element(view, "days")


def test_what_is_unknown_is_left_empty() -> None:
    view = shown(country="XX", business_hours=BusinessHours())
    assert "initial_option" not in element(view, "country")
    assert hint(view, "country").endswith("the team's count: none.")


def test_the_longest_name_fits() -> None:
    long = User(NILS.id, "nils@example.com", Role.MODERATOR, name="&<>😀" * 90)
    shown(user=long, is_own=False)


def test_countries_as_options() -> None:
    options = country_options(search_countries())
    assert len(options) == 100
    assert all(len(option["text"]["text"]) <= 75 for option in options)
