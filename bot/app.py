"""The Bolt app: the door, the routes, and the one error handler."""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import pymongo
from slack_bolt import Ack, App, BoltResponse
from slack_bolt.listener_matcher import builtins

from bot.middleware import HANDLER_SECONDS, keep_out_others, take_events_once
from bot.routes import ANSWERED_AT_ONCE, Kind, Route, run, top_level
from bot.slack.error_responses import answer, tell
from bot.slack.instrumentation import InContext, WatchedApp, outcome
from bot.slack.request import Request
from bot.slack.response_url import Respond, responding
from bot.slack.services import BotServices
from services.core.metrics import NOOP_METER, Meter

logger = logging.getLogger(__name__)


def build(
    desk: BotServices,
    *,
    executor: Executor,
    signing_secret: str = "",
    middleware: Sequence[Callable[..., Any]] = (),
    meter: Meter = NOOP_METER,
    process: str = "bot",
) -> App:
    """The app, ready for Socket Mode or HTTP. Asks Slack who the bot is (`auth.test`).

    `executor` runs the listeners; `process` is what `meter` knows this process by.
    """
    # In the environment these two would turn on Bolt's OAuth and drop the token; the third, which
    # the client has by now, it would warn of at every start.
    for trap in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN"):
        os.environ.pop(trap, None)
    app = WatchedApp(
        meter=meter,
        process=process,
        name=process,  # without a name Bolt reads the source of every caller to find one
        client=desk.client,
        signing_secret=signing_secret,
        logger=logging.getLogger("slack_bolt"),
        listener_executor=InContext(executor),
    )
    app.use(responding(meter=meter, process=process))
    for layer in middleware:
        app.use(layer)

    app.use(keep_out_others(desk))
    app.use(take_events_once(desk))

    @app.error
    def answered(error: Exception, body: dict[str, Any]) -> BoltResponse:
        return answer(error, body)

    _register(app, desk)
    return app


def _register(app: App, desk: BotServices) -> None:
    ways: dict[Kind, Callable[..., Any]] = {
        Kind.COMMAND: app.command,
        Kind.VIEW: app.view,
        Kind.ACTION: app.action,
        Kind.SHORTCUT: app.global_shortcut,
        Kind.MESSAGE_SHORTCUT: app.message_shortcut,
        Kind.EVENT: app.event,
        Kind.OPTIONS: app.options,
    }
    for route in top_level():
        if route.answers_itself:
            _register_unanswered(app, route, _listener(route, desk))
        else:
            ways[route.kind](route.id)(_listener(route, desk))


def _register_unanswered(app: App, route: Route, listener: Callable[..., None]) -> None:
    """As `app.event` does, which has no way to say that Bolt is not to answer before `listener`."""
    matcher = builtins.event(route.id)
    app._register_listener([listener], matcher, [], [], auto_acknowledgement=False)


def _listener(route: Route, desk: BotServices) -> Callable[..., None]:
    def listener(ack: Ack, body: dict[str, Any], respond: Respond) -> None:
        req = Request(body=body, desk=desk, permission=route.permission, _ack=ack, _respond=respond)
        if route.kind in ANSWERED_AT_ONCE and not route.answers_itself:
            req.ack()
        try:
            with outcome(), pymongo.timeout(HANDLER_SECONDS):
                run(route, req)
        except Exception as error:  # whatever it is; it is told, or where that is too late, logged
            if not req.acked:
                raise  # for the error handler, which answers in a sentence
            # An exception that reaches Bolt now would erase the answer already given.
            if route.kind in ANSWERED_AT_ONCE:
                tell(error, req)
            else:
                logger.exception("after the answer to %s", route.id)

    return listener
