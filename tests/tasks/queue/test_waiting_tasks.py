"""Reading the tasks that wait in a real Redis."""

import pytest
from redis.exceptions import ResponseError

from demo.servers import RedisServer
from services.core.redis_client import connect_redis
from tasks.queue.celery_app import (
    ASSIGN_TASK,
    BACKLOG_QUEUE,
    DIGEST_TASK,
    EMAIL_TASK,
    FRESH_QUEUE,
    KEY_PREFIX,
    NOTIFY_TASK,
    REMINDER_TASK,
)
from tasks.queue.publisher import CeleryPublisher, PublishFailed
from tasks.queue.waiting_tasks import read_waiting
from tests.support.processes import celery_for

ONE, OTHER = "65f0c0ffee65f0c0ffee0001", "65f0c0ffee65f0c0ffee0002"


def test_tasks_of_both_queues_wait(redis: RedisServer) -> None:
    celery = celery_for(redis.url)
    publisher = CeleryPublisher(celery)
    publisher.send(ASSIGN_TASK, ONE)
    publisher.send(DIGEST_TASK, queue=BACKLOG_QUEUE)
    publisher.send(REMINDER_TASK, to="someone")
    waiting = publisher.waiting_tasks()
    assert waiting.has_ticket(ONE)
    assert not waiting.has_ticket(OTHER)
    assert waiting.has(DIGEST_TASK)
    assert waiting.has(REMINDER_TASK, "someone")
    assert not waiting.has(REMINDER_TASK, "another")
    assert not waiting.has(EMAIL_TASK)


def test_each_ticket_of_a_message_waits(redis: RedisServer) -> None:
    publisher = CeleryPublisher(celery_for(redis.url))
    publisher.publish_tickets({ONE: "r1", OTHER: None})
    waiting = publisher.waiting_tasks()
    assert waiting.has_ticket(ONE)
    assert waiting.has_ticket(OTHER)


def test_what_is_no_task_does_not_wait(redis: RedisServer) -> None:
    publisher = CeleryPublisher(celery_for(redis.url))
    with connect_redis(redis.url) as client:
        for message in ("{", "[]", "1", '{"body": "?"}', '{"body": "W10=", "headers": {}}'):
            client.lpush(f"{KEY_PREFIX}{FRESH_QUEUE}", message)
    publisher.send(NOTIFY_TASK, ONE)
    assert publisher.waiting_tasks().tasks == {(NOTIFY_TASK, ""), (NOTIFY_TASK, ONE)}


def test_of_long_queues_everything_counts_as_waiting(redis: RedisServer) -> None:
    celery = celery_for(redis.url)
    for _ in range(3):
        CeleryPublisher(celery).send(NOTIFY_TASK, ONE)
    assert not read_waiting(celery, limit=4, slice_size=2).has_ticket(OTHER)
    assert read_waiting(celery, limit=2, slice_size=2).has_ticket(OTHER)


def test_a_queue_that_cannot_be_read_is_a_failure_to_publish(redis: RedisServer) -> None:
    celery = celery_for(redis.url)
    with connect_redis(redis.url) as client:
        client.set(f"{KEY_PREFIX}{FRESH_QUEUE}", "x")
    with pytest.raises(PublishFailed):
        CeleryPublisher(celery).waiting_tasks()
    with pytest.raises(ResponseError):
        read_waiting(celery)
