"""What runs by the clock, in one process at a time whichever of several leads."""

import logging
import threading
import time
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler
from pymongo.errors import PyMongoError

from services import handing_back, outbox, queue_places, trace, waiting
from services.clock import Clock, utcnow
from services.database import Mongo
from services.leases import RENEW_EVERY, Lease
from services.metrics import JOB_LAST_RUN, JOB_LAST_SECONDS, JOB_RUNS, UNMETERED, Meter
from tasks.app import NOTIFY
from tasks.publisher import CeleryPublisher, PublishFailed

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 10
SWEEP_LIMIT = 500


class Jobs:
    """Leads while it holds the lease; a follower looks every five seconds if it may lead."""

    def __init__(
        self,
        db: Mongo,
        publisher: CeleryPublisher,
        *,
        clock: Clock = utcnow,
        meter: Meter = UNMETERED,
    ) -> None:
        self._db = db
        self._publisher = publisher
        self._clock = clock
        self._meter = meter
        self._lease = Lease(db, "jobs", clock=clock)
        self._leads = False

    def lead(self) -> None:
        """Take or renew the lease."""
        try:
            leads = self._lease.hold()
        except PyMongoError as error:
            # Another process may hold it by now: better none leads for a moment than two.
            logger.error("the lease could not be renewed: %s", type(error).__name__)
            leads = False
        if leads != self._leads:
            logger.info("this process %s", "leads" if leads else "follows")
        self._leads = leads

    def sweep(self) -> None:
        """Publish again whatever is due. Without a broker nothing is counted as published."""
        if self._leads:
            with trace.request():
                self._run("sweep", self._publish_due)

    def _publish_due(self) -> bool:
        try:
            now = self._clock()
            waiting.wake_due(self._db, now=now)
            queue_places.give_places(self._db)
            for user_id in handing_back.due(self._db, now=now):
                for ticket_id in handing_back.hand_back_some(self._db, user_id, now=now):
                    self._publisher.send(NOTIFY, str(ticket_id))
            for ticket_id in outbox.due(self._db, now=now, limit=SWEEP_LIMIT):
                self._publisher.send(NOTIFY, str(ticket_id))
                outbox.back_off(self._db, ticket_id, now=now)
        except PublishFailed as error:
            logger.warning("the broker is away, the sweep stops: %s", error)
            return False
        except PyMongoError as error:
            logger.error("the sweep stops: %s", type(error).__name__)
            return False
        return True

    def _run(self, job: str, work: Callable[[], bool]) -> None:
        """Run a job and count it; `work` says whether it went well."""
        outcome, began = "failed", time.monotonic()
        try:
            if work():
                outcome = "ok"
        finally:
            self._meter.count(JOB_RUNS, job, outcome)
            self._meter.set(JOB_LAST_SECONDS, time.monotonic() - began, job)
            self._meter.set(JOB_LAST_RUN, self._clock().timestamp(), job)

    def stop(self) -> None:
        """Give up the lease; where the database is away, it ends by itself."""
        if not self._leads:
            return
        try:
            self._lease.release()
        except PyMongoError as error:
            logger.error("the lease is left to end by itself: %s", type(error).__name__)


def run(jobs: Jobs, stop: threading.Event, *, ready: Callable[[], None]) -> None:
    """Run the jobs until `stop` is set; then finish what is running and give up the lease."""
    scheduler = BackgroundScheduler(
        timezone="UTC",
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60},
    )
    jobs.lead()
    scheduler.add_job(jobs.lead, "interval", seconds=RENEW_EVERY.total_seconds())
    scheduler.add_job(jobs.sweep, "interval", seconds=SWEEP_SECONDS)
    scheduler.start()
    ready()
    stop.wait()
    scheduler.shutdown(wait=True)
    jobs.stop()
