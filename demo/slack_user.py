"""A user of local-slack: types commands, fills in forms, presses buttons, reads.

    with SlackPage(local_slack.url) as workspace:
        anna = SlackUser(workspace, "UANNA")
        anna.command("/ticket")
        anna.fill(title="VPN is down", description="Since this morning")
        assert anna.submit().errors == {}

local-slack has one stack of modals for all users, so they must take turns.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from demo.block_translation import ORIGINAL_KEY, ZERO_WIDTH_SPACE, Json
from demo.slack_page import TIMEOUT_SECONDS, NotSeenError, SlackPage

T = TypeVar("T")
_MENTION = re.compile(r"<@([A-Z0-9]+)>")


@dataclass(frozen=True, slots=True)
class ScreenMessage:
    """`text` has a line for each text of the message; mentions are written @name."""

    ts: str
    channel: str
    text: str
    buttons: tuple[Json, ...]
    edited: bool
    only_for: str | None
    by_bot: bool
    raw: Json

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(button["text"]["text"] for button in self.buttons)


@dataclass(frozen=True, slots=True)
class ScreenModal:
    """`fields` are its inputs and `errors` their messages, by block_id."""

    id: str
    title: str
    text: str
    fields: Mapping[str, Json]
    can_submit: bool
    errors: Mapping[str, str]
    raw: Json


@dataclass(frozen=True, slots=True)
class Submission:
    """The result of a form: `errors` of its fields, or `modal`, None if it closed."""

    errors: dict[str, str]
    modal: ScreenModal | None


class SlackUser:
    def __init__(self, workspace: SlackPage, user_id: str, *, channel: str | None = None) -> None:
        """Commands are typed in `channel`; by default in the first public one."""
        self.workspace = workspace
        self.user_id = user_id
        self.channel = channel or next(
            key
            for key, value in workspace.state.channels.items()
            if not (value["is_im"] or value["is_private"])
        )
        self._values: dict[str, dict[str, Json]] = {}

    @property
    def name(self) -> str:
        return self._names()[self.user_id]

    # Actions

    def command(self, command: str, text: str = "") -> None:
        """Type a slash command; return once the bot has answered."""
        self._values = {}
        self.workspace.control(
            "command", user=self.user_id, channel=self.channel, command=command, text=text
        )

    def say(self, text: str, *, channel: str | None = None) -> None:
        self.workspace.control(
            "message", user=self.user_id, channel=channel or self.channel, text=text
        )

    def reply(self, message: ScreenMessage, text: str) -> ScreenMessage:
        """Reply in that message's thread; return the reply."""
        place = {"user": self.user_id, "channel": message.channel}
        self.workspace.control("message", **place, thread_ts=message.ts, text=text)
        return self.thread(message)[-1]

    def react(self, message: ScreenMessage, emoji: str) -> None:
        """Add the emoji, named without colons, to a message."""
        place = {"channel": message.channel, "ts": message.ts}
        self.workspace.control("reaction", user=self.user_id, name=emoji, **place)

    def edit_message(self, message: ScreenMessage, text: str) -> None:
        self._own("edit-message", message, text=text)

    def delete_message(self, message: ScreenMessage) -> None:
        self._own("delete-message", message)

    def _own(self, action: str, message: ScreenMessage, **fields: str) -> None:
        place = {"user": self.user_id, "channel": message.channel, "ts": message.ts}
        self.workspace.control(action, **place, **fields)

    def fill(self, **fields: str) -> "SlackUser":
        """Fill in the open form: text, or an option by its text or value."""
        modal = self.wait_for_modal()
        for name, value in fields.items():
            if name not in modal.fields:
                raise NotSeenError(f"“{modal.title}” has no field {name}, only {[*modal.fields]}.")
            element = modal.fields[name]
            self._values[name] = {element["action_id"]: _entered(element, value)}
        return self

    def submit(self, *, seconds: float = TIMEOUT_SECONDS) -> Submission:
        """Submit the form; return once it has changed, closed or shown errors."""
        if not self.wait_for_modal().can_submit:
            raise NotSeenError("The open modal has no submit button.")
        state = self.workspace.state
        before = state.answers
        self.workspace.send("view_submit", user=self.user_id, values=self._values)
        self.workspace.wait_for(
            lambda: state.answers > before, "an answer to the form", seconds=seconds
        )
        errors = dict(state.errors or {})
        if not errors:
            self._values = {}
        return Submission(errors=errors, modal=self.modal)

    def dismiss(self) -> None:
        """Close the modal."""
        self._values = {}
        self.workspace.send("view_close", user=self.user_id)
        self.workspace.wait_for(lambda: not self.workspace.state.modals, "the modal to close")

    def click(self, message: ScreenMessage, action_id: str) -> None:
        """Press a button on a message; return once the bot has answered."""
        button = next((b for b in message.buttons if b["action_id"] == action_id), None)
        if button is None:
            raise NotSeenError(f"There is no button {action_id} on:\n{message.text}")
        action = {key: button.get(key) for key in ("block_id", "action_id", "value", "text")}
        self.workspace.control(
            "interact",
            user=self.user_id,
            channel=message.channel,
            messageTs=message.ts,
            action={"type": "button", **action},
        )

    def choose(self, message: ScreenMessage, action_id: str, label: str) -> None:
        """Choose in a menu on a message; return once the bot has answered."""
        for block in message.raw.get("blocks") or ():
            for element in block.get("elements", ()):
                options = {o["text"]["text"]: o for o in element.get("options", ())}
                if element.get("action_id") == action_id and label in options:
                    chosen = {"type": "static_select", "selected_option": options[label]}
                    self.workspace.control(
                        "interact",
                        user=self.user_id,
                        channel=message.channel,
                        messageTs=message.ts,
                        action={**chosen, "action_id": action_id},
                    )
                    return
        raise NotSeenError(f"There is no menu {action_id} with {label} on:\n{message.text}")

    def open_home(self) -> None:
        """Open the app's Home; return once it is shown."""
        self.workspace.control("open-home", user=self.user_id)
        self.wait_for(lambda: self.home, "the app's Home")

    def press(self, label: str) -> None:
        """Press a button in Home, given by its text or its accessibility label."""
        home = self.home
        for button in home.buttons if home else ():
            if label in (button["text"]["text"], button.get("accessibility_label")):
                pressed = {key: button.get(key) for key in ("block_id", "action_id", "value")}
                action = {"type": "button", "text": button["text"], **pressed}
                self.workspace.send("block_action", user=self.user_id, action=action)
                return
        raise NotSeenError(f"There is no button {label} in Home: {home.labels if home else ()}")

    # What the user sees

    @property
    def home(self) -> ScreenMessage | None:
        """The app's Home as a message; None before it was opened."""
        view = self.workspace.state.homes.get(self.user_id)
        return _message_of({"ts": "", "channel": "", **view}, self._names()) if view else None

    @property
    def modal(self) -> ScreenModal | None:
        state = self.workspace.state
        modals = state.modals
        return _modal_of(modals[-1], state.errors, self._names()) if modals else None

    def dm(self) -> list[ScreenMessage]:
        """Return the messages between this user and the bot, oldest first."""
        ims = [
            channel["id"]
            for channel in list(self.workspace.state.channels.values())
            if channel["is_im"] and self.user_id in channel["members"]
        ]
        return self.read(ims[0]) if ims else []

    def read(self, channel: str | None = None) -> list[ScreenMessage]:
        """Return the messages of a channel that this user can see, oldest first."""
        names = self._names()
        raw = list(self.workspace.state.messages.get(channel or self.channel, ()))
        seen = [_message_of(message, names) for message in raw]
        return [message for message in seen if message.only_for in (None, self.user_id)]

    def thread(self, message: ScreenMessage) -> list[ScreenMessage]:
        """Return the replies to a message, oldest first."""
        return [m for m in self.read(message.channel) if m.raw.get("thread_ts") == message.ts]

    def wait_for(
        self, condition: Callable[[], T | None], what: str, *, seconds: float = TIMEOUT_SECONDS
    ) -> T:
        """Return the first true value of `condition()`. `NotSeenError` says what the user sees."""
        try:
            return self.workspace.wait_for(condition, what, seconds=seconds)
        except NotSeenError as error:
            raise NotSeenError(f"{error} {self._describe_screen()}") from None

    def wait_for_modal(self, title: str = "", *, seconds: float = TIMEOUT_SECONDS) -> ScreenModal:
        def see() -> ScreenModal | None:
            modal = self.modal
            return modal if modal and title in modal.title else None

        return self.wait_for(see, f"a modal {title!r}" if title else "a modal", seconds=seconds)

    def wait_for_dm(
        self, *parts: str, count: int = 1, seconds: float = TIMEOUT_SECONDS
    ) -> list[ScreenMessage]:
        """Return the DMs that contain all of `parts`, once there are at least `count`."""

        def see() -> list[ScreenMessage] | None:
            found = [m for m in self.dm() if all(part in m.text for part in parts)]
            return found if len(found) >= count else None

        return self.wait_for(see, f"{count} DM with {', '.join(parts)}", seconds=seconds)

    def _names(self) -> dict[str, str]:
        users = self.workspace.state.users
        return {key: user.get("real_name") or user["name"] for key, user in users.items()}

    def _describe_screen(self) -> str:
        modal = self.modal
        lines = [f"{self.name} sees the modal “{modal.title}”: {modal.text}"] if modal else []
        lines += [f"DM: {message.text}" for message in self.dm()[-5:]]
        lines += [f"Here: {message.text}" for message in self.read()[-3:]]
        return "\n".join(lines) or f"{self.name} sees nothing."


def _entered(element: Json, value: str) -> Json:
    """Return what the page submits for an input with this value."""
    kind = element["type"]
    if kind == "plain_text_input":
        return {"type": kind, "value": value}
    if kind in ("static_select", "radio_buttons"):
        for option in element["options"]:
            if value in (option["value"], option["text"]["text"]):
                return {"type": kind, "selected_option": option}
        texts = [option["text"]["text"] for option in element["options"]]
        raise NotSeenError(f"There is no option {value}, only {texts}.")
    original = (element.get(ORIGINAL_KEY) or element)["type"]
    raise NotSeenError(f"local-slack's page has no way to fill in a {original}.")


def _message_of(raw: Json, names: Mapping[str, str]) -> ScreenMessage:
    blocks = raw.get("blocks") or []
    lines = [line for block in blocks for line in _lines(block)] or [raw.get("text") or ""]
    buttons = [
        {**element, "block_id": block.get("block_id") or f"b{index}"}
        for index, block in enumerate(blocks)
        for element in [*block.get("elements", ()), block.get("accessory") or {}]
        if element.get("type") == "button"
    ]
    return ScreenMessage(
        ts=raw["ts"],
        channel=raw["channel"],
        text=_readable("\n".join(lines), names),
        buttons=tuple(buttons),
        edited="edited" in raw,
        only_for=raw.get("ephemeral_to"),
        by_bot="bot_id" in raw,
        raw=raw,
    )


def _modal_of(raw: Json, errors: Mapping[str, str] | None, names: Mapping[str, str]) -> ScreenModal:
    blocks = raw.get("blocks") or []
    lines = [line for block in blocks for line in _lines(block)]
    return ScreenModal(
        id=raw["id"],
        title=raw["title"]["text"],
        text=_readable("\n".join(lines), names),
        fields={
            block["block_id"]: block["element"] for block in blocks if block["type"] == "input"
        },
        can_submit="submit" in raw,
        errors=dict(errors or {}),
        raw=raw,
    )


def _lines(block: Json) -> list[str]:
    found: list[Any] = [block.get("text"), block.get("label"), block.get("hint")]
    found += block.get("fields") or []
    found += [item for item in block.get("elements") or [] if item.get("type") != "button"]
    return [str(item["text"]) for item in found if item and isinstance(item.get("text"), str)]


def _readable(text: str, names: Mapping[str, str]) -> str:
    named = _MENTION.sub(lambda found: "@" + names.get(found.group(1), found.group(1)), text)
    return named.replace(ZERO_WIDTH_SPACE, "")
