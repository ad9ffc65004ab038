"""How the jobs last ended: kept in MongoDB, so that whoever asks needs neither Redis nor a log.

`meta` has one document a job, `job:NAME {at, seconds, dueBy, failures, error}`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.ops.check_runner import CheckStatus, Finding, format_duration, pluralize

# So much later than its turn a job may end; it may take that long.
GRACE_PERIOD = timedelta(minutes=1)
# A fault that passes is no failure, and a day of work to catch up with none either.
MAX_FAILURES_FOR_WARNING = 2
FAIL_IF_LATE_BY = timedelta(minutes=15)
LOG = "The log of the process that leads says why."
_PREFIX, _AFTER = "job:", "job;"  # from the one to the other are all that begin with the first


@dataclass(frozen=True, slots=True)
class JobRun:
    """`ended_at` is when it last ended, None before the first time; `due_by` when it should have
    again.

    The last run took so many `seconds`. `failures` are those in a row, and `error` what the last
    one was, None if it succeeded.
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
        """A process leads now, and runs these; of others nothing is to be expected any more."""
        now = self._clock()
        ours = {f"{_PREFIX}{name}": interval for name, interval in intervals.items()}
        self._db.meta.delete_many({"_id": {"$gte": _PREFIX, "$lt": _AFTER, "$nin": list(ours)}})
        for key, interval in ours.items():
            change = {"$set": {"dueBy": now + interval + GRACE_PERIOD}}
            self._db.meta.update_one({"_id": key}, change, upsert=True)

    def record(
        self, name: str, *, seconds: float, interval: timedelta, error: str | None = None
    ) -> None:
        """It has ended after so many seconds; `error` says in a word or two what went wrong."""
        now = self._clock()
        values: Document = {"at": now, "seconds": seconds, "dueBy": now + interval + GRACE_PERIOD}
        if error:
            change = {"$set": {**values, "error": error}, "$inc": {"failures": 1}}
        else:
            change = {"$set": {**values, "failures": 0}, "$unset": {"error": ""}}
        self._db.meta.update_one({"_id": f"{_PREFIX}{name}"}, change, upsert=True)


def load_job_runs(db: Mongo) -> list[JobRun]:
    """Each job of the process that leads, or was the last to, by name."""
    found = db.meta.find({"_id": {"$gte": _PREFIX, "$lt": _AFTER}})
    return [JobRun.from_doc(doc) for doc in found.sort("_id") if doc.get("dueBy")]


def describe_runs(runs: Sequence[JobRun], *, now: datetime) -> str:
    """How many have run, when the last one ended and how long the slowest took; "" before any."""
    ended = [(run.ended_at, run.seconds) for run in runs if run.ended_at]
    if not ended:
        return ""
    last, slowest = max(at for at, _ in ended), max(seconds for _, seconds in ended)
    return (
        f"{pluralize(len(ended), 'job')}, the last one ended {format_duration(now - last)} ago, "
        f"the slowest took {slowest:.1f} s"
    )


def job_problems(runs: Sequence[JobRun], *, now: datetime) -> list[Finding]:
    """A finding for each job that fails or is late; none where all is well."""
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
