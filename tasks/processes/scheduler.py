"""Runs the jobs (tasks/processes/jobs.py) in the leader, one of several processes."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta

import pymongo
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from pymongo.errors import PyMongoError

from services.core import request_context
from services.core.clock import CLOCK_CHECK_SECONDS, ClockWatch, synchronize, system_now
from services.core.leases import LEASE_RENEW_INTERVAL, Lease
from services.core.metrics import JOB_LAST_RUN, JOB_LAST_SECONDS, JOB_RUNS, NOOP_METER, Meter
from services.ops.job_health import JobRuns
from services.registry.services import Services
from tasks.processes.jobs import ALL_JOBS
from tasks.queue.job_registry import Job, JobContext
from tasks.queue.publisher import CeleryPublisher, PublishFailed

logger = logging.getLogger(__name__)

# The calls of a renewal and of the release add up when the process stops without MongoDB.
CLOCK_TIMEOUT_SECONDS = 1.0
RELEASE_TIMEOUT_SECONDS = 2.0
UNEXPECTED_ERROR = "an unexpected error"


class Scheduler:
    """Leads while it holds the lease; a follower tries to acquire it every five seconds."""

    def __init__(
        self,
        services: Services,
        publisher: CeleryPublisher,
        *,
        meter: Meter = NOOP_METER,
        jobs: Collection[Job] = ALL_JOBS,
    ) -> None:
        self._clock = services.clock
        self._meter = meter
        self._lease = Lease(services.db, "jobs", clock=services.clock)
        self._runs = JobRuns(services.db, clock=services.clock)
        self._was_leader = False
        self._faults: dict[str, str] = {}
        self._stopping = threading.Event()
        self._context = JobContext(services, publisher, self.is_leader)
        self.jobs = {job.name: job for job in jobs}

    def is_leader(self) -> bool:
        """Whether this process holds the lease and is not stopping."""
        return self._lease.is_held() and not self._stopping.is_set()

    def renew_leadership(self) -> bool:
        """Acquire or renew the lease. Return whether this process has just become the leader."""
        self.synchronize_clock()
        fault = ""
        try:
            self._lease.acquire()
        except PyMongoError as error:
            # It leads until the lease expires: no other process can acquire it before.
            fault = _database_fault(error)
        self._log_change("the lease", fault)
        was_leader, self._was_leader = self._was_leader, self._lease.is_held()
        if was_leader != self._was_leader:
            logger.info("this process %s", "leads" if self._was_leader else "follows")
        became_leader = self._was_leader and not was_leader
        if became_leader:
            self._record(
                lambda: self._runs.register({job.name: job.every for job in self.jobs.values()})
            )
        return became_leader

    def synchronize_clock(self) -> None:
        with suppress(PyMongoError), pymongo.timeout(CLOCK_TIMEOUT_SECONDS):  # the lease reports it
            synchronize(self._context.services.db)

    def run(self, name: str) -> None:
        """Run the job now if this process leads, and record the result."""
        if not self.is_leader():
            return
        job, began, error = self.jobs[name], time.monotonic(), UNEXPECTED_ERROR
        try:
            with request_context.request_scope():
                error = _attempt(job, self._context)
                self._log_change(f"the job {name}", error)
        finally:
            seconds = time.monotonic() - began
            # An interrupted run is repeated by the new leader, which records the result.
            is_complete = self.is_leader()
            outcome = ("failed" if error else "ok") if is_complete else "stopped"
            self._meter.count(JOB_RUNS, name, outcome)
            self._meter.set(JOB_LAST_SECONDS, seconds, name)
            self._meter.set(JOB_LAST_RUN, self._clock().timestamp(), name)
            if is_complete:
                self._record(
                    lambda: self._runs.record(
                        name, seconds=seconds, interval=job.every, error=error
                    )
                )

    def request_stop(self) -> None:
        """Start no further run; running jobs stop before their next batch."""
        self._stopping.set()

    def stop(self) -> None:
        """Release the lease; it expires if the database is unreachable."""
        self.request_stop()
        if not self._lease.is_held():
            return
        try:
            with pymongo.timeout(RELEASE_TIMEOUT_SECONDS):
                self._lease.release()
        except PyMongoError as error:
            logger.error("the lease is left to expire: %s", type(error).__name__)

    def _record(self, write: Callable[[], None]) -> None:
        fault = ""
        try:
            write()
        except PyMongoError as error:
            fault = _database_fault(error)
        self._log_change("the record of the jobs", fault)

    def _log_change(self, what: str, fault: str) -> None:
        """Log when `what` starts to fail, fails differently, or recovers: in an outage every run
        would log a line."""
        if fault == self._faults.get(what, ""):
            return
        self._faults[what] = fault
        if fault:
            logger.error("%s fails and is retried (%s)", what, fault)
        else:
            logger.info("%s works again", what)


def _attempt(job: Job, context: JobContext) -> str:
    """Run the job. Return a short description of the failure, or ""."""
    try:
        job.run(context)
    except PublishFailed as error:
        return f"the broker is away: {error}"
    except PyMongoError as error:
        return _database_fault(error)
    return ""


def _database_fault(error: PyMongoError) -> str:
    return f"the database: {type(error).__name__}"


def run(
    job_scheduler: Scheduler,
    stop: threading.Event,
    *,
    ready: Callable[[], None],
    renew_every: timedelta = LEASE_RENEW_INTERVAL,
) -> None:
    """Run the jobs until `stop` is set; then finish running jobs and release the lease."""
    # It warns of each run that is skipped because the one before has not ended. That is intended.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = BackgroundScheduler(
        timezone="UTC",
        # A thread for each job and one for the lease, so that no job blocks another.
        executors={
            "default": ThreadPoolExecutor(len(job_scheduler.jobs)),
            "lease": ThreadPoolExecutor(1),
        },
        # After a pause of the machine each job runs once, not once per missed run.
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )

    def lead() -> None:
        if job_scheduler.renew_leadership():
            # The previous leader may have died some time ago, so every job runs at once.
            for name in job_scheduler.jobs:
                scheduler.modify_job(name, next_run_time=system_now())

    scheduler.add_job(lead, "interval", seconds=renew_every.total_seconds(), executor="lease")
    for job in job_scheduler.jobs.values():
        scheduler.add_job(
            job_scheduler.run,
            "interval",
            [job.name],
            id=job.name,
            seconds=job.every.total_seconds(),
        )
    lead()
    scheduler.start()
    ready()
    watch = ClockWatch()
    # `Event.wait` counts by the monotonic clock.
    while not stop.wait(CLOCK_CHECK_SECONDS):
        if jump := watch.jump():
            direction = "forward" if jump > timedelta() else "back"
            logger.warning("the clock was put %s by %s", direction, abs(jump))
            # APScheduler compares its next runs with the clock: after an hour back nothing, the
            # lease included, would run for an hour.
            job_scheduler.synchronize_clock()
            for scheduled in scheduler.get_jobs():
                scheduled.modify(next_run_time=system_now())
    job_scheduler.request_stop()
    scheduler.shutdown(wait=True)
    job_scheduler.stop()
