"""Send the bot's answers to events of Slack."""

import logging
from typing import Any

from celery import Task

from services.core.database import record
from services.core.metrics import REPLY_ATTEMPTS
from services.outbox.replies import Replies, Reply, ReplyKind
from tasks.notifications import message_filing
from tasks.notifications.slack_delivery import (
    OutcomeKind,
    SlackOutcome,
    SlackRateLimited,
    call_slack,
)
from tasks.queue.celery_app import REPLY_TASK, celery
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)

_METRIC_LABELS = {OutcomeKind.SENT: "sent", OutcomeKind.PERMANENT: "failed"}
# The rest is left to the next task.
MAX_REPLIES = 100


@celery.task(name=REPLY_TASK, bind=True, max_retries=None)
def send_replies(self: Task[Any, Any], reply_id: str) -> None:
    """Send that reply, then the others that are due. Wait for Slack's rate limit; leave any other
    failure to the sweep."""
    try:
        run(current_runtime(), reply_id)
    except SlackRateLimited as limit:
        limit.retry(self)


def run(runtime: Runtime, reply_id: str) -> None:
    replies = runtime.services.replies
    reply = replies.claim(reply_id) or replies.claim()
    for _ in range(MAX_REPLIES):
        if reply is None:
            return
        _send(runtime, replies, reply)
        reply = replies.claim()


def _send(runtime: Runtime, replies: Replies, reply: Reply) -> None:
    """Raises `SlackRateLimited`."""
    if reply.is_expired(runtime.clock()):
        replies.drop(reply)
        logger.warning("reply %s is too old, and dropped", reply.id)
        runtime.meter.count(REPLY_ATTEMPTS, reply.kind.value, "dropped")
        return
    outcome = _post(runtime, reply)
    if outcome.kind is OutcomeKind.SENT:
        answer: Any = outcome.answer or {}
        channel = str(answer.get("channel") or reply.recipient)
        ts = str(answer.get("ts") or answer.get("message_ts") or "")
        record(lambda: replies.mark_sent(reply, channel=channel, ts=ts))
    else:
        logger.warning("reply %s not sent: %s", reply.id, outcome.error)
    match outcome.kind:
        case OutcomeKind.PERMANENT:
            replies.mark_failed(reply, error=outcome.error)
        case (
            OutcomeKind.BLOCKED
            | OutcomeKind.RATE_LIMITED
            | OutcomeKind.TRANSIENT
            | OutcomeKind.NOT_SENT
        ):
            replies.retry_later(reply, error=outcome.error, wait=outcome.wait)
    label = _METRIC_LABELS.get(outcome.kind, "retried")
    runtime.meter.count(REPLY_ATTEMPTS, reply.kind.value, label)
    if outcome.rate_limit:
        raise outcome.rate_limit


def _post(runtime: Runtime, reply: Reply) -> SlackOutcome:
    if reply.kind is ReplyKind.FILING:
        return message_filing.file_messages(runtime, reply)
    if reply.kind is ReplyKind.HOME_REFUSAL:
        view = {"type": "home", "blocks": reply.message["blocks"]}
        return call_slack(lambda: runtime.slack.views_publish(user_id=reply.recipient, view=view))
    if reply.ts:
        return call_slack(
            lambda: runtime.slack.chat_update(
                **reply.message, channel=str(reply.channel), ts=str(reply.ts)
            )
        )
    sent = {**reply.message, "channel": reply.recipient, "thread_ts": reply.thread_ts}
    if reply.is_ephemeral:
        outcome = call_slack(
            lambda: runtime.slack.chat_postEphemeral(**sent, user=reply.slack_user_id)
        )
        is_refused = outcome.kind in (OutcomeKind.PERMANENT, OutcomeKind.BLOCKED)
        if not is_refused or reply.kind is not ReplyKind.REACTION_OFFER:
            return outcome
        # The author has left the channel since, or the bot was removed.
        sent = {**sent, "channel": reply.slack_user_id, "thread_ts": None}
    return call_slack(
        lambda: runtime.slack.chat_postMessage(**sent, unfurl_links=False, unfurl_media=False)
    )
