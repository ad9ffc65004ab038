"""The daily digest for everyone who works on tickets, at the beginning of their workday, unless it
would be empty.

An account holds `digest` (False: the user wants none; True: they asked for it), `digestOn` (the
day of the last one, in the user's own zone), `digestAt` (when to check it next), `digestTries` and,
if it could not be built, `digestAside`. Accounts are the work queue: a worker that claims a digest
moves `digestAt` to the end of its claim, so that a digest is late, not lost, if the worker dies.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from bson import ObjectId

from services.availability.absence import notifications_paused_until
from services.calendar.business_hours import BusinessHours, account_work_week
from services.calendar.work_week import DAY, WorkWeek
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import (
    MAX_RETRY_DELAY,
    RetryState,
    WorkQueue,
    backoff,
    record_failure,
)
from services.models.permissions import Actor, Permission, require_permission
from services.models.resolution import IS_A_REQUEST
from services.models.ticket import Status, Ticket
from services.models.user import STAFF, Role, User
from services.sla.indexes import IN_QUEUE_FILTER
from services.sla.queue_key import QUEUE_KEY_FIELD, queue_key_bound
from services.team_settings.settings_service import TeamSettings
from services.tickets.access import Sight, visible_to
from services.tickets.queries import count_open_tickets

# Hours, zone, holidays and absences may change between two checks.
MAX_CHECK_INTERVAL = timedelta(hours=2)
NOON = time(12)
# The window of a shift that begins after noon; any other ends at noon.
LATE_SHIFT_WINDOW = timedelta(hours=3)
# How far back the previous working day is searched.
MAX_LOOKBACK_DAYS = 7
_MILLISECOND = timedelta(milliseconds=1)
# How long sending a digest may take. If it is not sent by then, the next claim lasts longer.
CLAIM_DURATION, BACKOFF_FACTOR = timedelta(seconds=60), 4
MAX_CLAIM_DURATION = CLAIM_DURATION * BACKOFF_FACTOR**4
BATCH_SIZE = 50


@dataclass(frozen=True, slots=True)
class DigestDay:
    """A day in the user's own zone: when it began, and the same of the previous workday."""

    day: date
    started_at: datetime
    previous_workday: date
    previous_started_at: datetime

    @property
    def is_consecutive(self) -> bool:
        """Whether the previous workday was yesterday."""
        return self.day - self.previous_workday == DAY


@dataclass(frozen=True, slots=True)
class SendWindow:
    """`today` is None outside the window of a workday, while the user is away, and during do not
    disturb. `next_check` is when that may have changed."""

    today: DigestDay | None
    next_check: datetime


def send_window(account: Document, business_hours: BusinessHours, *, now: datetime) -> SendWindow:
    """Return the window for the owner of that account. Without a zone of their own, the team's
    business hours apply."""
    week = account_work_week(account, business_hours) or business_hours.work_week
    day = now.astimezone(week.zone).date()
    begins, latest = week.next_start(now), now + MAX_CHECK_INTERVAL
    next_check = min(begins, latest) if begins else latest
    start = _work_start(week, day)
    if start is None or not start <= now < _window_end(week, day, start):
        return SendWindow(None, next_check)
    if paused_until := notifications_paused_until(account, business_hours, now=now):
        return SendWindow(None, min(paused_until, latest))
    previous = _previous_workday(week, day)
    today = DigestDay(day, _midnight(week, day), previous, _midnight(week, previous))
    return SendWindow(today, next_check)


def _work_start(week: WorkWeek, day: date) -> datetime | None:
    """Return when that day's work begins; None on a day off."""
    begins = week.next_start(_midnight(week, day) - _MILLISECOND)
    return begins if begins and begins.astimezone(week.zone).date() == day else None


def _window_end(week: WorkWeek, day: date, start: datetime) -> datetime:
    """Return when it is too late for a message that belongs to the beginning of the day."""
    noon = datetime.combine(day, NOON, week.zone).astimezone(UTC)
    return noon if start < noon else start + LATE_SHIFT_WINDOW


def _previous_workday(week: WorkWeek, day: date) -> date:
    """Return the workday before; yesterday if there was none for `MAX_LOOKBACK_DAYS`."""
    before = (day - number * DAY for number in range(1, MAX_LOOKBACK_DAYS + 1))
    return next((day for day in before if _work_start(week, day)), day - DAY)


def _midnight(week: WorkWeek, day: date) -> datetime:
    return datetime.combine(day, time(), week.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class AssigneeCounts:
    """One assignee's tickets. `next_due` is the next due date that has not passed, if any."""

    open: int
    overdue: int
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """The whole team's open tickets."""

    unassigned: int
    overdue: int


@dataclass(frozen=True, slots=True)
class TeamActivity:
    """How many tickets the whole team filed and completed within a time, without those that were
    no requests."""

    filed: int
    closed: int


class DigestCounts:
    """Counts at one moment, in a few queries: what many readers share is counted once."""

    def __init__(self, db: Mongo, *, now: datetime) -> None:
        self._db = db
        self._now = now
        # By what the readers may see, which is the same for all of one role.
        self._queues: dict[str, QueueCounts] = {}
        self._activity: dict[tuple[str, datetime, datetime], TeamActivity] = {}

    def for_assignee(self, user_id: ObjectId) -> AssigneeCounts:
        late, never = (
            queue_key_bound(self._now, is_assigned=True),
            queue_key_bound(None, is_assigned=True),
        )
        assigned = {"assignedTo": user_id}
        to_come = self._db.tickets.find(
            {**assigned, **_queue_range(late, never)}, {"dueAt": True, "deadline": True}
        )
        first = next(iter(to_come.sort(QUEUE_KEY_FIELD).limit(1)), None)
        ticket = Ticket.from_doc(first) if first else None
        return AssigneeCounts(
            open=count_open_tickets(self._db, user_id),
            overdue=self._count({**assigned, **_queue_range("1", late)}),
            next_due=ticket.due_at or ticket.deadline if ticket else None,
        )

    def queue(self, sight: Sight) -> QueueCounts:
        key = str(sight.of_team)
        if key not in self._queues:
            late = {kind: queue_key_bound(self._now, is_assigned=kind) for kind in (False, True)}
            overdue = (_queue_range("0", late[False]), _queue_range("1", late[True]))
            self._queues[key] = QueueCounts(
                unassigned=self._count(_queue_range("0", "1"), sight),
                overdue=sum(self._count(query, sight) for query in overdue),
            )
        return self._queues[key]

    def activity(self, since: datetime, until: datetime, sight: Sight) -> TeamActivity:
        key = str(sight.of_team), since, until
        if key not in self._activity:
            within = {"$gte": since, "$lt": until}
            done = {"status": Status.COMPLETED.value, "completedAt": within, **IS_A_REQUEST}
            self._activity[key] = TeamActivity(
                filed=self._count({"createdAt": within, **IS_A_REQUEST}, sight),
                closed=self._count(done, sight),
            )
        return self._activity[key]

    def _count(self, query: Document, sight: Sight | None = None) -> int:
        # No hint: with one, SecantusDB scans the whole index.
        if sight is None or not sight.of_team:
            return self._db.tickets.count_documents(query)
        stages: list[Document] = [
            {"$match": query},
            {"$match": sight.of_team},
            {"$count": "tickets"},
        ]
        return sum(found["tickets"] for found in self._db.tickets.aggregate(stages))


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


class Digests:
    """Create one per round: what many readers share is read once in it."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._queue = WorkQueue(
            db.users,
            "digestAt",
            longest=max(MAX_CHECK_INTERVAL, MAX_CLAIM_DURATION, MAX_RETRY_DELAY),
            condition=STAFF,
            attempts_field="digestTries",
            includes_new=True,
        )
        self._clock = clock

    def set_enabled(self, *, actor: Actor, enabled: bool) -> None:
        """Store what `User.wants_digest` reads. It applies from the next digest on, even today's if
        its window is open."""
        require_permission(actor, Permission.WORK_ON_TICKETS)
        change: Document = {"$set": {"digest": enabled}}
        if enabled:
            change["$unset"] = {"digestAt": ""}
        self._db.users.update_one({"_id": actor.user_id}, change)

    def has_due(self) -> bool:
        return self._queue.has_due(self._clock())

    def due(self, *, limit: int = BATCH_SIZE) -> list[Document]:
        """Return the accounts to check now: new ones first, then the longest overdue."""
        return self._queue.due(self._clock(), limit=limit)

    def claim(self, account: Document) -> Digest | None:
        """Claim the digest to send to the owner of an account from `due`; None if there is none to
        send, or another process has checked the account."""
        now = self._clock()
        window = send_window(account, self._business_hours, now=now)
        if window.today is None:
            self._reschedule(account, window.next_check, "digestTries")
            return None
        if not _is_due(account, window.today):
            self._reschedule(account, window.next_check, "digestTries", "digestAside")
            return None
        until = now + backoff(
            account.get("digestTries", 0) + 1,
            initial=CLAIM_DURATION,
            factor=BACKOFF_FACTOR,
            maximum=MAX_CLAIM_DURATION,
        )
        if self._queue.claim(account, until=until) is None:
            return None
        digest = self._digest(account, window.today, until, window.next_check)
        if _is_recipient(account, digest) and digest.has_content:
            return digest
        self.mark_done(digest)
        return None

    def schedule_retry(self, account: Document, error: Exception) -> None:
        """Postpone a digest that could not be built, so that the others do not wait for it
        (`RetryState`)."""
        now = self._clock()
        retry = record_failure(RetryState.from_doc(account.get("digestAside")), error, now=now)
        values = {"digestAt": now + retry.delay, "digestAside": retry.to_doc()}
        change = {"$set": values, "$unset": {"digestTries": ""}}
        self._db.users.update_one({"_id": account["_id"]}, change)

    def mark_done(self, digest: Digest) -> None:
        """Record a digest as sent, or as not to be sent on that day."""
        self._queue.retry(
            digest.user.id,
            digest.claimed_until,
            at=digest.next_check,
            values={"digestOn": digest.today.day.isoformat()},
            remove=("digestTries", "digestAside"),
        )

    def retry_later(self, digest: Digest, *, wait: timedelta) -> None:
        """Try again after the wait that Slack asked for; it has taken nothing."""
        at = self._clock() + wait
        self._queue.retry(digest.user.id, digest.claimed_until, at=at, remove=("digestTries",))

    def _reschedule(self, account: Document, at: datetime, *remove: str) -> None:
        self._queue.retry(account["_id"], account.get("digestAt"), at=at, remove=remove)

    def _digest(
        self, account: Document, today: DigestDay, until: datetime, next_check: datetime
    ) -> Digest:
        user, counts = User.from_doc(account), self._counts
        sight = visible_to(Actor.from_user(user))
        return Digest(
            user=user,
            today=today,
            assignee=counts.for_assignee(user.id),
            queue=counts.queue(sight),
            activity=counts.activity(today.previous_started_at, today.started_at, sight),
            claimed_until=until,
            next_check=next_check,
        )

    @cached_property
    def _business_hours(self) -> BusinessHours:
        return TeamSettings(self._db).business_hours()

    @cached_property
    def _counts(self) -> DigestCounts:
        return DigestCounts(self._db, now=self._clock())


def _is_due(account: Document, today: DigestDay) -> bool:
    user = User.from_doc(account)
    is_new = account.get("digestOn") != today.day.isoformat()
    return user.active and user.wants_digest and is_new


def _is_recipient(account: Document, digest: Digest) -> bool:
    """Admins who asked for no digest get it only if they have tickets, or skills for them."""
    is_asked_for = account.get("digest") is True
    user = digest.user
    return is_asked_for or user.role is not Role.ADMIN or bool(user.skills or digest.assignee.open)


def _queue_range(first: str, last: str) -> Document:
    """Tickets with a queue key from `first` up to, but without, `last`."""
    return {QUEUE_KEY_FIELD: {**IN_QUEUE_FILTER[QUEUE_KEY_FIELD], "$gte": first, "$lt": last}}
