"""Leaving something alone for a while, in all processes alike."""

from datetime import datetime

from pymongo.errors import DuplicateKeyError

from services.database import Mongo


def pause(db: Mongo, name: str, *, until: datetime) -> None:
    """At least until then; a longer pause stays."""
    try:
        db.leases.update_one({"_id": name}, {"$max": {"until": until}}, upsert=True)
    except DuplicateKeyError:  # made by another at this moment, by the same word
        db.leases.update_one({"_id": name}, {"$max": {"until": until}})


def is_paused(db: Mongo, name: str, *, now: datetime) -> bool:
    return db.leases.find_one({"_id": name, "until": {"$gt": now}}, {"_id": True}) is not None
