"""When somebody works and whether they are away, as they see and set it; admins for others, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pymongo import ReturnDocument

from services.accounts.users import UNKNOWN_ACCOUNT, load_account_doc
from services.availability import absence
from services.availability.absence import Away, AwaySource
from services.calendar import business_hours
from services.calendar.business_hours import BusinessHours
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue, NotFound
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import User
from services.outbox import pending
from services.team_settings.settings_service import BusinessHoursStore
from services.tickets.queries import open_tickets

LONGEST_ABSENCE = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Hours:
    """`days` from 0 for Monday, `start` and `end` as "09:00"."""

    days: frozenset[int]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Availability:
    """`hours` are their own, or where `is_own` is False the team's. `country` is "" where it is the
    team's, `zone` their own or Slack's, and `own_zone` "" where they have set none."""

    user: User
    away: Away | None
    hours: Hours
    is_own: bool
    country: str
    zone: str
    own_zone: str
    open_tickets: int
    office: BusinessHours


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody has changed; None leaves as it is.

    `is_away` False ends an absence; True, or a time in `away_until`, begins or changes one. With
    `country` or `zone` "" the team's or Slack's counts.
    """

    is_away: bool | None = None
    away_until: datetime | None = None
    days: frozenset[int] | None = None
    start: str | None = None
    end: str | None = None
    country: str | None = None
    zone: str | None = None


class AvailabilityService:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._office = BusinessHoursStore(db, clock=clock)

    def look(self, *, actor: Actor, user_id: str | None = None) -> Availability:
        """One's own, or for admins that of the account with that id."""
        doc = self._load(actor, user_id)
        team, own = self._office.read(), business_hours.parse_work_hours(doc.get("workHours"))
        country, zone = doc.get("country"), business_hours.account_time_zone(doc)
        is_own_zone = doc.get("zoneSource") == AwaySource.SELF.value
        return Availability(
            user=User.from_doc(doc),
            away=absence.away_of(doc, now=self._clock()),
            hours=Hours(*own) if own else Hours(team.days, team.start, team.end),
            is_own=own is not None,
            country=_text(country),
            zone=zone.key if zone else team.zone,
            own_zone=zone.key if zone and is_own_zone else "",
            open_tickets=open_tickets(self._db, doc["_id"]),
            office=team,
        )

    def change(self, *, actor: Actor, wanted: Wanted, user_id: str | None = None) -> User:
        """Store what is wanted. Raises `Invalid`, naming the field.

        A long absence brings an offer to hand over (services/availability/handover_offers.py) to
        whoever says so.
        """
        doc = self._load(actor, user_id)
        now = self._clock()
        away, gone = self._absence(doc, wanted, actor, now)
        values: Document = {**away}
        for part, missing in (self._hours(doc, wanted), _country(wanted), _zone(wanted)):
            values |= part
            gone |= missing
        if not values and not gone:
            return User.from_doc(doc)
        update: Document = {"$set": values} if values else {}
        if gone:
            update["$unset"] = gone
        stored = self._db.users.find_one_and_update(
            {"_id": doc["_id"]}, update, return_document=ReturnDocument.AFTER
        )
        if stored is None:
            raise NotFound(UNKNOWN_ACCOUNT)
        if "away" not in values:  # nobody is here who was not, where one goes away
            pending.retry_unassigned(self._db, now=now)
        return User.from_doc(stored)

    def _absence(
        self, account: Document, wanted: Wanted, actor: Actor, now: datetime
    ) -> tuple[Document, Document]:
        if wanted.is_away is False:
            # Of a status that says otherwise nothing is believed until it is another one.
            presence = account.get("presence")
            mark = presence.get("mark") if isinstance(presence, Mapping) else None
            waived = {"presence.waived": mark} if mark else {}
            return waived, dict.fromkeys(absence.BACK, "")
        if wanted.is_away is None and wanted.away_until is None:
            return {}, {}
        until = _checked_return(wanted.away_until, now)
        source = AwaySource.SELF if account["_id"] == actor.user_id else AwaySource.ADMIN
        return absence.leave(account, Away(until, source), tell=actor.user_id, now=now), {}

    def _hours(self, account: Document, wanted: Wanted) -> tuple[Document, Document]:
        """What equals the team's hours goes on following them."""
        if wanted.days is None and wanted.start is None and wanted.end is None:
            return {}, {}
        team, stored = (
            self._office.read(),
            business_hours.parse_work_hours(account.get("workHours")),
        )
        days, start, end = stored or (team.days, team.start, team.end)
        days = days if wanted.days is None else wanted.days
        start, end = wanted.start or start, wanted.end or end
        business_hours.check_hours(days=days, start=start, end=end)
        if team.is_configured and (days, start, end) == (team.days, team.start, team.end):
            return {}, {"workHours": ""}
        return {"workHours": {"days": sorted(days), "start": start, "end": end}}, {}

    def _load(self, actor: Actor, user_id: str | None) -> Document:
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        if user_id not in (None, str(actor.user_id)):
            require_permission(actor, Permission.MANAGE_USERS)
        return load_account_doc(self._db, str(actor.user_id) if user_id is None else user_id)


def _country(wanted: Wanted) -> tuple[Document, Document]:
    if wanted.country is None:
        return {}, {}
    code = wanted.country.strip().upper()
    business_hours.check_country(code)
    return ({"country": code}, {}) if code else ({}, {"country": ""})


def _zone(wanted: Wanted) -> tuple[Document, Document]:
    """Without one of their own Slack's is taken again, as soon as Slack is asked."""
    if wanted.zone is None:
        return {}, {}
    name = wanted.zone.strip()
    if not name:
        return {}, {"zoneSource": "", "presence.dueAt": ""}
    business_hours.check_zone(name)
    return {"timezone": ZoneInfo(name).key, "zoneSource": AwaySource.SELF.value}, {}


def _checked_return(until: datetime | None, now: datetime) -> datetime:
    if until is None:
        raise InvalidValue("awayUntil", "Choose the day and time of the return.")
    if until <= now:
        raise InvalidValue("awayUntil", "That is in the past. Choose a later time.")
    if until > now + LONGEST_ABSENCE:
        raise InvalidValue("awayUntil", "Choose a time within a year.")
    return until


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
