"""The one workspace an installation serves, stored in `meta`."""

from dataclasses import dataclass
from datetime import datetime

from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import Conflict


@dataclass(frozen=True, slots=True)
class Installation:
    team_id: str
    created_at: datetime


def get_installation(db: Mongo) -> Installation | None:
    """Return None before the first start of a bot."""
    known = db.meta.find_one({"_id": "installation"})
    if known is None or not isinstance(known.get("createdAt"), datetime):
        return None
    return Installation(known["teamId"], known["createdAt"])


def claim_installation(db: Mongo, *, team_id: str, clock: Clock = utcnow) -> None:
    """Store the workspace at the first start. Raises `Conflict` if it is another one."""
    known = db.meta.find_one({"_id": "installation"})
    if known is None:
        first = {"$setOnInsert": {"teamId": team_id, "createdAt": clock()}}
        db.meta.update_one({"_id": "installation"}, first, upsert=True)
        known = db.meta.find_one({"_id": "installation"}) or {"teamId": team_id}
    if known["teamId"] != team_id:
        raise Conflict(
            f"This database belongs to the Slack workspace {known['teamId']}, but the bot token "
            f"is for {team_id}. Use that workspace's token, or another database."
        )
