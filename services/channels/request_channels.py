"""The request channels of a workspace: the channels in which messages become tickets, and whose
threads are the conversations about these.

Stored in `channels` as `{_id: "TEAM:CHANNEL", mode, private, emoji, by, at, state, checkedAt, name,
channelPrivate}`. services/channels/channel_settings.py (`ChannelSettings`) changes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.core.coerce import as_datetime
from services.core.database import Document, Mongo
from services.core.ttl_cache import ttl_cached

MAX_CHANNELS = 20  # of a workspace


class ChannelMode(StrEnum):
    """What becomes a ticket."""

    EVERY_MESSAGE = "every_message"  # each message of a member outside a thread, at once
    ON_REQUEST = "on_request"  # a message with the emoji or a mention, or by the shortcut


class ChannelState(StrEnum):
    """Whether the bot can work in the channel, as far as it knows."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    NOT_A_MEMBER = "not_a_member"  # the bot has left, or was removed
    SHARED = "shared"  # with another organisation, or about to be
    TRIAGE = "triage"  # it is also the triage channel, where staff alone write
    MISSING = "missing"  # deleted, or a private one without the bot


@dataclass(frozen=True, slots=True)
class RequestChannel:
    """`is_private`: its tickets are private. `has_emoji_actions`: an emoji on a message or its line
    acts on the ticket. `by` is the admin who set it last, at `at`. `checked_at` is when Slack was
    last asked for its `state`; `name` is without "#", "" if it is unknown. `is_channel_private`: in
    Slack it is a private channel."""

    team_id: str
    id: str
    mode: ChannelMode
    is_private: bool = False
    has_emoji_actions: bool = False
    by: ObjectId | None = None
    at: datetime | None = None
    state: ChannelState = ChannelState.ACTIVE
    checked_at: datetime | None = None
    name: str = ""
    is_channel_private: bool = False

    @property
    def is_active(self) -> bool:
        return self.state is ChannelState.ACTIVE

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "RequestChannel":
        team_id, _, channel_id = str(doc["_id"]).partition(":")
        return cls(
            team_id=team_id,
            id=channel_id,
            mode=ChannelMode(doc["mode"]),
            is_private=doc.get("private") is True,
            has_emoji_actions=doc.get("emoji") is True,
            by=doc.get("by"),
            at=as_datetime(doc.get("at")),
            state=ChannelState(doc.get("state", ChannelState.ACTIVE)),
            checked_at=as_datetime(doc.get("checkedAt")),
            name=str(doc.get("name") or ""),
            is_channel_private=doc.get("channelPrivate") is True,
        )

    def to_doc(self) -> Document:
        return {
            "_id": channel_key(self.team_id, self.id),
            "mode": self.mode.value,
            "private": self.is_private,
            "emoji": self.has_emoji_actions,
            "by": self.by,
            "at": self.at,
            "state": self.state.value,
            "checkedAt": self.checked_at,
            "name": self.name,
            "channelPrivate": self.is_channel_private,
        }


def channel_key(team_id: str, channel: str) -> str:
    return f"{team_id}:{channel}"


def load_request_channels(db: Mongo) -> Mapping[tuple[str, str], RequestChannel]:
    """Return the request channels, by team and channel."""
    docs = db.channels.find({"_id": {"$gt": ""}}).sort("_id").limit(MAX_CHANNELS)
    found = map(RequestChannel.from_doc, docs)
    return {(one.team_id, one.id): one for one in found}


cached_request_channels = ttl_cached(load_request_channels)


def find_request_channel(
    db: Mongo, *, team_id: str, channel: str, for_private: bool = False
) -> RequestChannel | None:
    """Return the channel, at most a few seconds old; None if it is no request channel, or the bot
    cannot work in it now. `for_private`: only if a private ticket can be talked about there, as
    long as Slack does not let all members of the workspace read it."""
    found = cached_request_channels(db).get((team_id, channel))
    if found is None or not found.is_active or (for_private and not found.is_channel_private):
        return None
    return found
