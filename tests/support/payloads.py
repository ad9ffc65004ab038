"""What Slack sends to the app: commands, interactions and events, and how they are signed.

Each builder returns the decoded body, as Socket Mode delivers it; `signed` makes the HTTP request
of it. Keyword `overrides` replace fields of the body at the end.
"""

import hashlib
import hmac
import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from tests.support.slack_workspace import APP_ID, BOT_USER_ID, CLOCK, GENERAL, TEAM_ID
from tests.support.view_state import elements, entered, find_element, state_values

Json = dict[str, Any]

_numbers = itertools.count(1)
NOWHERE = "http://127.0.0.1:9/response/nowhere"
"""The response_url where a test gives none (RecordingSlack.response_url() makes real ones)."""


def sign(body: bytes, secret: str, timestamp: int | None = None) -> dict[str, str]:
    """Slack's signature headers; `timestamp` in Unix seconds, now by default."""
    at = str(int(time.time()) if timestamp is None else timestamp)
    digest = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={digest}"}


def signed(
    payload: Mapping[str, Any], secret: str, timestamp: int | None = None
) -> tuple[bytes, dict[str, str]]:
    """The body and headers of Slack's POST: a form, a `payload` form, or JSON for events."""
    content_type = "application/x-www-form-urlencoded"
    if "command" in payload:
        body = urlencode(payload).encode()
    elif payload["type"] in ("event_callback", "url_verification"):
        body, content_type = json.dumps(payload).encode(), "application/json"
    else:
        body = urlencode({"payload": json.dumps(payload)}).encode()
    return body, {"Content-Type": content_type, **sign(body, secret, timestamp)}


def trigger_id(*, view_id: str = "", clock: Callable[[], float] = CLOCK) -> str:
    """A new trigger, in Slack's form; the recording Slack reads from it when it was issued, and
    the `view_id` of the view that it was issued in."""
    place = f"{view_id}x" if view_id else ""
    return f"{next(_numbers)}.{round(clock() * 1e9)}.{place}{uuid.uuid4().hex}"


def slash_command(
    text: str = "",
    *,
    user: str,
    command: str = "/ticket",
    channel: str = GENERAL,
    team: str = TEAM_ID,
    response_url: str = NOWHERE,
    **overrides: Any,
) -> Json:
    return {
        "token": "verification-token",
        "team_id": team,
        "team_domain": "example",
        "channel_id": channel,
        "channel_name": "directmessage" if channel.startswith("D") else "general",
        "user_id": user,
        "user_name": user.lower(),
        "command": command,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id(),
        **overrides,
    }


def view_submission(
    view: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
    *,
    user: str,
    team: str = TEAM_ID,
    **overrides: Any,
) -> Json:
    """A press on submit. `view` comes from RecordingSlack.last_view().

    `values` is what the person entered, by block_id: a string for text and dates, an option's
    value (or a list of values) for menus, None for emptied. Untouched inputs keep their initial
    value. A dict is sent as it stands, for what no Slack client would send.
    """
    return {
        "type": "view_submission",
        **_base(user, team),
        "trigger_id": trigger_id(),
        "view": {**view, "state": {"values": state_values(view, values or {}) or []}},
        "response_urls": [],
        "is_enterprise_install": False,
        **overrides,
    }


def home_opened(user: str, **overrides: Any) -> Json:
    opened = {"type": "app_home_opened", "user": user, "tab": "home", "channel": f"D{user[1:]}"}
    return event(opened, **overrides)


def view_closed(
    view: Mapping[str, Any], *, user: str, team: str = TEAM_ID, **overrides: Any
) -> Json:
    closed = {"view": dict(view), "is_cleared": False, "is_enterprise_install": False}
    return {"type": "view_closed", **_base(user, team), **closed, **overrides}


def block_actions(
    source: Mapping[str, Any],
    action_id: str,
    value: str | None = None,
    *,
    user: str,
    block_id: str | None = None,
    team: str = TEAM_ID,
    response_url: str = NOWHERE,
    **overrides: Any,
) -> Json:
    """A press on an element of a message (RecordingSlack.messages()) or of a view.

    `value` is the option chosen in a menu, or replaces a button's own value. `block_id` tells
    elements with one action_id apart.
    """
    element, block = find_element(source, action_id, block_id)
    action = {"action_id": action_id, "block_id": block, "type": element["type"]}
    if element["type"] == "button":
        action |= {
            "text": element["text"],
            "value": element.get("value") if value is None else value,
        }
    else:
        action |= entered(element, value)
    return {
        "type": "block_actions",
        **_base(user, team),
        "trigger_id": trigger_id(view_id=str(source["id"]) if "ts" not in source else ""),
        "enterprise": None,
        "is_enterprise_install": False,
        "actions": [{**action, "action_ts": _ts()}],
        **_place(source, response_url),
        **overrides,
    }


def menu_choice(card: Mapping[str, Any], step: str, *, user: str, **overrides: Any) -> Json:
    """Choose `step` in the overflow menu of a ticket's card or page."""
    menu = next(e for e, _ in elements(card) if e.get("action_id") == "more")
    (value,) = [o["value"] for o in menu["options"] if o["value"].startswith(f"{step}:")]
    return block_actions(card, "more", value, user=user, **overrides)


def block_suggestion(
    source: Mapping[str, Any],
    action_id: str,
    typed: str = "",
    *,
    user: str,
    block_id: str | None = None,
    team: str = TEAM_ID,
    **overrides: Any,
) -> Json:
    """Return Slack's request for the options of a menu in which the user types."""
    _, block = find_element(source, action_id, block_id)
    return {
        "type": "block_suggestion",
        **_base(user, team),
        "action_id": action_id,
        "block_id": block,
        "value": typed,
        **{key: held for key, held in _place(source, NOWHERE).items() if key != "response_url"},
        **overrides,
    }


def shortcut(callback_id: str, *, user: str, team: str = TEAM_ID, **overrides: Any) -> Json:
    return {
        "type": "shortcut",
        **_base(user, team),
        "callback_id": callback_id,
        "trigger_id": trigger_id(),
        "action_ts": _ts(),
        "enterprise": None,
        "is_enterprise_install": False,
        **overrides,
    }


def message_shortcut(
    callback_id: str,
    message: Mapping[str, Any] | str,
    *,
    user: str,
    channel: str = GENERAL,
    team: str = TEAM_ID,
    response_url: str = NOWHERE,
    **overrides: Any,
) -> Json:
    """Pressed on a message: its text, or all of it as a dict with `user`, `text` and `ts`."""
    if isinstance(message, str):
        message = {"type": "message", "user": "U0OTHER", "text": message, "ts": _ts()}
    return {
        **shortcut(callback_id, user=user, team=team),
        "type": "message_action",
        "channel": {"id": channel, "name": _channel_name(channel)},
        "message": dict(message),
        "message_ts": message["ts"],
        "response_url": response_url,
        **overrides,
    }


def sent_from(body: Mapping[str, Any], *, home: str) -> Json:
    """An interaction of a member whose `user.team_id` Slack gives as `home`."""
    return {**body, "user": {**body["user"], "team_id": home}}


def in_shared_channel(body: Mapping[str, Any], *, host: str) -> Json:
    """An event of this workspace's installation in a channel that the workspace `host` shares."""
    return {**body, "team_id": host, "context_team_id": TEAM_ID}


def event(body: Mapping[str, Any], *, team: str = TEAM_ID, **overrides: Any) -> Json:
    """`body` is the event itself, with its `type`; each call is a new event_id."""
    bot = {"enterprise_id": None, "team_id": team, "user_id": BOT_USER_ID, "is_bot": True}
    return {
        "token": "verification-token",
        "team_id": team,
        "api_app_id": APP_ID,
        "event": {"event_ts": _ts(), **body},
        "type": "event_callback",
        "event_id": f"Ev0{next(_numbers):08d}",
        "event_time": int(time.time()),
        "authorizations": [{**bot, "is_enterprise_install": False}],
        "is_ext_shared_channel": False,
        "event_context": f"4-{uuid.uuid4().hex}",
        **overrides,
    }


def reaction(message: Mapping[str, Any], name: str, *, user: str, **overrides: Any) -> Json:
    """The event of a member's emoji on a message."""
    item = {"type": "message", "channel": message["channel"], "ts": message["ts"]}
    body = {"type": "reaction_added", "user": user, "reaction": name, "item": item}
    author = {"item_user": message["user"]} if "user" in message else {}
    return event({**body, **author, **overrides})


def _base(user: str, team: str) -> Json:
    name = user.lower()
    return {
        "team": {"id": team, "domain": "example"},
        "user": {"id": user, "username": name, "name": name, "team_id": team},
        "api_app_id": APP_ID,
        "token": "verification-token",
    }


def _place(source: Mapping[str, Any], response_url: str) -> Json:
    if "ts" not in source:
        view = {**source, "state": {"values": state_values(source, {}) or []}}
        return {"container": {"type": "view", "view_id": source["id"]}, "view": view}
    channel, ts = source["channel"], source["ts"]
    return {
        "container": {
            "type": "message",
            "message_ts": ts,
            "channel_id": channel,
            "is_ephemeral": False,
        },
        "channel": {"id": channel, "name": _channel_name(channel)},
        "message": {key: value for key, value in source.items() if key != "channel"},
        "state": {"values": state_values(source, {}) or []},
        "response_url": response_url,
    }


def _channel_name(channel: str) -> str:
    return "directmessage" if channel.startswith("D") else "general"


def _ts() -> str:
    return f"{int(time.time())}.{next(_numbers):06d}"
