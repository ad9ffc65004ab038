"""How an account changes that decides who may do what, with all that follows from it."""

from contextlib import nullcontext
from datetime import datetime

from bson import ObjectId
from pymongo import ReturnDocument

from services import admins, handing_back
from services.database import Mongo
from services.handing_back import works_on_tickets
from services.models import Document, Role, User

DEACTIVATED = "the account was deactivated"
DEMOTED = "the account no longer works on tickets"


def store(
    db: Mongo, doc: Document, values: Document, *, by: ObjectId | str, now: datetime
) -> User | None:
    """Change `role`, `skills`, `capacity` or `active` of the account as loaded; None where one of
    them has changed since. Raises `Conflict` where no active admin would be left.

    A new role or a deactivation ends its sessions; whoever can no longer work on tickets is marked
    to hand theirs back.
    """
    before, wanted = User.from_doc(doc), User.from_doc({**doc, **values})
    update: Document = {"$set": dict(values)}
    if (before.role, before.active) != (wanted.role, wanted.active):
        update["$inc"] = {"tokenVersion": 1}
    if works_on_tickets(wanted) and not works_on_tickets(before):
        update["$unset"] = {"handBack": ""}
    elif works_on_tickets(before) and not works_on_tickets(wanted):
        reason = DEMOTED if wanted.active else DEACTIVATED
        update["$set"]["handBack"] = handing_back.mark(by=by, now=now, reason=reason)
    # An absent field equals None here, as it does in what was loaded.
    seen = {name: doc.get(name) for name in ("role", "active", *values)}
    last_of = admins.taking_away(db, before.id, now=now) if _ends_admin(before, wanted) else None
    with last_of or nullcontext():
        stored = db.users.find_one_and_update(
            {"_id": before.id, **seen}, update, return_document=ReturnDocument.AFTER
        )
    return User.from_doc(stored) if stored else None


def _ends_admin(before: User, wanted: User) -> bool:
    def leads(user: User) -> bool:
        return user.active and user.role is Role.ADMIN

    return leads(before) and not leads(wanted)
