"""Lenient conversion of stored values to our types.

The predecessor checks little of what it writes: it stores a status and a priority as whatever it is
given, and each edition of it has its own words. None of these functions raises.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from bson import ObjectId

_BETWEEN = re.compile(r"[\s_-]+")
_LARGEST = 2**31  # beyond this, and for NaN, a number is nobody's capacity
# Seen in editions of the predecessor.
STATUS_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "open": "TODO",
        "new": "TODO",
        "assigned": "IN_PROGRESS",
        "done": "COMPLETED",
        "closed": "COMPLETED",
        "resolved": "COMPLETED",
    }
)


def as_str(value: Any) -> str:
    return "" if value is None else str(value)


def as_int(value: Any) -> int | None:
    """The mongo shell writes every number as a double."""
    return int(value) if isinstance(value, (int, float)) and abs(value) < _LARGEST else None


def as_datetime(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def as_object_id(value: Any) -> ObjectId | None:
    """Some of the predecessor's references are texts, which its own library reads as ids."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    return value if isinstance(value, ObjectId) else None


def as_string_list(value: Any) -> tuple[str, ...]:
    """The texts of a list, stripped and without blanks; of a lone text, that one."""
    listed = value if isinstance(value, list) else [value]
    names = (" ".join(name.split()) for name in listed if isinstance(name, str))
    return tuple(name for name in names if name)


def own_entries(value: Any, key: str) -> list[Mapping[str, Any]]:
    """The entries of an array that were written here: those have that key."""
    listed = value if isinstance(value, list) else []
    return [entry for entry in listed if isinstance(entry, Mapping) and key in entry]


def match_word(
    value: object, words: Iterable[str], aliases: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """Return the one of `words` that is meant, whatever its capitals and the separators between its
    parts. None if it is none of them.

    `aliases` maps other spellings, in lower case, to a known word.
    """
    if not isinstance(value, str):
        return None
    known = tuple(words)
    if value in known:
        return value
    wanted = _plain(value)
    spelled = {_plain(word): word for word in known}
    return spelled.get(wanted) or aliases.get(wanted)


def _plain(text: str) -> str:
    return _BETWEEN.sub("_", text.strip()).casefold()
