"""Bot, worker and jobs share one scrape of metrics and one request id in their logs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from demo.process import Process
from demo.servers import RedisServer, free_port
from services.core.database import Mongo
from services.models.user import Role, User
from tasks.queue.celery_app import NOTIFY_TASK
from tests.conftest import People
from tests.support import payloads
from tests.support.aimock import AIMock
from tests.support.canary import FILED
from tests.support.processes import Product, celery_for, eventually, is_outbox_empty
from tests.support.recording_slack import TOKEN, RecordingSlack

pytest_plugins = ["tests.support.product"]

SECRET = "signing-secret-of-the-test"
CANARIES = ("canary-7e1c", "example.com", TOKEN, SECRET)
WORDS = {"title": "canary-7e1c: the VPN is down", "description": "canary-7e1c since Monday."}


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis that the test can stop."""
    with RedisServer() as server:
        yield server


class Bot:
    """A bot process over HTTP."""

    def __init__(self, product: Product) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self.process = product.start("bot", PORT=str(port), SLACK_SIGNING_SECRET=SECRET)

    def send(self, payload: dict[str, Any]) -> None:
        body, headers = payloads.signed(payload, SECRET)
        answer = requests.post(f"{self._url}/slack/events", body, headers=headers, timeout=10)
        assert answer.status_code == 200

    def scrape(self) -> dict[str, float]:
        """Return the product's samples by name and labels."""
        answer = requests.get(f"{self._url}/metrics", timeout=10)
        assert answer.status_code == 200
        return {
            f"{sample.name}{json.dumps(sample.labels, sort_keys=True)}": sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name.startswith("ticket_bot_")
        }


def sample(name: str, **labels: str) -> str:
    return f"{name}{json.dumps(labels, sort_keys=True)}"


def process_of(shown: dict[str, float]) -> str:
    """Return the label of the bot's process."""
    timed = [name for name in shown if name.startswith("ticket_bot_ack_seconds_count")]
    (process,) = {json.loads(name[name.index("{") :])["process"] for name in timed}
    assert process.startswith("bot:")
    return str(process)


def lines(process: Process) -> list[dict[str, Any]]:
    """Return the lines of the log, each a JSON object.

    Celery prints its shutdown message to standard output, which is the same file here.
    """
    written = process.log.read_text().replace("\nworker: Warm shutdown (MainProcess)\n", "")
    return [json.loads(line) for line in written.splitlines()]


def file(bot: Bot, slack: RecordingSlack, person: User) -> None:
    user = People.slack_id(person)
    bot.send(payloads.slash_command(user=user))
    bot.send(payloads.view_submission(slack.last_view(), WORDS, user=user))


def test_counts_of_all_processes_in_one_scrape_and_one_id_in_their_logs(
    product: Product, redis: RedisServer, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    employee = people.add()
    people.add(Role.MODERATOR, "VPN")
    slack.fail("chat.postMessage", status=429, retry_after=1)
    with AIMock() as gemini:
        gemini.answer(skills=["VPN"], summary="No tunnel.", priority="high", notes="Look.")
        jobs = product.start("jobs")
        worker = product.start("worker", GEMINI_API_KEY="key", GEMINI_API_URL=gemini.url)
        bot = Bot(product)
        file(bot, slack, employee)
        eventually(lambda: is_outbox_empty(db), what="everybody was told")
    celery = celery_for(redis.url)
    celery.send_task(NOTIFY_TASK, args=["jo@example.com", "one too many"])
    celery.send_task("tasks.unheard_of", args=["jo@example.com"])
    failed = sample("ticket_bot_tasks_total", task=NOTIFY_TASK, outcome="failed")
    eventually(lambda: bot.scrape().get(failed) == 1, what="the failed task is counted")
    swept = sample("ticket_bot_job_runs_total", job="sweep", outcome="ok")
    eventually(lambda: bot.scrape().get(swept, 0) >= 1, what="a sweep is counted")
    eventually(lambda: "unheard_of" in worker.output(), what="the worker has refused a task")

    shown = bot.scrape()
    me = process_of(shown)
    calls = "ticket_bot_slack_calls_total"
    assert shown[sample("ticket_bot_redis_up")] == 1
    assert shown[sample("ticket_bot_mongodb_up")] == 1
    assert shown[sample(calls, process=me, method="views.open", outcome="ok")] == 1
    posted = {"process": "worker", "method": "chat.postMessage"}
    assert shown[sample(calls, **posted, outcome="ratelimited")] == 1
    assert shown[sample(calls, **posted, outcome="ok")] >= 2
    assert shown[sample("ticket_bot_gemini_calls_total", outcome="answer")] == 1
    assert shown[sample("ticket_bot_gemini_call_seconds_count")] == 1
    assert shown[sample("ticket_bot_tasks_total", task=NOTIFY_TASK, outcome="retried")] == 1
    assert shown[sample("ticket_bot_tasks_total", task=NOTIFY_TASK, outcome="ok")] >= 1
    assert shown[sample("ticket_bot_task_seconds_count", task=NOTIFY_TASK)] >= 1
    handled = {"process": me, "handler": "view:file_ticket"}
    assert shown[sample("ticket_bot_handled_total", **handled, outcome="ok")] == 1
    assert shown[sample("ticket_bot_ack_seconds_count", **handled)] == 1
    assert shown[sample("ticket_bot_job_last_run_timestamp_seconds", job="sweep")] > 1_700_000_000
    assert sum("ticket_bot_tickets" in name for name in shown) == 5
    assert any(name.startswith("ticket_bot_jobs_leader") for name in shown)

    ticket = str((db.tickets.find_one(FILED) or {})["_id"])
    (request,) = {
        line["request_id"] for line in lines(bot.process) if line.get("ticket_id") == ticket
    }
    of_worker = [line for line in lines(worker) if line.get("request_id") == request]
    assert {line["ticket_id"] for line in of_worker} == {ticket}
    messages = [line["message"] for line in of_worker]
    assert any(message.startswith("tasks.notify retried after") for message in messages)
    assert any(message.startswith("tasks.notify ok after") for message in messages)
    (fault,) = (line for line in lines(worker) if "TypeError" in line.get("traceback", ""))
    assert (fault["logger"], fault["ticket_id"]) == ("celery.app.trace", "[email]")
    assert lines(jobs)[-1]["logger"].startswith(("tasks.", "services.", "app"))

    redis.stop()
    alone = bot.scrape()
    assert alone[sample("ticket_bot_redis_up")] == 0
    assert alone[sample("ticket_bot_mongodb_up")] == 1
    assert alone[sample("ticket_bot_ack_seconds_count", **handled)] == 1
    assert not any("ticket_bot_tasks" in name for name in alone)
    assert all(process.stop(grace=10) for process in product.processes)
    logs = product.logs()
    assert [canary for canary in CANARIES if canary in logs] == []
    for process in product.processes:
        lines(process)
