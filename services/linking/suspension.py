"""Links whose member Slack no longer lets work here: stopped, and resumed.

Such a link has `stopped {at, reason}`. Its account is kept, and so are the tickets filed by it;
those it was to work on are handed back.
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


# What the history of each ticket that is handed back says.
_REASONS = {
    ExclusionReason.INACTIVE: "the Slack member was deactivated",
    ExclusionReason.GUEST: "the Slack member is a guest by now",
    ExclusionReason.OTHER_ORGANISATION: "the Slack member belongs to another organisation by now",
}


def suspend_link(db: Mongo, link: Document, reason: ExclusionReason, *, now: datetime) -> None:
    """Safe to repeat: whoever is stopped stays so since the first time.

    The account is marked first, so that no interruption leaves its tickets with nobody.
    """
    doc = db.users.find_one({"_id": link["userId"]})
    if doc and user.can_work_on_tickets(User.from_doc(doc)):
        mark = user.release_request(
            by="system", now=now, reason=_REASONS[reason], member_removed=True
        )
        db.users.update_one({"_id": doc["_id"], "handBack": None}, {"$set": {"handBack": mark}})
    db.links.update_one(
        {"_id": link["_id"], "userId": link["userId"]},
        {"$set": {"stopped": {"at": now, "reason": reason.value}}},
    )


def resume_link(db: Mongo, link: Document, *, now: datetime) -> None:
    """The member may work here again, and keeps what has not been handed back yet."""
    db.links.update_one({"_id": link["_id"]}, {"$unset": {"stopped": ""}})
    cancel_release(db, link, now=now)


def cancel_release(db: Mongo, link: Document, *, now: datetime) -> None:
    """The owner of the link's account is reachable: hand back no more, and offer what waits."""
    db.users.update_one(
        {"_id": link["userId"], "handBack.isGone": True}, {"$unset": {"handBack": ""}}
    )
    pending.retry_unassigned(db, now=now)
