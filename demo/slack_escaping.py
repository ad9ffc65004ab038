"""What people write, escaped as Slack does it: local-slack passes on what was typed."""

import re

from demo.block_translation import Json

_TOKEN = re.compile(r"(<(?:[@#!]|https?://|mailto:)[^<>]*>)")


def escape_message(event: Json) -> Json:
    """The event, and the messages in it that it tells of; mentions and links stay markup."""
    escaped = dict(event)
    if isinstance(event.get("text"), str):
        parts = _TOKEN.split(event["text"])
        escaped["text"] = "".join(p if _TOKEN.fullmatch(p) else _escape(p) for p in parts)
    for inner in ("message", "previous_message"):
        if isinstance(event.get(inner), dict):
            escaped[inner] = escape_message(event[inner])
    return escaped


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
