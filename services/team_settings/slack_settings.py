"""The triage channel and the emoji that files a message, if admins have set them in Slack.

Stored in `settings` as `_id: "slack"`. A stored value wins over its environment variable, and each
process takes a change over within seconds.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import PyMongoError

from services.core.coerce import str_or_empty
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue
from services.core.leases import Lease, LeaseUnavailable
from services.core.optimistic_retry import BUSY
from services.core.settings import CHANNEL_ID, EMOJI_NAME, normalized_emoji
from services.core.ttl_cache import ttl_cached

SLACK_SETTINGS_ID = "slack"
TRIAGE_CHANNEL, TICKET_EMOJI = "triageChannel", "ticketEmoji"  # fields, and inputs of the form
MAX_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """What is stored; None if the variable counts. `triage_channel` "" means none."""

    triage_channel: str | None = None
    ticket_emoji: str | None = None


# What was read last, by database.
_known: dict[str, SlackSettings] = {}


def load_slack_settings(db: Mongo) -> SlackSettings:
    """Return what was read last if MongoDB fails: a reaction must not fail with it."""
    try:
        doc = db.settings.find_one({"_id": SLACK_SETTINGS_ID}) or {}
    except PyMongoError:
        return _known.get(db.name, SlackSettings())
    channel, emoji = doc.get(TRIAGE_CHANNEL), str_or_empty(doc.get(TICKET_EMOJI))
    settings = _known[db.name] = SlackSettings(
        triage_channel=channel if isinstance(channel, str) else None,
        ticket_emoji=emoji if re.search(EMOJI_NAME, emoji) else None,
    )
    return settings


slack_settings = ttl_cached(load_slack_settings)


def triage_channel(db: Mongo, *, variable: str) -> str:
    """Return the channel's id, "" for none. `variable` is the value of TRIAGE_CHANNEL."""
    stored = slack_settings(db).triage_channel
    return variable if stored is None else stored


def has_triage_channel(db: Mongo, *, is_variable_set: bool) -> bool:
    stored = slack_settings(db).triage_channel
    return is_variable_set if stored is None else bool(stored)


def ticket_emoji(db: Mongo, *, variable: str) -> str:
    """Return the emoji's name. `variable` is the value of TICKET_EMOJI."""
    return slack_settings(db).ticket_emoji or variable


@contextmanager
def choosing_channel(db: Mongo, *, now: datetime) -> Iterator[None]:
    """Let no other admin choose a channel in the block: none is both the triage channel and a
    request channel. Raises `Conflict` if others take too long."""
    try:
        with Lease(db, "channels", clock=lambda: now, max_wait_seconds=MAX_WAIT_SECONDS):
            yield
    except LeaseUnavailable:
        raise Conflict(BUSY) from None


def checked_channel(channel: str, *, field: str) -> str:
    """Raises `InvalidValue` for what is no channel's id."""
    if not re.search(CHANNEL_ID, channel):
        raise InvalidValue(field, "Choose a channel.")
    return channel


def checked_emoji(text: str) -> str:
    """Return the name without colons. Raises `InvalidValue`."""
    name = normalized_emoji(text)
    if not re.search(EMOJI_NAME, name):
        raise InvalidValue(TICKET_EMOJI, "Type the name of one emoji, such as ticket.")
    return name
