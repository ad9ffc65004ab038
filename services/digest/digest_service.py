"""The daily digest for everyone who works on tickets: once a day, unless it would be empty.

An account holds `digest` (False: its owner wants none; True: they have said that they do),
`digestOn` (the day of the last one, in their own zone), `digestAt` (when to check it next),
`digestTries` and, if it could not be made, `digestAside`. It is its own outbox: a worker that
claims a digest puts `digestAt` off for as long as sending may take, so that a digest is late, and
not lost, if the worker dies.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from services.calendar.business_hours import BusinessHours
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import RetryState, record_failure
from services.digest.digest_counts import AssigneeCounts, DigestCounts, QueueCounts, TeamActivity
from services.digest.digest_schedule import DigestDay, send_window
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import STAFF, Role, User
from services.team_settings.settings_service import BusinessHoursStore

# How long sending one may take; what is not sent by then is tried again, each time later.
CLAIM_DURATION = timedelta(seconds=60)
BACKOFF_FACTOR, MAX_BACKOFF_TRIES = 4, 4
BATCH_SIZE = 50


@dataclass(frozen=True, slots=True)
class Digest:
    """`claimed_until` is when the claim expires, `next_check` when the next digest may be due."""

    user: User
    today: DigestDay
    assignee: AssigneeCounts
    queue: QueueCounts
    activity: TeamActivity
    claimed_until: datetime
    next_check: datetime

    @property
    def has_content(self) -> bool:
        counts = (self.assignee.open, self.queue.unassigned, self.queue.overdue)
        return any(counts) or bool(self.activity.filed or self.activity.closed)


class DigestPreference:
    """Whether somebody wants it is `User.wants_digest`."""

    def __init__(self, db: Mongo) -> None:
        self._db = db

    def set_enabled(self, *, actor: Actor, enabled: bool) -> None:
        """Takes effect from the next digest on, or today's while its window is open."""
        require_permission(actor, Permission.WORK_ON_TICKETS)
        change: Document = {"$set": {"digest": enabled}}
        if enabled:
            change["$unset"] = {"digestAt": ""}
        self._db.users.update_one({"_id": actor.user_id}, change)


class Digests:
    """Made anew for each round: what many readers share is read once in it."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def has_due(self) -> bool:
        """Whether `due` would give anybody."""
        return any(self._db.users.find_one(which, {"_id": True}) for which in self._due_filters())

    def due(self, *, limit: int = BATCH_SIZE) -> list[Document]:
        """The accounts to look at now: those that nobody has looked at yet, then the longest
        overdue."""
        found: list[Document] = []
        for which in self._due_filters():
            if len(found) < limit:
                docs = self._db.users.find(which).sort("digestAt").limit(limit - len(found))
                found += docs
        return found

    def claim(self, account: Document) -> Digest | None:
        """The digest to send to the owner of an account from `due`; None where there is none to
        send, or another process has looked at it."""
        now = self._clock()
        found = send_window(account, self._business_hours, now=now)
        if found.today is None:
            self._schedule_check(account, found.next_check)
            return None
        if not _is_due(account, found.today):
            self._schedule_check(account, found.next_check, remove=("digestTries", "digestAside"))
            return None
        tries = _tries(account)
        until = now + CLAIM_DURATION * BACKOFF_FACTOR**tries
        if not self._schedule_check(account, until, tries=tries + 1):
            return None
        digest = self._digest(account, found.today, until, found.next_check)
        if _is_recipient(account, digest) and digest.has_content:
            return digest
        self.mark_done(digest)
        return None

    def schedule_retry(self, account: Document, error: Exception) -> None:
        """Put off a digest that could not be made, so that the others do not wait for it
        (services/core/work_queue.py)."""
        now = self._clock()
        retry = record_failure(RetryState.from_doc(account.get("digestAside")), error, now=now)
        values = {"digestAt": now + retry.delay, "digestAside": retry.to_doc()}
        change = {"$set": values, "$unset": {"digestTries": ""}}
        self._db.users.update_one({"_id": account["_id"]}, change)

    def mark_done(self, digest: Digest) -> None:
        """Sent, or not to be sent on that day any more."""
        change = {
            "$set": {"digestOn": digest.today.day.isoformat(), "digestAt": digest.next_check},
            "$unset": {"digestTries": "", "digestAside": ""},
        }
        self._db.users.update_one(_claim_filter(digest), change)

    def retry_later(self, digest: Digest, *, wait: timedelta) -> None:
        """Slack has taken nothing, and asks to wait for so long."""
        change = {"$set": {"digestAt": self._clock() + wait}, "$unset": {"digestTries": ""}}
        self._db.users.update_one(_claim_filter(digest), change)

    def _due_filters(self) -> tuple[Document, Document]:
        return {**STAFF, "digestAt": None}, {**STAFF, "digestAt": {"$lte": self._clock()}}

    def _schedule_check(
        self,
        account: Document,
        at: datetime,
        *,
        tries: int = 0,
        remove: tuple[str, ...] = ("digestTries",),
    ) -> bool:
        """Check it again then; False if another process was quicker."""
        unchanged = {"_id": account["_id"], "digestAt": account.get("digestAt")}
        change: Document = {"$set": {"digestAt": at}, "$unset": dict.fromkeys(remove, "")}
        if tries:
            change = {"$set": {"digestAt": at, "digestTries": tries}}
        return self._db.users.update_one(unchanged, change).modified_count == 1

    def _digest(
        self, account: Document, today: DigestDay, until: datetime, next_check: datetime
    ) -> Digest:
        user, counts = User.from_doc(account), self._counts
        return Digest(
            user=user,
            today=today,
            assignee=counts.for_assignee(user.id),
            queue=counts.queue(),
            activity=counts.activity(today.previous_started_at, today.started_at),
            claimed_until=until,
            next_check=next_check,
        )

    @cached_property
    def _business_hours(self) -> BusinessHours:
        return BusinessHoursStore(self._db).read()

    @cached_property
    def _counts(self) -> DigestCounts:
        return DigestCounts(self._db, now=self._clock())


def _is_due(account: Document, today: DigestDay) -> bool:
    user = User.from_doc(account)
    is_new = account.get("digestOn") != today.day.isoformat()
    return user.active and user.wants_digest and is_new


def _is_recipient(account: Document, digest: Digest) -> bool:
    """Many an admin works on no tickets: they get it where they have some, or could."""
    is_asked_for = account.get("digest") is True
    user = digest.user
    return is_asked_for or user.role is not Role.ADMIN or bool(user.skills or digest.assignee.open)


def _tries(account: Document) -> int:
    tries = account.get("digestTries")
    return min(tries, MAX_BACKOFF_TRIES) if isinstance(tries, int) and tries > 0 else 0


def _claim_filter(digest: Digest) -> Document:
    return {"_id": digest.user.id, "digestAt": digest.claimed_until}
