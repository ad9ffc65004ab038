"""The jobs: what is done by the clock, and how often.

Each finds by an index what is due, does so much of it at once that it comes to an end, and leaves
the rest to its next turn. Each may run again, or beside itself in another process, and does
nothing twice: every step of it is a conditional update.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from services.outbox import pending
from services.registry.services import Services
from services.sla import recompute
from services.tickets import legacy_reconcile, release
from tasks import escalation, slack_status_sync
from tasks.notifications import digest
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.queue.publisher import CeleryPublisher

SWEEP_BATCH_SIZE = 500
# Other targets make all open tickets be looked at: so many batches of 500 at a turn.
MAX_RECOMPUTE_BATCHES = 10

# Asked between two steps or batches; after False nothing more is begun.
ShouldContinue = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Job:
    """`name` stands in /metrics and with the doctor. `work` raises `PublishFailed` while the broker
    is away, and `PyMongoError` while the database is: its next turn does it."""

    name: str
    interval_seconds: int
    work: Callable[[ShouldContinue], object]

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.interval_seconds)


def build_jobs(services: Services, publisher: CeleryPublisher) -> tuple[Job, ...]:
    """All of them; connects to nothing."""
    work = _JobFunctions(services, publisher)
    return (
        Job("sweep", 10, work.publish_due),
        Job("waiting", 10, work.retry_due_unassigned),
        Job("handing_back", 10, work.release_tickets),
        Job("upkeep", 10, work.run_upkeep),
        Job("alarms", 10, work.take_escalation_steps),
        Job("availability", 30, lambda _: slack_status_sync.enqueue_due(services, publisher)),
        Job("digest", 30, lambda _: digest.enqueue_due(services, publisher)),
        Job("learn", 60, lambda _: services.training.run_if_due()),
    )


class _JobFunctions:
    """What some of them do, in steps."""

    def __init__(self, services: Services, publisher: CeleryPublisher) -> None:
        self._services = services
        self._db, self._clock = services.db, services.clock
        self._publisher = publisher

    def publish_due(self, should_continue: ShouldContinue) -> None:
        """Publish again what is in an outbox. Without a broker nothing counts as published."""
        now = self._clock()
        for ticket_id in pending.due_ticket_ids(self._db, now=now, limit=SWEEP_BATCH_SIZE):
            if not should_continue():
                return
            self._publisher.send(NOTIFY_TASK, str(ticket_id))
            pending.back_off(self._db, ticket_id, now=now)
        # One task is enough: it sends every email that is due.
        if email_id := self._services.emails.next_due_id():
            self._publisher.publish_email(email_id)

    def retry_due_unassigned(self, should_continue: ShouldContinue) -> None:
        """Assign the tickets that nobody was available for."""
        while pending.retry_due_unassigned(self._db, now=self._clock()) and should_continue():
            pass

    def release_tickets(self, should_continue: ShouldContinue) -> None:
        """Unassign the tickets of those who cannot work on them any more."""
        now = self._clock()
        for user_id in release.accounts_to_release(self._db, now=now):
            if not should_continue():
                return
            for ticket_id in release.release_tickets(self._db, user_id, now=now):
                self._publisher.send(NOTIFY_TASK, str(ticket_id))

    def run_upkeep(self, should_continue: ShouldContinue) -> None:
        """Put right what the predecessor and other targets have left behind."""
        now = self._clock()
        legacy_reconcile.sync_legacy_tickets(self._db, now=now)
        for _ in range(MAX_RECOMPUTE_BATCHES):
            if not should_continue():
                return
            if recompute.recompute_stale(self._db, now=now) < recompute.MAX_TICKETS_PER_RUN:
                return

    def take_escalation_steps(self, should_continue: ShouldContinue) -> None:
        """Take the escalation steps that are due, and publish the reminders."""
        escalation.take_due_steps(
            self._services.escalation_steps, self._publisher, should_continue=should_continue
        )
        escalation.request_due_reminders(self._services.reminders, self._publisher)
