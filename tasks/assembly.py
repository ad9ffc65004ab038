"""A worker process's runtime, put together from the settings."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from slack_sdk import WebClient

from services import database
from services.links import LinkService
from services.metrics import Meter
from services.settings import Settings
from services.users import UserService
from tasks.app import configure
from tasks.mails.office import mail_office
from tasks.metrics import MeasuredAnalyst
from tasks.publisher import CeleryPublisher
from tasks.runtime import Runtime

if TYPE_CHECKING:
    from tasks.gemini import GeminiAnalyst


def assemble(config: Settings, *, slack: WebClient, meter: Meter) -> Runtime:
    """Connects to MongoDB anew, as every process has to after its fork."""
    db = database.connect(config.mongo_uri)
    users = UserService(db)
    admins, strict = config.admin_emails, config.is_strict
    return Runtime.of(
        db,
        users,
        LinkService(db, users, admin_emails=admins, strict=strict),
        slack=slack,
        publisher=CeleryPublisher(configure(redis_url=config.redis_url)),
        analyst=_analyst(config, meter),
        triage_channel=config.triage_channel,
        mail=mail_office(config, db, meter),
    )


def gemini_check(config: Settings, *, timeout: int) -> Callable[[], None] | None:
    """Asks for one token, within `timeout` seconds. None where no key is set."""
    return _gemini(config, timeout=timeout).check if config.reads_with_ai else None


def _analyst(config: Settings, meter: Meter) -> MeasuredAnalyst | None:
    if not config.reads_with_ai:
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
