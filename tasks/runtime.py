"""The dependencies of the tasks, built once per worker process.

They are built after the fork, because a database client must not be shared across one.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from celery import Task
from pymongo import MongoClient
from slack_sdk import WebClient

from services.accounts.confirmation import MemberLookup
from services.analysis.model_exchange import Analyst
from services.channels.request_channels import find_request_channel
from services.core import database
from services.core.clock import Clock
from services.core.database import Document, Mongo
from services.core.metrics import NOOP_METER, Meter
from services.core.settings import Settings
from services.core.slack_scopes import granted_scopes
from services.core.tls import client_context
from services.core.ttl_cache import TTL_SECONDS
from services.linking.links import Directory
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.outbox import deliveries, pending
from services.registry.services import Services
from services.team_settings.slack_settings import triage_channel
from services.tickets.access import visible_to, was_removed
from tasks.email.smtp import EmailConfig, build_email_config
from tasks.queue.celery_app import BACKLOG_QUEUE, FRESH_QUEUE, configure_celery
from tasks.queue.publisher import CeleryPublisher, PublishFailed
from tasks.queue.shared_metrics import MeasuredAnalyst

if TYPE_CHECKING:
    from tasks.gemini import GeminiAnalyst


@dataclass(frozen=True, slots=True)
class Runtime:
    """`analyst` is None without an API key: then the offline router analyses every ticket.

    `triage_channel` is the value of TRIAGE_CHANNEL, "" if it is not set. `email` is None if no mail
    server is.
    """

    services: Services
    slack: WebClient
    publisher: CeleryPublisher
    analyst: Analyst | None = None
    triage_channel: str = ""
    email: EmailConfig | None = None
    meter: Meter = NOOP_METER

    @property
    def db(self) -> Mongo:
        return self.services.db

    @property
    def clock(self) -> Clock:
        return self.services.clock

    def people(self, tickets: Sequence[Ticket], user_ids: set[ObjectId]) -> Directory:
        """Look up the users that messages about tickets of one team name.

        For their first messages they may be cached. Later ones are for people who may no longer
        read what is internal, and replace what an erased person was called.
        """
        return self.services.links.resolve_people(
            team_id=tickets[0].team_id,
            user_ids=user_ids,
            requesters={ticket.created_by for ticket in tickets if ticket.created_by},
            may_be_cached=not any(
                ticket.cards or ticket.deliveries or ticket.comments for ticket in tickets
            ),
        )

    def current_triage_channel(self) -> str:
        """Return the id of the channel that admins have set, or `triage_channel`; "" for none."""
        return triage_channel(self.db, variable=self.triage_channel)

    def are_replies_read(self) -> bool:
        """Return whether Slack sends the replies in the threads of direct messages."""
        return "im:history" in granted_scopes(self.db)

    def reachable(self, ticket: Ticket) -> Ticket:
        """Return the ticket, marked if the bot cannot write to the conversation about it: its
        channel is no request channel now, or has become public while the ticket is private, or its
        thread is gone or locked. Its people are then notified as those of any other ticket."""
        source = ticket.source
        if source is None or not source.is_conversation or ticket.team_id is None:
            return ticket
        is_lost = deliveries.is_thread_lost(ticket, source.channel)
        found = (
            None
            if is_lost
            else find_request_channel(
                self.db,
                team_id=ticket.team_id,
                channel=source.channel,
                for_private=ticket.private,
            )
        )
        return ticket if found else replace(ticket, source=replace(source, is_out_of_reach=True))

    def may_show(self, ticket: Ticket, reader: ObjectId | str) -> bool:
        """Return whether that account may see the ticket, of those who could when it was sent to
        them. In a channel (a text) anyone reads, so no private one."""
        if not isinstance(reader, ObjectId):
            return not ticket.private
        if not ticket.private and not was_removed(ticket, reader):
            return True
        user = self.services.users.get(reader)
        return user is not None and visible_to(Actor.from_user(user)).covers(ticket)


class _RuntimeHolder:
    build: Callable[[], Runtime] | None = None
    instance: tuple[int, Runtime] | None = None


def set_runtime_builder(build: Callable[[], Runtime]) -> None:
    """Set how each worker process builds its runtime; app.py calls it once."""
    _RuntimeHolder.build, _RuntimeHolder.instance = build, None


def current_runtime() -> Runtime:
    """Return this process's runtime, built at its first use."""
    if _RuntimeHolder.build is None:
        raise RuntimeError("tasks.runtime.set_runtime_builder was not called")
    if _RuntimeHolder.instance is None or _RuntimeHolder.instance[0] != os.getpid():
        _RuntimeHolder.instance = (os.getpid(), _RuntimeHolder.build())
    return _RuntimeHolder.instance[1]


def moved_to_backlog(task: Task[Any, Any], ticket: Ticket) -> bool:
    """Publish a task of the fresh queue to the backlog if its ticket is late, and return True.

    So the newest tickets do not wait for those that a burst or an outage has left in their queue.
    """
    runtime = current_runtime()
    if (task.request.delivery_info or {}).get("routing_key") != FRESH_QUEUE:
        return False
    if not pending.is_late(ticket, now=runtime.clock()):
        return False
    try:
        runtime.publisher.send(task.name, str(ticket.id), queue=BACKLOG_QUEUE)
    except PublishFailed:
        return False
    return True


def preload(config: Settings) -> None:
    """Import what `build_runtime` and the tasks import at first use.

    In the worker's parent process, so that its children neither need seconds for it when they start
    on a busy machine, nor 60 MB each.
    """
    import rapidfuzz.distance  # noqa: F401, PLC0415  only the worker needs it

    client_context()
    client: MongoClient[Document] = MongoClient(connect=False)
    services = Services.build(client["unused"], config)
    for name, attribute in vars(Services).items():
        if isinstance(attribute, cached_property):
            getattr(services, name)
    if config.is_ai_enabled:
        _gemini(config)


def build_runtime(
    config: Settings,
    *,
    slack: WebClient,
    meter: Meter,
    look_up_member: MemberLookup | None = None,
) -> Runtime:
    """Connect to MongoDB, as every process has to after its fork."""
    db = database.connect(config.mongo_uri)
    services = Services.build(db, config, look_up_member=look_up_member, cache_seconds=TTL_SECONDS)
    gemini = gemini_analyst(config)
    analyst = MeasuredAnalyst(gemini, meter) if gemini else None
    return Runtime(
        services,
        slack=slack,
        publisher=CeleryPublisher(configure_celery(redis_url=config.redis_url)),
        analyst=analyst,
        triage_channel=config.triage_channel,
        email=build_email_config(config, services.codes, meter),
        meter=meter,
    )


def gemini_analyst(config: Settings) -> "GeminiAnalyst | None":
    """Return None without an API key."""
    return _gemini(config) if config.is_ai_enabled else None


def _gemini(config: Settings) -> "GeminiAnalyst":
    from tasks.gemini import GeminiAnalyst  # noqa: PLC0415  60 MB, only needed with an API key

    return GeminiAnalyst(
        api_key=config.gemini_api_key,
        model=config.gemini_model,
        api_url=config.gemini_api_url,
        timeout=config.gemini_timeout,
    )
