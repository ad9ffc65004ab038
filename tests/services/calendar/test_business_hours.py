from datetime import time
from typing import Any

import pytest
from bson import ObjectId

from services.calendar.business_hours import (
    BusinessHours,
    account_work_week,
    business_hours_from_doc,
)
from services.calendar.work_week import WorkWeek, parse_time_zone
from services.core.database import Mongo
from services.core.errors import InvalidValue, PermissionDenied
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role
from services.team_settings.settings_service import TeamSettings
from tests.conftest import FixedClock

ADMIN = Actor(ObjectId("65f0c0ffee65f0c0ffee0009"), Role.ADMIN)
BERLIN, YORK = parse_time_zone("Europe/Berlin"), parse_time_zone("America/New_York")
TEAM: dict[str, Any] = {
    "zone": "Europe/Berlin",
    "days": frozenset({0, 1, 2, 3}),
    "start": "08:30",
    "end": "18:00",
    "country": "DE",
    "subdivision": "BY",
}
SET = BusinessHours(**TEAM, is_configured=True)


@pytest.fixture
def store(db: Mongo, clock: FixedClock) -> TeamSettings:
    return TeamSettings(db, clock=clock)


def test_nine_to_five_until_somebody_says_otherwise(store: TeamSettings) -> None:
    assert store.business_hours() == BusinessHours()
    assert not store.business_hours().is_configured
    utc = parse_time_zone("UTC")
    assert utc
    assert BusinessHours().work_week == WorkWeek(utc, frozenset(range(5)), time(9), time(17))


def test_what_is_written_is_read(store: TeamSettings, db: Mongo, clock: FixedClock) -> None:
    db.settings.insert_one({"_id": "office", "later": 1})
    assert store.write_business_hours(actor=ADMIN, **TEAM) == store.business_hours() == SET
    kept = db.settings.find_one({"_id": "office"}) or {}
    assert (kept["by"], kept["at"], kept["later"]) == (ADMIN.user_id, clock(), 1)
    plain = {name: TEAM[name] for name in ("zone", "days", "start", "end")}
    assert (
        store.write_business_hours(actor=OPERATOR, **plain).country
        == store.business_hours().country
        == ""
    )


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_admins_set_it(store: TeamSettings, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        store.write_business_hours(actor=Actor(ADMIN.user_id, role), **TEAM)
    assert store.business_hours() == BusinessHours()


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"zone": "Mars"}, "zone", "Choose a time zone such as Europe/Berlin."),
        ({"zone": ""}, "zone", "Choose a time zone such as Europe/Berlin."),
        ({"days": frozenset()}, "days", "Choose at least one day of the week."),
        ({"days": frozenset({7})}, "days", "Choose at least one day of the week."),
        ({"start": "8:30"}, "start", "Write a time such as 09:00."),
        ({"end": "24:00"}, "end", "Write a time such as 09:00."),
        ({"end": "٠٩:٠٠"}, "end", "Write a time such as 09:00."),
        (
            {"country": "XX", "subdivision": ""},
            "country",
            "Write a country's two letters such as DE, or leave it empty.",
        ),
        (
            {"country": "DEU"},
            "country",
            "Write a country's two letters such as DE, or leave it empty.",
        ),
        (
            {"subdivision": "CA"},
            "subdivision",
            "Type the code of a state or region of that country, such as BY, or leave it empty.",
        ),
        (
            {"country": ""},
            "subdivision",
            "Type the code of a state or region of that country, such as BY, or leave it empty.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    store: TeamSettings, change: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(InvalidValue) as refusal:
        store.write_business_hours(actor=ADMIN, **(TEAM | change))
    assert (refusal.value.field, str(refusal.value)) == (field, said)
    assert store.business_hours() == BusinessHours()


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ({}, BusinessHours(is_configured=True)),
        ({"zone": "Mars", "days": "all", "country": 49}, BusinessHours(is_configured=True)),
        ({"zone": "Europe/Berlin"}, BusinessHours("Europe/Berlin", is_configured=True)),
        ({"days": [0, 9], "start": "08:00", "end": "12:00"}, BusinessHours(is_configured=True)),
        ({"days": [True], "start": "08:00", "end": "12:00"}, BusinessHours(is_configured=True)),
        ({"days": [0.0], "start": "08:00", "end": None}, BusinessHours(is_configured=True)),
        (
            {"days": [0.0, 1], "start": "08:00", "end": "12:00"},
            BusinessHours(days=frozenset({0, 1}), start="08:00", end="12:00", is_configured=True),
        ),
    ],
)
def test_what_was_stored_by_hand_is_read_part_by_part(
    stored: dict[str, Any], read: BusinessHours
) -> None:
    assert business_hours_from_doc(stored) == read


HALF_DAYS = {"days": [1, 2], "start": "08:00", "end": "12:00"}


def week(zone: Any, **fields: Any) -> WorkWeek:
    return WorkWeek(zone, **fields)


@pytest.mark.parametrize(
    ("account", "hours", "expected"),
    [
        ({}, BusinessHours(), None),
        ({"timezone": "Mars", "workHours": "late", "country": "DE"}, BusinessHours(), None),
        ({"timezone": ["Europe/Berlin"]}, BusinessHours(), None),
        ({"timezone": "America/New_York"}, BusinessHours(), week(YORK)),
        (
            {"timezone": "America/New_York", "country": "US"},
            BusinessHours(),
            week(YORK, country="US"),
        ),
        ({}, SET, SET.work_week),
        (
            {"workHours": HALF_DAYS},
            SET,
            week(BERLIN, days=frozenset({1, 2}), start=time(8), end=time(12), country="DE",
                 subdivision="BY"),
        ),
        (
            {"timezone": "America/New_York", "country": "US"},
            SET,
            week(YORK, days=SET.days, start=time(8, 30), end=time(18), country="US"),
        ),
        ({"country": "DE"}, SET, SET.work_week),
        (
            {"workHours": {**HALF_DAYS, "days": []}},
            SET,
            week(BERLIN, days=frozenset(), start=time(8), end=time(12), country="DE",
                 subdivision="BY"),
        ),
    ],
)  # fmt: skip
def test_a_person_s_own_word_comes_first(
    account: dict[str, Any], hours: BusinessHours, expected: WorkWeek | None
) -> None:
    assert account_work_week({"_id": ADMIN.user_id, **account}, hours) == expected
