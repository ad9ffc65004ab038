"""Tasks published through a real Redis, and what happens without one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_client
from celery import Celery

from demo.servers import RedisServer
from tasks.queue.celery_app import (
    EMAIL_TASK,
    FRESH_QUEUE,
    HOME_TASK,
    KEY_PREFIX,
    NOTIFY_TASK,
    celery,
)
from tasks.queue.publisher import CeleryPublisher, PublishFailed
from tests.support.processes import celery_for


def headers_of(redis: RedisServer, publish: Callable[[CeleryPublisher], None]) -> dict[str, Any]:
    """The headers of the one message that is published."""
    with redis_client.Redis.from_url(redis.url) as client:
        client.flushdb()
        publish(CeleryPublisher(celery_for(redis.url)))
        (message,) = client.lrange(f"{KEY_PREFIX}{FRESH_QUEUE}", 0, -1)
        client.flushdb()
    headers: dict[str, Any] = json.loads(message)["headers"]
    return headers


def test_a_published_task_carries_the_ticket_id(redis: RedisServer) -> None:
    headers = headers_of(redis, lambda by: by.publish_ticket("6b034d3e158a02994a8b0c47"))
    assert headers["task"] == NOTIFY_TASK
    assert headers["argsrepr"] == "['6b034d3e158a02994a8b0c47']"


def test_several_tickets_share_a_message(redis: RedisServer) -> None:
    headers = headers_of(redis, lambda by: by.publish_tickets({"a": "r1", "b": None}))
    assert (headers["task"], headers["argsrepr"]) == (NOTIFY_TASK, "[['a', 'b']]")
    assert headers["request_ids"] == ["r1", None]


def test_one_ticket_is_published_as_by_earlier_releases(redis: RedisServer) -> None:
    headers = headers_of(redis, lambda by: by.publish_tickets({"a": "r1"}))
    assert (headers["argsrepr"], headers["request_id"]) == ("['a']", "r1")


def test_a_home_is_refreshed_after_a_while(redis: RedisServer) -> None:
    headers = headers_of(redis, lambda by: by.publish_home_refresh("T0TEAM:U0ANN", countdown=3))
    assert headers["task"] == HOME_TASK
    # By position it would be logged as a ticket's id.
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("()", "{'link_id': 'T0TEAM:U0ANN'}")
    assert headers["eta"]


def test_an_email_task_carries_the_email_id(redis: RedisServer) -> None:
    headers = headers_of(redis, lambda by: by.publish_email("5f2b"))
    assert headers["task"] == EMAIL_TASK
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("()", "{'letter_id': '5f2b'}")


def test_an_email_whose_task_is_lost_is_left_to_the_sweep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Away(CeleryPublisher):
        def send(self, task: str, ticket_id: str | None = None, **kwargs: Any) -> None:
            raise PublishFailed("ConnectionError")

    Away(celery).publish_email("5f2b")
    assert "email 5f2b is left to the sweep: ConnectionError" in caplog.text


def test_a_closed_port_is_no_fault_of_the_user(caplog: pytest.LogCaptureFixture) -> None:
    away = Celery("away", broker="redis://127.0.0.1:1/0")
    away.conf.broker_transport_options = celery.conf.broker_transport_options
    publisher = CeleryPublisher(away)
    publisher.publish_ticket("6b034d3e158a02994a8b0c47")
    publisher.publish_home_refresh("T0TEAM:U0ANN", countdown=3)
    assert "ticket 6b034d3e158a02994a8b0c47 is left to the sweep" in caplog.text
    assert "the home of T0TEAM:U0ANN is left to the sweep: " in caplog.text
    with pytest.raises(PublishFailed):
        publisher.send(NOTIFY_TASK, "6b034d3e158a02994a8b0c47")
