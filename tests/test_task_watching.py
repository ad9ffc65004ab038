"""What a worker says of its tasks; tests/test_metrics_story.py has a real worker."""

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError

from services import trace
from services.metrics import TASKS, Key
from tasks.metrics import RedisMeter
from tasks.notify import notify
from tasks.watching import Watch, headers


class Kept(RedisMeter):
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
    meter = Kept("redis://127.0.0.1:1/0")
    Watch(meter).killed(sender=notify, exception=error, task_id="1")
    assert meter.counts() == {Key(TASKS.name, labels): n for labels, n in counted.items()}


def test_a_message_carries_the_request_it_comes_from() -> None:
    assert headers() == {}
    with trace.working_on(request_id="r", ticket_id="t"):
        assert headers() == {"request_id": "r"}
