"""Replies in the threads of a ticket's messages, as Slack's events."""

from collections.abc import Callable
from typing import Any

from services.models.user import User
from tests.conftest import Bot, People
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack

Json = dict[str, Any]


def card_of(slack: RecordingSlack, user: User, kind: str = "Ticket") -> Json:
    """Return the bot's first message to the user that starts with `kind`."""
    return next(m for m in slack.messages(People.slack_id(user)) if m["text"].startswith(kind))


def said(
    slack: RecordingSlack, user: User, thread: Json, text: str, *, is_im: bool = True, **more: Any
) -> Json:
    """Post a reply in the message's thread and return Slack's event."""
    message = slack.say(
        thread["channel"], text, user=People.slack_id(user), thread_ts=thread["ts"], **more
    )
    return event_of(message, is_im=is_im)


def event_of(message: Json, *, is_im: bool = True) -> Json:
    return payloads.event({**message, "channel_type": "im" if is_im else "channel"})


def changed(event: Json, text: str, **more: Any) -> Json:
    """Return the event of an edit of the message."""
    before = message_of(event)
    after = {**before, "text": text, "edited": {"user": before["user"]}, **more}
    return payloads.event(
        {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "channel": before["channel"],
            "channel_type": event["event"].get("channel_type", "channel"),
            "ts": "1800000000.000001",
            "message": after,
            "previous_message": before,
        }
    )


def deleted(event: Json) -> Json:
    before = message_of(event)
    return payloads.event(
        {
            "type": "message",
            "subtype": "message_deleted",
            "hidden": True,
            "channel": before["channel"],
            "channel_type": event["event"].get("channel_type", "channel"),
            "ts": "1800000000.000002",
            "deleted_ts": before["ts"],
            "previous_message": before,
        }
    )


def message_of(event: Json) -> Json:
    """Return the message of an event, as Slack stores it."""
    inner = event["event"]
    message = inner.get("message", inner)
    kept = {key: value for key, value in message.items() if key not in ("channel_type", "event_ts")}
    return {**kept, "channel": inner["channel"]}


def in_thread(slack: RecordingSlack, user: User, thread: Json) -> list[str]:
    """Return the bot's texts in the thread."""
    return texts(slack, People.slack_id(user), thread)


def texts(slack: RecordingSlack, channel: str, thread: Json) -> list[str]:
    return [
        m["text"]
        for m in slack.messages(channel)
        if m.get("thread_ts") == thread["ts"] and "bot_id" in m
    ]


def ephemeral_messages(slack: RecordingSlack) -> list[tuple[str, str]]:
    """Return the bot's ephemeral messages, as (user, text)."""
    return [(c.args["user"], c.args["text"]) for c in slack.calls_to("chat.postEphemeral")]


class Conversation:
    """The participants of one ticket, who reply in the threads of their cards."""

    def __init__(
        self,
        bot: Bot,
        slack: RecordingSlack,
        deliver: Callable[[], None],
        *,
        send_replies: Callable[[], None],
    ) -> None:
        """`deliver` publishes the outbox and runs the workers, `send_replies` only runs them."""
        self.slack, self.deliver, self._send_replies = slack, deliver, send_replies
        self.answer, self.send = bot.answer, bot.send

    def said(self, user: User, text: str, **more: Any) -> Json:
        return said(self.slack, user, card_of(self.slack, user), text, **more)

    def replies_to(self, user: User) -> list[str]:
        """Return the bot's texts in the user's thread."""
        return in_thread(self.slack, user, card_of(self.slack, user))

    def ephemeral_messages(self) -> list[tuple[str, str]]:
        self._send_replies()
        return ephemeral_messages(self.slack)
