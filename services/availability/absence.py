"""Absences, stored in accounts as `away {until, source}`, and when not to notify a user. Pure.

An absence that the user, or an admin, has set stays until it is over or one of them changes it; one
from the Slack status ends with the status. A long absence adds an offer to hand over the open
tickets (`handOver`, services/availability/handover_offers.py) in the same update.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.availability import slack_status
from services.calendar.business_hours import BusinessHours, account_work_week
from services.core.database import Document
from services.models.user import User, can_work_on_tickets

MAX_PAUSES = 5  # that follow each other without a gap
# A longer absence adds the offer to hand over.
LONG_ABSENCE = timedelta(days=1)


class AbsenceSource(StrEnum):
    """Who has set it."""

    SLACK = "slack"
    SELF = "self"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Absence:
    until: datetime
    source: AbsenceSource


def current_absence(account: Document, *, now: datetime) -> Absence | None:
    """Return the absence that has not ended."""
    stored = _stored(account)
    until, source = stored.get("until"), stored.get("source")
    if not isinstance(until, datetime) or until <= now:
        return None
    # Unknown sources count as set by the user.
    return Absence(
        until, AbsenceSource(source) if source in set(AbsenceSource) else AbsenceSource.SELF
    )


def absence_update(
    account: Document, absence: Absence, *, offer_to: ObjectId, now: datetime
) -> Document:
    """Return the fields to set for an absence that begins or changes. The user `offer_to` gets the
    offer to hand over the open tickets, once per absence."""
    values: Document = {"away": {"until": absence.until, "source": absence.source.value}}
    is_long = absence.until - now > LONG_ABSENCE
    was_offered = "handOver" in account and current_absence(account, now=now) is not None
    if is_long and not was_offered and can_work_on_tickets(User.from_doc(account)):
        values["handOver"] = {
            "key": uuid.uuid4().hex,
            "to": offer_to,
            "state": "due",
            "nextTryAt": now,
            "tries": 0,
        }
    return values


# The fields to remove when an absence ends, for `update_for`.
REMOVED: Document = {"away": None, "handOver": None}


def unchanged_absence(account: Document) -> Document:
    """Return the condition that the absence has not changed since."""
    stored = _stored(account)
    return {f"away.{name}": stored.get(name) for name in ("until", "source")}


def notifications_paused_until(
    account: Document, business_hours: BusinessHours, *, now: datetime
) -> datetime | None:
    """Return when the owner of that account can be notified next; None: now.

    Not outside their work hours, while away, and during Slack's do not disturb.
    """
    at = now
    # One may end during another: an absence at night, or during do not disturb.
    for _ in range(MAX_PAUSES):
        later = _over_at(account, business_hours, at)
        if later is None or later <= at:
            break
        at = min(later, slack_status.NO_END)
        if at == slack_status.NO_END:
            break
    return at if at > now else None


def _over_at(account: Document, business_hours: BusinessHours, at: datetime) -> datetime | None:
    if away := current_absence(account, now=at):
        return away.until
    week = account_work_week(account, business_hours)
    if week and not week.is_working_time(at):
        return week.next_start(at)
    return slack_status.do_not_disturb_until(account, now=at)


def _stored(account: Document) -> Mapping[str, Any]:
    away = account.get("away")
    return away if isinstance(away, Mapping) else {}
