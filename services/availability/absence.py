"""The absence in an account: `away {until, source}`. Pure.

What a person (or an admin for them) has set stays until it is over or one of them changes it; what
Slack has set, Slack may take back. A long absence brings an offer to hand over the open tickets, as
`handOver` (services/availability/handover_offers.py), in the same update.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.core.database import Document
from services.models.user import User, can_work_on_tickets

# From so long on somebody else may have to take over.
LONG_ABSENCE = timedelta(days=1)


class AbsenceSource(StrEnum):
    """Who has said so."""

    SLACK = "slack"
    SELF = "self"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Absence:
    until: datetime
    source: AbsenceSource


def current_absence(account: Document, *, now: datetime) -> Absence | None:
    """The absence under way."""
    stored = _stored(account)
    until, source = stored.get("until"), stored.get("source")
    if not isinstance(until, datetime) or until <= now:
        return None
    # Whoever wrote something else here was no Slack status.
    return Absence(
        until, AbsenceSource(source) if source in set(AbsenceSource) else AbsenceSource.SELF
    )


def absence_update(
    account: Document, absence: Absence, *, offer_to: ObjectId, now: datetime
) -> Document:
    """What to set for an absence that begins or changes. `offer_to` is the user who may be offered
    to hand over the open tickets: once an absence."""
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


# What to unset where one ends.
FIELDS_CLEARED_ON_RETURN = ("away", "handOver")


def unchanged_absence(account: Document) -> Document:
    """The condition that nobody has said anything about it since."""
    stored = _stored(account)
    return {f"away.{name}": stored.get(name) for name in ("until", "source")}


def _stored(account: Document) -> Mapping[str, Any]:
    away = account.get("away")
    return away if isinstance(away, Mapping) else {}
