"""Guard against the loss of the last active admin."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from bson import ObjectId

from services.core.database import Document, Mongo
from services.core.errors import Conflict
from services.core.leases import Lease, LeaseUnavailable
from services.models.user import Role

LAST_ADMIN_MESSAGE = "There has to be an active admin. Make somebody else an admin first."
BUSY_MESSAGE = "Another admin is being changed at this moment. Try again."
# Each removal takes some milliseconds. Longer than this waits only for a process that has died.
MAX_WAIT_SECONDS = 2.0


@contextmanager
def removing_admin(db: Mongo, user_id: ObjectId, *, now: datetime) -> Iterator[Document]:
    """Guard the update by which that admin stops being an active one; yield its extra condition.

    Two admins could demote each other at the same moment and leave none. A lease serialises
    demotions. It may expire while its holder is stopped between the check and the update, so each
    demotion also marks its admin, after it has removed the marks of all others: the update requires
    its own mark, and an admin marked by another demotion does not count as one who is left.

    Raises `Conflict` if no other admin would be left, or the lease is taken for too long.
    """
    try:
        with Lease(db, "admins", clock=lambda: now, max_wait_seconds=MAX_WAIT_SECONDS):
            admins = {"role": Role.ADMIN, "active": {"$ne": False}}
            mark = {"adminRemoval": ObjectId()}
            remove_mark = {"$unset": {"adminRemoval": ""}}
            db.users.update_many({**admins, "adminRemoval": {"$ne": None}}, remove_mark)
            db.users.update_one({"_id": user_id}, {"$set": mark})
            try:
                others = {**admins, "_id": {"$ne": user_id}, "adminRemoval": None}
                if db.users.find_one(others, {"_id": True}) is None:
                    raise Conflict(LAST_ADMIN_MESSAGE)
                yield mark
            finally:
                db.users.update_one({"_id": user_id, **mark}, remove_mark)
    except LeaseUnavailable as error:
        raise Conflict(BUSY_MESSAGE) from error
