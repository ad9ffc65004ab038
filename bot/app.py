"""The Bolt app: middleware, routes, and the one error handler."""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

import pymongo
from slack_bolt import Ack, App, BoltResponse
from slack_bolt.listener_matcher import builtins

from bot.middleware import HANDLER_TIMEOUT_SECONDS, drop_repeated_events, reject_other_workspaces
from bot.routes import ACKED_IMMEDIATELY, Route, RouteKind, run_route, top_level_routes
from bot.slack.bot_services import BotServices
from bot.slack.error_responses import error_response, show_error
from bot.slack.instrumentation import ContextExecutor, InstrumentedApp, count_outcome
from bot.slack.request import Request
from bot.slack.response_url import Respond, respond_middleware
from services.core.metrics import NOOP_METER, Meter

logger = logging.getLogger(__name__)


def create_app(
    services: BotServices,
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
    for variable in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN"):
        os.environ.pop(variable, None)
    app = InstrumentedApp(
        meter=meter,
        process=process,
        name=process,  # without a name Bolt reads the source of every caller to find one
        client=services.client,
        signing_secret=signing_secret,
        logger=logging.getLogger("slack_bolt"),
        listener_executor=ContextExecutor(executor),
    )
    app.use(respond_middleware(meter=meter, process=process))
    for middleware_function in middleware:
        app.use(middleware_function)

    app.use(reject_other_workspaces(services))
    app.use(drop_repeated_events(services))

    @app.error
    def answered(error: Exception, body: dict[str, Any]) -> BoltResponse:
        return error_response(error, body)

    _register(app, services)
    return app


def _register(app: App, services: BotServices) -> None:
    registrars: dict[RouteKind, Callable[..., Any]] = {
        RouteKind.COMMAND: app.command,
        RouteKind.VIEW: app.view,
        RouteKind.ACTION: app.action,
        RouteKind.SHORTCUT: app.global_shortcut,
        RouteKind.MESSAGE_SHORTCUT: app.message_shortcut,
        RouteKind.EVENT: app.event,
        RouteKind.OPTIONS: app.options,
    }
    for route in top_level_routes():
        if route.has_own_ack:
            _register_without_auto_ack(app, route, _listener(route, services))
        else:
            registrars[route.kind](route.id)(_listener(route, services))


def _register_without_auto_ack(app: App, route: Route, listener: Callable[..., None]) -> None:
    """As `app.event` does, which has no way to say that Bolt is not to answer before `listener`."""
    matcher = builtins.event(route.id)
    app._register_listener([listener], matcher, [], [], auto_acknowledgement=False)


def _listener(route: Route, services: BotServices) -> Callable[..., None]:
    def listener(ack: Ack, body: dict[str, Any], respond: Respond) -> None:
        req = Request(
            body=body, services=services, permission=route.permission, _ack=ack, _respond=respond
        )
        if route.kind in ACKED_IMMEDIATELY and not route.has_own_ack:
            req.ack()
        try:
            with count_outcome(), pymongo.timeout(HANDLER_TIMEOUT_SECONDS):
                run_route(route, req)
        except Exception as error:  # whatever it is; it is told, or where that is too late, logged
            if not req.is_acked:
                raise  # for the error handler, which answers in a sentence
            # An exception that reaches Bolt now would erase the answer already given.
            if route.kind in ACKED_IMMEDIATELY:
                show_error(error, req)
            else:
                logger.exception("after the answer to %s", route.id)

    return listener
