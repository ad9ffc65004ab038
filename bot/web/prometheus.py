"""`/metrics` for Prometheus: the counts of this process, those shared in Redis, and of tickets.

With METRICS_TOKEN it requires that token; without, only callers on this machine are allowed.
"""

import hmac
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from flask import Blueprint, Request, Response, request
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bot.web.client_ip import bearer_token, client_address
from bot.web.http_errors import problem_response
from services.core import metrics as core_metrics
from services.core import security_events
from services.core.metrics import MetricKind, SampleKey, Samples
from services.core.security_events import SecurityEvent
from services.core.settings import Network
from services.ops.ticket_counts import TicketCounts


def metrics_blueprint(
    render: Callable[[], tuple[bytes, str]], *, token: str, trusted_proxies: Sequence[Network]
) -> Blueprint:
    """`render` returns the text and its content type. `token` "": only this machine may read."""
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    def show() -> Response:
        # compare_digest accepts only ASCII strings, but any bytes.
        if token and not hmac.compare_digest(bearer_token(request).encode(), token.encode()):
            security_events.record(SecurityEvent.TOKEN_REFUSED, reason="metrics")
            answer = problem_response(401, "unauthorized", "Send METRICS_TOKEN as a bearer token.")
            answer.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
            return answer
        if not token and not _is_local(request, trusted_proxies):
            security_events.record(SecurityEvent.TOKEN_REFUSED, reason="metrics")
            return problem_response(
                403, "forbidden", "Only this machine may read this, unless METRICS_TOKEN is set."
            )
        body, content_type = render()
        return Response(body, content_type=content_type)

    return blueprint


class MetricsPage(Collector):
    """The page, rendered for each request. `shared` and `tickets` return None if their server does
    not answer in time, and must return soon: the scraper waits for them."""

    def __init__(
        self,
        *,
        own: Callable[[], Samples],
        shared: Callable[[], Samples | None],
        tickets: Callable[[], TicketCounts | None],
        is_mongodb_up: Callable[[], bool],
        is_writable: Callable[[], bool],
    ) -> None:
        self._own = own
        self._shared = shared
        self._tickets = tickets
        self._is_mongodb_up = is_mongodb_up
        self._is_writable = is_writable
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._registry.register(self)

    def __call__(self) -> tuple[bytes, str]:
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def describe(self) -> Iterable[Metric]:
        return ()  # otherwise registering would collect, and connect

    def collect(self) -> Iterator[Metric]:
        shared, tickets = self._shared(), self._tickets()
        yield _gauge("ticket_bot_redis_up", "Whether Redis answers.", shared is not None)
        # Counting may take too long while MongoDB is slow.
        is_up = tickets is not None or self._is_mongodb_up()
        yield _gauge("ticket_bot_mongodb_up", "Whether MongoDB answers.", is_up)
        yield _gauge(
            "ticket_bot_mongodb_writable",
            "Whether MongoDB stored the last test write, at most ten seconds ago.",
            self._is_writable(),
        )
        yield from metric_families({**(shared or {}), **self._own()})
        if tickets:
            yield from _ticket_families(tickets)


def metric_families(counts: Samples) -> Iterator[Metric]:
    """Yield the metrics that have counts; names and buckets of other releases are ignored."""
    by_metric: defaultdict[str, dict[SampleKey, float]] = defaultdict(dict)
    for key, value in counts.items():
        by_metric[key.metric][key] = value
    for metric in core_metrics.ALL_METRICS:
        if metric_counts := by_metric.get(metric.name):
            yield _metric_family(metric, metric_counts)


def _is_local(http_request: Request, trusted_proxies: Sequence[Network]) -> bool:
    client = client_address(http_request, trusted_proxies)
    return client is not None and client.is_loopback


def _metric_family(metric: core_metrics.Metric, counts: Samples) -> Metric:
    label_sets = {key.labels: None for key in counts if len(key.labels) == len(metric.labels)}
    if metric.kind is MetricKind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels in label_sets:
            names = core_metrics.bucket_names(metric)
            parts = [counts.get(SampleKey(metric.name, labels, name), 0) for name in names]
            total = counts.get(SampleKey(metric.name, labels, core_metrics.SUM), 0)
            buckets = list(zip(names, accumulate(parts), strict=True))
            histogram.add_metric(labels, buckets, sum_value=total)
        return histogram
    family_class = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = family_class(metric.name, metric.help, labels=metric.labels)
    for labels in label_sets:
        family.add_metric(labels, counts[SampleKey(metric.name, labels)])
    return family


def _ticket_families(tickets: TicketCounts) -> Iterator[Metric]:
    by_status = GaugeMetricFamily(
        "ticket_bot_tickets", "Tickets by status, counted once a minute.", labels=["status"]
    )
    for status, number in tickets.by_status.items():
        by_status.add_metric([status], number)
    yield by_status
    yield _gauge(
        "ticket_bot_outbox_tickets",
        "Tickets with changes that people are still to be notified of.",
        tickets.outbox,
    )
    yield _gauge(
        "ticket_bot_outbox_oldest_due_seconds",
        "For how long the ticket longest overdue has waited for the sweep; 0: none is overdue.",
        tickets.oldest_due_seconds,
    )
    yield _gauge(
        "ticket_bot_outbox_most_attempts",
        "The highest number of attempts to deliver the changes of one ticket.",
        tickets.most_attempts,
    )
    failing = GaugeMetricFamily(
        "ticket_bot_set_aside",
        "What is due by the clock and has failed, so that it is tried again later.",
        labels=["what"],
    )
    for what, number in tickets.failing.items():
        failing.add_metric([what], number)
    yield failing
    leader = GaugeMetricFamily(
        "ticket_bot_jobs_leader", "The process that runs the jobs.", labels=["holder"]
    )
    if tickets.leader:
        leader.add_metric([tickets.leader], 1)
    yield leader


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
