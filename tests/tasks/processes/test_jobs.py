"""What the sweep publishes, into which queue, and what it leaves because it waits already."""

from unittest.mock import Mock

import pytest

from demo.servers import RedisServer
from services.core.database import Mongo
from services.core.redis_client import connect_redis
from services.models.ticket import Ticket
from services.models.user import User
from services.outbox.emails import EmailKind
from services.outbox.pending import SWEEP_GRACE_PERIOD
from services.registry.services import Services
from services.tickets.filing import TicketService
from tasks import slack_status_sync
from tasks.escalation import request_due_reminders
from tasks.notifications import digest
from tasks.processes.jobs import publish_due
from tasks.queue.celery_app import (
    ASSIGN_TASK,
    BACKLOG_QUEUE,
    DIGEST_TASK,
    EMAIL_TASK,
    FRESH_QUEUE,
    KEY_PREFIX,
    NOTIFY_TASK,
    QUEUES,
    REMINDER_TASK,
    STATUS_SYNC_TASK,
)
from tasks.queue.job_registry import JOBS, JobContext, JobFunction
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.waiting_tasks import WaitingTasks
from tasks.runtime import Runtime
from tests.conftest import FixedClock, RecordingPublisher, file_ticket, work
from tests.support.processes import celery_for
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def context(services: Services, publisher: RecordingPublisher) -> JobContext:
    return JobContext(services, publisher, lambda: True)


@pytest.fixture
def late(tickets: TicketService, requester: User, clock: FixedClock) -> Ticket:
    """A ticket whose hint was lost."""
    ticket = file_ticket(tickets, requester)
    clock.advance(seconds=SWEEP_GRACE_PERIOD.total_seconds())
    return ticket


def messages_in(redis: RedisServer) -> int:
    with connect_redis(redis.url) as client:
        return sum(client.llen(f"{KEY_PREFIX}{queue}") for queue in QUEUES)


def test_a_sweep_adds_no_copy_and_repeats_what_redis_lost(
    services: Services,
    redis: RedisServer,
    tickets: TicketService,
    requester: User,
    clock: FixedClock,
) -> None:
    context = JobContext(services, CeleryPublisher(celery_for(redis.url)), lambda: True)
    for _ in range(3):
        file_ticket(tickets, requester)
    for _ in range(6):
        clock.advance(minutes=15)
        publish_due(context)
        assert messages_in(redis) == 3
    with connect_redis(redis.url) as client:
        client.flushdb()
    clock.advance(seconds=10)
    publish_due(context)
    assert messages_in(redis) == 3


@pytest.mark.parametrize(("priority", "queue"), [("high", BACKLOG_QUEUE), ("urgent", FRESH_QUEUE)])
def test_an_urgent_ticket_overtakes_the_backlog(
    context: JobContext,
    publisher: RecordingPublisher,
    late: Ticket,
    db: Mongo,
    priority: str,
    queue: str,
) -> None:
    db.tickets.update_one({"_id": late.id}, {"$set": {"priority": priority}})
    publish_due(context)
    assert (publisher.asked, publisher.queues) == ([(NOTIFY_TASK, str(late.id))], [queue])


@pytest.mark.parametrize("task", [NOTIFY_TASK, ASSIGN_TASK])
def test_a_ticket_about_which_a_task_waits_is_not_published(
    context: JobContext, publisher: RecordingPublisher, late: Ticket, task: str
) -> None:
    publisher.waiting = WaitingTasks(frozenset({(task, str(late.id))}))
    publish_due(context)
    assert publisher.asked == []


def test_only_a_worker_counts_an_attempt(
    context: JobContext,
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    late: Ticket,
    db: Mongo,
    clock: FixedClock,
) -> None:
    publish_due(context)
    publish_due(context)
    assert (db.tickets.find_one({"_id": late.id}) or {})["attempts"] == 0
    publisher.asked.clear()
    slack.fail("chat.postMessage", status=500, times=99)
    work(runtime, publisher, late)
    publish_due(context)
    assert publisher.asked == []
    clock.advance(minutes=15)
    publish_due(context)
    assert publisher.asked == [(NOTIFY_TASK, str(late.id))]


def test_emails_and_reminders_that_wait_are_not_published(
    context: JobContext,
    publisher: RecordingPublisher,
    services: Services,
    requester: User,
    clock: FixedClock,
) -> None:
    services.emails.queue(EmailKind.WELCOME, user_id=requester.id, key="welcome")
    clock.advance(minutes=1)
    publisher.waiting = WaitingTasks(frozenset({(EMAIL_TASK, "")}))
    publish_due(context)
    assert publisher.asked == []
    publisher.waiting = WaitingTasks()
    publish_due(context)
    assert [task for task, _ in publisher.asked] == [EMAIL_TASK]


def test_a_reminder_that_waits_is_not_published(publisher: RecordingPublisher) -> None:
    class Due:
        def due_recipients(self) -> list[str]:
            return ["one", "other"]

    publisher.waiting = WaitingTasks(frozenset({(REMINDER_TASK, "one")}))
    request_due_reminders(Due(), publisher)  # type: ignore[arg-type]  # all that it calls
    assert publisher.asked == [(REMINDER_TASK, "other")]


@pytest.mark.parametrize(
    ("publish", "task"),
    [(digest.enqueue_due, DIGEST_TASK), (slack_status_sync.enqueue_due, STATUS_SYNC_TASK)],
)
def test_a_round_that_waits_is_not_published(
    publisher: RecordingPublisher, publish: JobFunction, task: str
) -> None:
    due = Mock(has_due=lambda: True)
    context = JobContext(
        Mock(digests=due, status_sync=due, handover_offers=due), publisher, lambda: True
    )
    publisher.waiting = WaitingTasks(frozenset({(task, "")}))
    publish(context)
    assert publisher.asked == []
    publisher.waiting = WaitingTasks()
    publish(context)
    assert publisher.asked == [(task, "")]


def test_the_words_of_a_ticket_without_them_are_added(
    db: Mongo, context: JobContext, late: Ticket
) -> None:
    db.tickets.update_one({"_id": late.id}, {"$unset": {"search": ""}})

    JOBS["search"].run(context)

    assert (db.tickets.find_one() or {})["search"]["public"][:2] == ["the", "printer"]
