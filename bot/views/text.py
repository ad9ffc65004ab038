"""Text for Slack: what a person or the model wrote never becomes markup."""

import json
from dataclasses import dataclass
from typing import Any

from services.text import visible

Block = dict[str, Any]

# What Slack takes in all blocks of a message together.
BLOCKS_MAX = 13_000


def escape(text: str) -> str:
    """For mrkdwn and for a message's top-level text: no mention, channel or link survives."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """What was typed after a command, where Slack sends `&`, `<` and `>` escaped."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def plain(text: str, *, limit: int = 3_000) -> Block:
    """Exactly as typed: nothing in it is markup, not even an emoji's name."""
    return {"type": "plain_text", "text": cut(visible(text), limit).strip() or "–", "emoji": False}


def fitted(blocks: list[Block]) -> list[Block]:
    """The blocks, their longest plain texts cut until Slack takes all of them in one message."""
    sections = [block for block in blocks if block["type"] == "section"]
    texts = [section["text"] for section in sections if "text" in section]
    while _weight(blocks) > BLOCKS_MAX:
        longest = max(texts, key=_weight)
        longest["text"] = cut(longest["text"], len(longest["text"]) * 9 // 10)
    return blocks


def _weight(blocks: Any) -> int:
    """How long they are as JSON, counted as unkindly as Slack may: escaped, and in UTF-16."""
    return len(escape(json.dumps(blocks, ensure_ascii=False)).encode("utf-16-le")) // 2


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
