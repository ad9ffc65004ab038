"""Build a bot's servers, and run them until the process is stopped."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from flask import Flask
from slack_bolt import App

from bot import app
from bot.slack.bot_process import BotProcess
from bot.slack.socket_mode import SocketModeConnection
from bot.web.api.blueprint import api_blueprint
from bot.web.cookies import is_https
from bot.web.flask_app import create_flask_app
from bot.web.pages.blueprint import make_error_page, pages_blueprint
from bot.web.prometheus import MetricsPage, metrics_blueprint
from bot.web.server import WebServer
from bot.web.slack_events import SlackEvents
from services.core import database, security_events
from services.core.metrics import Samples
from services.ops.ticket_counts import cached_ticket_counts
from services.ops.write_probe import cached_write_probe

LISTENER_THREADS = 20


@dataclass(frozen=True, slots=True)
class BotServer:
    """The Bolt app and the connections that it serves. `listener_executor` runs its listeners.

    `socket_mode` is None if Slack sends HTTP requests only.
    """

    slack_app: App
    web_server: WebServer
    socket_mode: SocketModeConnection | None
    listener_executor: Executor


def build_bot_server(
    bot: BotProcess,
    *,
    shared_counts: Callable[[], Samples | None],
    middleware: Sequence[Callable[..., Any]] = (),
) -> BotServer:
    """Call Slack (`auth.test`), but neither listen nor connect yet.

    `shared_counts` returns the other processes' metrics, None if Redis is unavailable.
    `middleware` runs before Bolt's routes.
    """
    config = bot.config
    security_events.count_in(bot.meter)
    listener_executor = ThreadPoolExecutor(LISTENER_THREADS, thread_name_prefix="listener")
    slack_app = app.create_app(bot, executor=listener_executor, middleware=middleware)
    flask_app = _build_flask_app(bot, slack_app, shared_counts)
    token = config.slack_app_token
    return BotServer(
        slack_app,
        WebServer(flask_app, host=config.host, port=config.port),
        SocketModeConnection(slack_app, token) if token else None,
        listener_executor,
    )


def _build_flask_app(
    bot: BotProcess, slack_app: App, shared_counts: Callable[[], Samples | None]
) -> Flask:
    """Health, metrics, API and pages; with a signing secret, Slack's requests too."""
    config, db = bot.config, bot.services.db
    is_writable = cached_write_probe(db, clock=bot.services.clock)
    metrics_page = MetricsPage(
        own=bot.meter.samples,
        shared=shared_counts,
        tickets=cached_ticket_counts(db),
        is_mongodb_up=lambda: database.is_reachable(db),
        is_writable=is_writable,
    )
    blueprints = [
        metrics_blueprint(
            metrics_page, token=config.metrics_token, trusted_proxies=config.trusted_proxies
        )
    ]
    secret = config.slack_signing_secret
    return create_flask_app(
        is_ready=lambda: database.is_reachable(db),
        pending_indexes=bot.pending_indexes,
        is_writable=is_writable,
        blueprints=[*blueprints, api_blueprint(bot), pages_blueprint(bot)],
        slack_events=SlackEvents(slack_app, signing_secret=secret) if secret else None,
        trusted_proxies=config.trusted_proxies,
        error_page=make_error_page(bot, secure=is_https(config.app_url)),
    )


def serve(server: BotServer, stop_event: threading.Event, *, on_ready: Callable[[], None]) -> None:
    """Answer until `stop_event` is set; then accept nothing new and finish what is in progress."""
    with server.web_server:
        if server.socket_mode:
            # Bolt leaves it unannotated
            server.socket_mode.connect()  # type: ignore[no-untyped-call]
        on_ready()
        stop_event.wait()
        # Concurrently: together they have ten seconds.
        stop_thread = threading.Thread(target=server.web_server.stop)
        stop_thread.start()
        if server.socket_mode:
            server.socket_mode.drain()
        stop_thread.join()
    server.listener_executor.shutdown(wait=True)
