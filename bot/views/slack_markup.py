"""Conversion of Slack's markup to readable plain text."""

import re
from collections.abc import Mapping

from bot.views.text import unescape

# The tokens: https://docs.slack.dev/messaging/formatting-message-text
_TOKEN = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>")
_BROADCASTS = ("channel", "here", "everyone")
UNKNOWN_NAME = "someone"


def mentioned_user_ids(text: str) -> list[str]:
    """Return the ids of the mentioned members, each once, in order."""
    return list(dict.fromkeys(_MENTION.findall(text)))


def to_readable_text(text: str, names_by_id: Mapping[str, str]) -> str:
    """Return the text as Slack shows it; `names_by_id` has the names of mentioned members."""
    words: list[str] = []
    end = 0
    for token in _TOKEN.finditer(text):
        # Unescaped piece by piece: a typed "<!channel>" must not become a token.
        words.append(unescape(text[end : token.start()]))
        words.append(_token_text(unescape(token[1]), unescape(token[2] or "").strip(), names_by_id))
        end = token.end()
    return "".join(words) + unescape(text[end:])


def _token_text(target: str, label: str, names_by_id: Mapping[str, str]) -> str:
    if target.startswith("@"):
        return f"@{names_by_id.get(target[1:]) or label.removeprefix('@') or UNKNOWN_NAME}"
    if target.startswith("#"):
        return f"#{label.removeprefix('#') or 'a channel'}"
    if target.startswith("!"):
        return _special_token_text(target[1:], label)
    address = target.removeprefix("mailto:").removeprefix("tel:")
    if not label or label in (target, address) or target.endswith(f"://{label}"):
        return address
    return f"{label} ({address})"


def _special_token_text(target: str, label: str) -> str:
    kind = target.partition("^")[0]
    if kind in _BROADCASTS:
        return f"@{kind}"
    if kind == "subteam":
        return f"@{label.removeprefix('@') or 'a group'}"
    return label or kind  # the fallback text of a date
