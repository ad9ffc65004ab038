"""A walk through all that the product renders: every payload that a member can send from there.

It starts from commands, shortcuts, events and Home of each role, and from then on presses every
button, chooses every option of a menu and submits every form, once for each kind of view.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from bot.views import ids
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import BOT_USER_ID, GENERAL
from tests.support.view_state import elements

Json = dict[str, Any]
IT_HELP = "C0ITHELP"  # a request channel

# Recorded and not sent: it would end the walk of that member.
ENDS_THE_WALK = (ids.UNLINK_ACCOUNT,)
# What is sent with a press, or typed before Enter; None for the button's own value.
VALUES = {"button": None, "plain_text_input": "vpn"}
MENU_TYPES = ("static_select", "overflow", "radio_buttons")
COMMANDS = (
    ("/ticket", ""),
    ("/ticket", "The payload is lost"),
    ("/ticket", "list"),
    ("/ticket", "assigned"),
    ("/ticket", "queue"),
    ("/ticket", "search vpn"),
    ("/ticket", "help"),
    ("/ticket", "1"),
    ("/ticket", "view 2"),
    ("/ticket", "update 1"),
    ("/ticket", "status"),
    ("/account", ""),
)


@dataclass(frozen=True, slots=True)
class Template:
    """A valid payload; `key` is its kind, its route, and where it was rendered."""

    key: tuple[str, ...]
    payload: Json


Send = Callable[[Template], requests.Response]


class Walk:
    """`send` posts a template's payload and lets the workers act."""

    def __init__(self, send: Send, slack: RecordingSlack, users: Sequence[User]) -> None:
        self._send, self._slack = send, slack
        self._roles = {People.slack_id(user): user.role.value for user in users}
        self._assignee = next(str(user.id) for user in users if user.role is Role.MODERATOR)
        self._due: deque[Template] = deque()
        self.templates: dict[tuple[str, ...], Template] = {}

    def run(self) -> list[Template]:
        for user in self._roles:
            for template in self._first(user):
                self._add(template)
            for message in self._slack.messages(user):
                self._render({"channel": f"D{user[1:]}", **message}, user)
        while self._due:
            template = self._due.popleft()
            if template.key[1] not in ENDS_THE_WALK:
                self._slack.clear()
                self._follow(template.payload, self._send(template))
        return list(self.templates.values())

    def _add(self, template: Template) -> None:
        if template.key not in self.templates:
            self.templates[template.key] = template
            self._due.append(template)

    def _first(self, user: str) -> Iterator[Template]:
        role = self._roles[user]
        for command, text in COMMANDS:
            body = payloads.slash_command(
                text, user=user, command=command, response_url=self._slack.response_url()
            )
            yield Template(("command", command, text, role), body)
        body = payloads.shortcut(ids.FILE_TICKET_SHORTCUT, user=user)
        yield Template(("shortcut", ids.FILE_TICKET_SHORTCUT, role), body)
        said = self._slack.say(GENERAL, "The printer is out of paper", user=user)
        body = payloads.message_shortcut(ids.FILE_FROM_MESSAGE, said, user=user)
        yield Template(("message_action", ids.FILE_FROM_MESSAGE, role), body)
        item = {"type": "message", "channel": GENERAL, "ts": said["ts"]}
        for name, event in (
            ("home", {"type": "app_home_opened", "user": user, "tab": "home"}),
            ("reaction", {"type": "reaction_added", "user": user, "reaction": "ticket",
                          "item": item, "item_user": user}),
            ("direct", self._written(user, "My screen flickers")),
            ("member", {"type": "user_change", "user": self._member(user)}),
            ("archived", {"type": "channel_archive", "channel": IT_HELP, "user": user}),
            ("renamed", {"type": "channel_rename", "channel": {"id": IT_HELP, "name": "it"}}),
            ("joined", {"type": "member_joined_channel", "channel": IT_HELP, "user": BOT_USER_ID}),
            ("moved", {"type": "channel_id_changed", "old_channel_id": "G0OLD",
                       "new_channel_id": IT_HELP}),
        ):  # fmt: skip
            yield Template(("event", name, role), payloads.event(event))

    def _member(self, user: str) -> Json:
        member = self._slack.workspace.members[user]
        profile = {"status_text": "On vacation", "status_emoji": "", "status_expiration": 0}
        return {**member, "profile": {**member["profile"], **profile}}

    def _written(self, user: str, text: str, **fields: Any) -> Json:
        said = self._slack.say(f"D{user[1:]}", text, user=user, **fields)
        return {**said, "channel_type": "im"}

    def _follow(self, payload: Json, response: requests.Response) -> None:
        """Add what can be sent from all that the payload led to."""
        sender = str(payload.get("user_id") or payload.get("user", {}).get("id") or "")
        answer = json.loads(response.text) if response.text.startswith("{") else {}
        if "view" in answer:
            workspace = self._slack.workspace
            self._render(workspace.keep_view(workspace.next_id("V"), answer["view"]), sender)
        self._render_ephemeral(answer, sender)
        for call in list(self._slack.calls):
            if not call.answer.get("ok"):
                continue
            reader = str(call.args.get("user_id") or call.args.get("user") or sender)
            if "view" in call.answer:
                self._render(call.answer["view"], reader)
            elif call.method == "chat.postMessage":
                self._render_message(call.args, call.answer)
            elif call.method in ("response_url", "chat.postEphemeral"):
                self._render_ephemeral(call.args, reader)

    def _render_message(self, args: Json, answer: Json) -> None:
        channel = answer["channel"]
        message = self._slack.workspace.message(channel, answer["ts"])
        for reader in self._roles:
            if channel == f"D{reader[1:]}":
                reply = self._written(reader, "More words", thread_ts=answer["ts"])
                key = "event", "reply", args["text"][:6], self._roles[reader]
                self._add(Template(key, payloads.event(reply)))
                self._render({**message, "channel": channel}, reader)

    def _render_ephemeral(self, shown: Mapping[str, Any], user: str) -> None:
        if shown.get("blocks"):
            place = {"ts": "1700000000.000001", "channel": f"D{user[1:]}"}
            self._render({**shown, **place}, user)

    def _render(self, source: Json, user: str) -> None:
        if user not in self._roles or "blocks" not in source:
            return
        place = str(source.get("callback_id") or source.get("type") or "message")
        for element, block in elements(source):
            for template in self._presses(source, element, block, user, place):
                self._add(template)
        if source.get("submit"):
            form = payloads.view_submission(source, self._filled_in(source), user=user)
            self._add(Template(("view_submission", place), form))

    def _presses(
        self, source: Json, element: Json, block: str, user: str, place: str
    ) -> Iterator[Template]:
        action, kind = element.get("action_id"), element["type"]
        if not action:
            return
        where = {"user": user, "block_id": block}
        if kind in ("external_select", "multi_external_select"):
            body = payloads.block_suggestion(source, action, "a", **where)
            yield Template(("block_suggestion", action, place), body)
        if action in _inputs(source):
            return  # sent with the form only
        if "ts" in source:
            where["response_url"] = self._slack.response_url()
        if kind in VALUES:
            body = payloads.block_actions(source, action, VALUES[kind], **where)
            yield Template(("block_actions", action, place), body)
        elif kind in MENU_TYPES:
            for option in _options(element):
                body = payloads.block_actions(source, action, option["value"], **where)
                step = option["value"].partition(":")[0] if kind == "overflow" else ""
                yield Template(("block_actions", action, step, place), body)

    def _filled_in(self, view: Mapping[str, Any]) -> Json:
        """Return a text for each empty text input, a member for each menu of members, the first
        option of each other menu without one, the first box if one has to be ticked, and the
        assignee if one has to be chosen."""
        values: Json = {}
        inputs = (block for block in view["blocks"] if block["type"] == "input")
        required = {block["block_id"] for block in inputs if not block.get("optional")}
        for element, block in elements(view):
            if element["type"] == "plain_text_input" and "initial_value" not in element:
                values[block] = "Some words"
            elif element["type"] == "multi_users_select":
                values[block] = [*self._roles][-1:]
            elif element["type"] == "static_select" and "initial_option" not in element:
                values[block] = _options(element)[0]["value"]
            elif element["type"] == "checkboxes" and block in required:
                values[block] = [_options(element)[0]["value"]]
            elif block == ids.ASSIGNED_TO and block in required:
                values[block] = self._assignee
        return values


def _inputs(source: Mapping[str, Any]) -> set[str]:
    return {
        block["element"]["action_id"]
        for block in source["blocks"]
        if block["type"] == "input" and not block.get("dispatch_action")
    }


def _options(menu: Json) -> list[Json]:
    groups = menu.get("option_groups") or [menu]
    return [option for group in groups for option in group["options"]]
