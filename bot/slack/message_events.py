"""Parse Slack's `message` events: a reply was written, changed or deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.slack.message_content import MessageContent, parse_content
from services.models.comment import MessageRef

# Messages that a person wrote. Other subtypes are Slack's or an app's.
_PERSON_SUBTYPES = frozenset({None, "file_share", "thread_broadcast", "me_message"})


class MessageChange(StrEnum):
    WROTE = "wrote"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A reply in a thread. `event_ts` is the event's own timestamp."""

    change: MessageChange
    message_ref: MessageRef
    thread_ref: MessageRef
    author_id: str
    content: MessageContent
    event_ts: str


def parse_thread_reply(event: Mapping[str, Any]) -> MessageEvent | None:
    """Return None unless a person wrote, changed or deleted the text of a reply in a thread."""
    change, message, ts = _changed_message(event)
    thread_ts, author = message.get("thread_ts"), message.get("user")
    if message.get("subtype") not in _PERSON_SUBTYPES or message.get("bot_id") or not author:
        return None
    if not ts or not thread_ts or thread_ts == ts:
        return None
    content = parse_content(message)
    if change is MessageChange.CHANGED and content == parse_content(
        event.get("previous_message") or {}
    ):
        return None  # Slack added a preview, or counted a file's readers
    channel = str(event["channel"])
    return MessageEvent(
        change=change,
        message_ref=MessageRef(channel, str(ts)),
        thread_ref=MessageRef(channel, str(thread_ts)),
        author_id=str(author),
        content=content,
        event_ts=str(event.get("event_ts") or event.get("ts")),
    )


def _changed_message(event: Mapping[str, Any]) -> tuple[MessageChange, Mapping[str, Any], Any]:
    """Return the change, the message and the message's timestamp."""
    subtype = event.get("subtype")
    if subtype == "message_changed":
        message = event.get("message") or {}
        return MessageChange.CHANGED, message, message.get("ts")
    if subtype == "message_deleted":
        return MessageChange.DELETED, event.get("previous_message") or {}, event.get("deleted_ts")
    return MessageChange.WROTE, event, event.get("ts")
