"""Answer an event through the outbox, so that the answer arrives even if Slack fails now.

A member is answered a limited number of times, so that a script or an automatic reply to each
answer comes to an end.
"""

from bot.slack.request import Request
from bot.views.text import Message, escape
from services.core.errors import LimitReached
from services.core.rate_limit import Limit
from services.models.slack_member import link_id
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
    reader: str = "",
) -> None:
    """Queue one reply of that kind to `event`, for the sender or for another member (`reader`).
    Call it before the event is acknowledged: Slack repeats an event that could not be stored."""
    reply_id = req.services.replies.queue(
        kind,
        event=event,
        recipient=recipient,
        slack_user_id=reader or req.slack_user_id,
        message=message.as_args(),
        thread_ts=thread_ts,
        is_ephemeral=is_ephemeral,
    )
    req.bot.publisher.publish_reply(reply_id)


def may_answer(
    req: Request,
    *,
    event: str,
    recipient: str,
    thread_ts: str | None = None,
    is_ephemeral: bool = False,
) -> bool:
    """Count an answer to the member, and return whether they have not reached the limit. The first
    message above it is answered with a sentence that says so, there and as `queue_reply` does."""
    limiter = req.services.rate_limiter
    member = link_id(req.bot.team_id, req.slack_user_id)
    try:
        limiter.take((Limit.MESSAGES, member))
    except LimitReached as refusal:
        sentence = Message(text=escape(str(refusal)), blocks=[])
    else:
        return True
    notice = limiter.try_take((Limit.MESSAGES_NOTICE, member))
    if notice:
        with notice:
            queue_reply(
                req,
                ReplyKind.NOTICE,
                sentence,
                event=event,
                recipient=recipient,
                thread_ts=thread_ts,
                is_ephemeral=is_ephemeral,
            )
    return False
