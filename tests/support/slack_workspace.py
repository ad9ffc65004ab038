"""A Slack workspace in memory: its members, conversations, messages and views.

tests/support/slack_methods.py changes it, one caller at a time; tests/support/recording_slack.py
serves it.
"""

import itertools
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TEAM_ID = "T0TEAM"
TEAM_URL = "https://example.slack.com/"
SISTER_TEAM_ID = "T0SISTER"  # another workspace of the same Enterprise Grid
ENTERPRISE_ID = "E0GRID"
APP_ID = "A0APP"
BOT_ID = "B0BOT"
BOT_USER_ID = "U0BOT"
GENERAL = "C0GENERAL"
TRIAGE = "C0TRIAGE"


class SlackClock:
    """Seconds that pass only when a test says so: a slow machine expires no trigger."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


CLOCK = SlackClock()
"""Used by tests/support/payloads.py, which issues triggers, and by RecordingSlack, which takes
them."""


class SlackError(Exception):
    """`{"ok": false, "error": code}`, with the rules that the caller broke, if any.

    `details` are further fields of Slack's answer.
    """

    def __init__(self, code: str, violations: list[str] | None = None, **details: str) -> None:
        super().__init__(code)
        self.code = code
        self.violations = violations or []
        self._details = details

    def answer(self) -> Json:
        body: Json = {"ok": False, "error": self.code, **self._details}
        if self.violations:
            body["response_metadata"] = {"messages": [f"[ERROR] {v}" for v in self.violations]}
        return body


def _channel(channel_id: str, overrides: Json) -> Json:
    """As conversations.info tells it: a public channel which the bot has not joined.

    `members` are the user ids in it; None for every member of the workspace.
    """
    flags = ("group", "im", "mpim", "private", "archived", "general", "member")
    shared = ("shared", "org_shared", "ext_shared", "pending_ext_shared")
    return {
        "id": channel_id,
        "name": channel_id.removeprefix("C0").lower(),
        "is_channel": True,
        **{f"is_{flag}": False for flag in (*flags, *shared)},
        "members": None if channel_id == GENERAL else [],
        **overrides,
    }


@dataclass
class Workspace:
    team_id: str = TEAM_ID
    members: dict[str, Json] = field(default_factory=dict)
    channels: dict[str, Json] = field(default_factory=lambda: {GENERAL: _channel(GENERAL, {})})
    messages: dict[str, list[Json]] = field(default_factory=dict)
    views: dict[str, Json] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    spent_triggers: set[str] = field(default_factory=set)
    reactions: set[tuple[str, str, str]] = field(default_factory=set)
    quiet: dict[str, Json] = field(default_factory=dict)  # as dnd.teamInfo tells it
    scopes: frozenset[str] = frozenset()  # of the token that is calling
    now: float = 0.0  # seconds on Slack's clock
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _started: int = field(default_factory=lambda: int(time.time()))

    def add_member(self, user_id: str, *, email: str, name: str, **overrides: Any) -> Json:
        profile = {
            "email": email,
            "real_name": name,
            "display_name": name.partition(" ")[0].lower(),
            "image_72": f"https://avatars.slack-edge.com/{user_id}_72.png",
        }
        self.members[user_id] = {
            "id": user_id,
            "team_id": self.team_id,
            "name": email.partition("@")[0] or user_id.lower(),
            "real_name": name,
            "deleted": False,
            "color": "9f69e7",
            "tz": "Europe/Berlin",
            "tz_label": "Central European Time",
            "tz_offset": 3600,
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "is_bot": False,
            "is_app_user": False,
            "is_stranger": False,
            "is_email_confirmed": True,
            "updated": self._started,
            **overrides,
            "profile": {**profile, "team": self.team_id, **overrides.get("profile", {})},
        }
        return self.members[user_id]

    def add_grid_member(
        self, user_id: str, *, email: str, name: str, teams: Sequence[str], **overrides: Any
    ) -> Json:
        """A member of an Enterprise Grid; `teams` are the workspaces that they belong to.

        `team_id` is the first of `teams` unless overridden; None leaves it out, as Slack sometimes
        does.
        """
        enterprise = {"enterprise_id": ENTERPRISE_ID, "enterprise_name": "Example Group"}
        places = {"team_id": next(iter(teams), ENTERPRISE_ID), **overrides}
        member = self.add_member(
            user_id,
            email=email,
            name=name,
            profile={"team": ENTERPRISE_ID},
            enterprise_user={
                "id": user_id,
                **enterprise,
                "is_admin": False,
                "is_owner": False,
                "is_primary_owner": False,
                "teams": list(teams),
            },
            **places,
        )
        if member["team_id"] is None:
            del member["team_id"]
            member |= {**enterprise, "teams": list(teams)}
        return member

    def add_channel(self, channel_id: str, **overrides: Any) -> None:
        self.channels[channel_id] = _channel(channel_id, overrides)

    def say(self, channel: str, text: str, *, user: str, **fields: Any) -> Json:
        if (info := self.channels.get(channel)) is not None:
            assert not info["is_archived"], f"no one can write in {channel}: it is archived"
            if info["members"] is not None and user not in info["members"]:
                info["members"].append(user)
        message = {"type": "message", "user": user, "text": text, **fields}
        message = {"ts": self.next_ts(), "channel": channel, **message}
        said = self.messages.setdefault(channel, [])
        message |= self.thread_fields(channel, fields.get("thread_ts"))
        said.append(message)
        return message

    def thread_fields(self, channel: str, thread_ts: Any) -> Json:
        """The fields that make a message a reply in the thread; none without its first message."""
        for first in self.messages.get(channel, []):
            if first["ts"] == thread_ts:
                author = first.get("user") or first["bot_id"]
                return {"thread_ts": thread_ts, "parent_user_id": author}
        return {}

    def replies_to(self, first: Json) -> list[Json]:
        said = self.messages.get(first["channel"], [])
        return [m for m in said if m.get("thread_ts") == first["ts"] != m["ts"]]

    def remove(self, message: Json) -> None:
        """Of the first message of a thread with replies, Slack keeps the place only."""
        said = self.messages[message["channel"]]
        if self.replies_to(message):
            kept = {key: message[key] for key in ("type", "ts", "channel")}
            text = "This message was deleted."
            tombstone = {**kept, "subtype": "tombstone", "user": "USLACKBOT", "text": text}
            said[said.index(message)] = {**tombstone, "hidden": True}
        else:
            said.remove(message)

    def has_member(self, channel: str, user: Any) -> bool:
        if channel.startswith("D"):
            return bool(user == f"U{channel[1:]}")
        members = self.channels[channel].get("members")
        return user in (self.members if members is None else members)

    def writable_channel(self, target: Any, *, archived: str = "is_archived") -> str:
        """The conversation `target`, unless it is archived: then Slack answers `archived`."""
        channel = self.channel(str(target))
        if self.channels.get(channel, {}).get("is_archived"):
            raise SlackError(archived)
        return channel

    def channel(self, target: str) -> str:
        """The conversation a message to `target` goes to; a user id means that user's DM."""
        dm = "U" + target[1:] if target.startswith("D") else target
        if dm in self.members and not self.members[dm]["deleted"]:
            return f"D{dm[1:]}"
        # chat:write.public opens public channels; a private one is there for its members only.
        info = self.channels.get(target)
        if info is None or (info["is_private"] and not info["is_member"]):
            raise SlackError("channel_not_found")
        return target

    def message(self, channel: Any, ts: Any, *, missing: str = "message_not_found") -> Json:
        """Only a conversation has messages: a user's id is refused here, as in Slack."""
        if str(channel) in self.members:
            raise SlackError("channel_not_found")
        for message in self.messages.get(self.channel(str(channel)), []):
            if message["ts"] == ts:
                return message
        raise SlackError(missing)

    def own_message(self, channel: Any, ts: Any, *, others: str) -> Json:
        """A message that the bot wrote; `others` is Slack's error for other people's."""
        message = self.message(channel, ts)
        if message.get("bot_id") != BOT_ID:
            raise SlackError(others, ["the message is not the bot's own [json-pointer:/ts]"])
        return message

    def keep_view(self, view_id: str, view: Json, *, parent: str | None = None) -> Json:
        """The view as Slack keeps and sends it: with defaults, an id, and a hash that is new.

        `parent` is the view below it in the stack; an update keeps the stack.
        """
        # Removed first, so that the newest is the last.
        before = self.views.pop(view_id, {"previous_view_id": parent})
        root = self.views[parent]["root_view_id"] if parent else view_id
        self.views[view_id] = {
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "clear_on_close": False,
            "notify_on_close": False,
            "close": None,
            "submit": None,
            **view,
            "id": view_id,
            "team_id": self.team_id,
            "state": {"values": {}},
            "hash": f"{int(time.time())}.{uuid.uuid4().hex[:8]}",
            "previous_view_id": before["previous_view_id"],
            "root_view_id": before.get("root_view_id", root),
            "app_id": APP_ID,
            "app_installed_team_id": self.team_id,
            "bot_id": BOT_ID,
        }
        return self.views[view_id]

    def next_ts(self) -> str:
        number = next(self._numbers)
        return f"{self._started + number}.{number:06d}"

    def next_id(self, letter: str) -> str:
        return f"{letter}0{next(self._numbers):06d}"
