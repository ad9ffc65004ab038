"""What Slack says of the staff's presence, kept in their accounts.

`presence` holds `dueAt` (when Slack is to be asked again), `readAt`, `mark` (of the absence that
their status tells of, "" for none), `waived` (the mark of one that they say is none) and `quiet`
(spans of do not disturb). The words of a status are not kept.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from bson import ObjectId

from services.availability import absence as availability_absence
from services.availability.absence import Absence, AbsenceSource
from services.availability.slack_status import DoNotDisturbSpan, MemberStatus, StatusReading
from services.availability.status_rules import StatusRulesStore
from services.calendar.work_week import parse_time_zone
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.optimistic_retry import retry_on_conflict
from services.models.slack_member import link_id
from services.models.user import STAFF, User
from services.outbox import pending

# How often Slack is asked about each; between, it tells of changes itself.
POLL_INTERVAL = timedelta(minutes=10)
BATCH_SIZE = 200


class StatusSync:
    """It has no actor: Slack says it, of its own members."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._rules = StatusRulesStore(db, clock=clock)

    def claim_due(self, *, limit: int) -> list[User]:
        """Whom Slack is to be asked about now: never asked first, then the longest ago.

        They are the caller's: nobody else is given them before they are due again.
        """
        now = self._clock()
        projection = {"presence.dueAt": True, "role": True, "active": True}
        found = list(
            self._db.users.find({**STAFF, "presence.dueAt": None}, projection).limit(limit)
        )
        if len(found) < limit:
            due = self._db.users.find({**STAFF, "presence.dueAt": {"$lte": now}}, projection)
            found += due.sort("presence.dueAt").limit(limit - len(found))
        return [User.from_doc(doc) for doc in found if self._claim(doc, now)]

    def has_due(self) -> bool:
        """Whether `claim_due` would give anybody."""
        ask = ({"presence.dueAt": None}, {"presence.dueAt": {"$lte": self._clock()}})
        return any(self._db.users.find_one({**STAFF, **due}, {"_id": True}) for due in ask)

    def release_claims(self, user_ids: Iterable[ObjectId], *, due_at: datetime) -> None:
        """They were not asked about after all."""
        query = {"_id": {"$in": list(user_ids)}}
        self._db.users.update_many(query, {"$set": {"presence.dueAt": due_at}})

    def record_status(
        self,
        user_id: ObjectId,
        member: MemberStatus,
        *,
        do_not_disturb: tuple[DoNotDisturbSpan, ...] | None = None,
    ) -> bool:
        """Store what Slack says of one user; whether an offer to hand over has become due.

        `do_not_disturb` is as in `services.availability.slack_status.StatusReading`.
        """
        reading = member.read(self._rules.read(), now=self._clock(), do_not_disturb=do_not_disturb)

        def attempt() -> Document | None:
            doc = self._db.users.find_one({"_id": user_id})
            if doc is None:
                return {}
            now = self._clock()
            values, gone = _after(doc, reading, now)
            change: Document = {"$set": values, **({"$unset": gone} if gone else {})}
            same = {"_id": user_id, **availability_absence.unchanged_absence(doc)}
            if not self._db.users.update_one(same, change).matched_count:
                return None  # a concurrent change of the same absence
            if "away" in gone:
                pending.retry_unassigned(self._db, now=now)
            return values

        return "handOver" in retry_on_conflict(attempt)

    def on_status_event(self, *, team_id: str, slack_user_id: str, member: MemberStatus) -> bool:
        """Slack tells of a change. Whether it is one here: then Slack is due to be asked, because
        what it tells comes late, twice and out of order."""
        link = self._db.links.find_one({"_id": link_id(team_id, slack_user_id)})
        if link is None or "stopped" in link:
            return False
        doc = self._db.users.find_one({"_id": link["userId"], **STAFF})
        if doc is None:
            return False
        now = self._clock()
        reading = member.read(self._rules.read(), now=now)
        has_new_zone = _zone(doc, reading) is not None
        if reading.fingerprint == _presence(doc).get("mark", "") and not has_new_zone:
            return False
        self._db.users.update_one({"_id": doc["_id"]}, {"$set": {"presence.dueAt": now}})
        return True

    def end_absences(self) -> int:
        """End the absences that are over; return how many there were, at most `BATCH_SIZE`.

        Safe to run at any time and by several at once.
        """
        now = self._clock()
        over = {"away.until": {"$lte": now}}
        change = {"$unset": dict.fromkeys(availability_absence.FIELDS_CLEARED_ON_RETURN, "")}
        found = self._db.users.find(over, {"away.until": True}).limit(BATCH_SIZE)
        ended = sum(
            self._db.users.update_one({"_id": doc["_id"], **over}, change).modified_count
            for doc in list(found)
        )
        if ended:
            pending.retry_unassigned(self._db, now=now)
        return ended

    def _claim(self, doc: Document, now: datetime) -> bool:
        same = {"_id": doc["_id"], "presence.dueAt": _presence(doc).get("dueAt")}
        change = {"$set": {"presence.dueAt": now + POLL_INTERVAL}}
        return self._db.users.update_one(same, change).modified_count == 1


def _after(account: Document, reading: StatusReading, now: datetime) -> tuple[Document, Document]:
    """What to set and what to unset."""
    values: Document = {"presence.readAt": now, "presence.mark": reading.fingerprint}
    gone: Document = {}
    if reading.do_not_disturb is not None:
        spans = [{"start": span.start, "end": span.end} for span in reading.do_not_disturb]
        values["presence.quiet"] = spans
    if zone := _zone(account, reading):
        values |= {"timezone": zone, "zoneSource": AbsenceSource.SLACK.value}
    waived = _presence(account).get("waived")
    if waived and waived != reading.fingerprint:
        gone["presence.waived"] = ""
    until = None if waived and waived == reading.fingerprint else reading.away_until
    away = availability_absence.current_absence(account, now=now)
    if away is None or away.source is AbsenceSource.SLACK:
        if until and (away is None or away.until != until):
            absence, own = Absence(until, AbsenceSource.SLACK), account["_id"]
            values |= availability_absence.absence_update(account, absence, offer_to=own, now=now)
        elif away and not until:
            gone |= dict.fromkeys(availability_absence.FIELDS_CLEARED_ON_RETURN, "")
    return values, gone


def _zone(account: Document, reading: StatusReading) -> str | None:
    """The zone to take over from Slack: another than is kept, and not one of their own."""
    zone = parse_time_zone(reading.zone)
    is_own = account.get("zoneSource") == AbsenceSource.SELF.value
    return zone.key if zone and not is_own and zone.key != account.get("timezone") else None


def _presence(account: Document) -> Document:
    presence = account.get("presence")
    return presence if isinstance(presence, dict) else {}
