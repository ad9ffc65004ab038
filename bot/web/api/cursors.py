"""Pagination cursors of the API: opaque, and parsed strictly.

A cursor is no secret and grants nothing: the caller's permissions decide which tickets are listed.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from services.core.errors import InvalidValue
from services.lists.api_pages import PageCursor

BAD_CURSOR = "Give a nextCursor as it was answered, or leave it out for the newest tickets."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CURSOR = re.compile(r"(-?\d{1,15}|)\.([0-9a-f]{24})", re.ASCII)


def encode_cursor(cursor: PageCursor) -> str:
    at = (cursor.created_at - _EPOCH) // _MILLISECOND if cursor.created_at else ""
    return urlsafe_b64encode(f"{at}.{cursor.ticket_id}".encode()).decode().rstrip("=")


def decode_cursor(text: str) -> PageCursor:
    """Raises `InvalidValue` for anything that `encode_cursor` does not return."""
    cursor = _parse(text)
    if cursor is None or encode_cursor(cursor) != text:
        raise InvalidValue("cursor", BAD_CURSOR)
    return cursor


def _parse(text: str) -> PageCursor | None:
    try:
        plain = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        match = _CURSOR.fullmatch(plain)
        if match is None:
            return None
        at = _EPOCH + int(match[1]) * _MILLISECOND if match[1] else None
    except (ValueError, OverflowError):  # not base64, ASCII or a date
        return None
    return PageCursor(at, ObjectId(match[2]))
