"""Events that say that a channel has changed, for the bot: it was archived, shared, left."""

from collections.abc import Mapping
from typing import Any

JOINED, ID_CHANGED = "member_joined_channel", "channel_id_changed"
DELETED = ("channel_deleted", "group_deleted")
# A bot that is removed gets no `member_left_channel`, but mostly one of the two `left` events:
# https://github.com/slackapi/bolt-js/issues/1847 and https://docs.slack.dev/reference/events/channel_left
CHANNEL_EVENTS = (
    JOINED,
    *(
        f"{kind}_{change}"
        for kind in ("channel", "group")
        for change in ("archive", "unarchive", "rename", "left", "deleted")
    ),
    "channel_shared",
    "channel_unshared",
    ID_CHANGED,
)


def changed_channel(event: Mapping[str, Any]) -> str:
    """Return the id that the channel has now."""
    if event["type"] == ID_CHANGED:
        return str(event["new_channel_id"])
    channel = event["channel"]  # of a renamed one: with its new name
    return str(channel["id"] if isinstance(channel, dict) else channel)


def is_of_another_member(body: Mapping[str, Any]) -> bool:
    """Return whether the event says that someone else has joined a channel."""
    installed = body.get("authorizations") or ()
    event = body["event"]
    return event["type"] == JOINED and event["user"] not in {one["user_id"] for one in installed}
