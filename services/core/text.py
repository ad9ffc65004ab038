"""Texts: invisible characters, length, scripts without spaces, email addresses, lists in words."""

import re
from collections.abc import Sequence

# For a character class: letters of scripts without spaces between words (Thai and Lao, Burmese,
# Khmer, kana, Han) or between a word and its ending (Hangul).
UNSPACED_SCRIPT_RANGES = (
    "\u0e00-\u0e3a\u0e40-\u0eff\u1000-\u109f\u1780-\u17d3\u1100-\u11ff\u3005-\u3007\u3041-\u30fa"
    "\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
EMAIL_PATTERN = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]+")

# Characters that can disguise a text, hide words for the AI in it, or are rejected by the database:
# control and bidirectional characters, zero-width ones, blank fillers, tags, halves of an emoji
# that a client truncated. Without line breaks and tabs.
_INVISIBLE_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
# Joiners and variation selectors belong to emoji and to several scripts, but only within a word.
_STRAY = re.compile(
    r"(?<!\S)[\u200c\u200d\ufe00-\ufe0f]++|(?<!\u200c|\u200d)[\u200c\u200d]++(?!\S)"
)
_LINE_BREAK = re.compile(r"\r\n?|[\x85\u2028\u2029]")


def strip_invisible(text: str) -> str:
    """Remove invisible characters; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():  # as most texts are, ours among them
        return text
    return _STRAY.sub("", _INVISIBLE_CHARACTERS.sub("", _LINE_BREAK.sub("\n", text)))


def truncate(text: str, limit: int) -> str:
    """Return at most `limit` characters, with an ellipsis if something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def join_words(words: Sequence[str], joint: str = "and") -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def replace_once(text: str, old: str, new: str) -> str:
    """Replace the first `old` by `new`. Idempotent: not if `new` contains `old`, and is there."""
    is_done = old in new and new in text
    return text if is_done else text.replace(old, new, 1)
