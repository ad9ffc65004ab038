"""The background publisher, over a publisher that is slow or fails."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from services.core import request_context
from tasks.queue.celery_app import EMAIL_TASK, NOTIFY_TASK, STATUS_SYNC_TASK
from tasks.queue.publisher import BackgroundPublisher
from tests.conftest import RecordingPublisher
from tests.support.processes import eventually


class Held(RecordingPublisher):
    """Sends nothing before `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()
        self.requests: list[str | None] = []
        self.messages: list[list[str]] = []

    def send(self, task: str, ticket_id: str | None = None, **kwargs: Any) -> None:
        self.begun.set()
        self.go.wait()
        self.requests.append(request_context.current_ids().get(request_context.REQUEST_ID))
        self.messages.append([ticket_id or ""])
        super().send(task, ticket_id, **kwargs)

    def send_tickets(self, tickets: Mapping[str, str | None]) -> None:
        self.begun.set()
        self.go.wait()
        self.requests += tickets.values()
        self.messages.append([*tickets])
        super().send_tickets(tickets)


def is_asked(publisher: RecordingPublisher, *wanted: tuple[str, str]) -> None:
    eventually(lambda: publisher.asked == list(wanted), what=f"{wanted} are asked for")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.name == "tasks.queue.publisher"]


def test_nobody_waits_for_the_publisher() -> None:
    held = Held()
    background = BackgroundPublisher(held)
    background.publish_ticket("a")
    background.publish_ticket("b")
    assert held.asked == []
    held.go.set()
    is_asked(held, (NOTIFY_TASK, "a"), (NOTIFY_TASK, "b"))
    background.stop()


def test_each_kind_is_passed_on(publisher: RecordingPublisher) -> None:
    background = BackgroundPublisher(publisher)
    background.publish_ticket("a")
    background.publish_email("b")
    background.publish_availability_check()
    background.stop()
    is_asked(publisher, (NOTIFY_TASK, "a"), (EMAIL_TASK, "b"), (STATUS_SYNC_TASK, ""))


def test_the_request_is_known_behind_it() -> None:
    held = Held()
    background = BackgroundPublisher(held)
    with request_context.bound_ids(request_id="r1"):
        background.publish_ticket("a")
    background.publish_ticket("b")
    held.go.set()
    is_asked(held, (NOTIFY_TASK, "a"), (NOTIFY_TASK, "b"))
    assert held.requests == ["r1", None]
    background.stop()


def test_under_load_up_to_eight_tickets_share_a_message() -> None:
    held = Held()
    background = BackgroundPublisher(held)
    background.publish_ticket("first")
    held.begun.wait()  # the others gather while it is sent
    for number in range(20):
        with request_context.bound_ids(request_id=f"r{number}"):
            background.publish_ticket(f"{number}")
    with request_context.bound_ids(request_id="r3"):
        background.publish_ticket("3")
    background.publish_email("e")
    background.publish_ticket("3")
    held.go.set()
    background.stop()
    assert held.messages == [
        ["first"],
        [f"{number}" for number in range(8)],
        [f"{number}" for number in range(8, 16)],
        [f"{number}" for number in range(16, 20)],
        [""],  # the email
        ["3"],
    ]
    assert held.requests == [None, *[f"r{number}" for number in range(20)], None, None]


def test_what_finds_no_room_is_left_to_the_sweep(caplog: pytest.LogCaptureFixture) -> None:
    held = Held()
    background = BackgroundPublisher(held, max_size=1)
    background.publish_ticket("a")
    held.begun.wait()  # it has left the queue
    background.publish_ticket("b")
    background.publish_ticket("c")
    assert said(caplog) == ["a task is left to the sweep: the queue is full"]
    held.go.set()
    is_asked(held, (NOTIFY_TASK, "a"), (NOTIFY_TASK, "b"))
    background.stop()


def test_a_fault_is_logged_and_the_next_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(RecordingPublisher):
        def publish_email(self, email_id: str) -> None:
            raise RuntimeError(email_id)

    faulty = Faulty()
    background = BackgroundPublisher(faulty)
    background.publish_email("a")
    background.publish_ticket("b")
    is_asked(faulty, (NOTIFY_TASK, "b"))
    assert said(caplog) == ["a task is left to the sweep"]
    background.stop()
