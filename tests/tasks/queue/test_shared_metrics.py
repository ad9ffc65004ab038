"""Counts in Redis: from several processes, without Redis, and with one that never answers."""

import multiprocessing
import socket
import threading
from collections.abc import Iterator

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from demo.servers import RedisServer
from services.analysis.model_exchange import Analysis, AnalysisFailed, FailureReason
from services.core.metrics import (
    GEMINI_CALLS,
    JOB_LAST_RUN,
    TASK_RUNS,
    TASK_SECONDS,
    InMemoryMeter,
    SampleKey,
)
from services.core.redis_client import connect_redis
from services.models.ticket import AnalysisSource
from tasks.queue.shared_metrics import METRICS_KEY, MeasuredAnalyst, RedisMeter, SharedCounts
from tests.support.processes import eventually

DONE = SampleKey("ticket_bot_tasks_total", ("tasks.notify", "ok"))


@pytest.fixture
def url(redis: RedisServer) -> Iterator[str]:
    with connect_redis(redis.url) as client:
        client.delete(METRICS_KEY)
        yield redis.url
        client.delete(METRICS_KEY)


@pytest.fixture
def silent() -> Iterator[str]:
    """A Redis that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_counts_arrive_by_themselves(url: str) -> None:
    meter, shared = RedisMeter(url), SharedCounts(url)
    for _ in range(3):
        meter.count(TASK_RUNS, "tasks.notify", "ok")
    meter.observe(TASK_SECONDS, 0.3, "tasks.notify")
    meter.set(JOB_LAST_RUN, 12.5, "sweep")
    expected = {
        DONE: 3,
        SampleKey("ticket_bot_task_seconds", ("tasks.notify",), "0.5"): 1,
        SampleKey("ticket_bot_task_seconds", ("tasks.notify",), "sum"): 0.3,
        SampleKey("ticket_bot_job_last_run_timestamp_seconds", ("sweep",)): 12.5,
    }
    eventually(lambda: shared() == expected, what="the counts are in Redis")


def test_a_field_that_is_no_count_is_skipped(url: str) -> None:
    RedisMeter(url).count(TASK_RUNS, "tasks.notify", "ok")
    with connect_redis(url) as client:
        eventually(lambda: client.hlen(METRICS_KEY) == 1, what="the count is in Redis")
        client.hset(METRICS_KEY, mapping={"x": 1, "[1]": 1, "1": 1, '["a",["b"],""]': "x"})
    assert SharedCounts(url)() == {DONE: 1}


def test_the_counts_of_several_meters_add_up(url: str) -> None:
    for _ in range(2):
        meter = RedisMeter(url)
        meter.count(TASK_RUNS, "tasks.notify", "ok")
        meter.flush()
        meter.flush()  # nothing is counted twice
    assert (SharedCounts(url)() or {})[DONE] == 2


def _count_and_leave(meter: RedisMeter) -> None:
    meter.count(TASK_RUNS, "tasks.notify", "ok")
    meter.flush()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_counts_for_itself(url: str) -> None:
    """As in Celery's worker: created before the fork, used before and after it."""
    meter = RedisMeter(url)
    meter.flush()
    with meter._lock:  # a fork may happen at any point
        meter._sums[DONE] += 1
        children = [
            multiprocessing.get_context("fork").Process(target=_count_and_leave, args=(meter,))
            for _ in range(2)
        ]
        for child in children:
            child.start()
    for child in children:
        child.join(timeout=30)
        assert child.exitcode == 0
    meter.flush()
    assert (SharedCounts(url)() or {})[DONE] == 3


def test_without_redis_counts_are_lost_and_nothing_else() -> None:
    away = "redis://127.0.0.1:1/0"
    meter = RedisMeter(away)
    meter.count(TASK_RUNS, "tasks.notify", "ok")
    meter.flush()
    assert meter.samples() == {}
    assert SharedCounts(away)() is None


def test_counting_does_not_wait_for_a_silent_redis(silent: str) -> None:
    meter = RedisMeter(silent)
    flushing = threading.Thread(target=meter.flush)
    for _ in range(10_000):  # half a second each, if each was sent immediately
        meter.count(TASK_RUNS, "tasks.notify", "ok")
    flushing.start()
    for _ in range(10_000):
        meter.count(TASK_RUNS, "tasks.notify", "ok")
    flushing.join(timeout=10)
    assert not flushing.is_alive()
    assert SharedCounts(silent)() is None


def test_a_redis_that_comes_back_is_used_again(url: str) -> None:
    with RedisServer() as own:
        meter, shared = RedisMeter(own.url), SharedCounts(own.url)
        meter.count(TASK_RUNS, "tasks.notify", "ok")
        meter.flush()
        assert shared() == {DONE: 1}
        own.stop()
        meter.count(TASK_RUNS, "tasks.notify", "ok")
        meter.flush()
        assert shared() is None
        own.start()
        meter.count(TASK_RUNS, "tasks.notify", "ok")
        meter.flush()
        assert (shared() or {})[DONE] in (1, 2)  # whatever Redis kept of the first


class Reader:
    def __init__(self, error: BaseException | None = None) -> None:
        self._error = error

    def analyse(self, **_: object) -> Analysis:
        if self._error:
            raise self._error
        return Analysis(None, None, (), None, None, source=AnalysisSource.GEMINI)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "answer"),
        (AnalysisFailed(FailureReason.QUOTA), "quota"),
        (AnalysisFailed(FailureReason.OFF_SCHEMA), "off_schema"),
        (SoftTimeLimitExceeded(), "timeout"),
        (RuntimeError(), "fault"),
    ],
)
def test_geminis_answers_and_failures_are_counted(
    error: BaseException | None, outcome: str
) -> None:
    meter = InMemoryMeter()
    analyst = MeasuredAnalyst(Reader(error), meter)
    if error:
        with pytest.raises(type(error)):
            analyst.analyse(title="t", description="d", skills=())
    else:
        analyst.analyse(title="t", description="d", skills=())
    counts = meter.samples()
    assert counts[SampleKey(GEMINI_CALLS.name, (outcome,))] == 1
    assert len(counts) == 3  # with the one call's bucket and seconds
