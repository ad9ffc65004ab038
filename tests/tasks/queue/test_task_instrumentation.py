"""What a worker says of its tasks; test_metrics_of_processes.py has a real worker."""

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from pymongo.errors import ServerSelectionTimeoutError

from services.core import request_context
from services.core.metrics import TASK_RUNS, SampleKey
from tasks.notifications.notify import notify
from tasks.queue.shared_metrics import RedisMeter
from tasks.queue.task_instrumentation import TaskInstrumentation, message_headers


class LocalOnlyMeter(RedisMeter):
    """Keeps its counts to itself."""

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (TimeLimitExceeded(70), {("tasks.notify", "killed"): 1}),
        (WorkerLostError("signal 9"), {("tasks.notify", "killed"): 1}),
        (ValueError("the task's own, counted where it ran"), {}),
    ],
)
def test_a_killed_task_is_counted_by_the_parent(
    error: Exception, counted: dict[tuple[str, str], float]
) -> None:
    meter = LocalOnlyMeter("redis://127.0.0.1:1/0")
    TaskInstrumentation(meter).on_failure(sender=notify, exception=error, task_id="1")
    assert meter.samples() == {
        SampleKey(TASK_RUNS.name, labels): n for labels, n in counted.items()
    }


def test_an_outage_of_the_database_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    meter = LocalOnlyMeter("redis://127.0.0.1:1/0")
    TaskInstrumentation(meter).on_failure(
        sender=notify, exception=ServerSelectionTimeoutError("a:1"), task_id="1"
    )
    assert caplog.messages == [
        "tasks.notify is left to the sweep (database: ServerSelectionTimeoutError)"
    ]
    assert caplog.records[0].exc_info is None
    # Celery would add the traceback, but of what a task is known to throw.
    assert issubclass(ServerSelectionTimeoutError, notify.throws)


def test_a_message_carries_the_request_it_comes_from() -> None:
    assert message_headers() == {}
    with request_context.bound_ids(request_id="r", ticket_id="t"):
        assert message_headers() == {"request_id": "r"}
