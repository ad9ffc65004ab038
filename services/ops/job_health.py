"""The last run of each job, and the scheduled work that fails and is retried; for operators.

The runs are stored in MongoDB, so that the doctor needs neither Redis nor a log: `meta` has one
document per job, `job:NAME {at, seconds, dueBy, failures, error}`. The back-off state of failing
items is in services/core/work_queue.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import RetryState
from services.models.user import User, can_work_on_tickets
from services.ops.check_runner import CheckStatus, Finding, format_duration, pluralize

# A job may end so much later than its interval, because a run takes time.
GRACE_PERIOD = timedelta(minutes=1)
# Fewer failures may be temporary, and a job that is less late may be catching up.
MAX_FAILURES_FOR_WARNING = 2
FAIL_IF_LATE_BY = timedelta(minutes=15)
LOG = "The log of the process that leads says why."
MAX_LISTED = 5
MAX_DIGEST_ACCOUNTS = 1_000
TICKET_ADVICE = (
    "No reminders are sent for it, so have a look at it yourself. The log of the jobs says why, at "
    "“set aside”."
)
SET_ASIDE_ADVICE = (
    "Repair the document in the collection tickets. It is looked at again every 15 minutes."
)
DIGEST_ADVICE = "The log of the worker says why, at “set aside”."
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS: Document = {"alarm.aside.since": {"$gt": _ANY_TIME}}
_SET_ASIDE: Document = {"aside.until": {"$gt": _ANY_TIME}}
_DIGESTS: Document = {"digestAside.since": {"$gt": _ANY_TIME}}
_PREFIX, _AFTER = "job:", "job;"  # the range of all ids with the prefix


@dataclass(frozen=True, slots=True)
class JobRun:
    """`ended_at`: the end of the last run, None before the first. `due_by`: the latest end of the
    next one. `seconds`: how long the last run took. `failures`: the number of failures in a row.
    `error`: the last failure, None if the last run succeeded.
    """

    name: str
    ended_at: datetime | None
    due_by: datetime
    failures: int
    error: str | None
    seconds: float = 0.0

    @classmethod
    def from_doc(cls, doc: Document) -> "JobRun":
        return cls(
            name=doc["_id"].removeprefix(_PREFIX),
            ended_at=doc.get("at"),
            due_by=doc["dueBy"],
            failures=doc.get("failures", 0),
            error=doc.get("error"),
            seconds=doc.get("seconds", 0.0),
        )


class JobRuns:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def register(self, intervals: Mapping[str, timedelta]) -> None:
        """Record that a new leader runs these jobs, and remove jobs that no longer exist."""
        now = self._clock()
        ours = {f"{_PREFIX}{name}": interval for name, interval in intervals.items()}
        self._db.meta.delete_many({"_id": {"$gte": _PREFIX, "$lt": _AFTER, "$nin": list(ours)}})
        for key, interval in ours.items():
            change = {"$set": {"dueBy": now + interval + GRACE_PERIOD}}
            self._db.meta.update_one({"_id": key}, change, upsert=True)

    def record(
        self, name: str, *, seconds: float, interval: timedelta, error: str | None = None
    ) -> None:
        """Store the result of a run; `error` is a short text, None if it succeeded."""
        now = self._clock()
        values: Document = {"at": now, "seconds": seconds, "dueBy": now + interval + GRACE_PERIOD}
        if error:
            change = {"$set": {**values, "error": error}, "$inc": {"failures": 1}}
        else:
            change = {"$set": {**values, "failures": 0}, "$unset": {"error": ""}}
        self._db.meta.update_one({"_id": f"{_PREFIX}{name}"}, change, upsert=True)


def load_job_runs(db: Mongo) -> list[JobRun]:
    """Return the jobs of the current or last leader, by name."""
    found = db.meta.find({"_id": {"$gte": _PREFIX, "$lt": _AFTER}})
    return [JobRun.from_doc(doc) for doc in found.sort("_id") if doc.get("dueBy")]


def describe_runs(runs: Sequence[JobRun], *, now: datetime) -> str:
    """Summarise how many jobs have run, the end of the last and the slowest; "" if none has."""
    ended = [(run.ended_at, run.seconds) for run in runs if run.ended_at]
    if not ended:
        return ""
    last, slowest = max(at for at, _ in ended), max(seconds for _, seconds in ended)
    return (
        f"{pluralize(len(ended), 'job')}, the last one ended {format_duration(now - last)} ago, "
        f"the slowest took {slowest:.1f} s"
    )


def job_problems(runs: Sequence[JobRun], *, now: datetime) -> list[Finding]:
    """Return a finding for each job that fails or is late."""
    return [finding for run in runs if (finding := _job_problem(run, now))]


def _job_problem(run: JobRun, now: datetime) -> Finding | None:
    ended = (
        f"last ended {format_duration(now - run.ended_at)} ago" if run.ended_at else "never ended"
    )
    late = now - run.due_by
    if late > timedelta(0):
        state = CheckStatus.FAIL if late > FAIL_IF_LATE_BY else CheckStatus.WARN
        return Finding(state, f"{run.name} is late: it {ended}", LOG)
    if run.error:
        state = CheckStatus.FAIL if run.failures > MAX_FAILURES_FOR_WARNING else CheckStatus.WARN
        times = "failed" if run.failures == 1 else f"failed {pluralize(run.failures, 'time')}"
        return Finding(state, f"{run.name} {times} and {ended} ({run.error})", LOG)
    return None


def count_failing(db: Mongo) -> dict[str, int]:
    """Return the number of failing items by kind."""
    return {
        "step": db.tickets.count_documents(_STEPS),
        "digest": len(_digests(db)),
        "ticket": db.tickets.count_documents(_SET_ASIDE),
    }


def find_failing(db: Mongo, *, now: datetime) -> list[Finding]:
    """Return findings for the oldest items, `MAX_LISTED` of each kind, and one for the rest."""
    tickets = db.tickets.find(_STEPS, {"number": True, "alarm": True})
    found = [
        _failing_item(_step_name(doc), doc["alarm"]["aside"], TICKET_ADVICE, now)
        for doc in tickets.sort("alarm.aside.since").limit(MAX_LISTED)
    ]
    found += [
        _failing_item(f"the digest of {doc.get('email')}", doc["digestAside"], DIGEST_ADVICE, now)
        for doc in _digests(db)[:MAX_LISTED]
    ]
    found += [
        Finding(CheckStatus.FAIL, _set_aside_message(doc), SET_ASIDE_ADVICE)
        for doc in db.tickets.find(_SET_ASIDE, {"number": True, "aside": True})
        .sort("aside.until")
        .limit(MAX_LISTED)
    ]
    more = sum(count_failing(db).values()) - len(found) if len(found) >= MAX_LISTED else 0
    if more > 0:
        found.append(Finding(CheckStatus.WARN, f"{more} more are set aside", "See the log."))
    return found


def _set_aside_message(doc: Document) -> str:
    number = f"{doc['number']} (_id {doc['_id']})" if doc.get("number") else doc["_id"]
    return f"ticket {number} is set aside: {doc['aside'].get('reason')}"


def _digests(db: Mongo) -> list[Document]:
    """Return the accounts with a failing digest, oldest first, if they still get digests."""
    read = dict.fromkeys(("email", "role", "active", "digestAside"), True)
    found = db.users.find(_DIGESTS, read).sort("digestAside.since").limit(MAX_DIGEST_ACCOUNTS)
    users = ((doc, User.from_doc(doc)) for doc in found)
    return [doc for doc, user in users if can_work_on_tickets(user)]


def _failing_item(what: str, stored: Any, advice: str, now: datetime) -> Finding:
    retry = RetryState.from_doc(stored) or RetryState(now, 1, "")
    state = CheckStatus.FAIL if retry.failure_count > MAX_FAILURES_FOR_WARNING else CheckStatus.WARN
    failure = (
        f"failed {pluralize(retry.failure_count, 'time')} within "
        f"{format_duration(now - retry.first_failed_at)}"
    )
    again = "and is tried again by itself"
    return Finding(state, f"{what} {failure} ({retry.error}) {again}", advice)


def _step_name(doc: Document) -> str:
    return f"what is due by the clock for ticket {doc.get('number') or doc['_id']}"
