"""Parse Slack's `message` events: a person wrote, changed or deleted a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.views.message_content import PERSON_SUBTYPES, MessageContent, parse_content
from services.models.comment import MessageRef

_SLACKBOT = "USLACKBOT"  # users.info does not call it a bot


class MessageChange(StrEnum):
    WROTE = "wrote"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """`thread_ref` is the thread's first message, written by `thread_author_id`; None outside a
    thread. `previous` is the content before the change, and `event_ts` the event's own timestamp.
    """

    change: MessageChange
    message_ref: MessageRef
    thread_ref: MessageRef | None
    thread_author_id: str
    is_direct: bool
    author_id: str
    content: MessageContent
    previous: MessageContent
    event_ts: str


def parse_message(event: Mapping[str, Any]) -> MessageEvent | None:
    """Return None unless a person wrote, changed or deleted the content of a message."""
    change, message, ts = _changed_message(event)
    thread_ts, author = message.get("thread_ts"), message.get("user")
    if message.get("subtype") not in PERSON_SUBTYPES or message.get("bot_id"):
        return None
    if not author or author == _SLACKBOT:
        return None
    if not ts:
        return None
    content = parse_content(message)
    previous = parse_content(event.get("previous_message") or {})
    if change is MessageChange.CHANGED and content == previous:
        return None  # Slack added a preview, or counted a file's readers
    channel = str(event["channel"])
    is_reply = bool(thread_ts) and thread_ts != ts
    return MessageEvent(
        change=change,
        message_ref=MessageRef(channel, str(ts)),
        thread_ref=MessageRef(channel, str(thread_ts)) if is_reply else None,
        thread_author_id=str(message.get("parent_user_id") or ""),
        is_direct=event.get("channel_type") == "im",
        author_id=str(author),
        content=content,
        previous=previous,
        event_ts=str(event.get("event_ts") or event.get("ts")),
    )


def _changed_message(event: Mapping[str, Any]) -> tuple[MessageChange, Mapping[str, Any], Any]:
    """Return the change, the message and the message's timestamp."""
    subtype = event.get("subtype")
    if subtype == "message_changed":
        message = event.get("message") or {}
        if message.get("subtype") == "tombstone":  # deleted, with replies below it
            return MessageChange.DELETED, event.get("previous_message") or {}, message.get("ts")
        return MessageChange.CHANGED, message, message.get("ts")
    if subtype == "message_deleted":
        return MessageChange.DELETED, event.get("previous_message") or {}, event.get("deleted_ts")
    return MessageChange.WROTE, event, event.get("ts")
