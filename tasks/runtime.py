"""What tasks work with, built from the settings once per worker process.

After the fork: a database client must not cross one.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slack_sdk import WebClient

from services.accounts.users import UserService
from services.analysis.model_answer import Analyst
from services.assignment.assignment_service import AssignmentService
from services.core import database
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.metrics import Meter
from services.core.settings import Settings
from services.home.home_service import HomeService
from services.home.sessions import HomeSessions
from services.linking.links import LinkService
from services.routing.model_store import ModelStore
from tasks.email.email_config import EmailConfig, build_email_config
from tasks.queue.celery_app import configure_celery
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.shared_metrics import MeasuredAnalyst

if TYPE_CHECKING:
    from tasks.gemini import GeminiAnalyst


@dataclass(frozen=True, slots=True)
class Runtime:
    """`analyst` is None where no key is set: then the offline router reads every ticket.

    `triage_channel` is a channel's id, or "" where there is none. `email` is None where mail is
    off.
    """

    db: Mongo
    users: UserService
    links: LinkService
    assignments: AssignmentService
    models: ModelStore
    home: HomeService
    home_sessions: HomeSessions
    slack: WebClient
    publisher: CeleryPublisher
    analyst: Analyst | None
    clock: Clock
    triage_channel: str
    email: EmailConfig | None

    @classmethod
    def build(
        cls,
        db: Mongo,
        users: UserService,
        links: LinkService,
        *,
        slack: WebClient,
        publisher: CeleryPublisher,
        analyst: Analyst | None = None,
        clock: Clock = utcnow,
        triage_channel: str = "",
        email: EmailConfig | None = None,
    ) -> "Runtime":
        """With the rest made here, on `db`."""
        return cls(
            db=db,
            users=users,
            links=links,
            assignments=AssignmentService(db, links),
            models=ModelStore(db, clock=clock),
            home=HomeService(db, users, links, clock=clock),
            home_sessions=HomeSessions(db, clock=clock),
            slack=slack,
            publisher=publisher,
            analyst=analyst,
            clock=clock,
            triage_channel=triage_channel,
            email=email,
        )


class _RuntimeHolder:
    build: Callable[[], Runtime] | None = None
    instance: tuple[int, Runtime] | None = None


def set_runtime_builder(build: Callable[[], Runtime]) -> None:
    """How each worker process makes its own; called once by the composition root."""
    _RuntimeHolder.build, _RuntimeHolder.instance = build, None


def current_runtime() -> Runtime:
    """This process's runtime, made at its first use in the process."""
    if _RuntimeHolder.build is None:
        raise RuntimeError("tasks.runtime.set_runtime_builder was not called")
    if _RuntimeHolder.instance is None or _RuntimeHolder.instance[0] != os.getpid():
        _RuntimeHolder.instance = (os.getpid(), _RuntimeHolder.build())
    return _RuntimeHolder.instance[1]


def build_runtime(config: Settings, *, slack: WebClient, meter: Meter) -> Runtime:
    """Connects to MongoDB, as every process has to after its fork."""
    db = database.connect(config.mongo_uri)
    users = UserService(db)
    admins, strict = config.admin_emails, config.is_linking_strict
    return Runtime.build(
        db,
        users,
        LinkService(db, users, admin_emails=admins, is_strict=strict),
        slack=slack,
        publisher=CeleryPublisher(configure_celery(redis_url=config.redis_url)),
        analyst=_analyst(config, meter),
        triage_channel=config.triage_channel,
        email=build_email_config(config, db, meter),
    )


def gemini_check(config: Settings, *, timeout: int) -> Callable[[], None] | None:
    """Asks for one token, within `timeout` seconds. None where no key is set."""
    return _gemini(config, timeout=timeout).check if config.is_ai_enabled else None


def _analyst(config: Settings, meter: Meter) -> MeasuredAnalyst | None:
    if not config.is_ai_enabled:
        return None
    return MeasuredAnalyst(_gemini(config, timeout=config.gemini_timeout), meter)


def _gemini(config: Settings, *, timeout: int) -> "GeminiAnalyst":
    from tasks.gemini import GeminiAnalyst  # noqa: PLC0415  60 MB, for those who set a key only

    return GeminiAnalyst(
        api_key=config.gemini_api_key,
        model=config.gemini_model,
        api_url=config.gemini_api_url,
        timeout=timeout,
    )
