"""Ask Slack about the request channels, each once an hour: whether the bot can work there.

The job publishes the task when one is due.
"""

import logging
from datetime import timedelta
from functools import partial

from services.channels.request_channels import RequestChannel
from services.channels.slack_channel import SlackChannel
from services.core.leases import is_paused, pause
from services.core.slack_errors import CHANNEL_NOT_FOUND
from services.core.slack_scopes import granted_scopes
from services.registry.services import Services
from tasks.notifications.slack_delivery import SlackOutcome, call_slack
from tasks.queue.celery_app import CHANNELS_TASK, celery
from tasks.queue.job_registry import JobContext, job
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)

PAUSE_AFTER_ERROR = timedelta(minutes=1)
INFO_LIMIT = "slack: conversations.info"
PUBLIC_SCOPE, PRIVATE_SCOPE = "channels:read", "groups:read"


class _NotAnswered(Exception):
    def __init__(self, outcome: SlackOutcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


@celery.task(name=CHANNELS_TASK)
def check_channels() -> None:
    """Ask about the channels that are due. After a failure the job repeats it."""
    run(current_runtime())


def run(runtime: Runtime) -> None:
    """Ask about one after the other. After a 429 or a failure no process asks until the pause is
    over."""
    if is_paused(runtime.db, INFO_LIMIT, now=runtime.clock()):
        return
    for channel in _due(runtime.services):
        try:
            runtime.services.channel_settings.check(
                channel.team_id, channel.id, partial(_ask, runtime, channel)
            )
        except _NotAnswered as error:
            wait = error.outcome.wait or PAUSE_AFTER_ERROR
            logger.warning("%s: %s; paused for %.0f s", INFO_LIMIT, error, wait.total_seconds())
            pause(runtime.db, INFO_LIMIT, until=runtime.clock() + wait)
            return


@job("channels", every=timedelta(minutes=1))
def enqueue_due(context: JobContext) -> None:
    """Publish the task if Slack is to be asked about a channel."""
    services = context.services
    if not _due(services) or is_paused(services.db, INFO_LIMIT, now=services.clock()):
        return
    if not context.publisher.waiting_tasks().has(CHANNELS_TASK):
        context.publisher.send(CHANNELS_TASK)


def _due(services: Services) -> list[RequestChannel]:
    """Return the channels that are due, and that the app may ask about."""
    granted = granted_scopes(services.db)
    return [
        one
        for one in services.channel_settings.due()
        if (PRIVATE_SCOPE if one.is_channel_private else PUBLIC_SCOPE) in granted
    ]


def _ask(runtime: Runtime, channel: RequestChannel) -> SlackChannel | None:
    outcome = call_slack(
        partial(runtime.slack.conversations_info, channel=channel.id), channel=channel.id
    )
    if outcome.answer:
        return SlackChannel.from_slack(outcome.answer["channel"])
    if outcome.error == CHANNEL_NOT_FOUND:
        return None
    raise _NotAnswered(outcome)
