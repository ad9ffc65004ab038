"""Answer an event through the outbox, so that the answer arrives even if Slack fails now."""

from bot.slack.request import Request
from bot.views.text import Message
from services.outbox.replies import ReplyKind


def queue_reply(
    req: Request,
    kind: ReplyKind,
    message: Message,
    *,
    event: str,
    recipient: str,
    thread_ts: str | None = None,
    is_ephemeral: bool = False,
) -> None:
    """Queue one reply of that kind to `event`. Call it before the event is acknowledged: Slack
    repeats an event that could not be stored."""
    reply_id = req.services.replies.queue(
        kind,
        event=event,
        recipient=recipient,
        slack_user_id=req.slack_user_id,
        message=message.as_args(),
        thread_ts=thread_ts,
        is_ephemeral=is_ephemeral,
    )
    req.bot.publisher.publish_reply(reply_id)
