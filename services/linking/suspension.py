"""Suspension of links whose member Slack no longer lets work here, and its end.

Such a link has `stopped {at, reason}`. Its account stays, and so do the tickets filed by it; those
assigned to it are released.
"""

from datetime import datetime
from enum import StrEnum

from services.core.database import Document, Mongo
from services.models import user
from services.models.user import User
from services.outbox import pending


class ExclusionReason(StrEnum):
    """Why somebody cannot use the help desk, whatever their account."""

    INACTIVE = "nobody"  # deleted, or a bot
    GUEST = "guest"
    OTHER_ORGANISATION = "elsewhere"  # in another organisation


# What the history of each ticket that is released says.
_REASONS = {
    ExclusionReason.INACTIVE: "the Slack member was deactivated",
    ExclusionReason.GUEST: "the Slack member is a guest by now",
    ExclusionReason.OTHER_ORGANISATION: "the Slack member belongs to another organisation by now",
}


def suspend_link(db: Mongo, link: Document, reason: ExclusionReason, *, now: datetime) -> None:
    """Safe to repeat: a suspended link keeps the date of the first time.

    The release of its tickets is requested first, so that no interruption leaves them with an
    account that cannot work on them.
    """
    doc = db.users.find_one({"_id": link["userId"]})
    if doc and user.can_work_on_tickets(User.from_doc(doc)):
        request = user.release_request(
            by="system", now=now, reason=_REASONS[reason], member_removed=True
        )
        db.users.update_one({"_id": doc["_id"], "handBack": None}, {"$set": {"handBack": request}})
    db.links.update_one(
        {"_id": link["_id"], "userId": link["userId"]},
        {"$set": {"stopped": {"at": now, "reason": reason.value}}},
    )


def resume_link(db: Mongo, link: Document, *, now: datetime) -> None:
    """The member may work here again, and keeps what has not been released yet."""
    db.links.update_one({"_id": link["_id"]}, {"$unset": {"stopped": ""}})
    cancel_release(db, link, now=now)


def cancel_release(db: Mongo, link: Document, *, now: datetime) -> None:
    """The owner of the link's account is reachable: release no more tickets, and offer those that
    are queued."""
    db.users.update_one(
        {"_id": link["userId"], "handBack.isGone": True}, {"$unset": {"handBack": ""}}
    )
    pending.retry_unassigned(db, now=now)
