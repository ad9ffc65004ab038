"""Work hours and absences, as users see and set them, and admins for others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pymongo import ReturnDocument

from services.accounts.users import UNKNOWN_ACCOUNT, load_account_doc
from services.audit import audit_log
from services.audit.audit_log import AuditEntry
from services.availability import absence, slack_status
from services.availability.absence import Absence, AbsenceSource
from services.calendar import business_hours
from services.calendar.business_hours import BusinessHours
from services.core.clock import Clock, utcnow
from services.core.coerce import str_or_empty
from services.core.database import Document, Mongo, update_for
from services.core.errors import InvalidValue, NotFound
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import User
from services.outbox import pending
from services.team_settings.settings_service import TeamSettings
from services.tickets.queries import count_open_tickets

MAX_ABSENCE = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class WorkHours:
    """`days` from 0 for Monday, `start` and `end` as "09:00"."""

    days: frozenset[int]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Availability:
    """`hours` are the user's own, or the team's if `has_own_hours` is False. `country` is "" if it
    is the team's. `zone` is the user's own or Slack's; `own_zone` is "" if the user set none."""

    user: User
    absence: Absence | None
    hours: WorkHours
    has_own_hours: bool
    country: str
    zone: str
    own_zone: str
    open_ticket_count: int
    business_hours: BusinessHours


@dataclass(frozen=True, slots=True)
class AvailabilityChange:
    """The requested changes; None leaves a value as it is.

    `is_away` False ends an absence; True, or a time in `away_until`, begins or changes one. A
    `country` of "" means the team's, a `zone` of "" Slack's.
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
        self._team_settings = TeamSettings(db)

    def get(self, *, actor: Actor, user_id: str | None = None) -> Availability:
        """Return the actor's own, or for admins that of the account with that id."""
        doc = self._load(actor, user_id)
        team = self._team_settings.business_hours()
        own = business_hours.parse_work_hours(doc.get("workHours"))
        country, zone = doc.get("country"), business_hours.account_time_zone(doc)
        is_own_zone = doc.get("zoneSource") == AbsenceSource.SELF.value
        return Availability(
            user=User.from_doc(doc),
            absence=absence.current_absence(doc, now=self._clock()),
            hours=WorkHours(*own) if own else WorkHours(team.days, team.start, team.end),
            has_own_hours=own is not None,
            country=str_or_empty(country),
            zone=zone.key if zone else team.zone,
            own_zone=zone.key if zone and is_own_zone else "",
            open_ticket_count=count_open_tickets(self._db, doc["_id"]),
            business_hours=team,
        )

    def update(
        self, *, actor: Actor, change: AvailabilityChange, user_id: str | None = None
    ) -> User:
        """Store the changes. Raises `InvalidValue`, naming the field.

        For a long absence, the actor gets an offer to hand over the tickets
        (services/availability/handover_offers.py).
        """
        doc = self._load(actor, user_id)
        now = self._clock()
        changes = {
            **self._absence(doc, change, actor, now),
            **self._hours(doc, change),
            **_country(change),
            **_zone(change),
        }
        if not changes:
            return User.from_doc(doc)
        update = update_for(changes)
        if doc["_id"] != actor.user_id:
            audit_log.add_to_update(update, _audit_entries(doc, changes, actor, now))
        stored = self._db.users.find_one_and_update(
            {"_id": doc["_id"]}, update, return_document=ReturnDocument.AFTER
        )
        if stored is None:
            raise NotFound(UNKNOWN_ACCOUNT)
        audit_log.move_pending(self._db.users, stored)
        if changes.get("away") is None:  # a new absence makes no one available
            pending.retry_unassigned(self._db, now=now)
        return User.from_doc(stored)

    def _absence(
        self, account: Document, change: AvailabilityChange, actor: Actor, now: datetime
    ) -> Document:
        if change.is_away is False:
            # The current Slack status is ignored until it changes.
            fingerprint = slack_status.stored_presence(account).get("mark")
            waived = {"presence.waived": fingerprint} if fingerprint else {}
            return {**absence.REMOVED, **waived}
        if change.is_away is None and change.away_until is None:
            return {}
        until = _checked_return(change.away_until, now)
        source = AbsenceSource.SELF if account["_id"] == actor.user_id else AbsenceSource.ADMIN
        return absence.absence_update(
            account, Absence(until, source), offer_to=actor.user_id, now=now
        )

    def _hours(self, account: Document, change: AvailabilityChange) -> Document:
        """Hours equal to the team's are removed, to follow later changes of the team's."""
        if change.days is None and change.start is None and change.end is None:
            return {}
        team = self._team_settings.business_hours()
        stored = business_hours.parse_work_hours(account.get("workHours"))
        days, start, end = stored or (team.days, team.start, team.end)
        days = days if change.days is None else change.days
        start, end = change.start or start, change.end or end
        business_hours.check_hours(days=days, start=start, end=end)
        if team.is_configured and (days, start, end) == (team.days, team.start, team.end):
            return {"workHours": None}
        return {"workHours": {"days": sorted(days), "start": start, "end": end}}

    def _load(self, actor: Actor, user_id: str | None) -> Document:
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        if user_id not in (None, str(actor.user_id)):
            require_permission(actor, Permission.MANAGE_USERS)
        return load_account_doc(self._db, str(actor.user_id) if user_id is None else user_id)


def _audit_entries(
    before: Document, changes: Document, actor: Actor, now: datetime
) -> list[AuditEntry]:
    old, new = _audited_values(before), _audited_values({**before, **changes})
    by, subject = audit_log.author(actor, before["_id"]), before["_id"]
    return [
        AuditEntry(now, by, audit_log.account_field(name), subject, from_=old[name], to=value)
        for name, value in new.items()
        if value != old[name]
    ]


def _audited_values(account: Document) -> Document:
    """Return what an admin sets for another user, by the names in the audit log."""
    away = account.get("away")
    has_own_zone = account.get("zoneSource") == AbsenceSource.SELF.value
    return {
        "away": away.get("until") if isinstance(away, Mapping) else None,
        "workHours": account.get("workHours"),
        "country": account.get("country"),
        "timezone": account.get("timezone") if has_own_zone else None,
    }


def _country(change: AvailabilityChange) -> Document:
    if change.country is None:
        return {}
    code = change.country.strip().upper()
    business_hours.check_country(code)
    return {"country": code or None}


def _zone(change: AvailabilityChange) -> Document:
    """Without a zone of the user's own, Slack's is stored at the next sync, which is due now."""
    if change.zone is None:
        return {}
    name = change.zone.strip()
    if not name:
        return {"zoneSource": None, "presence.dueAt": None}
    business_hours.check_zone(name)
    return {"timezone": ZoneInfo(name).key, "zoneSource": AbsenceSource.SELF.value}


def _checked_return(until: datetime | None, now: datetime) -> datetime:
    if until is None:
        raise InvalidValue("awayUntil", "Choose the day and time of the return.")
    if until <= now:
        raise InvalidValue("awayUntil", "That is in the past. Choose a later time.")
    if until > now + MAX_ABSENCE:
        raise InvalidValue("awayUntil", "Choose a time within a year.")
    return until
