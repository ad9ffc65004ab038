"""Values as they are stored, read forgivingly: the predecessor checks little of what it writes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

_LARGEST = 2**31  # beyond this, and for NaN, a number is nobody's capacity


def text(value: Any) -> str:
    return "" if value is None else str(value)


def whole(value: Any) -> int | None:
    """The mongo shell writes every number as a double."""
    return int(value) if isinstance(value, (int, float)) and abs(value) < _LARGEST else None


def moment(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def object_id(value: Any) -> ObjectId | None:
    """Some of the predecessor's references are texts, which its own library reads as ids."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    return value if isinstance(value, ObjectId) else None


def ours(value: Any, key: str) -> list[Mapping[str, Any]]:
    """The entries of an array that were written here: those have that key."""
    listed = value if isinstance(value, list) else []
    return [entry for entry in listed if isinstance(entry, Mapping) and key in entry]


def names(value: Any) -> tuple[str, ...]:
    """The texts of a list, stripped and without blanks; of a lone text, that one."""
    listed = value if isinstance(value, list) else [value]
    names = (" ".join(name.split()) for name in listed if isinstance(name, str))
    return tuple(name for name in names if name)
