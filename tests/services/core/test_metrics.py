"""The in-memory meter and the metrics page."""

import re
import threading

from prometheus_client.parser import text_string_to_metric_families

from bot.web.prometheus import MetricsPage
from services.core.metrics import (
    ACK_SECONDS,
    ALL_METRICS,
    GEMINI_CALLS,
    JOB_LAST_RUN,
    TASK_RUNS,
    TASK_SECONDS,
    InMemoryMeter,
    MetricKind,
    SampleKey,
    Samples,
)
from services.ops.ticket_counts import TicketCounts


def page(
    own: Samples | None = None,
    shared: Samples | None = None,
    tickets: TicketCounts | None = None,
    is_mongodb_up: bool = False,
) -> str:
    show = MetricsPage(
        own=lambda: own or {},
        shared=lambda: shared,
        tickets=lambda: tickets,
        is_mongodb_up=lambda: is_mongodb_up,
        is_writable=lambda: tickets is not None,
    )
    body, content_type = show()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    return body.decode()


def ours(text: str) -> list[str]:
    """Return the product's samples, without help texts."""
    return [line for line in text.splitlines() if line.startswith("ticket_bot_")]


def test_it_counts_from_many_threads_at_once() -> None:
    meter = InMemoryMeter()

    def count() -> None:
        for _ in range(500):
            meter.count(TASK_RUNS, "tasks.notify", "ok")
            meter.observe(TASK_SECONDS, 0.5, "tasks.notify")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.samples() == {
        SampleKey("ticket_bot_tasks_total", ("tasks.notify", "ok")): 4_000,
        SampleKey("ticket_bot_task_seconds", ("tasks.notify",), "0.5"): 4_000,
        SampleKey("ticket_bot_task_seconds", ("tasks.notify",), "sum"): 2_000,
    }


def test_a_histogram_is_cumulative_and_ends_without_bound() -> None:
    meter = InMemoryMeter()
    for seconds in (0.004, 0.01, 0.2, 2.9, 7.0):
        meter.observe(ACK_SECONDS, seconds, "bot:1", "command:/ticket")
    shown = ours(page(own=meter.samples()))
    counts = {
        found[1]: float(found[2])
        for line in shown
        if (found := re.fullmatch(r'ticket_bot_ack_seconds_bucket\{.*le="([^"]+)".*\} (.+)', line))
    }
    assert list(counts.values()) == [2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 5]
    assert [*counts][:2] == ["0.01", "0.025"]
    assert [*counts][-2:] == ["3.0", "+Inf"]
    labels = '{handler="command:/ticket",process="bot:1"}'
    assert f"ticket_bot_ack_seconds_count{labels} 5.0" in shown
    (total,) = (line for line in shown if line.startswith(f"ticket_bot_ack_seconds_sum{labels}"))
    assert round(float(total.split()[-1]), 3) == 10.114


def test_one_metric_of_two_processes_is_one_family() -> None:
    own = {SampleKey("ticket_bot_slack_calls_total", ("bot:1", "views.open", "ok")): 2.0}
    shared = {SampleKey("ticket_bot_slack_calls_total", ("worker", "team.info", "timeout")): 1.0}
    text = page(own=own, shared=shared)
    assert text.count("# TYPE ticket_bot_slack_calls_total counter") == 1
    calls = [line for line in ours(text) if line.startswith("ticket_bot_slack_calls_total{")]
    assert calls == [
        'ticket_bot_slack_calls_total{method="team.info",outcome="timeout",process="worker"} 1.0',
        'ticket_bot_slack_calls_total{method="views.open",outcome="ok",process="bot:1"} 2.0',
    ]


def test_what_another_release_left_in_redis_is_not_shown() -> None:
    text = page(
        shared={
            SampleKey("ticket_bot_forgotten_total", ()): 3.0,
            SampleKey("ticket_bot_tasks_total", ("tasks.notify", "ok", "a third label")): 3.0,
            SampleKey("ticket_bot_task_seconds", ("tasks.notify",), "0.77"): 3.0,
            SampleKey("ticket_bot_task_seconds", ("tasks.notify",), "0.5"): 1.0,
            SampleKey("ticket_bot_gemini_calls_total", ("answer",)): 4.0,
        }
    )
    assert "forgotten" not in text
    assert "third" not in text
    assert "0.77" not in text
    assert 'ticket_bot_task_seconds_count{task="tasks.notify"} 1.0' in text
    assert 'ticket_bot_gemini_calls_total{outcome="answer"} 4.0' in text


def test_tickets_outbox_and_leader() -> None:
    tickets = TicketCounts(
        by_status={"TODO": 3, "COMPLETED": 40},
        outbox=2,
        oldest_due_seconds=12.5,
        most_attempts=4,
        leader="host:12:ab",
        failing={"step": 1, "digest": 0},
    )
    assert ours(page(shared={}, tickets=tickets)) == [
        "ticket_bot_redis_up 1.0",
        "ticket_bot_mongodb_up 1.0",
        "ticket_bot_mongodb_writable 1.0",
        'ticket_bot_tickets{status="TODO"} 3.0',
        'ticket_bot_tickets{status="COMPLETED"} 40.0',
        "ticket_bot_outbox_tickets 2.0",
        "ticket_bot_outbox_oldest_due_seconds 12.5",
        "ticket_bot_outbox_most_attempts 4.0",
        'ticket_bot_set_aside{what="step"} 1.0',
        'ticket_bot_set_aside{what="digest"} 0.0',
        'ticket_bot_jobs_leader{holder="host:12:ab"} 1.0',
    ]


def test_with_everything_away_it_says_so() -> None:
    text = page()
    assert ours(text) == [
        "ticket_bot_redis_up 0.0",
        "ticket_bot_mongodb_up 0.0",
        "ticket_bot_mongodb_writable 0.0",
    ]
    assert "process_cpu_seconds_total" in text  # Python's own metrics


def test_a_mongodb_too_slow_to_count_is_not_down() -> None:
    assert ours(page(is_mongodb_up=True)) == [
        "ticket_bot_redis_up 0.0",
        "ticket_bot_mongodb_up 1.0",
        "ticket_bot_mongodb_writable 0.0",
    ]


def test_a_label_can_hold_any_text() -> None:
    word = 'a "b"\\\n'
    text = page(own={SampleKey("ticket_bot_gemini_calls_total", (word,)): 1.0})
    (family,) = (
        found
        for found in text_string_to_metric_families(text)
        if found.name == "ticket_bot_gemini_calls"
    )
    assert [sample.labels for sample in family.samples] == [{"outcome": word}]


def test_names_keep_to_the_conventions() -> None:
    for metric in ALL_METRICS:
        assert metric.name.startswith("ticket_bot_")
        assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
        assert metric.name.endswith(("_total", "_seconds"))
        assert metric.help.endswith(".")
        assert bool(metric.buckets) == (metric.kind is MetricKind.HISTOGRAM)
    assert len({metric.name for metric in ALL_METRICS}) == len(ALL_METRICS)
    assert GEMINI_CALLS.labels == ("outcome",)
    assert JOB_LAST_RUN.name == "ticket_bot_job_last_run_timestamp_seconds"
