"""Middleware around every payload: request id, acknowledgement latency, outcome metric."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from slack_bolt import Ack, App, BoltRequest, BoltResponse

from bot.slack.error_responses import error_kind
from services.core import request_context
from services.core.metrics import ACK_SECONDS, HANDLED_PAYLOADS, NOOP_METER, Meter

logger = logging.getLogger(__name__)

# How long Slack, and so Bolt, waits for an acknowledgement.
ACK_TIMEOUT_SECONDS = 3.0


@dataclass(slots=True)
class PayloadContext:
    """One payload. `handler` is the innermost route that handles it, "none" before there is one.
    `is_answered` is set by the acknowledgement. `runs_inline` is asked if there is a listener:
    whether it runs in the thread that received the payload."""

    meter: Meter
    process: str
    runs_inline: Callable[[], bool] = lambda: False
    handler: str = "none"
    is_answered: threading.Event = field(default_factory=threading.Event)


_current: contextvars.ContextVar[PayloadContext | None] = contextvars.ContextVar(
    "payload", default=None
)


def set_handler(handler: str) -> None:
    """Record the route that handles the current payload."""
    if payload := _current.get():
        payload.handler = handler


@contextmanager
def count_outcome() -> Iterator[None]:
    """Count the outcome of the block, including an exception that is caught further out."""
    outcome_name = "ok"
    try:
        yield
    except Exception as error:  # counted by its kind, and raised again
        outcome_name = error_kind(error).value
        raise
    finally:
        payload = _current.get() or PayloadContext(NOOP_METER, "")
        payload.meter.count(HANDLED_PAYLOADS, payload.process, payload.handler, outcome_name)
        logger.info("%s %s", payload.handler, outcome_name)


class _SignallingAck(Ack):
    def __init__(self, is_answered: threading.Event) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Bolt leaves it unannotated
        self._is_answered = is_answered

    def __call__(self, *args: Any, **kwargs: Any) -> BoltResponse:
        response = super().__call__(*args, **kwargs)
        self._is_answered.set()
        return response


class InstrumentedApp(App):
    """Bolt's app. Socket Mode and HTTP both call `dispatch`. `runs_inline` returns whether the
    listener of a payload runs in the thread that received it."""

    def __init__(
        self,
        *,
        meter: Meter,
        process: str,
        runs_inline: Callable[[dict[str, Any]], bool],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._meter = meter
        self._process = process
        self._runs_inline = runs_inline

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        began = time.monotonic()
        runs_inline = partial(self._runs_inline, req.body)
        payload = PayloadContext(self._meter, self._process, runs_inline)
        token = _current.set(payload)
        req.context["ack"] = _SignallingAck(payload.is_answered)
        try:
            with request_context.request_scope():
                return super().dispatch(req)
        finally:
            _current.reset(token)
            seconds = time.monotonic() - began
            self._meter.observe(ACK_SECONDS, seconds, self._process, payload.handler)


class ListenerExecutor(Executor):
    """Run each call in the context of its caller, which a pool's threads do not inherit, and return
    when the payload is acknowledged or the call has ended.

    Bolt itself would look every ten milliseconds. The call of a payload that `runs_inline` runs in
    the caller's thread.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        payload = _current.get()
        if payload and payload.runs_inline():
            done: Future[Any] = Future()
            done.set_result(fn(*args, **kwargs))  # Bolt's call handles the listener's errors
            return done
        future = self._pool.submit(contextvars.copy_context().run, fn, *args, **kwargs)
        if payload:
            future.add_done_callback(lambda _: payload.is_answered.set())
            payload.is_answered.wait(ACK_TIMEOUT_SECONDS)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def with_request_ids(app: WSGIApplication) -> WSGIApplication:
    """Wrap the WSGI application, so that each request has an id."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with request_context.request_scope():
            return app(environ, start_response)

    return answer
