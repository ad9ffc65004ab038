"""Metrics that several processes share in Redis, and the metrics of Gemini's answers."""

import json
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from billiard.exceptions import SoftTimeLimitExceeded
from redis.exceptions import RedisError

from services.analysis.model_exchange import (
    Analysis,
    AnalysisFailed,
    Analyst,
    FailureReason,
    Precedent,
)
from services.core.metrics import (
    GEMINI_CALLS,
    GEMINI_SECONDS,
    InMemoryMeter,
    Meter,
    Metric,
    SampleKey,
    Samples,
)
from services.core.redis_client import connect_redis

METRICS_KEY = "ticket-bot:metrics"
# Counts within this time are sent together.
FLUSH_DELAY_SECONDS = 0.2


class RedisMeter(InMemoryMeter):
    """Counts in memory, and writes the counts to Redis in a thread: counting never blocks.

    While Redis is unreachable the counts are lost. A forked process starts without counts and with
    its own thread.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis = connect_redis(redis_url)
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        super().__init__()
        self._has_counts = threading.Event()
        self._writer: threading.Thread | None = None

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        super().set(metric, value, *labels)
        self._wake()

    def flush(self) -> None:
        """Write the counts to Redis now, within about a second. Raises nothing."""
        with self._lock:
            sums, values = dict(self._sums), dict(self._values)
            self._sums.clear()
            self._values.clear()
        if not sums and not values:
            return
        try:
            pipe = self._redis.pipeline(transaction=False)
            for key, amount in sums.items():
                pipe.hincrbyfloat(METRICS_KEY, _field(key), amount)
            if values:
                pipe.hset(
                    METRICS_KEY, mapping={_field(key): value for key, value in values.items()}
                )
            pipe.execute()
        except (RedisError, OSError):
            return  # /metrics shows that Redis is unreachable

    def _add(self, amounts: Samples) -> None:
        super()._add(amounts)
        self._wake()

    def _wake(self) -> None:
        if self._writer is None:
            with self._lock:
                if self._writer is None:
                    self._writer = threading.Thread(target=self._write, daemon=True, name="meter")
                    self._writer.start()
        self._has_counts.set()

    def _write(self) -> None:
        while self._has_counts.wait():
            time.sleep(FLUSH_DELAY_SECONDS)
            self._has_counts.clear()
            self.flush()


class SharedCounts:
    """Reads the counts of every `RedisMeter`; None if Redis does not answer in time."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect_redis(redis_url)

    def __call__(self) -> Samples | None:
        try:
            fields = self._redis.hgetall(METRICS_KEY)
        except (RedisError, OSError):
            return None
        samples = {}
        for field, value in fields.items():
            with suppress(ValueError, TypeError):  # written by another program
                samples[_key(str(field))] = float(value)
        return samples


def _field(key: SampleKey) -> str:
    return json.dumps([key.metric, key.labels, key.part], separators=(",", ":"))


def _key(field: str) -> SampleKey:
    metric, labels, part = json.loads(field)
    return SampleKey(metric, tuple(labels), part)


class MeasuredAnalyst:
    """Counts the answers and failures of an `Analyst`."""

    def __init__(self, inner: Analyst, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def analyse(
        self,
        *,
        title: str,
        description: str,
        skills: Sequence[str],
        precedents: Sequence[Precedent] = (),
    ) -> Analysis:
        outcome, began = "fault", time.monotonic()
        try:
            analysis = self._inner.analyse(
                title=title, description=description, skills=skills, precedents=precedents
            )
            outcome = "answer"
        except AnalysisFailed as error:
            outcome = error.reason.value
            raise
        except SoftTimeLimitExceeded:
            outcome = FailureReason.TIMEOUT.value
            raise
        finally:
            self._meter.count(GEMINI_CALLS, outcome)
            self._meter.observe(GEMINI_SECONDS, time.monotonic() - began)
        return analysis
