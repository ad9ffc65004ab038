"""The team's business hours, which apply to users who have set no working hours of their own.

Stored in `settings` as `_id: "office"`, a user's own in the account as `timezone`, `workHours
{days, start, end}` and `country`. A malformed part is replaced by its default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from services.calendar.holidays import has_holidays
from services.calendar.work_week import WorkWeek, parse_time_zone
from services.core.database import Document
from services.core.errors import InvalidValue

BUSINESS_HOURS_ID = "office"
WORKDAYS = frozenset(range(5))
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_CODE = re.compile(r"[A-Z]{2}", re.ASCII)
_PART = re.compile(r"[A-Z0-9]{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """`days` from 0 for Monday, `start` and `end` as "09:00".

    `is_configured`: an admin has set them; otherwise they are defaults.
    """

    zone: str = "UTC"
    days: frozenset[int] = WORKDAYS
    start: str = "09:00"
    end: str = "17:00"
    country: str = ""
    subdivision: str = ""
    is_configured: bool = False

    @property
    def work_week(self) -> WorkWeek:
        return WorkWeek(
            zone=parse_time_zone(self.zone) or ZoneInfo("UTC"),
            days=self.days,
            start=_time(self.start) or time(9),
            end=_time(self.end) or time(17),
            country=self.country,
            subdivision=self.subdivision,
        )


def business_hours_from_doc(doc: Mapping[str, Any] | None) -> BusinessHours:
    """Read the stored hours, with the default for a malformed part."""
    if doc is None:
        return BusinessHours()
    usual, hours = BusinessHours(), parse_work_hours(doc)
    zone = doc.get("zone")
    return BusinessHours(
        zone=zone if isinstance(zone, str) and parse_time_zone(zone) else usual.zone,
        days=hours[0] if hours else usual.days,
        start=hours[1] if hours else usual.start,
        end=hours[2] if hours else usual.end,
        country=_matching_text(doc.get("country"), _CODE),
        subdivision=_matching_text(doc.get("subdivision"), _PART),
        is_configured=True,
    )


def parse_work_hours(stored: Any) -> tuple[frozenset[int], str, str] | None:
    """Days, start and end of `{days, start, end}`; None if one of them is malformed."""
    if not isinstance(stored, Mapping) or not isinstance(stored.get("days"), list):
        return None
    days = frozenset(day for day in stored["days"] if type(day) in (int, float) and day in range(7))
    start, end = stored.get("start"), stored.get("end")
    if len(days) < len(stored["days"]) or not _time(start) or not _time(end):
        return None
    return frozenset(map(int, days)), str(start), str(end)


def account_time_zone(account: Document) -> ZoneInfo | None:
    """The user's own time zone, or the one from Slack; None if neither is known."""
    named = account.get("timezone")
    return parse_time_zone(named) if isinstance(named, str) else None


def account_work_week(account: Document, business_hours: BusinessHours) -> WorkWeek | None:
    """The user's own working hours, with the business hours for what they have not set.

    None if neither is set, not even a time zone.
    """
    zone = account_time_zone(account)
    hours = parse_work_hours(account.get("workHours"))
    if zone is None and hours is None and not business_hours.is_configured:
        return None
    week = business_hours.work_week
    own = _matching_text(account.get("country"), _CODE)
    return WorkWeek(
        zone=zone or week.zone,
        days=hours[0] if hours else week.days,
        start=(_time(hours[1]) if hours else None) or week.start,
        end=(_time(hours[2]) if hours else None) or week.end,
        country=own or week.country,
        # The account stores no subdivision of another country.
        subdivision=week.subdivision if own in ("", week.country) else "",
    )


def check_zone(zone: str) -> None:
    if parse_time_zone(zone) is None:
        raise InvalidValue("zone", "Choose a time zone such as Europe/Berlin.")


def check_hours(*, days: frozenset[int], start: str, end: str) -> None:
    """Raise `InvalidValue` if days or times are not valid, of the team or of a user."""
    if not days or not days <= frozenset(range(7)):
        raise InvalidValue("days", "Choose at least one day of the week.")
    for field, text in (("start", start), ("end", end)):
        if _time(text) is None:
            raise InvalidValue(field, "Write a time such as 09:00.")


def check_country(country: str, subdivision: str = "") -> None:
    """Raise `InvalidValue` for an unknown country. "" means no public holidays."""
    if country and not (_CODE.fullmatch(country) and has_holidays(country)):
        raise InvalidValue(
            "country", "Write a country's two letters such as DE, or leave it empty."
        )
    if subdivision and not (country and has_holidays(country, subdivision)):
        raise InvalidValue(
            "subdivision",
            "Type the code of a state or region of that country, such as BY, or leave it empty.",
        )


def _time(text: Any) -> time | None:
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    return time(int(found[1]), int(found[2])) if found else None


def _matching_text(value: Any, shape: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and shape.fullmatch(value) else ""
