"""What Slack's Web API methods answer, refuse and change. Transport and faults are elsewhere."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tests.support.blockkit import check_message, check_view
from tests.support.slack_scopes import AUTHOR_ARGUMENTS, check_scopes
from tests.support.slack_workspace import (
    APP_ID,
    BOT_ID,
    BOT_USER_ID,
    TEAM_URL,
    Json,
    SlackError,
    Workspace,
)

# Text is shown as it is written: Slack neither links names nor unfurls what a person typed.
# chat.update has defaults of its own (`parse` is "client"), so it is told as well.
_AS_TYPED: Json = {"parse": "none", "link_names": False}
DELIVERY: dict[str, Json] = {
    "chat.postMessage": {**_AS_TYPED, "unfurl_links": False},
    "chat.postEphemeral": _AS_TYPED,
    "chat.update": _AS_TYPED,
}


# Seconds, and modals in a stack: the one opened and two pushed onto it.
TRIGGER_SECONDS = 3.0
MAX_STACKED_VIEWS = 3
_TRIGGER = re.compile(r"\d+\.(?P<nanoseconds>\d+)\.(?:(?P<view>V\w+)x)?[0-9a-f]{32}")
_TIMESTAMP = re.compile(r"\d+\.\d{6}")
_METADATA_TYPE = re.compile(r"\w{1,255}")


def answer(
    workspace: Workspace, method: str, args: Json, *, scopes: Collection[str], now: float
) -> Json:
    """The body of Slack's answer to a token with `scopes`, `now` seconds on Slack's clock.

    Raises SlackError if Slack would refuse.
    """
    if method not in METHODS:
        raise SlackError("unknown_method", [f"Slack has no method {method}"])
    check_scopes(workspace, method, args, scopes)
    workspace.now, workspace.scopes = now, frozenset(scopes)
    return {"ok": True, **METHODS[method](workspace, args)}


def auth_test(workspace: Workspace, _: Json) -> Json:
    return {
        "url": TEAM_URL,
        "team": "Example",
        "user": "helpdesk",
        "team_id": workspace.team_id,
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def api_test(_: Workspace, args: Json) -> Json:
    if "error" in args:
        raise SlackError(args["error"])
    return {"args": args}


def connections_open(_: Workspace, __: Json) -> Json:
    raise SlackError("not_allowed_token_type")


def team_info(workspace: Workspace, _: Json) -> Json:
    team = {"id": workspace.team_id, "name": "Example", "domain": "example", "email_domain": ""}
    return {"team": team}


def users_info(workspace: Workspace, args: Json) -> Json:
    if (user := args.get("user")) not in workspace.members:
        raise SlackError("user_not_found")
    return {"user": _readable(workspace, workspace.members[user])}


def _readable(workspace: Workspace, member: Json) -> Json:
    """Without the email address, unless the token may read it."""
    if "users:read.email" in workspace.scopes:
        return member
    profile = {name: value for name, value in member["profile"].items() if name != "email"}
    return {**member, "profile": profile}


def dnd_team_info(workspace: Workspace, args: Json) -> Json:
    """At most 50; of whom nothing is set, that they are never quiet."""
    asked = str(args.get("users") or "").split(",")
    if not any(asked):
        raise SlackError("no_users_provided")
    if len(asked) > 50:
        raise SlackError("too_many_users")
    never = {"dnd_enabled": False, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1}
    return {"users": {user: workspace.quiet.get(user, never) for user in asked}}


def users_lookup_by_email(workspace: Workspace, args: Json) -> Json:
    wanted = str(args.get("email", "")).lower()
    for member in workspace.members.values():
        if member["profile"]["email"].lower() == wanted and not member["deleted"]:
            return {"user": _readable(workspace, member)}
    raise SlackError("users_not_found")


def users_list(workspace: Workspace, args: Json) -> Json:
    """One page; the cursor is the number of members already seen."""
    start, limit = int(args.get("cursor") or 0), int(args.get("limit") or 1000)
    everyone = list(workspace.members.values())
    cursor = str(start + limit) if start + limit < len(everyone) else ""
    page = [_readable(workspace, member) for member in everyone[start : start + limit]]
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def conversations_info(workspace: Workspace, args: Json) -> Json:
    channel = workspace.channel(str(args.get("channel")))
    if channel.startswith("D"):
        return {"channel": {"id": channel, "is_im": True, "user": f"U{channel[1:]}"}}
    info = workspace.channels[channel]
    return {"channel": {name: value for name, value in info.items() if name != "members"}}


def conversations_join(workspace: Workspace, args: Json) -> Json:
    """A private channel takes no one in, and is not found by those outside."""
    channel = workspace.channel(str(args.get("channel")))
    if channel.startswith("D"):
        raise SlackError("method_not_supported_for_channel_type")
    info = workspace.channels[channel]
    if info["is_archived"]:
        raise SlackError("is_archived")
    info["is_member"] = True
    return conversations_info(workspace, args)


def conversations_open(workspace: Workspace, args: Json) -> Json:
    if not (user := args.get("users")):
        raise SlackError("users_list_not_supplied")
    if user not in workspace.members:
        raise SlackError("user_not_found")
    if workspace.members[user]["deleted"]:
        raise SlackError("user_disabled")
    return {"channel": {"id": workspace.channel(user)}}


def post_message(workspace: Workspace, args: Json) -> Json:
    _check_message("chat.postMessage", args)
    channel = workspace.writable_channel(args.get("channel"))
    if workspace.members.get(f"U{channel[1:]}", {}).get("is_bot"):
        raise SlackError("cannot_dm_bot")
    if not _is_bot_in(workspace, channel) and "chat:write.public" not in workspace.scopes:
        raise SlackError("not_in_channel")
    message = {
        "type": "message",
        "ts": workspace.next_ts(),
        "channel": channel,
        "team": workspace.team_id,
        **_author(args),
        "bot_id": BOT_ID,
        "app_id": APP_ID,
        **_content(args),
        **workspace.thread_fields(channel, _thread(workspace, channel, args)),
    }
    if metadata := _checked_metadata(args):
        message["metadata"] = metadata
    workspace.messages.setdefault(channel, []).append(message)
    return {"channel": channel, "ts": message["ts"], "message": message}


def _author(args: Json) -> Json:
    """A message under another name is no longer one of the bot's user, only of the app."""
    if not any(args.get(name) for name in AUTHOR_ARGUMENTS):
        return {"user": BOT_USER_ID}
    icons = {"image_48": args["icon_url"]} if args.get("icon_url") else {}
    if args.get("icon_emoji"):
        icons = {"emoji": args["icon_emoji"]}
    return {
        "subtype": "bot_message",
        "username": args.get("username") or "helpdesk",
        **({"icons": icons} if icons else {}),
    }


def _checked_metadata(args: Json) -> Json | None:
    """Slack keeps it at an update without one."""
    metadata = args.get("metadata")
    if metadata is None:
        return None
    if isinstance(metadata, str):
        metadata = json.loads(metadata)
    if set(metadata) != {"event_type", "event_payload"} or not _METADATA_TYPE.fullmatch(
        metadata["event_type"]
    ):
        raise SlackError(
            "invalid_metadata_format", ["metadata is invalid [json-pointer:/metadata]"]
        )
    return dict(metadata)


def _is_bot_in(workspace: Workspace, channel: str) -> bool:
    return channel.startswith("D") or workspace.channels[channel]["is_member"]


def _thread(workspace: Workspace, channel: str, args: Json) -> str | None:
    """The thread to post in. Below a message that is gone, Slack posts outside of any thread."""
    wanted = args.get("thread_ts")
    if not wanted:
        return None
    if not _TIMESTAMP.fullmatch(str(wanted)):
        raise SlackError("invalid_thread_ts", [f"{wanted} is not a valid thread_ts"])
    parents = [m for m in workspace.messages.get(channel, []) if m["ts"] == wanted]
    if parents and parents[0].get("thread_ts", wanted) != wanted:
        raise SlackError(
            "invalid_arguments", ["a reply starts no thread [json-pointer:/thread_ts]"]
        )
    return str(wanted) if parents else None


def update(workspace: Workspace, args: Json) -> Json:
    _check_message("chat.update", args)
    workspace.writable_channel(args.get("channel"), archived="is_inactive")
    message = workspace.own_message(
        args.get("channel"), args.get("ts"), others="cant_update_message"
    )
    changed = _content(args)
    if "blocks" not in args:
        del changed["blocks"]  # Slack keeps the old ones; an empty list removes them
    message.update(changed)
    same = {key: message[key] for key in ("channel", "ts", "text")}
    return {**same, "message": message}


def post_ephemeral(workspace: Workspace, args: Json) -> Json:
    """Bot and reader have to be in the channel; chat:write.public does not help here."""
    _check_message("chat.postEphemeral", args)
    channel = workspace.writable_channel(args.get("channel"))
    if not _is_bot_in(workspace, channel):
        raise SlackError("not_in_channel")
    if not workspace.has_member(channel, args.get("user")):
        raise SlackError("user_not_in_channel")
    _thread(workspace, channel, args)
    return {"message_ts": workspace.next_ts()}


def delete(workspace: Workspace, args: Json) -> Json:
    message = workspace.own_message(
        args.get("channel"), args.get("ts"), others="cant_delete_message"
    )
    workspace.messages[message["channel"]].remove(message)
    return {"channel": message["channel"], "ts": message["ts"]}


def get_permalink(workspace: Workspace, args: Json) -> Json:
    message = workspace.message(args.get("channel"), args.get("message_ts"))
    place = f"{message['channel']}/p{message['ts'].replace('.', '')}"
    url = f"https://example.slack.com/archives/{place}"
    thread = message.get("thread_ts", message["ts"])
    if thread != message["ts"]:
        url += f"?thread_ts={thread}&cid={message['channel']}"
    return {"channel": message["channel"], "permalink": url}


def conversations_history(workspace: Workspace, args: Json) -> Json:
    """The newest first; of the replies, only those also sent to the channel."""
    found = [
        m
        for m in _said_in(workspace, args)
        if m.get("thread_ts", m["ts"]) == m["ts"] or m.get("subtype") == "thread_broadcast"
    ]
    return _page(workspace, found[::-1], args, limit=100)


def conversations_replies(workspace: Workspace, args: Json) -> Json:
    """The oldest first. The thread's first message comes with every page, whatever its time."""
    root = workspace.message(args.get("channel"), args.get("ts"), missing="thread_not_found")
    replies = workspace.replies_to(root)
    found = [m for m in _said_in(workspace, args) if m in replies]
    return _page(workspace, found, args, limit=1_000, first=root)


def _page(
    workspace: Workspace, found: list[Json], args: Json, *, limit: int, first: Json | None = None
) -> Json:
    """The cursor is the number of messages already shown, without `first`."""
    start = int(args.get("cursor") or 0)
    end = start + int(args.get("limit") or limit) - (first is not None)
    shown = [*([first] if first else []), *found[start:end]]
    body: Json = {
        "messages": [_shown(workspace, each, args) for each in shown],
        "has_more": end < len(found),
    }
    if body["has_more"]:
        body["response_metadata"] = {"next_cursor": str(end)}
    return body


def _shown(workspace: Workspace, message: Json, args: Json) -> Json:
    """Without `include_all_metadata`, Slack shows a metadata's type only. The first message of a
    thread has the number of its replies."""
    shown = dict(message)
    if replies := workspace.replies_to(message):
        shown |= {
            "thread_ts": message["ts"],
            "reply_count": len(replies),
            "latest_reply": replies[-1]["ts"],
        }
    if "metadata" in shown and args.get("include_all_metadata") not in (True, "1", "true"):
        shown["metadata"] = {"event_type": shown["metadata"]["event_type"]}
    return shown


def _said_in(workspace: Workspace, args: Json) -> list[Json]:
    """A bot reads only where it is a member."""
    channel = workspace.channel(str(args.get("channel")))
    if channel in workspace.channels and not workspace.channels[channel]["is_member"]:
        raise SlackError("not_in_channel")
    oldest, latest = str(args.get("oldest") or "0"), str(args.get("latest") or "9")
    inclusive = args.get("inclusive") in (True, "1", "true")
    return [
        message
        for message in workspace.messages.get(channel, [])
        if oldest < message["ts"] < latest or (inclusive and message["ts"] in (oldest, latest))
    ]


def reactions_add(workspace: Workspace, args: Json) -> Json:
    channel = workspace.writable_channel(args.get("channel"))
    if not _is_bot_in(workspace, channel):
        raise SlackError("not_in_channel")
    message = workspace.message(channel, args.get("timestamp"))
    reaction = (message["channel"], message["ts"], str(args.get("name")))
    if reaction in workspace.reactions:
        raise SlackError("already_reacted")
    workspace.reactions.add(reaction)
    return {}


def views_open(workspace: Workspace, args: Json) -> Json:
    view = _new_view(workspace, args)
    _take_trigger(workspace, args)
    return {"view": workspace.keep_view(workspace.next_id("V"), view)}


def views_push(workspace: Workspace, args: Json) -> Json:
    """Onto the modal that the trigger was issued in."""
    view = _new_view(workspace, args)
    below = workspace.views.get(_take_trigger(workspace, args) or "")
    if below is None or below["type"] != "modal":
        raise SlackError("not_found", ["the trigger is from no modal [json-pointer:/trigger_id]"])
    depth, under = 1, below
    while under["previous_view_id"]:
        depth, under = depth + 1, workspace.views[under["previous_view_id"]]
    if depth >= MAX_STACKED_VIEWS:
        raise SlackError("push_limit_reached", [f"more than {MAX_STACKED_VIEWS} views in a stack"])
    return {"view": workspace.keep_view(workspace.next_id("V"), view, parent=below["id"])}


def _take_trigger(workspace: Workspace, args: Json) -> str | None:
    """The view that the trigger was issued in, None if in no view. It opens one view, soon."""
    trigger = str(args.get("trigger_id") or "")
    if not trigger:
        raise SlackError("invalid_arguments", ["missing required field: trigger_id"])
    parts = _TRIGGER.fullmatch(trigger)
    if parts is None:
        raise SlackError("invalid_trigger_id", [f"Slack issued no trigger {trigger}"])
    age = round(workspace.now - int(parts["nanoseconds"]) / 1e9, 3)
    if age > TRIGGER_SECONDS:
        raise SlackError("expired_trigger_id", [f"used after more than {TRIGGER_SECONDS:.0f} s"])
    if trigger in workspace.spent_triggers:
        raise SlackError("exchanged_trigger_id", ["the trigger has opened a view already"])
    workspace.spent_triggers.add(trigger)
    return parts["view"]


def _new_view(workspace: Workspace, args: Json) -> Json:
    view = _checked_view(args)
    if _by_external_id(workspace, view.get("external_id")):
        raise SlackError("duplicate_external_id", ["in use [json-pointer:/view/external_id]"])
    return view


def views_update(workspace: Workspace, args: Json) -> Json:
    view = _checked_view(args)
    wanted = str(args.get("view_id") or _by_external_id(workspace, args.get("external_id")))
    if wanted not in workspace.views or wanted in workspace.homes.values():
        raise SlackError("not_found")
    _check_hash(args, workspace.views[wanted])
    return {"view": workspace.keep_view(wanted, view)}


def views_publish(workspace: Workspace, args: Json) -> Json:
    view = _checked_view(args, home=True)
    user = str(args.get("user_id"))
    if user not in workspace.members:
        raise SlackError("invalid_arguments", ["invalid `user_id` [json-pointer:/user_id]"])
    if user in workspace.homes:
        _check_hash(args, workspace.views[workspace.homes[user]])
    view_id = workspace.homes.setdefault(user, workspace.next_id("V"))
    return {"view": workspace.keep_view(view_id, view)}


def _content(args: Json) -> Json:
    return {key: args.get(key) or empty for key, empty in (("text", ""), ("blocks", []))}


def _check_message(method: str, args: Json) -> None:
    if not args.get("text") and not args.get("blocks"):
        raise SlackError("no_text", ["missing required field: text [json-pointer:/]"])
    if isinstance(args.get("blocks"), str):
        raise SlackError("invalid_blocks_format", ["blocks are not JSON [json-pointer:/blocks]"])
    violations = [
        f"must be {wanted} [json-pointer:/{name}]"
        for name, wanted in DELIVERY[method].items()
        if args.get(name) not in (wanted, *(("0", "false") if wanted is False else ()))
    ]
    violations += check_message(args)
    if violations:
        raise SlackError(_message_error(violations), violations)


def _message_error(violations: list[str]) -> str:
    """Slack's word for it: one error, whatever else is wrong."""
    if any(v.startswith("must be at most") and v.endswith("pointer:/text]") for v in violations):
        return "msg_too_long"
    if any(v.startswith("more than") for v in violations):
        return "msg_blocks_too_long"
    about_blocks = any("pointer:/blocks" in v or "pointer:/attach" in v for v in violations)
    return "invalid_blocks" if about_blocks else "invalid_arguments"


def _checked_view(args: Json, *, home: bool = False) -> Json:
    view = args.get("view")
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", ["must provide an object [json-pointer:/view]"])
    if violations := check_view(view, home=home):
        too_large = any(v.startswith("more than") for v in violations)
        raise SlackError("view_too_large" if too_large else "invalid_arguments", violations)
    return view


def _check_hash(args: Json, view: Mapping[str, Any]) -> None:
    if args.get("hash") and args["hash"] != view["hash"]:
        raise SlackError("hash_conflict")


def _by_external_id(workspace: Workspace, external_id: Any) -> str | None:
    ids = (v["id"] for v in workspace.views.values() if external_id == v["external_id"] != "")
    return next(ids, None)


METHODS: dict[str, Callable[[Workspace, Json], Json]] = {
    "api.test": api_test,
    "apps.connections.open": connections_open,
    "auth.test": auth_test,
    "chat.delete": delete,
    "chat.getPermalink": get_permalink,
    "chat.postEphemeral": post_ephemeral,
    "chat.postMessage": post_message,
    "chat.update": update,
    "conversations.history": conversations_history,
    "conversations.info": conversations_info,
    "conversations.join": conversations_join,
    "conversations.open": conversations_open,
    "conversations.replies": conversations_replies,
    "dnd.teamInfo": dnd_team_info,
    "reactions.add": reactions_add,
    "team.info": team_info,
    "users.info": users_info,
    "users.list": users_list,
    "users.lookupByEmail": users_lookup_by_email,
    "views.open": views_open,
    "views.publish": views_publish,
    "views.push": views_push,
    "views.update": views_update,
}
