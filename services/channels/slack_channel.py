"""A channel as Slack describes it, and whether the bot can work there.

https://docs.slack.dev/reference/objects/conversation-object
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.channels.request_channels import ChannelState

# `is_shared` is true for both kinds, `is_pending_ext_shared` until the other organisation accepts.
SHARED_CHANNEL_FLAGS = ("is_shared", "is_ext_shared", "is_org_shared", "is_pending_ext_shared")

# If Slack says that all are false, it is a public channel of this workspace alone.
_NON_PUBLIC_FLAGS = (
    *("is_private", "is_im", "is_mpim"),
    *("is_shared", "is_ext_shared", "is_org_shared"),
)


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """`state` is what Slack says of it: the triage channel is none of Slack's business."""

    id: str
    name: str
    is_private: bool
    state: ChannelState

    @classmethod
    def from_slack(cls, channel: Mapping[str, Any]) -> "SlackChannel":
        """`channel` is what `conversations.info` returns."""
        return cls(
            id=str(channel["id"]),
            name=str(channel.get("name") or ""),
            is_private=channel.get("is_private") is True,
            state=_state(channel),
        )


def is_shared(channel: Mapping[str, Any]) -> bool:
    """Return whether people of other organisations read it, or will."""
    return any(channel.get(flag) for flag in SHARED_CHANNEL_FLAGS)


def is_public(channel: Mapping[str, Any]) -> bool:
    """Return whether Slack says that it is a public channel of this workspace alone."""
    return all(channel.get(flag) is False for flag in _NON_PUBLIC_FLAGS)


def _state(channel: Mapping[str, Any]) -> ChannelState:
    if channel.get("is_archived"):
        return ChannelState.ARCHIVED
    if is_shared(channel):
        return ChannelState.SHARED
    return ChannelState.ACTIVE if channel.get("is_member") else ChannelState.NOT_A_MEMBER
