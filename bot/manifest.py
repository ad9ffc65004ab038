"""The Slack app as Slack's "Create from manifest" takes it, made from the routes.

manifest.yml is what `python app.py manifest` prints. Every scope says what it is for; the test
holds the table against the routes and against the Web API methods the code calls.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from bot.routes import RouteKind, top_level_routes
from bot.views import ids

APP_NAME = "AI Ticket Assistant"
SHORT_DESCRIPTION = "File a ticket and the person who can help gets it, with the reason why."
LONG_DESCRIPTION = """\
File a ticket with /ticket. It is read at once, given to the moderator whose skills fit and who \
has room for it, and a direct message shows you who has it and how it stands.

Moderators get their tickets as direct messages with a summary, what to check first, and the \
reason why it is theirs."""
BACKGROUND_COLOR = "#1f3a5f"
EVENTS_PATH = "/slack/events"
PLACEHOLDER_HOST = "https://your-host.example"

HEADER = """\
# The Slack app, made by `python app.py manifest{option}`: change bot/manifest.py, not this file.
# At https://api.slack.com/apps press "Create New App", choose "From a manifest" and paste this.
"""
SOCKET_MODE_NEXT_STEPS = """\
# Then install it; under "Install App" stands SLACK_BOT_TOKEN. Under "Basic Information" make an
# app-level token with the scope connections:write: that is SLACK_APP_TOKEN.
"""
HTTP_NEXT_STEPS = """\
# Then install it; under "Install App" stands SLACK_BOT_TOKEN, under "Basic Information"
# SLACK_SIGNING_SECRET. Start the bot with both, then let Slack verify the request URL.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Why the bot asks for it: the Web API methods, events and kinds of entry that need it."""

    reason: str
    methods: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    route_kinds: tuple[RouteKind, ...] = ()


SCOPES: dict[str, Scope] = {
    "commands": Scope(
        "the slash command and the shortcuts",
        route_kinds=(RouteKind.COMMAND, RouteKind.SHORTCUT, RouteKind.MESSAGE_SHORTCUT),
    ),
    # Enough for direct messages too, as long as they are addressed to a member and not to a
    # conversation that has to be opened first.
    "chat:write": Scope(
        "cards and notices, and sentences only their reader sees",
        methods=("chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral"),
    ),
    "chat:write.public": Scope(
        "the line under a message of a public channel that the bot is not in",
        methods=("chat.postMessage",),
    ),
    "channels:read": Scope(
        "whether a message is in a public channel, so that it may be quoted",
        methods=("conversations.info",),
    ),
    "groups:read": Scope(
        "whether the bot is in the triage channel, where that is private",
        methods=("conversations.info",),
    ),
    "channels:history": Scope(
        "the words of a message in a public channel, once its reader wants a ticket of it; and "
        "the replies to a ticket's card in the triage channel",
        methods=("conversations.history", "conversations.replies"),
        events=("message.channels",),
    ),
    "groups:history": Scope(
        "the replies to a ticket's card, where the triage channel is private",
        events=("message.groups",),
    ),
    "im:history": Scope("what people write to the bot itself", events=("message.im",)),
    "reactions:read": Scope("that somebody marked a message", events=("reaction_added",)),
    "users:read": Scope(
        "who files: no guest, bot or stranger, also not one who has become so; and which "
        "moderators are away by their status",
        methods=("users.info",),
        events=("user_change",),
    ),
    "dnd:read": Scope(
        "which moderators do not want to be disturbed now",
        methods=("dnd.teamInfo",),
    ),
    "users:read.email": Scope("which account a member has", methods=("users.info",)),
}

# Called, and free of any scope. apps.connections.open takes the app-level token.
METHODS_WITHOUT_SCOPE = frozenset(
    {
        "apps.connections.open",
        "auth.test",
        "chat.getPermalink",
        "views.open",
        "views.publish",
        "views.update",
    }
)
# Received, and free of any scope.
EVENTS_WITHOUT_SCOPE = frozenset({"app_home_opened"})
# What arrives as one kind of event and is subscribed to by the conversations it comes from.
EVENT_SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "message": ("message.im", "message.channels", "message.groups")
}

# Command to what it does and how it is used.
SLASH_COMMANDS = {
    "/ticket": ("File a ticket with the help desk", "[title], list, view 12 or help"),
    "/account": ("Your help desk account: see, edit, link or unlink it", ""),
}
# callback_id to name and description.
SHORTCUTS = {
    ids.FILE_TICKET_SHORTCUT: ("File a ticket", "Tell the help desk what you need"),
    ids.FILE_FROM_MESSAGE: ("Make a ticket", "File a ticket about this message"),
}


def build_manifest(*, http_url: str | None) -> dict[str, Any]:
    """For Socket Mode, or for requests to the host at `http_url`."""
    request_url = {} if http_url is None else {"request_url": http_url.rstrip("/") + EVENTS_PATH}
    return {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": APP_NAME,
            "description": SHORT_DESCRIPTION,
            "long_description": LONG_DESCRIPTION,
            "background_color": BACKGROUND_COLOR,
        },
        "features": _features(request_url.get("request_url")),
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            **_event_settings(request_url),
            "interactivity": {"is_enabled": True, **request_url},
            "org_deploy_enabled": False,
            "socket_mode_enabled": http_url is None,
            "token_rotation_enabled": False,
        },
    }


def manifest_yaml(*, http_url: str | None) -> str:
    """Ready to paste, with what to do next as a comment."""
    header = (
        HEADER.format(option="") + SOCKET_MODE_NEXT_STEPS
        if http_url is None
        else HEADER.format(option=" --http") + HTTP_NEXT_STEPS
    )
    return header + yaml.dump(
        build_manifest(http_url=http_url),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


class _Dumper(yaml.SafeDumper):
    """Paragraphs as they are read."""


def _as_block(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_block)


def app_url_advice(app_url: str | None) -> str:
    """What is wrong with the address for Slack, if anything."""
    if app_url is None:
        return (
            f"APP_URL is not set: replace {PLACEHOLDER_HOST} by the address Slack reaches "
            "the bot at."
        )
    if not app_url.startswith("https://"):
        return "Slack calls https addresses only; APP_URL is none."
    return ""


def _features(request_url: str | None) -> dict[str, Any]:
    shortcuts = [
        {
            "name": SHORTCUTS[callback_id][0],
            "type": kind,
            "callback_id": callback_id,
            "description": SHORTCUTS[callback_id][1],
        }
        for route_kind, kind in (
            (RouteKind.SHORTCUT, "global"),
            (RouteKind.MESSAGE_SHORTCUT, "message"),
        )
        for callback_id in _route_ids(route_kind)
    ]
    return {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": APP_NAME, "always_online": True},
        **({"shortcuts": shortcuts} if shortcuts else {}),
        "slash_commands": [_command(name, request_url) for name in _route_ids(RouteKind.COMMAND)],
    }


def _command(name: str, request_url: str | None) -> dict[str, Any]:
    description, usage = SLASH_COMMANDS[name]
    return {
        "command": name,
        **({} if request_url is None else {"url": request_url}),
        "description": description,
        **({"usage_hint": usage} if usage else {}),
        "should_escape": False,
    }


def _event_settings(request_url: dict[str, str]) -> dict[str, Any]:
    events = [
        name
        for event in _route_ids(RouteKind.EVENT)
        for name in EVENT_SUBSCRIPTIONS.get(event, (event,))
    ]
    return {"event_subscriptions": {**request_url, "bot_events": events}} if events else {}


def _route_ids(kind: RouteKind) -> list[str]:
    return [route.id for route in top_level_routes() if route.kind is kind]
