"""The migration of deliveries that earlier releases gave up for what an operator can correct."""

import re
from datetime import datetime, timedelta

from bson import ObjectId

from services.core.database import Document, Mongo
from services.core.slack_errors import CHANNEL_NOT_FOUND, OPERATOR_CODES
from services.outbox.deliveries import DeliveryState
from services.outbox.pending import outbox_fields

# Messages of older tickets are no news.
MAX_AGE = timedelta(days=14)
# Not the replies in other people's conversations, where the bot may be no member.
_KEYS = re.compile(r"[0-9]+:(?!thread:).*")
_TRIAGE_KEYS = re.compile(r".*:[CG][A-Z0-9]+")
_KEYS_BY_CODE = dict.fromkeys(OPERATOR_CODES, _KEYS) | {CHANNEL_NOT_FOUND: _TRIAGE_KEYS}


def retry_operator_failures(db: Mongo, *, limit: int, now: datetime) -> int:
    """Make such deliveries of the tickets of the last 14 days due again; return how many tickets
    had one."""
    found = db.tickets.find(
        {
            "_id": {"$gte": ObjectId.from_datetime(now - MAX_AGE)},
            "$or": [
                {"notices": {"$elemMatch": _failed(code, keys.pattern)}}
                for code, keys in sorted(_KEYS_BY_CODE.items())
            ],
        },
        {"notices": True},
    )
    docs = list(found.limit(limit))
    for doc in docs:
        for notice in filter(_is_retried, doc["notices"]):
            db.tickets.update_one(
                {"_id": doc["_id"]},
                {
                    "$set": {
                        "notices.$[this].state": DeliveryState.CLAIMED.value,
                        "notices.$[this].until": now,
                        **outbox_fields(now),
                    },
                    "$inc": {"seq": 1},
                },
                # By what never changes: SecantusDB applies the filter after each field it sets.
                array_filters=[{"this.key": notice["key"]}],
            )
    return len(docs)


def _failed(code: str, key_pattern: str) -> Document:
    key = {"$regex": f"^{key_pattern}$"}
    return {"state": DeliveryState.FAILED.value, "error": code, "key": key}


def _is_retried(notice: Document) -> bool:
    keys = _KEYS_BY_CODE.get(str(notice.get("error")))
    is_failed = notice.get("state") == DeliveryState.FAILED
    return bool(is_failed and keys and keys.fullmatch(str(notice.get("key"))))
