"""Calls to Slack, and what their errors mean: wait, retry, or give up."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import islice
from typing import Any

from celery import Task
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.views.text import Message
from services.core.slack_errors import (
    OPERATOR_KINDS,
    ErrorKind,
    RequestNotSent,
    error_kind,
    error_name,
)
from services.core.work_queue import MAX_DELIVERY_DELAY
from services.outbox.deliveries import DeliveryRef
from services.outbox.reminders import ReminderClaim, Reminders

logger = logging.getLogger(__name__)

# Longer waits are left to the sweep: a countdown must stay below Redis's visibility timeout.
MAX_COUNTDOWN_SECONDS = 300
# No claim is postponed further (services/core/work_queue.py).
MAX_WAIT_SECONDS = int(MAX_DELIVERY_DELAY.total_seconds())
REMINDER_RETRY_DELAY, BLOCKED_RETRY_DELAY = timedelta(seconds=10), timedelta(minutes=1)
# What an operator has not corrected by then is given up.
GIVE_UP_AFTER = timedelta(days=14)
# Of `find_message`: by how much Slack's clock, which stamps messages, may differ from ours.
MAX_SLACK_CLOCK_SKEW, MAX_PAGES_READ = timedelta(minutes=5), 5
# Slack's codes for a message that is gone.
MESSAGE_DELETED, THREAD_DELETED = "message_not_found", "thread_not_found"


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
    BLOCKED = auto()  # an operator has to correct something first
    RATE_LIMITED = auto()
    TRANSIENT = auto()
    NOT_SENT = auto()  # Slack could not be connected to
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
    def is_final(self) -> bool:
        """Whether no further attempt is needed: Slack accepted it, or never will."""
        return self.kind in (OutcomeKind.SENT, OutcomeKind.PERMANENT)

    @property
    def wait(self) -> timedelta | None:
        """How long Slack asks to wait, if it does."""
        return timedelta(seconds=self.rate_limit.seconds) if self.rate_limit else None


def call_slack(call: Callable[[], SlackResponse], *, channel: str = "") -> SlackOutcome:
    """`channel` is the id of the recipient: an error of a channel may be corrected."""
    try:
        return SlackOutcome(OutcomeKind.SENT, call())
    except SlackApiError as error:
        code = str(error.response.get("error") or "unknown")
        if limit := _rate_limit(error):
            return SlackOutcome(OutcomeKind.RATE_LIMITED, error=code, rate_limit=limit)
        return SlackOutcome(_outcome_kind(error_kind(code, channel=channel)), error=code)
    except RequestNotSent as error:
        return SlackOutcome(OutcomeKind.NOT_SENT, error=error_name(error))
    except (SlackClientError, OSError) as error:
        return SlackOutcome(OutcomeKind.UNANSWERED, error=error_name(error))


def _outcome_kind(kind: ErrorKind) -> OutcomeKind:
    if kind in OPERATOR_KINDS:
        return OutcomeKind.BLOCKED
    is_final = kind in (ErrorKind.RECIPIENT, ErrorKind.MESSAGE)
    return OutcomeKind.PERMANENT if is_final else OutcomeKind.TRANSIENT


def post_message(
    slack: WebClient,
    message: Message,
    *,
    channel: str,
    thread_ts: str | None = None,
    delivery: DeliveryRef | None = None,
    name: str = "",
    icon_url: str = "",
) -> SlackOutcome:
    """Post a message, without link previews. `delivery` is stored with it, for `find_message`.
    `name` and `icon_url` take the place of the app's."""
    return call_slack(
        lambda: slack.chat_postMessage(
            channel=channel,
            thread_ts=thread_ts,
            metadata=delivery.to_metadata() if delivery else None,
            unfurl_links=False,
            unfurl_media=False,
            username=name or None,
            icon_url=icon_url or None,
            **message.as_args(),
        ),
        channel=channel,
    )


def open_conversation(slack: WebClient, user: str) -> tuple[str | None, SlackOutcome]:
    """Return the id of the bot's conversation with that member, and the outcome of asking."""
    outcome = call_slack(lambda: slack.conversations_open(users=user))
    return (str(outcome.answer["channel"]["id"]) if outcome.answer else None), outcome


def find_message(
    slack: WebClient,
    delivery: DeliveryRef,
    *,
    channel: str,
    thread_ts: str | None,
    since: datetime,
) -> tuple[Mapping[str, Any] | None, SlackOutcome]:
    """Return the message of that delivery if Slack accepted one after `since`, and the outcome of
    asking. `channel` is the id of a conversation, not of a user."""
    where: dict[str, Any] = {
        "channel": channel,
        "oldest": str((since - MAX_SLACK_CLOCK_SKEW).timestamp()),
        "include_all_metadata": True,
        "limit": 200,
    }
    outcome = call_slack(slack.auth_test)
    if not outcome.answer:
        return None, outcome
    bot_user_id, bot_id = str(outcome.answer["user_id"]), str(outcome.answer.get("bot_id"))
    found: list[Mapping[str, Any]] = []

    def read() -> SlackResponse:
        answer = (
            slack.conversations_replies(**where, ts=thread_ts)
            if thread_ts
            else slack.conversations_history(**where)
        )
        for page in islice(answer, MAX_PAGES_READ):
            found.extend(
                message
                for message in page.get("messages") or ()
                if DeliveryRef.from_message(message, bot_user_id=bot_user_id, bot_id=bot_id)
                == delivery
            )
        return answer

    outcome = call_slack(read, channel=channel)
    return (found[0] if found else None), outcome


def update_message(
    slack: WebClient, message: Message, *, channel: str, ts: str, about: str
) -> SlackOutcome:
    """Change what a message shows."""
    outcome = call_slack(
        lambda: slack.chat_update(channel=channel, ts=ts, **message.as_args()), channel=channel
    )
    if not outcome.is_final and not outcome.rate_limit:
        logger.warning("%s: %s", about, outcome.error)
    return outcome


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
        case OutcomeKind.BLOCKED:
            reminders.release_claim(claim, until=now + BLOCKED_RETRY_DELAY)
        case OutcomeKind.RATE_LIMITED | OutcomeKind.TRANSIENT | OutcomeKind.NOT_SENT:
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
