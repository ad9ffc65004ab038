"""That an active admin is always left, whoever takes whom away at the same moment.

Of two admins who demote each other at once each would find the other still there. So whoever is
about to take one away announces it first, in one document that counts its announcements: of two
who decided on the same count one wins, and the other decides anew, with that one as good as gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ReturnDocument

from services.core.database import Document, Mongo
from services.core.errors import Conflict
from services.models.user import Role

LAST_ADMIN_MESSAGE = "There has to be an active admin. Make somebody else an admin first."
# Longer than any update may take, so that an announcement outlives the change it tells of. One
# whose process died is over then.
ANNOUNCEMENT_TTL = timedelta(seconds=60)
_GUARD: Document = {"_id": "admins"}


@contextmanager
def removing_admin(db: Mongo, user_id: ObjectId, *, now: datetime) -> Iterator[None]:
    """Around the update by which that admin stops being an active one.

    Raises `Conflict` where no other would be left.
    """
    announcement_id = ObjectId()
    while not _announce(db, user_id, announcement_id, now):
        pass  # somebody else was quicker, so each turn is somebody's success
    yield
    # Not where the update raised: then it may still happen, and counts as announced until later.
    db.meta.update_one(_GUARD, {"$pull": {"leaving": {"id": announcement_id}}})


def _announce(db: Mongo, user_id: ObjectId, announcement_id: ObjectId, now: datetime) -> bool:
    """False where another announcement came in between."""
    # Read before the admins: an update that is over by now shows there, any other one here.
    guard = db.meta.find_one_and_update(
        _GUARD,
        {"$setOnInsert": {"turn": 0, "leaving": []}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    if guard is None:  # another process has just inserted it
        return False
    leaving_ids = [entry["user"] for entry in guard["leaving"] if entry["until"] > now]
    others = {
        "role": Role.ADMIN,
        "active": {"$ne": False},
        "_id": {"$nin": [*leaving_ids, user_id]},
    }
    if db.users.find_one(others, {"_id": True}) is None:
        raise Conflict(LAST_ADMIN_MESSAGE)
    announcement = {"id": announcement_id, "user": user_id, "until": now + ANNOUNCEMENT_TTL}
    counted = db.meta.update_one(
        {**_GUARD, "turn": guard["turn"]},
        {"$inc": {"turn": 1}, "$push": {"leaving": announcement}},
    )
    return counted.modified_count == 1
