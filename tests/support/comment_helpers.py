"""Users who reply in the threads of a ticket's messages, as Slack's events to the bot."""

from collections.abc import Callable
from typing import Any

from services.models.user import User
from tests.conftest import Bot, People
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack

Json = dict[str, Any]


def card_of(slack: RecordingSlack, user: User, kind: str = "Ticket") -> Json:
    """The first message of the bot to somebody that begins so."""
    return next(m for m in slack.messages(People.slack_id(user)) if m["text"].startswith(kind))


def said(
    slack: RecordingSlack, user: User, thread: Json, text: str, *, is_im: bool = True, **more: Any
) -> Json:
    """A reply in that message's thread, as the event that tells of it."""
    message = slack.say(
        thread["channel"], text, user=People.slack_id(user), thread_ts=thread["ts"], **more
    )
    return event_of(message, is_im=is_im)


def event_of(message: Json, *, is_im: bool = True) -> Json:
    return payloads.event({**message, "channel_type": "im" if is_im else "channel"})


def changed(event: Json, text: str, **more: Any) -> Json:
    """The author has changed what that event told of."""
    before = message_of(event)
    after = {**before, "text": text, "edited": {"user": before["user"]}, **more}
    return payloads.event(
        {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "channel": before["channel"],
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
            "ts": "1800000000.000002",
            "deleted_ts": before["ts"],
            "previous_message": before,
        }
    )


def message_of(event: Json) -> Json:
    """What an event of a message tells of, as Slack keeps it."""
    inner = event["event"]
    message = inner.get("message", inner)
    kept = {key: value for key, value in message.items() if key not in ("channel_type", "event_ts")}
    return {**kept, "channel": inner["channel"]}


def in_thread(slack: RecordingSlack, user: User, thread: Json) -> list[str]:
    """What the bot wrote there."""
    return texts(slack, People.slack_id(user), thread)


def texts(slack: RecordingSlack, channel: str, thread: Json) -> list[str]:
    return [
        m["text"]
        for m in slack.messages(channel)
        if m.get("thread_ts") == thread["ts"] and "bot_id" in m
    ]


def ephemeral_messages(slack: RecordingSlack) -> list[tuple[str, str]]:
    """What the bot said to somebody alone: to whom, and what."""
    return [(c.args["user"], c.args["text"]) for c in slack.calls_to("chat.postEphemeral")]


class Conversation:
    """Those who talk about the one ticket there is, each in the thread of their own card."""

    def __init__(self, bot: Bot, slack: RecordingSlack, deliver: Callable[[], None]) -> None:
        """`deliver` does what the workers do."""
        self.slack, self.deliver = slack, deliver
        self.answer, self.send = bot.answer, bot.send

    def said(self, user: User, text: str, **more: Any) -> Json:
        return said(self.slack, user, card_of(self.slack, user), text, **more)

    def replies_to(self, user: User) -> list[str]:
        """What the bot wrote to them there."""
        return in_thread(self.slack, user, card_of(self.slack, user))

    def ephemeral_messages(self) -> list[tuple[str, str]]:
        return ephemeral_messages(self.slack)
