"""The staff's Slack status and do not disturb, stored in their accounts.

`presence` holds `dueAt` (when to read Slack next), `readAt`, `mark` (the fingerprint of a status
that means an absence, else ""), `waived` (the fingerprint of one that the user overrode) and
`quiet` (spans of do not disturb). The words of a status are not stored.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from bson import ObjectId

from services.availability import absence as availability_absence
from services.availability.absence import Absence, AbsenceSource
from services.availability.slack_status import (
    DoNotDisturbSpan,
    MemberStatus,
    StatusReading,
    StatusRulesStore,
    stored_presence,
)
from services.calendar.work_week import parse_time_zone
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo, update_for
from services.core.optimistic_retry import retry_on_conflict
from services.core.work_queue import WorkQueue
from services.models.slack_member import link_id
from services.models.user import STAFF, User
from services.outbox import pending

# How often each user's status is read; events report changes in between.
POLL_INTERVAL = timedelta(minutes=10)
BATCH_SIZE = 200


class StatusSync:
    """Without an actor: Slack is the source, for its own members."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._queue = WorkQueue(
            db.users,
            "presence.dueAt",
            longest=POLL_INTERVAL,
            condition=STAFF,
            includes_new=True,
        )
        self._rules = StatusRulesStore(db, clock=clock)

    def claim_due(self, *, limit: int) -> list[User]:
        """Claim the users with a Slack status that is due to be read, the longest overdue first.
        No other caller gets them before they are due again."""
        now = self._clock()
        found = self._queue.due(now, limit=limit, fields=("presence.dueAt", "role", "active"))
        claims = (self._queue.claim(doc, until=now + POLL_INTERVAL) for doc in found)
        return [User.from_doc(doc) for doc in claims if doc]

    def has_due(self) -> bool:
        return self._queue.has_due(self._clock())

    def release_claims(self, user_ids: Iterable[ObjectId], *, due_at: datetime) -> None:
        """Make claimed users due again at `due_at`: their status was not read."""
        query = {"_id": {"$in": list(user_ids)}}
        self._db.users.update_many(query, {"$set": {"presence.dueAt": due_at}})

    def record_status(
        self,
        user_id: ObjectId,
        member: MemberStatus,
        *,
        do_not_disturb: tuple[DoNotDisturbSpan, ...] | None = None,
    ) -> bool:
        """Store the status of one user; return whether an offer to hand over has become due.

        `do_not_disturb` is as in `services.availability.slack_status.StatusReading`.
        """
        reading = member.read(self._rules.read(), now=self._clock(), do_not_disturb=do_not_disturb)

        def attempt() -> Document | None:
            doc = self._db.users.find_one({"_id": user_id})
            if doc is None:
                return {}
            now = self._clock()
            changes = _changes(doc, reading, now)
            unchanged = {"_id": user_id, **availability_absence.unchanged_absence(doc)}
            if not self._db.users.update_one(unchanged, update_for(changes)).matched_count:
                return None  # a concurrent change of the same absence
            if changes.get("away", ...) is None:  # the user is back
                pending.retry_unassigned(self._db, now=now)
            return changes

        return retry_on_conflict(attempt).get("handOver") is not None

    def on_status_event(self, *, team_id: str, slack_user_id: str, member: MemberStatus) -> bool:
        """Return whether an event of Slack changes anything. Then the status is due to be read,
        because events arrive late, twice and out of order."""
        link = self._db.links.find_one({"_id": link_id(team_id, slack_user_id)})
        if link is None or "stopped" in link:
            return False
        doc = self._db.users.find_one({"_id": link["userId"], **STAFF})
        if doc is None:
            return False
        now = self._clock()
        reading = member.read(self._rules.read(), now=now)
        has_new_zone = _zone(doc, reading) is not None
        if reading.fingerprint == stored_presence(doc).get("mark", "") and not has_new_zone:
            return False
        self._db.users.update_one({"_id": doc["_id"]}, {"$set": {"presence.dueAt": now}})
        return True

    def end_absences(self) -> int:
        """End the absences that are over; return how many there were, at most `BATCH_SIZE`.

        Safe to run concurrently.
        """
        now = self._clock()
        over = {"away.until": {"$lte": now}}
        change = update_for(availability_absence.REMOVED)
        found = self._db.users.find(over, {"away.until": True}).limit(BATCH_SIZE)
        ended = sum(
            self._db.users.update_one({"_id": doc["_id"], **over}, change).modified_count
            for doc in list(found)
        )
        if ended:
            pending.retry_unassigned(self._db, now=now)
        return ended


def _changes(account: Document, reading: StatusReading, now: datetime) -> Document:
    """Return the fields to set, with None for those to remove."""
    values: Document = {"presence.readAt": now, "presence.mark": reading.fingerprint}
    if reading.do_not_disturb is not None:
        spans = [{"start": span.start, "end": span.end} for span in reading.do_not_disturb]
        values["presence.quiet"] = spans
    if zone := _zone(account, reading):
        values |= {"timezone": zone, "zoneSource": AbsenceSource.SLACK.value}
    waived = stored_presence(account).get("waived")
    is_waived = bool(waived) and waived == reading.fingerprint
    if waived and not is_waived:
        values["presence.waived"] = None
    until = None if is_waived else reading.away_until
    away = availability_absence.current_absence(account, now=now)
    if away is None or away.source is AbsenceSource.SLACK:
        if until and (away is None or away.until != until):
            absence, own = Absence(until, AbsenceSource.SLACK), account["_id"]
            values |= availability_absence.absence_update(account, absence, offer_to=own, now=now)
        elif away and not until:
            values |= availability_absence.REMOVED
    return values


def _zone(account: Document, reading: StatusReading) -> str | None:
    """Return Slack's time zone if it is new and the user has set none of their own."""
    zone = parse_time_zone(reading.zone)
    is_own = account.get("zoneSource") == AbsenceSource.SELF.value
    return zone.key if zone and not is_own and zone.key != account.get("timezone") else None
