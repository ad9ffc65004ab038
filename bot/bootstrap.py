"""A bot process's parts, put together from the settings.

A bot process at work, from ready to stopped, over Socket Mode, HTTP or both.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from flask import Flask
from slack_bolt import App
from slack_sdk import WebClient

from bot import app
from bot.slack.services import BotServices
from bot.slack.socket_mode import Connection
from bot.web.api.blueprint import api
from bot.web.api.call import ApiServices
from bot.web.flask_app import create_web
from bot.web.pages.blueprint import pages
from bot.web.pages.browser_request import PageServices
from bot.web.pages.error_pages import error_page
from bot.web.prometheus import Metrics, metrics
from bot.web.server import WebServer
from bot.web.slack_events import slack_events
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

THREADS = 20


@dataclass(frozen=True, slots=True)
class BotConfig:
    """What `app.py` hands in. `team_id` and `team_url` are Slack's answer to `auth.test`.

    `tally` knows this process by `process`; `shared_counts` are the other processes' counts, None
    where Redis is away. `middleware` stands in front of Bolt's routes.
    """

    db: Mongo
    client: WebClient
    publisher: Publisher
    team_id: str
    team_url: str
    tally: InMemoryMeter
    process: str
    shared_counts: Callable[[], Samples | None]
    middleware: Sequence[Callable[..., Any]] = ()


@dataclass(frozen=True, slots=True)
class BotProcess:
    """`connection` is None where Slack comes over HTTP only. `listeners` are Bolt's threads."""

    slack_app: App
    web: WebServer
    connection: Connection | None
    listeners: Executor


def assemble(config: Settings, given: BotConfig) -> BotProcess:
    """Asks Slack who the bot is (`auth.test`); listens and connects nowhere yet."""
    users = UserService(given.db)
    accounts = auth_services.build_account_services(
        given.db, users, secret=config.jwt_secret, redis_url=config.redis_url
    )
    desk = _desk(config, given, users, accounts)
    listeners = ThreadPoolExecutor(THREADS, thread_name_prefix="listener")
    slack_app = app.build(
        desk,
        executor=listeners,
        signing_secret=config.slack_signing_secret,
        middleware=given.middleware,
        meter=given.tally,
        process=given.process,
    )
    web, token = _web(config, given, desk, accounts, users, slack_app), config.slack_app_token
    return BotProcess(
        slack_app,
        WebServer(web, host=config.host, port=config.port),
        Connection(slack_app, token) if token else None,
        listeners,
    )


def _desk(
    config: Settings, given: BotConfig, users: UserService, accounts: AccountServices
) -> BotServices:
    admins, strict = config.admin_emails, config.is_linking_strict
    return BotServices.of(
        given.db,
        users,
        LinkService(given.db, users, admin_emails=admins, is_strict=strict),
        accounts.codes,
        accounts.emails,
        client=given.client,
        publisher=given.publisher,
        team_id=given.team_id,
        team_url=given.team_url,
        reads_with_ai=config.is_ai_enabled,
        app_url=config.app_url,
        ticket_emoji=config.ticket_emoji,
    )


def _web(
    config: Settings,
    given: BotConfig,
    desk: BotServices,
    accounts: AccountServices,
    users: UserService,
    slack_app: App,
) -> Flask:
    """Health, metrics, API, pages; and Slack's requests, where a secret to know them by is set."""
    db, proxies = given.db, config.trusted_proxies
    page = Metrics(
        own=given.tally.samples, shared=given.shared_counts, tickets=CachedTicketCounts(db)
    )
    blueprints = [metrics(page, token=config.metrics_token, trusted_proxies=proxies)]
    if config.slack_signing_secret:
        blueprints.append(slack_events(slack_app, signing_secret=config.slack_signing_secret))
    counter = ApiServices.of(db, desk, accounts, users, trusted_proxies=proxies)
    site = _site(config, desk, accounts, users)
    return create_web(
        ready=lambda: database.is_reachable(db),
        blueprints=[*blueprints, api(counter), pages(site)],
        error_page=error_page(secure=site.cookies.secure),
    )


def _site(
    config: Settings, desk: BotServices, accounts: AccountServices, users: UserService
) -> PageServices:
    return PageServices.of(
        desk,
        accounts,
        users,
        secret=config.jwt_secret,
        trusted_proxies=config.trusted_proxies,
        has_mail=bool(config.smtp_host),
    )


def serve(parts: BotProcess, stop: threading.Event, *, ready: Callable[[], None]) -> None:
    """Answer until `stop` is set; then let nobody in any more and finish what is under way."""
    with parts.web:
        if parts.connection:
            # Bolt leaves it unannotated
            parts.connection.connect()  # type: ignore[no-untyped-call]
        ready()
        stop.wait()
        # Both at once: together they have ten seconds.
        closing = threading.Thread(target=parts.web.stop)
        closing.start()
        if parts.connection:
            parts.connection.drain()
        closing.join()
    parts.listeners.shutdown(wait=True)
