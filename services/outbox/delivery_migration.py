"""The migration of deliveries that earlier releases gave up for what an operator can correct."""

from datetime import datetime, timedelta

from services.core.database import Mongo
from services.outbox.deliveries import DeliveryState, find_operator_failures, is_operator_failure
from services.outbox.pending import outbox_fields

# Messages of older tickets are no news.
MAX_AGE = timedelta(days=14)


def retry_operator_failures(db: Mongo, *, limit: int, now: datetime) -> int:
    """Make such deliveries of the tickets of the last 14 days due again; return how many tickets
    had one."""
    docs = list(find_operator_failures(db, created_after=now - MAX_AGE).limit(limit))
    for doc in docs:
        for delivery in filter(is_operator_failure, doc["notices"]):
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
                array_filters=[{"this.key": delivery["key"]}],
            )
    return len(docs)
