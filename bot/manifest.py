"""The Slack app manifest, derived from the routes (bot/routes.py).

manifest.yml holds what `python app.py manifest` prints. A test compares the scopes with the routes
and with the Web API methods that the code calls.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from bot.routes import Route, RouteKind, top_level_routes
from bot.slack.channel_events import CHANNEL_EVENTS
from services.team_settings.app_name import DEFAULT_APP_NAME

SHORT_DESCRIPTION = "File a ticket and the person who can help gets it, with the reason why."
LONG_DESCRIPTION = """\
File a ticket with /ticket. It goes to the moderator whose skills fit and who has room for it, and \
a direct message shows you who has it and its status.

Moderators get their tickets as direct messages with a summary, what to check first, and why the \
ticket is assigned to them."""
BACKGROUND_COLOR = "#1f3a5f"
EVENTS_PATH = "/slack/events"
PLACEHOLDER_HOST = "https://your-host.example"

HEADER = """\
# The Slack app, made by `python app.py manifest{option}`: change bot/manifest.py, not this file.
# At https://api.slack.com/apps press "Create New App", choose "From a manifest" and paste this.
"""
SOCKET_MODE_NEXT_STEPS = """\
# Then install it; "Install App" shows SLACK_BOT_TOKEN. Under "Basic Information" make an
# app-level token with the scope connections:write: that is SLACK_APP_TOKEN.
"""
HTTP_NEXT_STEPS = """\
# Then install it; "Install App" shows SLACK_BOT_TOKEN, "Basic Information"
# SLACK_SIGNING_SECRET. Start the bot with both, then let Slack verify the request URL.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """An OAuth scope: the reason, and the methods, events and kinds of route that need it.

    An `is_optional` one is offered when the app is installed, and may be declined. What is off
    without each scope says `SCOPE_EFFECTS` (bot/views/labels.py).
    """

    reason: str
    methods: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    route_kinds: tuple[RouteKind, ...] = ()
    is_optional: bool = False


SCOPES: dict[str, Scope] = {
    "commands": Scope(
        "slash commands and shortcuts",
        route_kinds=(RouteKind.COMMAND, RouteKind.SHORTCUT, RouteKind.MESSAGE_SHORTCUT),
    ),
    # Also covers direct messages that are addressed to a member, not to a conversation.
    "chat:write": Scope(
        "cards, messages and ephemeral messages",
        methods=("chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral"),
    ),
    "chat:write.public": Scope(
        "replies in public channels that the bot is not a member of",
        methods=("chat.postMessage",),
    ),
    "chat:write.customize": Scope(
        "the author's name above an answer that is passed on to the thread of a message",
        methods=("chat.postMessage",),
        is_optional=True,
    ),
    "app_mentions:read": Scope(
        "mentions that file a message or a thread",
        events=("app_mention",),
    ),
    "channels:read": Scope(
        "whether a message is in a public channel and may be quoted, and whether a request channel "
        "is archived, shared, or left by the bot",
        methods=("conversations.info",),
        events=tuple(kind for kind in CHANNEL_EVENTS if not kind.startswith("group_")),
    ),
    "groups:read": Scope(
        "the same of private channels, and whether the bot is in the triage channel, if it is one",
        methods=("conversations.info",),
        events=tuple(kind for kind in CHANNEL_EVENTS if kind.startswith("group_")),
    ),
    "channels:history": Scope(
        "the text of a public message that a member files as a ticket, and the replies to a card "
        "in the triage channel",
        methods=("conversations.history", "conversations.replies"),
        events=("message.channels",),
    ),
    "groups:history": Scope(
        "messages in private request channels, and the replies to a card in the triage channel, if "
        "it is private",
        methods=("conversations.history", "conversations.replies"),
        events=("message.groups",),
    ),
    "im:history": Scope("direct messages to the bot", events=("message.im",)),
    "im:write": Scope(
        "which conversation with a member to look in, before a message is sent again",
        methods=("conversations.open",),
    ),
    "reactions:read": Scope(
        "reactions that file a ticket or act on one", events=("reaction_added",)
    ),
    "users:read": Scope(
        "whether the requester is still a full member, and the status of moderators",
        methods=("users.info",),
        events=("user_change",),
    ),
    "dnd:read": Scope(
        "which moderators have paused their notifications",
        methods=("dnd.teamInfo",),
    ),
    "users:read.email": Scope("the account of a member, by email address", methods=("users.info",)),
    "channels:join": Scope(
        "joining the triage channel and request channels, if they are public",
        methods=("conversations.join",),
        is_optional=True,
    ),
}
OPTIONAL_SCOPES = frozenset(name for name, scope in SCOPES.items() if scope.is_optional)

SHORTCUT_TYPES = {RouteKind.SHORTCUT: "global", RouteKind.MESSAGE_SHORTCUT: "message"}


def build_manifest(*, http_url: str | None, name: str = DEFAULT_APP_NAME) -> dict[str, Any]:
    """Return the manifest of the app `name`, for HTTP requests to the host at `http_url`, or for
    Socket Mode if None."""
    request_url = {} if http_url is None else {"request_url": http_url.rstrip("/") + EVENTS_PATH}
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": name,
            "description": SHORT_DESCRIPTION,
            "long_description": LONG_DESCRIPTION,
            "background_color": BACKGROUND_COLOR,
        },
        "features": _features(name, request_url.get("request_url")),
        "oauth_config": {
            # Slack wants an optional scope in both lists.
            "scopes": {"bot": list(SCOPES), "bot_optional": sorted(OPTIONAL_SCOPES)}
        },
        "settings": {
            **_event_settings(request_url),
            "interactivity": {"is_enabled": True, **request_url},
            "org_deploy_enabled": False,
            "socket_mode_enabled": http_url is None,
            "token_rotation_enabled": False,
        },
    }


def manifest_yaml(*, http_url: str | None, name: str = DEFAULT_APP_NAME) -> str:
    """The manifest to paste into Slack, with the next steps as a comment."""
    header = (
        HEADER.format(option="") + SOCKET_MODE_NEXT_STEPS
        if http_url is None
        else HEADER.format(option=" --http") + HTTP_NEXT_STEPS
    )
    return header + yaml.dump(
        build_manifest(http_url=http_url, name=name),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, not as one quoted line."""


def _as_block(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_block)


def app_url_advice(app_url: str | None) -> str:
    """Advice if Slack cannot call `app_url`, or "" if it can."""
    if app_url is None:
        return (
            f"APP_URL is not set: replace {PLACEHOLDER_HOST} by the address Slack reaches "
            "the bot at."
        )
    if not app_url.startswith("https://"):
        return "Slack calls https addresses only; APP_URL is none."
    return ""


def _features(name: str, request_url: str | None) -> dict[str, Any]:
    return {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": name, "always_online": True},
        "shortcuts": [
            {
                "name": route.manifest["name"],
                "type": shortcut_type,
                "callback_id": route.id,
                "description": route.manifest["description"],
            }
            for kind, shortcut_type in SHORTCUT_TYPES.items()
            for route in _routes(kind)
        ],
        "slash_commands": [
            {
                "command": route.id,
                **({} if request_url is None else {"url": request_url}),
                **route.manifest,
                "should_escape": False,
            }
            for route in _routes(RouteKind.COMMAND)
        ],
    }


def _event_settings(request_url: dict[str, str]) -> dict[str, Any]:
    return {"event_subscriptions": {**request_url, "bot_events": subscriptions()}}


def subscriptions() -> list[str]:
    """Return the kinds of event that the app subscribes to."""
    return [
        name
        for route in _routes(RouteKind.EVENT)
        for name in route.subscriptions or route.payload_ids
    ]


def _routes(kind: RouteKind) -> list[Route]:
    return [route for route in top_level_routes() if route.kind is kind]
