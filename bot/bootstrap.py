"""Build a bot process from the settings, and run it until it is stopped."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from flask import Flask
from slack_bolt import App
from slack_sdk import WebClient

from bot import app
from bot.slack.bot_services import BotServices
from bot.slack.socket_mode import SocketModeConnection
from bot.web.api.api_request import ApiServices
from bot.web.api.blueprint import api_blueprint
from bot.web.flask_app import create_flask_app
from bot.web.pages.blueprint import pages_blueprint
from bot.web.pages.browser_request import PageServices
from bot.web.pages.error_pages import make_error_page
from bot.web.prometheus import MetricsPage, metrics_blueprint
from bot.web.server import WebServer
from bot.web.slack_events import slack_events_blueprint
from services.accounts.users import UserService
from services.auth import services as auth_services
from services.auth.services import AccountServices
from services.core import database
from services.core.database import Mongo
from services.core.metrics import InMemoryMeter, Samples
from services.core.settings import Settings
from services.linking.links import LinkService
from services.ops.ticket_counts import CachedTicketCounts
from services.outbox.pending import Publisher

LISTENER_THREADS = 20


@dataclass(frozen=True, slots=True)
class BotConfig:
    """What `app.py` passes in. `team_id` and `team_url` come from Slack's `auth.test`.

    `meter` counts this process's metrics, labelled `process`; `shared_counts` returns the other
    processes' counts, None when Redis is unavailable. `middleware` runs before Bolt's routes.
    """

    db: Mongo
    client: WebClient
    publisher: Publisher
    team_id: str
    team_url: str
    meter: InMemoryMeter
    process: str
    shared_counts: Callable[[], Samples | None]
    middleware: Sequence[Callable[..., Any]] = ()


@dataclass(frozen=True, slots=True)
class BotProcess:
    """`socket_mode` is None when Slack only sends HTTP requests. `listener_executor` runs Bolt's
    listeners."""

    slack_app: App
    web_server: WebServer
    socket_mode: SocketModeConnection | None
    listener_executor: Executor


def build_bot_process(settings: Settings, bot_config: BotConfig) -> BotProcess:
    """Asks Slack who the bot is (`auth.test`); listens and connects nowhere yet."""
    users = UserService(bot_config.db)
    accounts = auth_services.build_account_services(
        bot_config.db, users, secret=settings.jwt_secret, redis_url=settings.redis_url
    )
    bot_services = _build_bot_services(settings, bot_config, users, accounts)
    listener_executor = ThreadPoolExecutor(LISTENER_THREADS, thread_name_prefix="listener")
    slack_app = app.create_app(
        bot_services,
        executor=listener_executor,
        signing_secret=settings.slack_signing_secret,
        middleware=bot_config.middleware,
        meter=bot_config.meter,
        process=bot_config.process,
    )
    flask_app = _build_flask_app(settings, bot_config, bot_services, accounts, users, slack_app)
    token = settings.slack_app_token
    return BotProcess(
        slack_app,
        WebServer(flask_app, host=settings.host, port=settings.port),
        SocketModeConnection(slack_app, token) if token else None,
        listener_executor,
    )


def _build_bot_services(
    settings: Settings, bot_config: BotConfig, users: UserService, accounts: AccountServices
) -> BotServices:
    admins, is_strict = settings.admin_emails, settings.is_linking_strict
    return BotServices.build(
        bot_config.db,
        users,
        LinkService(bot_config.db, users, admin_emails=admins, is_strict=is_strict),
        accounts.codes,
        accounts.emails,
        client=bot_config.client,
        publisher=bot_config.publisher,
        team_id=bot_config.team_id,
        team_url=bot_config.team_url,
        is_ai_enabled=settings.is_ai_enabled,
        app_url=settings.app_url,
        ticket_emoji=settings.ticket_emoji,
    )


def _build_flask_app(
    settings: Settings,
    bot_config: BotConfig,
    bot_services: BotServices,
    accounts: AccountServices,
    users: UserService,
    slack_app: App,
) -> Flask:
    """Health, metrics, API and pages; with a signing secret, Slack's requests too."""
    db, proxies = bot_config.db, settings.trusted_proxies
    metrics_page = MetricsPage(
        own=bot_config.meter.samples,
        shared=bot_config.shared_counts,
        tickets=CachedTicketCounts(db),
    )
    blueprints = [
        metrics_blueprint(metrics_page, token=settings.metrics_token, trusted_proxies=proxies)
    ]
    if settings.slack_signing_secret:
        blueprints.append(
            slack_events_blueprint(slack_app, signing_secret=settings.slack_signing_secret)
        )
    api_services = ApiServices.build(db, bot_services, accounts, users, trusted_proxies=proxies)
    page_services = _build_page_services(settings, bot_services, accounts, users)
    return create_flask_app(
        is_ready=lambda: database.is_reachable(db),
        blueprints=[*blueprints, api_blueprint(api_services), pages_blueprint(page_services)],
        error_page=make_error_page(secure=page_services.cookies.secure),
    )


def _build_page_services(
    settings: Settings, bot_services: BotServices, accounts: AccountServices, users: UserService
) -> PageServices:
    return PageServices.build(
        bot_services,
        accounts,
        users,
        secret=settings.jwt_secret,
        trusted_proxies=settings.trusted_proxies,
        has_smtp=bool(settings.mailtrap_smtp_host),
    )


def serve(
    process: BotProcess, stop_event: threading.Event, *, on_ready: Callable[[], None]
) -> None:
    """Answer until `stop_event` is set; then accept nothing new and finish what is in progress."""
    with process.web_server:
        if process.socket_mode:
            # Bolt leaves it unannotated
            process.socket_mode.connect()  # type: ignore[no-untyped-call]
        on_ready()
        stop_event.wait()
        # Both at once: together they have ten seconds.
        stop_thread = threading.Thread(target=process.web_server.stop)
        stop_thread.start()
        if process.socket_mode:
            process.socket_mode.drain()
        stop_thread.join()
    process.listener_executor.shutdown(wait=True)
