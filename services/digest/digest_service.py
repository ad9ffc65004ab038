"""The digest that everybody at the help desk gets in their morning: once a day, unless there is
nothing to tell.

An account holds `digest` (False: its owner wants none; True: they have said that they do),
`digestOn` (the day of the last one, in their own zone), `digestAt` (when to look at it next),
`digestTries` and, where it could not be made, `digestAside`. It is its own outbox: whoever is to
send one puts `digestAt` off for as long as that may take, so that a digest is late, and not lost,
where they die.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from services.calendar.business_hours import BusinessHours
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.retry import RetryState, record_failure
from services.digest.digest_counts import DigestCounts, Lately, Own, Queue
from services.digest.digest_schedule import Today, morning
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import STAFF, Role, User
from services.team_settings.settings_service import BusinessHoursStore

# How long sending one may take; what is not sent by then is tried again, each time later.
CLAIM = timedelta(seconds=60)
SLOWER, SLOWEST = 4, 4
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Digest:
    """`until` is how long it is its claimer's to send, `next_look` when the next one may come."""

    user: User
    today: Today
    own: Own
    queue: Queue
    lately: Lately
    until: datetime
    next_look: datetime

    @property
    def says_something(self) -> bool:
        counts = (self.own.open, self.queue.unassigned, self.queue.overdue)
        return any(counts) or bool(self.lately.filed or self.lately.closed)


class DigestSwitch:
    """Whether somebody wants it is `User.wants_digest`."""

    def __init__(self, db: Mongo) -> None:
        self._db = db

    def turn(self, *, actor: Actor, on: bool) -> None:
        """From the next morning on, or from this one as long as it lasts."""
        require_permission(actor, Permission.WORK_ON_TICKETS)
        change: Document = {"$set": {"digest": on}}
        if on:
            change["$unset"] = {"digestAt": ""}
        self._db.users.update_one({"_id": actor.user_id}, change)


class Digests:
    """Made anew for each round: what many readers share is read once in it."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def has_due(self) -> bool:
        """Whether `due` would give anybody."""
        return any(self._db.users.find_one(which, {"_id": True}) for which in self._due())

    def due(self, *, limit: int = AT_ONCE) -> list[Document]:
        """The accounts to look at now: those that nobody has looked at yet, then the longest
        overdue."""
        found: list[Document] = []
        for which in self._due():
            if len(found) < limit:
                docs = self._db.users.find(which).sort("digestAt").limit(limit - len(found))
                found += docs
        return found

    def claim(self, account: Document) -> Digest | None:
        """The digest to send to the owner of an account from `due`; None where there is none to
        send, or another process has looked at it."""
        now = self._clock()
        found = morning(account, self._office, now=now)
        if found.today is None:
            self._look(account, found.next_look)
            return None
        if not _is_wanted(account, found.today):
            self._look(account, found.next_look, gone=("digestTries", "digestAside"))
            return None
        tries = _tries(account)
        until = now + CLAIM * SLOWER**tries
        if not self._look(account, until, tries=tries + 1):
            return None
        digest = self._digest(account, found.today, until, found.next_look)
        if _works(account, digest) and digest.says_something:
            return digest
        self.done(digest)
        return None

    def set_aside(self, account: Document, error: Exception) -> None:
        """It could not be made: the others are not to wait for it (services/core/retry.py)."""
        now = self._clock()
        aside = record_failure(RetryState.from_doc(account.get("digestAside")), error, now=now)
        values = {"digestAt": now + aside.delay, "digestAside": aside.to_doc()}
        change = {"$set": values, "$unset": {"digestTries": ""}}
        self._db.users.update_one({"_id": account["_id"]}, change)

    def done(self, digest: Digest) -> None:
        """Sent, or not to be sent on that day any more."""
        change = {
            "$set": {"digestOn": digest.today.day.isoformat(), "digestAt": digest.next_look},
            "$unset": {"digestTries": "", "digestAside": ""},
        }
        self._db.users.update_one(_claimed(digest), change)

    def later(self, digest: Digest, *, wait: timedelta) -> None:
        """Slack has taken nothing, and asks to wait for so long."""
        change = {"$set": {"digestAt": self._clock() + wait}, "$unset": {"digestTries": ""}}
        self._db.users.update_one(_claimed(digest), change)

    def _due(self) -> tuple[Document, Document]:
        return {**STAFF, "digestAt": None}, {**STAFF, "digestAt": {"$lte": self._clock()}}

    def _look(
        self,
        account: Document,
        at: datetime,
        *,
        tries: int = 0,
        gone: tuple[str, ...] = ("digestTries",),
    ) -> bool:
        """Look at it again then; False where another was quicker."""
        as_seen = {"_id": account["_id"], "digestAt": account.get("digestAt")}
        change: Document = {"$set": {"digestAt": at}, "$unset": dict.fromkeys(gone, "")}
        if tries:
            change = {"$set": {"digestAt": at, "digestTries": tries}}
        return self._db.users.update_one(as_seen, change).modified_count == 1

    def _digest(
        self, account: Document, today: Today, until: datetime, next_look: datetime
    ) -> Digest:
        user, counts = User.from_doc(account), self._counts
        return Digest(
            user=user,
            today=today,
            own=counts.own(user.id),
            queue=counts.queue(),
            lately=counts.lately(today.last_began, today.began),
            until=until,
            next_look=next_look,
        )

    @cached_property
    def _office(self) -> BusinessHours:
        return BusinessHoursStore(self._db).read()

    @cached_property
    def _counts(self) -> DigestCounts:
        return DigestCounts(self._db, now=self._clock())


def _is_wanted(account: Document, today: Today) -> bool:
    user = User.from_doc(account)
    is_new = account.get("digestOn") != today.day.isoformat()
    return user.active and user.wants_digest and is_new


def _works(account: Document, digest: Digest) -> bool:
    """Many an admin works on no tickets: they get it where they have some, or could."""
    is_asked_for = account.get("digest") is True
    user = digest.user
    return is_asked_for or user.role is not Role.ADMIN or bool(user.skills or digest.own.open)


def _tries(account: Document) -> int:
    tries = account.get("digestTries")
    return min(tries, SLOWEST) if isinstance(tries, int) and tries > 0 else 0


def _claimed(digest: Digest) -> Document:
    return {"_id": digest.user.id, "digestAt": digest.until}
