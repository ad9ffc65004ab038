"""Replays the recordings and compares the outcomes.

Buttons, forms and task messages outlive an upgrade: they lie in Slack and in Redis, and what they
are about lies in MongoDB. Each recording (tests/contract/recordings.py) holds the state before, one
payload, and what came of it; the same must come of it now.

A new route, task, job or API operation gets its recording from its own tests:

    python -m pytest -p tests.contract.record tests/bot/handlers/test_filing.py

Sentences that people read are not compared. If a screen gets another structure, RECORD=again
replaces the recordings that the named tests make. A changed field, id or value is a change of the
contract: see docs/upgrade.md.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.routes import ROUTES
from bot.web.api.operations import OPERATIONS
from services.core.database import Mongo
from tasks import runtime as process_runtime
from tasks.processes.jobs import ALL_JOBS
from tasks.queue.celery_app import celery
from tasks.queue.job_registry import JobContext
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.waiting_tasks import WaitingTasks
from tasks.runtime import Runtime
from tests.conftest import FixedClock
from tests.contract import recordings
from tests.contract.record import answer_of, http_answer
from tests.contract.recordings import Broker, Json, Recording
from tests.support.recording_slack import RecordingSlack

HOW = "python -m pytest -p tests.contract.record TESTS makes one from the tests that use it"
PATHS = recordings.paths()
# For work that the bot does after its HTTP answer.
SECONDS = 2.0


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def publisher(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> CeleryPublisher:
    """Records the messages sent to the broker."""
    application: Any = broker
    publisher = CeleryPublisher(application)
    monkeypatch.setattr(publisher, "waiting_tasks", WaitingTasks)
    return publisher


def _not_here() -> Runtime:
    raise RuntimeError("the test that had this runtime is over")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_does_what_was_recorded(
    path: Path,
    request: pytest.FixtureRequest,
    db: Mongo,
    slack: RecordingSlack,
    clock: FixedClock,
    broker: Broker,
) -> None:
    recording = Recording.load(path)
    clock.now = recording.clock
    players = {"slack": _press, "task": _work, "job": _sweep, "api": _call}
    play = players[recording.kind](request, recording)
    recordings.restore(recording, db, slack)
    calls = len(slack.calls)
    payload = dict(recording.payload)
    if "/response/" in str(payload.get("response_url")):
        payload["response_url"] = slack.response_url()
    answer = play(payload)
    expected = len(recording.outcome["published"])
    _wait_for(broker, expected if recording.kind == "api" else 0)
    happened = recordings.outcome(
        answer=answer,
        before=recording.given["documents"],
        after=recordings.documents(db),
        calls=slack.calls[calls:],
        sent=broker.sent,
    )
    given = [recording.given, recording.payload]
    outcome = recordings.normalised(happened, given=given)
    found = recordings.differences(recording.outcome, outcome)
    assert not found, "\n".join(found)


Play = Callable[[Json], Json | None]


def _press(request: pytest.FixtureRequest, _: Recording) -> Play:
    bot = request.getfixturevalue("ticket_bot")
    return lambda payload: answer_of(bot.send(payload))


def _work(request: pytest.FixtureRequest, recording: Recording) -> Play:
    channel = str(recording.payload["triage_channel"])
    runtime: Runtime = replace(request.getfixturevalue("runtime"), triage_channel=channel)

    def play(message: Json) -> None:
        process_runtime.set_runtime_builder(lambda: runtime)
        try:
            task = celery.tasks[message["task"]]
            task.apply(args=message["args"], kwargs=message["kwargs"], throw=True)
        finally:
            process_runtime.set_runtime_builder(_not_here)

    return play


def _sweep(request: pytest.FixtureRequest, recording: Recording) -> Play:
    services, publisher = map(request.getfixturevalue, ("services", "publisher"))
    services.has_triage = recording.payload["has_triage"]
    context = JobContext(services, publisher, lambda: True)
    (job,) = (job for job in ALL_JOBS if job.name == recording.name)

    def play(_: Json) -> None:
        job.run(context)

    return play


def _call(request: pytest.FixtureRequest, _: Recording) -> Play:
    api = request.getfixturevalue("api")

    def play(payload: Json) -> Json:
        sent = {name: payload[name] for name in ("json", "headers") if name in payload}
        answer = api.call(payload["method"], payload["path"], by=payload["token"], **sent)
        return http_answer(answer)

    return play


def _wait_for(broker: Broker, number: int) -> None:
    end = time.monotonic() + SECONDS
    while len(broker.sent) < number and time.monotonic() < end:
        time.sleep(0.01)


# Complete


def recorded(kind: str) -> set[str]:
    return {one.name for one in map(Recording.load, PATHS) if one.kind == kind}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("slack", {f"{route.kind} {route.id}".strip() for route in ROUTES}),
        ("task", {name for name in celery.tasks if not name.startswith("celery.")}),
        ("api", {f"{one.method} {one.path}" for one in OPERATIONS}),
        ("job", {job.name for job in ALL_JOBS}),
    ],
)
def test_each_has_a_recording(kind: str, names: set[str]) -> None:
    missing = sorted(names - recorded(kind))
    assert not missing, f"no recording of {', '.join(missing)}: {HOW}"
