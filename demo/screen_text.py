"""Messages and modals as the text that local-slack's page shows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demo.block_translation import ZERO_WIDTH_SPACE, Json

_MENTION = re.compile(r"<@([A-Z0-9]+)>")


@dataclass(frozen=True, slots=True)
class ScreenMessage:
    """`text` has a line for each text of the message; mentions are written @name."""

    ts: str
    channel: str
    text: str
    buttons: tuple[Json, ...]
    edited: bool
    only_for: str | None
    by_bot: bool
    raw: Json

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(button["text"]["text"] for button in self.buttons)


@dataclass(frozen=True, slots=True)
class ScreenModal:
    """`fields` are its inputs and `errors` their messages, by block_id."""

    id: str
    title: str
    text: str
    fields: Mapping[str, Json]
    can_submit: bool
    errors: Mapping[str, str]
    raw: Json


def message_of(raw: Json, names: Mapping[str, str]) -> ScreenMessage:
    blocks = raw.get("blocks") or []
    lines = [line for block in blocks for line in _lines(block)] or [raw.get("text") or ""]
    buttons = [
        {**element, "block_id": block.get("block_id") or f"b{index}"}
        for index, block in enumerate(blocks)
        for element in [*block.get("elements", ()), block.get("accessory") or {}]
        if element.get("type") == "button"
    ]
    return ScreenMessage(
        ts=raw["ts"],
        channel=raw["channel"],
        text=_readable("\n".join(lines), names),
        buttons=tuple(buttons),
        edited="edited" in raw,
        only_for=raw.get("ephemeral_to"),
        by_bot="bot_id" in raw,
        raw=raw,
    )


def modal_of(raw: Json, errors: Mapping[str, str] | None, names: Mapping[str, str]) -> ScreenModal:
    blocks = raw.get("blocks") or []
    lines = [line for block in blocks for line in _lines(block)]
    return ScreenModal(
        id=raw["id"],
        title=raw["title"]["text"],
        text=_readable("\n".join(lines), names),
        fields={
            block["block_id"]: block["element"] for block in blocks if block["type"] == "input"
        },
        can_submit="submit" in raw,
        errors=dict(errors or {}),
        raw=raw,
    )


def _lines(block: Json) -> list[str]:
    found: list[Any] = [block.get("text"), block.get("label"), block.get("hint")]
    found += block.get("fields") or []
    found += [item for item in block.get("elements") or [] if item.get("type") != "button"]
    return [str(item["text"]) for item in found if item and isinstance(item.get("text"), str)]


def _readable(text: str, names: Mapping[str, str]) -> str:
    named = _MENTION.sub(lambda found: "@" + names.get(found.group(1), found.group(1)), text)
    return named.replace(ZERO_WIDTH_SPACE, "")
