"""Text for Slack: what a person or the model wrote never becomes markup."""

from dataclasses import dataclass
from typing import Any

from services.text import visible

Block = dict[str, Any]


def escape(text: str) -> str:
    """For mrkdwn and for a message's top-level text: no mention, channel or link survives."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain(text: str, *, limit: int = 3_000) -> Block:
    """Exactly as typed: nothing in it is markup, not even an emoji's name."""
    return {"type": "plain_text", "text": cut(visible(text), limit).strip() or "–", "emoji": False}


def mrkdwn(text: str) -> Block:
    """Our own words. Anything quoted in them must have gone through `escape`."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


@dataclass(frozen=True, slots=True)
class Message:
    """`text` is what notifications and screen readers read, already escaped."""

    text: str
    blocks: list[Block]

    def as_args(self) -> dict[str, Any]:
        """For `chat.postMessage` and `chat.update`: Slack adds no links, names or previews."""
        return {"text": self.text, "blocks": self.blocks, "parse": "none", "link_names": False}


@dataclass(frozen=True, slots=True)
class Person:
    """How somebody is named on a card: by mention where Slack knows them."""

    name: str
    slack_user_id: str | None = None

    @property
    def mention(self) -> str:
        return f"<@{self.slack_user_id}>" if self.slack_user_id else escape(self.name)
