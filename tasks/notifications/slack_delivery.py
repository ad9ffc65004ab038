"""Calls to Slack, and what their errors mean: wait, retry, or give up."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from celery import Task
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.views.text import Message
from services.core.work_queue import MAX_DELIVERY_DELAY
from services.outbox.reminders import ReminderClaim, Reminders

logger = logging.getLogger(__name__)

# Longer waits are left to the sweep: a countdown must stay below Redis's visibility timeout.
MAX_COUNTDOWN_SECONDS = 300
# No claim is postponed further (services/core/work_queue.py).
MAX_WAIT_SECONDS = int(MAX_DELIVERY_DELAY.total_seconds())
REMINDER_RETRY_DELAY = timedelta(seconds=10)
# Slack's error codes for a message that will never arrive. Without the errors of the token or its
# scopes: an operator corrects those, and then the message is still wanted.
# https://docs.slack.dev/reference/methods/chat.postMessage#errors
PERMANENT_ERRORS = frozenset(
    {
        "account_inactive",
        "cannot_dm_bot",
        "cannot_reply_to_message",
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "is_archived",
        "is_inactive",
        "message_not_found",
        "messages_tab_disabled",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "not_in_channel",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "thread_not_found",
        "user_disabled",
        "user_not_found",
        "user_not_visible",
    }
)


class SlackRateLimited(Exception):
    """Slack asks to wait `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"rate limited for {seconds} s")
        self.seconds = seconds

    def retry(self, task: Task[Any, Any]) -> None:
        """Retry the task after the wait. A longer wait is left to the sweep."""
        if self.seconds <= MAX_COUNTDOWN_SECONDS:
            raise task.retry(countdown=self.seconds) from self


class OutcomeKind(Enum):
    SENT = auto()
    PERMANENT = auto()  # a retry cannot help
    RATE_LIMITED = auto()
    TRANSIENT = auto()
    UNANSWERED = auto()  # Slack may have posted it; sent again only after the claim expires


@dataclass(frozen=True, slots=True)
class SlackOutcome:
    """The outcome of a call: Slack's answer, or an `error`, which is Slack's code or, if Slack did
    not answer, the exception's name."""

    kind: OutcomeKind
    answer: SlackResponse | None = None
    error: str = ""
    rate_limit: SlackRateLimited | None = None

    @property
    def wait(self) -> timedelta | None:
        """How long Slack asks to wait, if it does."""
        return timedelta(seconds=self.rate_limit.seconds) if self.rate_limit else None


def call_slack(call: Callable[[], SlackResponse]) -> SlackOutcome:
    try:
        return SlackOutcome(OutcomeKind.SENT, call())
    except SlackApiError as error:
        code = str(error.response.get("error") or "unknown")
        if limit := _rate_limit(error):
            return SlackOutcome(OutcomeKind.RATE_LIMITED, error=code, rate_limit=limit)
        kind = OutcomeKind.PERMANENT if code in PERMANENT_ERRORS else OutcomeKind.TRANSIENT
        return SlackOutcome(kind, error=code)
    except (SlackClientError, OSError) as error:
        return SlackOutcome(OutcomeKind.UNANSWERED, error=type(error).__name__)


def post_message(
    slack: WebClient, message: Message, *, channel: str, thread_ts: str | None = None
) -> SlackOutcome:
    """Post a message, without link previews."""
    return call_slack(
        lambda: slack.chat_postMessage(
            channel=channel,
            thread_ts=thread_ts,
            unfurl_links=False,
            unfurl_media=False,
            **message.as_args(),
        )
    )


def update_message(
    slack: WebClient, message: Message, *, channel: str, ts: str, about: str
) -> bool:
    """Change what a message shows. False if that has to be tried again later.

    A message that is deleted, or too old to edit, counts as changed, so that nothing tries forever.
    Raises `SlackRateLimited`.
    """
    outcome = call_slack(lambda: slack.chat_update(channel=channel, ts=ts, **message.as_args()))
    if outcome.rate_limit:
        raise outcome.rate_limit
    if outcome.kind in (OutcomeKind.SENT, OutcomeKind.PERMANENT):
        return True
    logger.warning("%s: %s", about, outcome.error)
    return False


def record_outcome(
    reminders: Reminders, claim: ReminderClaim, outcome: SlackOutcome, *, now: datetime
) -> SlackResponse | None:
    """Return Slack's answer. If there is none, release the claim, or finish it if Slack will never
    accept the message. Raises `SlackRateLimited`."""
    if outcome.answer:
        return outcome.answer
    logger.warning("reminders to %s not sent: %s", claim.recipient, outcome.error)
    match outcome.kind:
        case OutcomeKind.PERMANENT:
            reminders.finish(claim, why=outcome.error)
        case OutcomeKind.RATE_LIMITED | OutcomeKind.TRANSIENT:
            reminders.release_claim(claim, until=now + (outcome.wait or REMINDER_RETRY_DELAY))
    if outcome.rate_limit:
        raise outcome.rate_limit
    return None


def _rate_limit(error: SlackApiError) -> SlackRateLimited | None:
    """The wait that a 429 asks for; None for any other error."""
    if error.response.status_code != 429:
        return None
    after = str(error.response.headers.get("Retry-After", ""))
    wait = min(max(int(after), 1), MAX_WAIT_SECONDS) if after.isdigit() else 1
    return SlackRateLimited(wait)
