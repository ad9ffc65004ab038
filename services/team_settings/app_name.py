"""The name that the product has for people, set by an admin: in messages, on the pages, in emails.

Stored in `settings` as `_id: "app"`.
"""

import re
from collections.abc import Mapping
from typing import Any

from pymongo.errors import PyMongoError

from services.core.database import Mongo
from services.core.errors import InvalidValue
from services.core.text import strip_invisible
from services.core.ttl_cache import ttl_cached

APP_NAME_ID = "app"
DEFAULT_APP_NAME = "Help desk"
MAX_APP_NAME_LENGTH = 35  # of an app's name in Slack's manifest

_MARKUP = re.compile(r"[<>]|@(?:channel|here|everyone)\b", re.IGNORECASE)
# The names read last, by database.
_known_names: dict[str, str] = {}


def load_app_name(db: Mongo) -> str:
    """Return the stored name. If MongoDB fails, the one read last: no page and no message fails for
    want of a name."""
    try:
        doc = db.settings.find_one({"_id": APP_NAME_ID}, ["name"])
    except PyMongoError:
        return known_app_name(db)
    name = _known_names[db.name] = app_name_from_doc(doc)
    return name


def known_app_name(db: Mongo) -> str:
    """Return the name that this process has read last, without asking MongoDB."""
    return _known_names.get(db.name, DEFAULT_APP_NAME)


app_name = ttl_cached(load_app_name)  # at most a few seconds old


def app_name_from_doc(doc: Mapping[str, Any] | None) -> str:
    """Return the default for a name that is not stored, or is malformed."""
    name = (doc or {}).get("name")
    try:
        return checked_app_name(name) if isinstance(name, str) else DEFAULT_APP_NAME
    except InvalidValue:
        return DEFAULT_APP_NAME


def checked_app_name(text: str) -> str:
    """Return the name in one line. Raises `InvalidValue`."""
    name = " ".join(strip_invisible(text).split())
    if not 1 <= len(name) <= MAX_APP_NAME_LENGTH:
        raise InvalidValue("name", f"Type a name of 1 to {MAX_APP_NAME_LENGTH} characters.")
    if _MARKUP.search(name):
        raise InvalidValue("name", "Leave out <, > and mentions such as @channel.")
    return name
