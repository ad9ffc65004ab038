"""Team settings that admins change: the app's name, SLA targets, business hours, the triage
channel and the emoji.

A form sends all of its fields; a field that the admin did not change keeps its current value.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from services.calendar.business_hours import (
    BUSINESS_HOURS_ID,
    BusinessHours,
    business_hours_from_doc,
    check_country,
    check_hours,
    check_zone,
)
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue
from services.core.form_changes import changed_fields
from services.core.settings import DEFAULT_TICKET_EMOJI
from services.core.slack_scopes import GrantedScopes, load_granted_scopes
from services.core.ttl_cache import invalidate_caches
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.sla.policy import (
    PRIORITIES_BY_URGENCY,
    TARGETS_ID,
    TargetFields,
    Targets,
    checked_targets,
    targets_from_doc,
)
from services.team_settings import slack_settings
from services.team_settings.app_name import (
    APP_NAME_ID,
    DEFAULT_APP_NAME,
    checked_app_name,
    load_app_name,
)
from services.team_settings.settings_store import store_settings

IS_REQUEST_CHANNEL = (
    "This is a request channel, where everyone reads the tickets' threads. Choose another channel."
)


@dataclass(frozen=True, slots=True)
class BusinessHoursFields:
    """The business hours as the texts of a form's fields; `days` as "0,1,2,3,4", Monday being 0."""

    zone: str
    days: str
    start: str
    end: str
    country: str
    subdivision: str

    @classmethod
    def from_business_hours(cls, business_hours: BusinessHours) -> "BusinessHoursFields":
        return cls(
            zone=business_hours.zone,
            days=",".join(map(str, sorted(business_hours.days))),
            start=business_hours.start,
            end=business_hours.end,
            country=business_hours.country,
            subdivision=business_hours.subdivision,
        )


@dataclass(frozen=True, slots=True)
class CurrentSettings:
    app_name: str
    targets: Targets
    business_hours: BusinessHours
    granted_scopes: GrantedScopes = field(default_factory=GrantedScopes)
    triage_channel: str = ""
    ticket_emoji: str = DEFAULT_TICKET_EMOJI


class TeamSettings:
    """`triage_channel` and `ticket_emoji` are the values of the variables; `is_request_channel`
    gets the id of a channel."""

    def __init__(
        self,
        db: Mongo,
        *,
        clock: Clock = utcnow,
        triage_channel: str = "",
        ticket_emoji: str = DEFAULT_TICKET_EMOJI,
        is_request_channel: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._db = db
        self._clock = clock
        self._triage_channel = triage_channel
        self._ticket_emoji = ticket_emoji
        self._is_request_channel = is_request_channel

    def get(self, *, actor: Actor) -> CurrentSettings:
        require_permission(actor, Permission.MANAGE_USERS)
        return CurrentSettings(
            load_app_name(self._db),
            self.targets(),
            self.business_hours(),
            load_granted_scopes(self._db),
            slack_settings.triage_channel(self._db, variable=self._triage_channel),
            slack_settings.ticket_emoji(self._db, variable=self._ticket_emoji),
        )

    def targets(self) -> Targets:
        """Return the stored targets, with the defaults for what is not set."""
        return targets_from_doc(self._db.settings.find_one({"_id": TARGETS_ID}))

    def business_hours(self) -> BusinessHours:
        """Return the stored business hours; the default is Monday to Friday, 9:00 to 17:00 UTC."""
        return business_hours_from_doc(self._db.settings.find_one({"_id": BUSINESS_HOURS_ID}))

    def set_app_name(self, *, actor: Actor, name: str) -> str:
        """Store the name as `checked_app_name` returns it. Raises `InvalidValue`."""
        require_permission(actor, Permission.MANAGE_USERS)
        checked = checked_app_name(name)
        self._store(APP_NAME_ID, {"name": checked}, actor, {"name": DEFAULT_APP_NAME})
        return checked

    def set_slack_settings(
        self, *, actor: Actor, triage_channel: str | None = None, ticket_emoji: str | None = None
    ) -> None:
        """Store what is not None. `triage_channel` "" means none. Raises `InvalidValue`."""
        require_permission(actor, Permission.MANAGE_USERS)
        values: Document = {}
        if triage_channel is not None:
            if triage_channel:
                slack_settings.checked_channel(triage_channel, field=slack_settings.TRIAGE_CHANNEL)
            values[slack_settings.TRIAGE_CHANNEL] = triage_channel
        if ticket_emoji is not None:
            values[slack_settings.TICKET_EMOJI] = slack_settings.checked_emoji(ticket_emoji)
        if not values:
            return
        defaults = {
            slack_settings.TRIAGE_CHANNEL: self._triage_channel,
            slack_settings.TICKET_EMOJI: self._ticket_emoji,
        }
        with slack_settings.choosing_channel(self._db, now=self._clock()):
            if triage_channel and self._is_request_channel(triage_channel):
                raise InvalidValue(slack_settings.TRIAGE_CHANNEL, IS_REQUEST_CHANNEL)
            self._store(slack_settings.SLACK_SETTINGS_ID, values, actor, defaults)

    def set_targets(
        self, *, actor: Actor, original: TargetFields, submitted: TargetFields
    ) -> Targets:
        """Store the fields that differ from `original`. Raises `InvalidValue`, also for a field
        that another admin has changed since."""
        require_permission(actor, Permission.MANAGE_USERS)
        current = TargetFields.from_targets(self.targets())
        changed = changed_fields(stored=current, shown=original, submitted=submitted)
        return self.write_targets(actor=actor, submitted=replace(current, **changed))

    def set_business_hours(
        self, *, actor: Actor, original: BusinessHoursFields, submitted: BusinessHoursFields
    ) -> BusinessHours:
        """Store the fields that differ from `original`, as `set_targets` does. While none are set,
        store all: the form may suggest others than the defaults."""
        require_permission(actor, Permission.MANAGE_USERS)
        hours, merged = self.business_hours(), submitted
        if hours.is_configured:
            current = BusinessHoursFields.from_business_hours(hours)
            changed = changed_fields(stored=current, shown=original, submitted=submitted)
            merged = replace(current, **changed)
        return self.write_business_hours(
            actor=actor,
            zone=merged.zone.strip(),
            days=frozenset(int(day) for day in merged.days.split(",") if day.isdecimal()),
            start=merged.start,
            end=merged.end,
            country=merged.country,
            subdivision=merged.subdivision.strip().upper(),
        )

    def write_targets(self, *, actor: Actor | Operator, submitted: TargetFields) -> Targets:
        """Store all targets. Raises `InvalidValue`, naming the field.

        A job recomputes the due times of open tickets (services/sla/recompute.py).
        """
        require_permission(actor, Permission.MANAGE_USERS)
        targets = checked_targets(submitted)
        self._store(TARGETS_ID, _target_values(targets), actor, _target_values(Targets()))
        return targets

    def write_business_hours(
        self,
        *,
        actor: Actor | Operator,
        zone: str,
        days: frozenset[int],
        start: str,
        end: str,
        country: str = "",
        subdivision: str = "",
    ) -> BusinessHours:
        """Store all fields. Raises `InvalidValue`, naming the field."""
        require_permission(actor, Permission.MANAGE_USERS)
        hours = BusinessHours(zone, days, start, end, country, subdivision, is_configured=True)
        check_zone(zone)
        check_hours(days=days, start=start, end=end)
        check_country(country, subdivision)
        values = asdict(hours) | {"days": sorted(days)}
        del values["is_configured"]
        # Without defaults: hours that are set once, as those of the default, are a change.
        self._store(BUSINESS_HOURS_ID, values, actor, {})
        return hours

    def _store(
        self, settings_id: str, values: Document, actor: Actor | Operator, defaults: Document
    ) -> None:
        store_settings(
            self._db, settings_id, values, actor=actor, now=self._clock(), defaults=defaults
        )
        invalidate_caches()


def _target_values(targets: Targets) -> Document:
    return {
        "hours": {of.value: targets.resolution_hours[of] for of in PRIORITIES_BY_URGENCY},
        "accept": {of.value: targets.acceptance_minutes[of] for of in PRIORITIES_BY_URGENCY},
        "clock": targets.counted_hours.value,
        "waitingDays": targets.waiting_days,
        "autoCompleteDays": targets.auto_complete_days,
    }
