"""Where a page of tickets ends, as clients hand it back: opaque, and read as strictly as a form.

It is no secret and grants nothing: whose tickets are listed is decided by who asks.
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


def encode(edge: PageCursor) -> str:
    at = (edge.created_at - _EPOCH) // _MILLISECOND if edge.created_at else ""
    return urlsafe_b64encode(f"{at}.{edge.ticket_id}".encode()).decode().rstrip("=")


def decode(text: str) -> PageCursor:
    """`Invalid` for whatever `encode` would not have written."""
    edge = _read(text)
    if edge is None or encode(edge) != text:
        raise InvalidValue("cursor", BAD_CURSOR)
    return edge


def _read(text: str) -> PageCursor | None:
    try:
        plain = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        found = _CURSOR.fullmatch(plain)
        if found is None:
            return None
        at = _EPOCH + int(found[1]) * _MILLISECOND if found[1] else None
    except (ValueError, OverflowError):  # no base64, no ASCII, no date
        return None
    return PageCursor(at, ObjectId(found[2]))
