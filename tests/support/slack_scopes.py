"""Which scope each Web API method needs, by Slack's reference of methods.

It does not come from bot/manifest.py: what the manifest asks for is what the token gets, and a
method whose scope is missing there has to fail.
"""

from collections.abc import Iterable

from bot.manifest import SCOPES
from tests.support.slack_workspace import Json, SlackError, Workspace

GRANTED = ",".join(SCOPES)
"""The scopes of a token whose app was made from the manifest, as Slack's header lists them."""

NEEDED: dict[str, str] = {
    "chat.delete": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.join": "channels:join",
    "conversations.open": "im:write",
    "dnd.teamInfo": "dnd:read",
    "reactions.add": "reactions:write",
    "team.info": "team:read",
    "users.info": "users:read",
    "users.list": "users:read",
    "users.lookupByEmail": "users:read.email",
}
BY_CONVERSATION: dict[str, str] = {
    "conversations.history": "history",
    "conversations.info": "read",
    "conversations.replies": "history",
}
"""Needs channels:X, groups:X, im:X or mpim:X, by the kind of the conversation asked about."""

KINDS = ("channels", "groups", "mpim", "im")

AUTHOR_SCOPE = "chat:write.customize"
AUTHOR_ARGUMENTS = ("username", "icon_url", "icon_emoji")
AUTHOR_METHODS = ("chat.postMessage", "chat.postEphemeral")
"""Methods that need one more scope for a message under another name or picture.

Slack's reference does not say what happens without it. At first Slack posted as the app and left
the arguments out; by later reports it refuses the whole call, so that is what is tested.
"""


def check_scopes(workspace: Workspace, method: str, args: Json, granted: Iterable[str]) -> None:
    """Raise Slack's `missing_scope` for a method that the token may not call.

    A scope that is missing for any call of the method breaks a rule. One that is missing for this
    kind of conversation does not: the caller cannot know the kind before. Nor does an optional one
    for an argument: an admin may take it away at any time.
    """
    held = set(granted)
    if (needed := NEEDED.get(method)) and needed not in held:
        raise _missing(needed, held, [f"{method} needs the scope {needed}"])
    has_author = method in AUTHOR_METHODS and any(args.get(name) for name in AUTHOR_ARGUMENTS)
    if has_author and AUTHOR_SCOPE not in held:
        raise _missing(AUTHOR_SCOPE, held, [])
    if what := BY_CONVERSATION.get(method):
        if not held.intersection(f"{kind}:{what}" for kind in KINDS):
            raise _missing(f"channels:{what}", held, [f"{method} needs the scope channels:{what}"])
        kind = _kind(workspace, workspace.channel(str(args.get("channel"))))
        if (needed := f"{kind}:{what}") not in held:
            raise _missing(needed, held, [])


def _missing(needed: str, held: set[str], violations: list[str]) -> SlackError:
    provided = ",".join(sorted(held))
    return SlackError("missing_scope", violations, needed=needed, provided=provided)


def _kind(workspace: Workspace, channel: str) -> str:
    if channel.startswith("D"):
        return "im"
    info = workspace.channels[channel]
    if info["is_mpim"]:
        return "mpim"
    return "groups" if info["is_private"] else "channels"
