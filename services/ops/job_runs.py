"""The last run of each job, stored in MongoDB so that the doctor needs neither Redis nor a log.

`meta` has one document per job, `job:NAME {at, seconds, dueBy, failures, error}`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.ops.check_runner import CheckStatus, Finding, format_duration, pluralize

# A job may end so much later than its interval, because a run takes time.
GRACE_PERIOD = timedelta(minutes=1)
# Fewer failures may be temporary, and a job that is less late may be catching up.
MAX_FAILURES_FOR_WARNING = 2
FAIL_IF_LATE_BY = timedelta(minutes=15)
LOG = "The log of the process that leads says why."
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
    """The jobs of the current or last leader, by name."""
    found = db.meta.find({"_id": {"$gte": _PREFIX, "$lt": _AFTER}})
    return [JobRun.from_doc(doc) for doc in found.sort("_id") if doc.get("dueBy")]


def describe_runs(runs: Sequence[JobRun], *, now: datetime) -> str:
    """How many jobs have run, when the last one ended, how long the slowest took; "" if none."""
    ended = [(run.ended_at, run.seconds) for run in runs if run.ended_at]
    if not ended:
        return ""
    last, slowest = max(at for at, _ in ended), max(seconds for _, seconds in ended)
    return (
        f"{pluralize(len(ended), 'job')}, the last one ended {format_duration(now - last)} ago, "
        f"the slowest took {slowest:.1f} s"
    )


def job_problems(runs: Sequence[JobRun], *, now: datetime) -> list[Finding]:
    """A finding for each job that fails or is late."""
    return [finding for run in runs if (finding := _finding(run, now))]


def _finding(run: JobRun, now: datetime) -> Finding | None:
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
