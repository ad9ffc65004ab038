"""Text for Slack: what a person or the model wrote never becomes markup."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.text import visible

Block = dict[str, Any]

# What Slack takes in all blocks of a message together.
BLOCKS_MAX = 13_000
MESSAGE_BLOCKS = 50
# A view may have 250 kB; this leaves room for what stands around its blocks.
VIEW_MAX = 240_000
SHORTEST = 40


def escape(text: str) -> str:
    """For mrkdwn and for a message's top-level text: no mention, channel or link survives."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """What was typed after a command, where Slack sends `&`, `<` and `>` escaped."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def cut_units(text: str, limit: int) -> str:
    """As `cut`, in UTF-16: an input's limit counts as Slack's clients do, an emoji as two."""
    if units(text) <= limit:
        return text
    kept = text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", errors="ignore")
    return kept.rstrip() + "…"


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def plain(text: str, *, limit: int = 3_000) -> Block:
    """Exactly as typed: nothing in it is markup, not even an emoji's name."""
    return {"type": "plain_text", "text": cut(visible(text), limit).strip() or "–", "emoji": False}


def fitted(blocks: list[Block]) -> list[Block]:
    """The blocks, their longest plain texts cut until Slack takes all of them in one message."""
    return _cut_down(blocks, BLOCKS_MAX, _weight)


def fitted_view(blocks: list[Block]) -> list[Block]:
    """As `fitted`, for a modal or Home."""
    return _cut_down(blocks, VIEW_MAX, lambda held: len(json.dumps(held)))


def are_fit(blocks: list[Block]) -> bool:
    """Whether Slack takes them in one message. What `fitted` leaves may still be too many."""
    return len(blocks) <= MESSAGE_BLOCKS and _weight(blocks) <= BLOCKS_MAX


def _cut_down(blocks: list[Block], most: int, weigh: Callable[[Any], int]) -> list[Block]:
    """The blocks, every longer text cut to one length: the greatest that is light enough."""
    if weigh(blocks) <= most:
        return blocks
    sections = [block["text"] for block in blocks if block["type"] == "section" and "text" in block]
    whole = [(section, section["text"]) for section in sections]
    low, high = SHORTEST, max((len(text) for _, text in whole), default=SHORTEST)
    while low < high:
        middle = (low + high + 1) // 2
        _cut_all(whole, middle)
        low, high = (middle, high) if weigh(blocks) <= most else (low, middle - 1)
    _cut_all(whole, low)
    return blocks


def _cut_all(whole: list[tuple[Block, str]], length: int) -> None:
    for section, text in whole:
        section["text"] = cut(text, length)


def _weight(blocks: Any) -> int:
    """How long they are as JSON, counted as unkindly as Slack may: escaped, and in UTF-16."""
    return units(escape(json.dumps(blocks, ensure_ascii=False)))


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
