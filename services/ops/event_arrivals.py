"""When each kind of event last came from Slack, which does not tell what an app subscribes to.

A bot keeps the times in memory, and stores each kind at most every ten minutes, so no event costs a
database trip. `meta` has one document per kind, `event:KIND {at}`; the doctor reads them.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from services.core.clock import Clock, utcnow
from services.core.coerce import as_datetime
from services.core.database import Mongo
from services.ops.check_runner import CheckStatus, Finding, format_duration

STORE_INTERVAL = timedelta(minutes=10)
COMPARE = "Compare the app's event subscriptions with manifest.yml."
_PREFIX, _AFTER = "event:", "event;"  # the range of all ids with the prefix
# A message event's subscription, by the kind of its conversation.
_MESSAGE_KINDS = {"im": "message.im", "channel": "message.channels", "group": "message.groups"}


def event_kind(event: Mapping[str, Any]) -> str:
    """Return the name of the subscription that the event comes from."""
    kind = str(event.get("type"))
    if kind != "message":
        return kind
    return _MESSAGE_KINDS.get(str(event.get("channel_type")), kind)


class EventArrivals:
    """The times in this process."""

    def __init__(self, *, clock: Clock = utcnow) -> None:
        self._clock = clock
        self._last: dict[str, datetime] = {}
        self._stored: dict[str, datetime] = {}

    def record(self, event: Mapping[str, Any]) -> None:
        """Remember that the event came now."""
        self._last[event_kind(event)] = self._clock()

    def store_due(self, db: Mongo) -> None:
        """Store the kinds that came and were not stored in the last ten minutes."""
        for kind, at in list(self._last.items()):
            stored = self._stored.get(kind)
            if stored is None or at >= stored + STORE_INTERVAL:
                db.meta.update_one({"_id": f"{_PREFIX}{kind}"}, {"$max": {"at": at}}, upsert=True)
                self._stored[kind] = at


def load_event_arrivals(db: Mongo) -> dict[str, datetime]:
    """Return the times by kind, correct to ten minutes."""
    found = db.meta.find({"_id": {"$gte": _PREFIX, "$lt": _AFTER}})
    arrivals = {doc["_id"].removeprefix(_PREFIX): as_datetime(doc.get("at")) for doc in found}
    return {kind: at for kind, at in arrivals.items() if at}


def describe_arrivals(
    kinds: Collection[str], arrivals: Mapping[str, datetime], *, now: datetime
) -> list[Finding]:
    """Say for each kind how long ago one came, and which never came."""
    if not arrivals:
        advice = f"Is the bot running and used in Slack? {COMPARE}"
        return [Finding(CheckStatus.OK, "none has come yet", advice)]
    came = {kind: arrivals[kind] for kind in kinds if kind in arrivals}
    listed = ", ".join(
        f"{kind} {format_duration(max(now - at, timedelta()))} ago" for kind, at in came.items()
    )
    missing = [kind for kind in kinds if kind not in came]
    if not missing:
        return [Finding(CheckStatus.OK, listed)]
    never = f"never {', '.join(missing)}"
    advice = f"Should one have come that never came? {COMPARE}"
    return [Finding(CheckStatus.OK, f"{listed}; {never}" if listed else never, advice)]
