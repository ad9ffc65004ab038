"""Text and messages for Slack: escaping, masking, length limits, names of people.

Text of a user or the model never becomes markup.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from services.core.redaction import mask_visible
from services.core.text import strip_invisible, truncate
from services.linking.links import Directory
from services.models.permissions import Actor, Permission

Block = dict[str, Any]

# Slack's limit for all blocks of a message.
MAX_BLOCKS_LENGTH = 13_000
MAX_MESSAGE_BLOCKS, MAX_VIEW_BLOCKS = 50, 100
# A view may have 250 kB; the rest is for what surrounds its blocks.
MAX_VIEW_BYTES = 240_000
MIN_TEXT_LENGTH = 40
# Slack's limit for a real name. The legacy backend had none.
MAX_NAME_LENGTH = 80
UNCONFIRMED = "not confirmed"
DISOWNED = "filed before this address was confirmed"


def escape(text: str) -> str:
    """Escape text for mrkdwn and for the top-level text: no mention, channel or link survives."""
    return strip_invisible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def masked(text: str) -> str:
    """Return a text of a ticket without secrets. What is pushed or listed shows no other.

    Apply it before the text is cut, because a part of a secret looks like none. Only the ticket's
    page, the forms to file and edit it, and the API's answers about one ticket show the words.
    """
    return mask_visible(text)


def has_secret(text: str) -> bool:
    return masked(text) != strip_invisible(text)


def excerpt(text: str, *, max_length: int, max_lines: int) -> str:
    """Return the beginning of a text without secrets and empty lines."""
    lines = [line.rstrip() for line in masked(text).splitlines() if line.strip()]
    cut = "…" if len(lines) > max_lines else ""
    return truncate("\n".join(lines[:max_lines]) + cut, max_length)


def unescape(text: str) -> str:
    """Undo Slack's escaping of `&`, `<` and `>` in the text after a command."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def truncate_utf16(text: str, limit: int) -> str:
    """As `truncate`, counted in UTF-16 as Slack's clients count inputs: an emoji is two."""
    if utf16_length(text) <= limit:
        return text
    truncated = text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", errors="ignore")
    return truncated.rstrip() + "…"


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def plain_text(text: str, *, limit: int = 3_000) -> Block:
    """Return a plain_text object. Emoji are its only markup: Slack writes the emoji that people
    type as codes."""
    return {
        "type": "plain_text",
        "text": truncate(strip_invisible(text), limit).strip() or "–",
        "emoji": True,
    }


def fit_to_limit(blocks: list[Block]) -> list[Block]:
    """Cut the longest plain texts until the blocks fit in one message."""
    return _truncate_to_fit(blocks, MAX_BLOCKS_LENGTH, _escaped_length)


def fit_view_to_limit(blocks: list[Block]) -> list[Block]:
    """As `fit_to_limit`, for a modal or Home."""
    return _truncate_to_fit(blocks, MAX_VIEW_BYTES, lambda blocks: len(json.dumps(blocks)))


def fits_limit(blocks: list[Block]) -> bool:
    """Return whether the blocks fit in one message. `fit_to_limit` cannot always achieve that."""
    return len(blocks) <= MAX_MESSAGE_BLOCKS and _escaped_length(blocks) <= MAX_BLOCKS_LENGTH


def fits_view_limit(blocks: list[Block]) -> bool:
    """As `fits_limit`, for a modal or Home."""
    return len(blocks) <= MAX_VIEW_BLOCKS and len(json.dumps(blocks)) <= MAX_VIEW_BYTES


def _truncate_to_fit(
    blocks: list[Block], max_size: int, measure: Callable[[Any], int]
) -> list[Block]:
    """Cut all longer texts to one length, the greatest that fits."""
    if measure(blocks) <= max_size:
        return blocks
    sections = [block["text"] for block in blocks if block["type"] == "section" and "text" in block]
    originals = [(section, section["text"]) for section in sections]
    low, high = MIN_TEXT_LENGTH, max((len(text) for _, text in originals), default=MIN_TEXT_LENGTH)
    while low < high:
        middle = (low + high + 1) // 2
        _truncate_all(originals, middle)
        low, high = (middle, high) if measure(blocks) <= max_size else (low, middle - 1)
    _truncate_all(originals, low)
    return blocks


def _truncate_all(originals: list[tuple[Block, str]], length: int) -> None:
    for section, text in originals:
        section["text"] = truncate(text, length)


def _escaped_length(blocks: Any) -> int:
    """Return the length as escaped JSON in UTF-16, the most that Slack may count."""
    return utf16_length(escape(json.dumps(blocks, ensure_ascii=False)))


def mrkdwn(text: str) -> Block:
    """Return our own text as mrkdwn. Quoted parts must have gone through `escape`."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


@dataclass(frozen=True, slots=True)
class Message:
    """`text`, escaped, is for notifications and screen readers."""

    text: str
    blocks: list[Block]

    def as_args(self) -> dict[str, Any]:
        """Return the arguments for `chat.postMessage` and `chat.update`, without link previews."""
        return {"text": self.text, "blocks": self.blocks, "parse": "none", "link_names": False}


@dataclass(frozen=True, slots=True)
class DisplayPerson:
    """How a person is named: by mention if they are in Slack. `note` says, of a requester, what
    is not confirmed. `sees_all_tickets`: their role may see any ticket; `is_active`: their account
    is not deactivated."""

    name: str
    slack_user_id: str | None = None
    note: str = ""
    sees_all_tickets: bool = False
    is_active: bool = True

    @property
    def mention(self) -> str:
        return f"<@{self.slack_user_id}>" if self.slack_user_id else escape(self.name)

    @property
    def noted_mention(self) -> str:
        return f"{self.mention} ({self.note})" if self.note else self.mention

    @property
    def noted_name(self) -> str:
        return f"{self.name} ({self.note})" if self.note else self.name


DisplayPersonLookup = Callable[[Any], DisplayPerson]


def display_person(directory: Directory, user_id: ObjectId | str | None) -> DisplayPerson:
    """Return "someone who has left" for an id without an account, "no one" for None."""
    user = directory.users.get(user_id) if isinstance(user_id, ObjectId) else None
    if user is None:
        return DisplayPerson("someone who has left" if user_id else "no one")
    name = " ".join(user.display_name.split())  # one line, because it is used within sentences
    note = UNCONFIRMED if user.id in directory.unconfirmed else ""
    note = DISOWNED if user.disowned_at else note
    return DisplayPerson(
        truncate(name, MAX_NAME_LENGTH),
        directory.slack_ids.get(user.id),
        note,
        is_active=user.active,
        sees_all_tickets=Actor.from_user(user).has_permission(Permission.SEE_ANY_TICKET),
    )
