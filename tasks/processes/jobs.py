"""The jobs of the outbox, of unassigned tickets and of upkeep, and the modules with the others."""

from collections.abc import Collection
from datetime import timedelta

from services.audit import audit_log
from services.models import set_aside
from services.ops import ticket_counts
from services.outbox import pending
from services.registry import index_builds
from services.registry.migrations import Migrations
from services.sla import recompute
from services.tickets import legacy, release, search_index
from tasks import channel_checks, escalation, slack_status_sync
from tasks.notifications import digest
from tasks.queue.celery_app import (
    BACKLOG_QUEUE,
    EMAIL_TASK,
    FRESH_QUEUE,
    HOME_TASK,
    NOTIFY_TASK,
    REPLY_TASK,
)
from tasks.queue.job_registry import JOBS, Job, JobContext, job

# Importing a module declares its jobs, and its Celery tasks.
MODULES = (escalation, slack_status_sync, channel_checks, digest)
ALL_JOBS: Collection[Job] = JOBS.values()

SWEEP_BATCH_SIZE = 500
# Batches of `recompute.MAX_TICKETS_PER_RUN` in one run, after new targets affect all open tickets.
MAX_RECOMPUTE_BATCHES = 10


@job("sweep", every=timedelta(seconds=10))
def publish_due(context: JobContext) -> None:
    """Publish again what is due in an outbox and does not wait in Redis."""
    db, now = context.services.db, context.services.clock()
    waiting = context.publisher.waiting_tasks()
    for ticket_id, is_urgent in pending.due_tickets(db, now=now, limit=SWEEP_BATCH_SIZE).items():
        if not context.should_continue():
            return
        if not waiting.has_ticket(str(ticket_id)):
            queue = FRESH_QUEUE if is_urgent else BACKLOG_QUEUE
            context.publisher.send(NOTIFY_TASK, str(ticket_id), queue=queue)
    # One task is enough for each of these: it sends every email, or reply, that is due.
    email_id = context.services.emails.next_due_id()
    if email_id and not waiting.has(EMAIL_TASK):
        context.publisher.publish_email(email_id)
    reply_id = context.services.replies.next_due_id()
    if reply_id and not waiting.has(REPLY_TASK):
        context.publisher.publish_reply(reply_id)
    for link_id in context.services.home_sessions.request_unconfirmed(limit=SWEEP_BATCH_SIZE):
        if not waiting.has(HOME_TASK, link_id):
            context.publisher.publish_home_refresh(link_id, countdown=0)


@job("waiting", every=timedelta(seconds=10))
def retry_due_unassigned(context: JobContext) -> None:
    """Retry the assignment of tickets that no one was available for."""
    db, clock = context.services.db, context.services.clock
    while pending.retry_due_unassigned(db, now=clock()) and context.should_continue():
        pass


@job("handing_back", every=timedelta(seconds=10))
def release_tickets(context: JobContext) -> None:
    """Unassign the tickets of users who no longer work on tickets."""
    db, now = context.services.db, context.services.clock()
    for user_id in release.accounts_to_release(db, now=now):
        if not context.should_continue():
            return
        for ticket_id in release.release_tickets(db, user_id, now=now):
            context.publisher.send(NOTIFY_TASK, str(ticket_id))


@job("closing", every=timedelta(seconds=10))
def close_accounts(context: JobContext) -> None:
    """Move or mark the tickets of accounts that their people have closed."""
    claims = context.services.address_claims
    for user_id in claims.accounts_to_close():
        if not context.should_continue():
            return
        for ticket_id in claims.continue_closing(user_id):
            context.publisher.send(NOTIFY_TASK, str(ticket_id))


@job("upkeep", every=timedelta(seconds=10))
def run_upkeep(context: JobContext) -> None:
    """Complete the audit log and delete what is too old in it, adopt changes of the legacy backend,
    and recompute the timing of tickets."""
    db, now = context.services.db, context.services.clock()
    audit_log.move_all_pending(db, before=now - audit_log.MIN_PENDING_AGE)
    audit_log.delete_expired(db, before=now - context.services.audit_retention)
    set_aside.recheck(db, now=now)
    legacy.sync_legacy_tickets(db, now=now)
    for _ in range(MAX_RECOMPUTE_BATCHES):
        if not context.should_continue():
            return
        if recompute.recompute_stale(db, now=now) < recompute.MAX_TICKETS_PER_RUN:
            return


@job("indexes", every=timedelta(hours=1))
def build_indexes(context: JobContext) -> None:
    """Build the indexes that are missing, and drop those that earlier releases needed."""
    index_builds.build_other_indexes(context.services.db, context.should_continue)


@job("migrations", every=timedelta(seconds=30))
def run_migrations(context: JobContext) -> None:
    """Bring the stored data to this release's version."""
    services = context.services
    Migrations(services.db, clock=services.clock).run(context.should_continue)


@job("counts", every=timedelta(minutes=1))
def count_tickets(context: JobContext) -> None:
    """Count the tickets by status for the metrics."""
    ticket_counts.record_status_counts(context.services.db, now=context.services.clock())


@job("search", every=timedelta(minutes=1))
def refresh_words(context: JobContext) -> None:
    """Correct the words of tickets whose texts another program has written."""
    search_index.refresh(context.services.db, limit=SWEEP_BATCH_SIZE)


@job("learn", every=timedelta(minutes=1))
def train_router(context: JobContext) -> None:
    """Train the router, if there is enough that is new."""
    context.services.training.run_if_due()
