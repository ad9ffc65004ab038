"""Runs the jobs (tasks/processes/jobs.py) in one process at a time, whichever of several leads."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from pymongo.errors import PyMongoError

from services.core import request_context
from services.core.clock import utcnow
from services.core.leases import LEASE_RENEW_INTERVAL, Lease
from services.core.metrics import JOB_LAST_RUN, JOB_LAST_SECONDS, JOB_RUNS, NOOP_METER, Meter
from services.ops.job_runs import JobRuns
from services.registry.services import Services
from tasks.processes.jobs import Job, build_jobs
from tasks.queue.publisher import CeleryPublisher, PublishFailed

logger = logging.getLogger(__name__)

UNEXPECTED_ERROR = "an unexpected error"


class Scheduler:
    """Leads while it holds the lease; a follower looks every five seconds if it may lead."""

    def __init__(
        self,
        services: Services,
        publisher: CeleryPublisher,
        *,
        meter: Meter = NOOP_METER,
        jobs: Sequence[Job] | None = None,
    ) -> None:
        self._clock = services.clock
        self._meter = meter
        self._lease = Lease(services.db, "jobs", clock=services.clock)
        self._runs = JobRuns(services.db, clock=services.clock)
        self._was_leader = False
        self._faults: dict[str, str] = {}
        self._stopping = threading.Event()
        if jobs is None:
            jobs = build_jobs(services, publisher)
        self.jobs = {job.name: job for job in jobs}

    def is_leader(self) -> bool:
        """Whether this process may go on with what it does; False once it is to end."""
        return self._lease.is_held() and not self._stopping.is_set()

    def renew_leadership(self) -> bool:
        """Take or renew the lease; whether this process leads only from now on."""
        fault = ""
        try:
            self._lease.acquire()
        except PyMongoError as error:
            # It leads on until the lease ends: until then nobody else can have it.
            fault = _database_fault(error)
        self._log_change("the lease", fault)
        was_leader, self._was_leader = self._was_leader, self._lease.is_held()
        if was_leader != self._was_leader:
            logger.info("this process %s", "leads" if self._was_leader else "follows")
        became_leader = self._was_leader and not was_leader
        if became_leader:
            self._record(
                lambda: self._runs.register({job.name: job.interval for job in self.jobs.values()})
            )
        return became_leader

    def run(self, name: str) -> None:
        """Run that job now if this process leads, and count it."""
        if not self.is_leader():
            return
        job, began, error = self.jobs[name], time.monotonic(), UNEXPECTED_ERROR
        try:
            with request_context.request_scope():
                error = _attempt(job, self.is_leader)
                self._log_change(f"the job {name}", error)
        finally:
            seconds = time.monotonic() - began
            # One that was broken off is done by whoever leads now: they say how it went.
            is_complete = self.is_leader()
            outcome = ("failed" if error else "ok") if is_complete else "stopped"
            self._meter.count(JOB_RUNS, name, outcome)
            self._meter.set(JOB_LAST_SECONDS, seconds, name)
            self._meter.set(JOB_LAST_RUN, self._clock().timestamp(), name)
            if is_complete:
                self._record(
                    lambda: self._runs.record(
                        name, seconds=seconds, interval=job.interval, error=error
                    )
                )

    def request_stop(self) -> None:
        """Begin nothing more: what runs stops before its next batch."""
        self._stopping.set()

    def stop(self) -> None:
        """Give up the lease; where the database is away, it ends by itself."""
        self.request_stop()
        if not self._lease.is_held():
            return
        try:
            self._lease.release()
        except PyMongoError as error:
            logger.error("the lease is left to end by itself: %s", type(error).__name__)

    def _record(self, write: Callable[[], None]) -> None:
        fault = ""
        try:
            write()
        except PyMongoError as error:
            fault = _database_fault(error)
        self._log_change("the record of the jobs", fault)

    def _log_change(self, what: str, fault: str) -> None:
        """When it begins to fail, or to do so otherwise, and when it is well again: in an outage
        each turn of each job would have a line."""
        if fault == self._faults.get(what, ""):
            return
        self._faults[what] = fault
        if fault:
            logger.error("%s waits until it can go on (%s)", what, fault)
        else:
            logger.info("%s goes on", what)


def _attempt(job: Job, should_continue: Callable[[], bool]) -> str:
    """What went wrong, in a word or two; "" where nothing did."""
    try:
        job.work(should_continue)
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
    """Run the jobs until `stop` is set; then finish what is running and give up the lease."""
    # It warns of each turn that comes while the one before is under way; that is meant.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = BackgroundScheduler(
        timezone="UTC",
        # A thread for each job, and one for the lease: none waits for another that takes long.
        executors={
            "default": ThreadPoolExecutor(len(job_scheduler.jobs)),
            "lease": ThreadPoolExecutor(1),
        },
        # After a pause of this machine each has one turn, however many it has missed.
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )

    def lead() -> None:
        if (
            job_scheduler.renew_leadership()
        ):  # who led before may have died a while ago: no job waits for its turn
            for name in job_scheduler.jobs:
                scheduler.modify_job(name, next_run_time=utcnow())

    job_scheduler.renew_leadership()
    scheduler.add_job(lead, "interval", seconds=renew_every.total_seconds(), executor="lease")
    for job in job_scheduler.jobs.values():
        scheduler.add_job(
            job_scheduler.run, "interval", [job.name], id=job.name, seconds=job.interval_seconds
        )
    scheduler.start()
    ready()
    stop.wait()
    job_scheduler.request_stop()
    scheduler.shutdown(wait=True)
    job_scheduler.stop()
