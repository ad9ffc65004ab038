"""A pytest plugin that makes recordings out of tests.

    python -m pytest -p tests.contract.record tests/bot/handlers/test_filing.py

It writes a file to tests/contract/recorded/ for each route, task, job and API operation that the
tests use and that has no recording. Read the file before you commit it: the first use that a test
makes is taken, and a use that is refused says less than one that changes something. RECORD=again
replaces the recordings there are, and RECORD_TO names another folder.
"""

import copy
import functools
import inspect
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.routes import ROUTES
from tasks.processes.jobs import ALL_JOBS
from tasks.queue.celery_app import celery
from tasks.queue.job_registry import JOBS, Job, JobContext
from tasks.queue.publisher import CeleryPublisher
from tasks.runtime import Runtime
from tests import conftest
from tests.contract import recordings
from tests.contract.recordings import Broker, Json, Recording
from tests.support import api_client

# A Wednesday in the far future, so that no TTL index deletes documents.
CLOCK = datetime(2035, 1, 17, 10, tzinfo=UTC)
FIXTURES = (
    "db",
    "slack",
    "clock",
    "publisher",
    "services",
    "bot_process",
    "ticket_bot",
    "runtime",
    "api",
)
FOLDER = Path(os.environ.get("RECORD_TO", recordings.FOLDER))


class _Now:
    """The running test, its recordings, and whether one is in progress."""

    item: pytest.Item | None = None
    made: list[Recording] = []  # noqa: RUF012  one process runs one test at a time
    sent: list[Json] = []  # noqa: RUF012
    busy = False


def pytest_configure() -> None:
    conftest.Bot.send = _recording_bot(conftest.Bot.send)  # type: ignore[method-assign]
    api_client.Api.call = _recording_api(api_client.Api.call)  # type: ignore[method-assign]
    _fix_clock()
    for name, method in inspect.getmembers(conftest.RecordingPublisher, inspect.isfunction):
        if name in vars(conftest.RecordingPublisher) and name not in ("__init__", "waiting_tasks"):
            setattr(conftest.RecordingPublisher, name, _noting(name, method))
    for task in list(celery.tasks.values()):
        if task.name.startswith("tasks."):
            module = sys.modules[task.run.__module__]
            module.run = _recording_task(task, module.run)  # type: ignore[attr-defined]
    for job in tuple(ALL_JOBS):
        JOBS[job.name] = replace(job, run=_recording_job(job))


def _fix_clock() -> None:
    def start(clock: Any) -> None:
        clock.now = CLOCK

    conftest.FixedClock.__init__ = start  # type: ignore[assignment, method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if slack := item.funcargs.get("slack"):  # type: ignore[attr-defined]
        slack.workspace._started = int(CLOCK.timestamp())
    _Now.item, _Now.made, _Now.sent = item, [], []
    try:
        yield
    finally:
        _Now.item = None
    for recording in _Now.made:
        _keep(recording)


def _keep(recording: Recording) -> None:
    path = FOLDER / f"{recording.filename}.json"
    if os.environ.get("RECORD") == "again" or not path.exists():
        recording.save(path)


def _fixture(name: str) -> Any:
    """Return the test's fixture if it is defined in tests/conftest.py."""
    item: Any = _Now.item
    found = item._fixtureinfo.name2fixturedefs.get(name, ()) if item else ()
    is_ours = found and found[-1].func.__module__ == conftest.__name__
    return item.funcargs.get(name) if is_ours else None


def _record(kind: str, name: str, payload: Any, act: Callable[[], Any], told: Any) -> Any:
    """Run `act` and record the state before it and the outcome."""
    db, slack, clock = (_fixture(name) for name in ("db", "slack", "clock"))
    is_alone = threading.current_thread() is threading.main_thread() and not _Now.busy
    if db is None or slack is None or clock is None or slack._faults or not is_alone:
        return act()
    before, payload = recordings.documents(db), copy.deepcopy(payload)
    workspace = recordings.workspace_of(slack)
    given = {"documents": recordings.with_fixed_times(before, clock.now), "workspace": workspace}
    at, calls, sent = clock.now, len(slack.calls), len(_Now.sent)
    _Now.busy = True
    try:
        result = act()
    finally:
        _Now.busy = False
    happened = recordings.outcome(
        answer=told(result),
        before=before,
        after=recordings.documents(db),
        calls=slack.calls[calls:],
        sent=_Now.sent[sent:],
    )
    given["workspace"] = _needed(workspace, happened)
    outcome = recordings.normalised(happened, given=[given, payload])
    _Now.made.append(Recording(kind, name, at, given, payload, outcome))
    return result


def _needed(workspace: Json, happened: Json) -> Json:
    """Remove views without references; a payload includes its own."""
    text = recordings.as_text(happened["calls"])
    homes = set(workspace["homes"].values())
    views = {key: view for key, view in workspace["views"].items() if key in homes or key in text}
    held = {**workspace, "views": views}
    return {key: value for key, value in held.items() if value or key == "reactions"}


def _recording_bot(send: Callable[..., Any]) -> Callable[..., Any]:
    words = [str(route.id) for route in ROUTES if route.kind == "subcommand" and route.id]

    @functools.wraps(send)
    def sending(bot: Any, body: Json) -> Any:
        if bot is not _fixture("ticket_bot") or _fixture("bot_process") is None:
            return send(bot, body)
        if _fixture("publisher") is None:
            return send(bot, body)
        name = recordings.routes_of(body, words)[-1]
        return _record("slack", name, body, lambda: send(bot, body), answer_of)

    return sending


def answer_of(response: Any) -> Json:
    """Return Bolt's answer in the form of a recording."""
    return {"status": response.status, "body": _read(response.body)}


def _read(text: str) -> Any:
    try:
        return json.loads(text) if text else ""
    except ValueError:
        return text


def _recording_api(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def calling(api: Any, method: str, path: str, *, by: Any = None, **sent: Any) -> Any:
        def act() -> Any:
            return call(api, method, path, by=by, **sent)

        plain = set(sent) <= {"json", "headers"} and (by is None or not isinstance(by, bytes))
        if api is not _fixture("api") or not plain:
            return act()
        token = None if by is None else api.token(by)
        try:
            body = json.loads(json.dumps(sent))
        except (TypeError, ValueError):
            return act()
        payload = {"method": method, "path": path, "token": token, **body}
        return _record("api", operation_of(method, path), payload, act, http_answer)

    return calling


def operation_of(method: str, path: str) -> str:
    """Return the operation's method and path as in the OpenAPI document."""
    place = path.partition("?")[0]
    return f"{method} {api_client.path_template(place)}"


def http_answer(response: Any) -> Json:
    return {"status": response.status_code, "body": response.json()}


def _noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a publisher's method to record the message it sends."""

    @functools.wraps(method)
    def publishing(publisher: Any, *args: Any, **kwargs: Any) -> Any:
        broker: Any = Broker()
        getattr(CeleryPublisher(broker), name)(*args, **kwargs)
        _Now.sent.extend(broker.sent)
        return method(publisher, *args, **kwargs)

    return publishing


def _recording_task(task: Any, run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def running(runtime: Runtime, *values: Any) -> Any:
        def act() -> Any:
            return run(runtime, *values)

        is_plain = runtime.email is None and runtime.analyst is None
        mine = runtime.db is _fixture("db") and runtime.publisher is _fixture("publisher")
        if not (is_plain and mine):
            return act()
        payload = recordings.message_to(task, *values)
        payload["triage_channel"] = runtime.triage_channel
        return _record("task", task.name, payload, act, lambda _: None)

    return running


def _recording_job(job: Job) -> Callable[[JobContext], Any]:
    def run(context: JobContext) -> Any:
        def act() -> Any:
            return job.run(context)

        services, publisher = context.services, context.publisher
        if services is not _fixture("services") or publisher is not _fixture("publisher"):
            return act()
        payload = {"job": job.name, "has_triage": services.has_triage}
        return _record("job", job.name, payload, act, lambda _: None)

    return run
