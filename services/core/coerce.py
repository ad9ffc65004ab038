"""Lenient conversion of stored values. None of these functions raises.

The legacy backend validates little: it stores any status and priority that it gets, and
each version of it has its own words.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from bson import ObjectId

_BETWEEN = re.compile(r"[\s_-]+")
_LARGEST = 2**31  # larger numbers, and NaN, are invalid
# From versions of the legacy backend.
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


def str_or_empty(value: Any) -> str:
    """Return "" for anything but a text."""
    return value if isinstance(value, str) else ""


def as_int(value: Any) -> int | None:
    """Accept doubles as well: the mongo shell stores every number as one."""
    return int(value) if isinstance(value, (int, float)) and abs(value) < _LARGEST else None


def as_datetime(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def as_object_id(value: Any) -> ObjectId | None:
    """Accept texts as well: the legacy backend stores some references so."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    return value if isinstance(value, ObjectId) else None


def as_string_list(value: Any) -> tuple[str, ...]:
    """Return the non-empty texts of a list, or of a single text, with white space normalised."""
    if not value:
        return ()
    listed = value if isinstance(value, list) else [value]
    names = (" ".join(name.split()) for name in listed if isinstance(name, str))
    return tuple(name for name in names if name)


def own_entries(value: Any, key: str) -> list[Mapping[str, Any]]:
    """Return the entries of an array that this product wrote: those with that key."""
    listed = value if isinstance(value, list) else []
    return [entry for entry in listed if isinstance(entry, Mapping) and key in entry]


# The values that an entry must have, with their types; the first marks the entries that this
# product wrote.
RequiredValues = Mapping[str, type | tuple[type, ...]]


def complete_entries(value: Any, required: RequiredValues) -> list[Mapping[str, Any]]:
    """Return the entries of an array that have all these values: without those of another program
    and malformed ones (`entry_defect`)."""
    if not value:
        return []
    return [
        entry
        for entry in own_entries(value, next(iter(required)))
        if all(isinstance(entry.get(name), kind) for name, kind in required.items())
    ]


def entry_defect(value: Any, required: RequiredValues) -> str:
    """Return what is wrong with an array, "" if nothing is."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return " is no list"
    own_key = next(iter(required))
    for position, entry in enumerate(value):
        if isinstance(entry, Mapping) and own_key in entry:
            for name, kind in required.items():
                if not isinstance(entry.get(name), kind):
                    return f"[{position}] has no valid {name}"
    return ""


def match_word(
    value: object, words: Iterable[str], aliases: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """Return the one of `words` that equals `value` apart from case and separators, else None.

    `aliases` maps other spellings, in lower case, to a known word.
    """
    if not isinstance(value, str):
        return None
    known = words if isinstance(words, Mapping) else tuple(words)
    if value in known:
        return value
    wanted = _plain(value)
    spelled = {_plain(word): word for word in known}
    return spelled.get(wanted) or aliases.get(wanted)


def _plain(text: str) -> str:
    return _BETWEEN.sub("_", text.strip()).casefold()
