"""The metrics, and a meter that collects them in one process."""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class MetricKind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`buckets` are a histogram's upper bounds in seconds; the last is followed by infinity.

    Label values come from closed lists: never an id, never a text.
    """

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


# Slack waits 3 s for an answer, so the bounds are narrow up to that.
_ANSWER = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
_CALL = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_TASK = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0)

ACK_SECONDS = Metric(
    "ticket_bot_ack_seconds",
    MetricKind.HISTOGRAM,
    "From a payload's arrival to the answer that Slack gets; it waits three seconds.",
    ("process", "handler"),
    _ANSWER,
)
HANDLED_PAYLOADS = Metric(
    "ticket_bot_handled_total",
    MetricKind.COUNTER,
    "Payloads by outcome.",
    ("process", "handler", "outcome"),
)
SLACK_CALLS = Metric(
    "ticket_bot_slack_calls_total",
    MetricKind.COUNTER,
    "Calls of Slack's Web API by outcome.",
    ("process", "method", "outcome"),
)
SLACK_SECONDS = Metric(
    "ticket_bot_slack_call_seconds",
    MetricKind.HISTOGRAM,
    "How long calls of Slack's Web API take.",
    ("process", "method"),
    _CALL,
)
GEMINI_CALLS = Metric(
    "ticket_bot_gemini_calls_total",
    MetricKind.COUNTER,
    "Calls of Gemini by outcome: an answer, or why there is none.",
    ("outcome",),
)
GEMINI_SECONDS = Metric(
    "ticket_bot_gemini_call_seconds",
    MetricKind.HISTOGRAM,
    "How long calls of Gemini take.",
    (),
    _TASK,
)
TASK_RUNS = Metric(
    "ticket_bot_tasks_total",
    MetricKind.COUNTER,
    "Runs of the worker's tasks by outcome.",
    ("task", "outcome"),
)
TASK_SECONDS = Metric(
    "ticket_bot_task_seconds", MetricKind.HISTOGRAM, "How long tasks run.", ("task",), _TASK
)
EMAIL_ATTEMPTS = Metric(
    "ticket_bot_mails_total",
    MetricKind.COUNTER,
    "Emails by the outcome of an attempt to send them.",
    ("letter", "outcome"),
)
REPLY_ATTEMPTS = Metric(
    "ticket_bot_replies_total",
    MetricKind.COUNTER,
    "Replies to events by the outcome of an attempt to send them; dropped: too old.",
    ("reply", "outcome"),
)
FAILED_DELIVERIES = Metric(
    "ticket_bot_failed_deliveries_total",
    MetricKind.COUNTER,
    "Messages about tickets that Slack refuses for good, or that an operator's correction would "
    "have let through and that are given up after 14 days.",
    ("message", "reason"),
)
JOB_RUNS = Metric(
    "ticket_bot_job_runs_total",
    MetricKind.COUNTER,
    "Runs of the jobs by outcome.",
    ("job", "outcome"),
)
JOB_LAST_RUN = Metric(
    "ticket_bot_job_last_run_timestamp_seconds",
    MetricKind.GAUGE,
    "When a job last ended, successfully or not.",
    ("job",),
)
JOB_LAST_SECONDS = Metric(
    "ticket_bot_job_last_duration_seconds",
    MetricKind.GAUGE,
    "How long a job's last run took.",
    ("job",),
)
SECURITY_EVENTS = Metric(
    "ticket_bot_security_events_total",
    MetricKind.COUNTER,
    "Sign-ins and refusals: failed sign-ins, rate limits, signatures, forms, codes, permissions.",
    ("event", "reason"),
)
ALL_METRICS = (
    ACK_SECONDS,
    HANDLED_PAYLOADS,
    SLACK_CALLS,
    SLACK_SECONDS,
    GEMINI_CALLS,
    GEMINI_SECONDS,
    TASK_RUNS,
    TASK_SECONDS,
    EMAIL_ATTEMPTS,
    REPLY_ATTEMPTS,
    FAILED_DELIVERIES,
    JOB_RUNS,
    JOB_LAST_RUN,
    JOB_LAST_SECONDS,
    SECURITY_EVENTS,
)

# Parts of a histogram; its other buckets are named by their upper bounds.
SUM, INF_BUCKET = "sum", "+Inf"


class SampleKey(NamedTuple):
    """The key of one number: of a counter or gauge (`part` ""), or of a part of a histogram."""

    metric: str
    labels: tuple[str, ...]
    part: str = ""


Samples = Mapping[SampleKey, float]


class Meter(Protocol):
    """Collects metrics. Never raises and never blocks, so that metrics cause no failure."""

    def count(self, metric: Metric, *labels: str) -> None: ...

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None: ...

    def set(self, metric: Metric, value: float, *labels: str) -> None: ...


class NoopMeter:
    """Collects nothing, for processes without metrics."""

    def count(self, metric: Metric, *labels: str) -> None:
        pass

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        pass

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        pass


NOOP_METER = NoopMeter()


class InMemoryMeter:
    """Collects in this process's memory. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: defaultdict[SampleKey, float] = defaultdict(float)
        self._values: dict[SampleKey, float] = {}

    def count(self, metric: Metric, *labels: str) -> None:
        self._add({SampleKey(metric.name, labels): 1})

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        bucket = bucket_names(metric)[bisect_left(metric.buckets, seconds)]
        self._add(
            {
                SampleKey(metric.name, labels, bucket): 1,
                SampleKey(metric.name, labels, SUM): seconds,
            },
        )

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        with self._lock:
            self._values[SampleKey(metric.name, labels)] = value

    def samples(self) -> Samples:
        with self._lock:
            return {**self._sums, **self._values}

    def _add(self, amounts: Samples) -> None:
        with self._lock:
            for key, amount in amounts.items():
                self._sums[key] += amount


def bucket_names(metric: Metric) -> tuple[str, ...]:
    return (*(str(bound) for bound in metric.buckets), INF_BUCKET)
