"""A member of Slack who reads what is in front of them, and presses what they can see by its label.

    emma.types("/ticket", "VPN drops")
    emma.fills({"Description": "Since this morning."}).presses("File")
    emma.opens_message("VPN drops").sees("Assigned to @Nils").presses("Cancel ticket")

In front of a member are a modal, if one is open, else Home or a message, and what the bot has sent
only to them since their last action. With SCREENSHOTS=directory each action writes a picture of it.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from bot.views.text import Message, escape
from demo.browser import Browser
from demo.payload_pictures import PayloadPicture, save_pictures
from services.core.installation import claim_installation
from services.models.user import Role, User
from tasks import escalation
from tasks.notifications import digest
from tests.conftest import FixedClock, People
from tests.messages.plain_text import as_lines
from tests.support import payloads
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import changed, deleted, event_of
from tests.support.escalation_day import at
from tests.support.recording_slack import Call
from tests.support.slack_workspace import GENERAL, TEAM_ID
from tests.support.view_state import elements

Json = dict[str, Any]
Pressable = tuple[Json, str, str | None]  # element, its block's id, the value of a menu's option

_MENTION = re.compile(r"<@(U\w+)>")
_MENUS = ("static_select", "external_select", "multi_static_select", "multi_external_select",
          "radio_buttons", "checkboxes")  # fmt: skip
BOT_NAME = "Help desk"


class Album:
    """The pictures of a story; written only if the variable SCREENSHOTS names a directory."""

    def __init__(self) -> None:
        self._directory = os.environ.get("SCREENSHOTS")
        self._pictures: list[PayloadPicture] = []
        self.names: dict[str, str] = {}  # of the members, by their Slack id

    def add(self, picture: Callable[[str], PayloadPicture], *, owner: str, action: str) -> None:
        if self._directory:
            words = re.sub(r"\W+", "-", f"{owner} {action}".lower()).strip("-")[:70]
            self._pictures.append(picture(f"p{len(self._pictures) + 1:03}-{words}"))

    def save(self) -> None:
        if not self._pictures or not self._directory:
            return
        directory = Path(self._directory).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        with Browser(directory=directory / "browser") as browser:
            save_pictures(browser, self._pictures, people=self.names, directory=directory)


class Person:
    def __init__(self, system: BotAndWorkers, user: User, album: Album) -> None:
        self._system, self._slack, self._album = system, system.slack, album
        self.user, self.slack_id, self.name = user, People.slack_id(user), str(user.name)
        self.actions = 0
        self._place: Json | None = None  # a message, or Home
        self._modals: list[Json] = []
        self._errors: dict[str, str] = {}
        self._filled: dict[str, Any] = {}  # by block_id
        self._notices: list[Json] = []  # messages only for this member, since the last action
        self._calls = 0
        album.names[self.slack_id] = self.name

    # What they do

    def types(self, command: str, text: str = "") -> Self:
        """Type a slash command in #general."""
        body = payloads.slash_command(
            text, user=self.slack_id, command=command, response_url=self._slack.response_url()
        )
        return self._acts(f"types {command} {text}", body)

    def files(self, title: str, description: str = "Since Monday.", priority: str = "") -> Self:
        """File a ticket by the command and the form."""
        self.types("/ticket", title)
        given = {"Priority": priority} if priority else {}
        self.fills({"Title": title, "Description": description, **given})
        return self.presses("File").sees("filed").closes()

    def writes(self, text: str) -> Self:
        """Write a direct message to the bot."""
        said = self._slack.say(f"D{self.slack_id[1:]}", escape(text), user=self.slack_id)
        return self._acts(f"writes {text}", event_of(said))

    def replies(self, text: str, **fields: Any) -> Self:
        """Reply in the thread of the message in front of them."""
        message = self._message()
        thread = message.get("thread_ts", message["ts"])
        channel = message["channel"]
        said = self._slack.say(
            channel, escape(text), user=self.slack_id, thread_ts=thread, **fields
        )
        self._said = event_of(said, is_im=channel.startswith("D"))
        return self._acts(f"replies {text}", self._said)

    def edits_reply(self, text: str) -> Self:
        return self._acts(f"edits the reply to {text}", changed(self._said, escape(text)))

    def deletes_reply(self) -> Self:
        return self._acts("deletes the reply", deleted(self._said))

    def uses_shortcut(self, callback_id: str, message: Json) -> Self:
        """Choose an entry in the menu of another member's message."""
        body = payloads.message_shortcut(
            callback_id,
            message,
            user=self.slack_id,
            channel=message["channel"],
            response_url=self._slack.response_url(),
        )
        return self._acts(f"uses {callback_id}", body)

    def reacts(self, emoji: str, message: Json) -> Self:
        body = payloads.reaction(message, emoji, user=self.slack_id)
        return self._acts(f"reacts with {emoji}", body)

    def opens_home(self) -> Self:
        self._place, self._modals = None, []
        self._acts("opens Home", payloads.home_opened(self.slack_id), is_silent=True)
        self._place = self._slack.home(self.slack_id)
        return self._pictured("opens Home")

    def opens_message(self, *words: str, channel: str = "") -> Self:
        """Look at the newest message of the bot with those words in the channel, or the DM."""
        self._modals, self._notices = [], []
        self._system.work()
        said = [m for m in self._slack.messages(channel or self.slack_id) if "bot_id" in m]
        found = [m for m in said if all(word in self._read(m) for word in words)]
        assert found, f"No message with {words}:\n" + "\n---\n".join(map(self._read, said))
        self._place = found[-1]
        return self._pictured(f"opens the message {' '.join(words)}")

    def presses(self, label: str, *, beside: str = "", confirms: str = "") -> Self:
        """Press a button, or an entry of an overflow menu, the first one after `beside`.

        `confirms` are words of the dialog that asks before it happens.
        """
        if self._modals and label in self._modal_buttons():
            return self._ends_modal(label)
        element, block, option = self._find(label, beside)
        asked = element.get("confirm")
        assert bool(asked) == bool(confirms), asked
        if asked:
            said = " ".join(asked[part]["text"] for part in ("title", "text", "confirm"))
            assert confirms in said, said
        return self._acts(f"presses {label}", self._pressed(element, block, option))

    def closes(self) -> Self:
        """Press what closes the modal in front of them, whatever its label."""
        assert self._modals, f"No modal is open:\n{self.screen}"
        return self._ends_modal(self._front["close"]["text"])

    def chooses(self, option: str, *, menu: str) -> Self:
        """Choose an option of a menu outside of a form; `menu` is what it shows now."""
        for element, block in elements(self._front):
            if menu in _shown_in(element) and element["type"] in _MENUS:
                value = self._option(element, block, option)
                return self._acts(
                    f"chooses {option} in {menu}", self._pressed(element, block, value)
                )
        raise AssertionError(f"No menu shows {menu}:\n{self.screen}")

    def fills(self, fields: Mapping[str, Any]) -> Self:
        """Fill in inputs of the open form, by how their labels begin: a text or an option."""
        assert self._modals, f"No form is open:\n{self.screen}"
        inputs = {b["label"]["text"]: b for b in self._front["blocks"] if b["type"] == "input"}
        for label, value in fields.items():
            found = [block for text, block in inputs.items() if text.startswith(label)]
            assert found, f"No input {label!r}, only {[*inputs]}"
            block = found[0]
            self._filled[block["block_id"]] = self._entered(block, value)
        return self._pictured(f"fills in {', '.join(fields)}")

    # What they see

    @property
    def screen(self) -> str:
        """What is in front of them, as plain text."""
        shown = [self._front] if self._front else []
        lines = [self._read(content) for content in (*shown, *self._notices)]
        return "\n".join([*lines, *self._errors.values()])

    def sees(self, *words: str) -> Self:
        for word in words:
            assert word in self.screen, f"{self.name} does not see {word!r} in:\n{self.screen}"
        return self

    def sees_not(self, *words: str) -> Self:
        for word in words:
            assert word not in self.screen, f"{self.name} sees {word!r} in:\n{self.screen}"
        return self

    def sees_in_thread(self, *words: str) -> Self:
        """Of the message in front of them."""
        message = self._message()
        replies = [
            self._read(m)
            for m in self._slack.messages(message["channel"])
            if m.get("thread_ts") == message["ts"] and "bot_id" in m
        ]
        for word in words:
            assert word in "\n".join(replies), f"No reply with {word!r}: {replies}"
        return self

    def has_no_message(self, *words: str) -> Self:
        said = [self._read(m) for m in self._slack.messages(self.slack_id) if "bot_id" in m]
        assert not [text for text in said if all(word in text for word in words)]
        return self

    # How it works

    @property
    def _front(self) -> Json:
        return self._modals[-1] if self._modals else self._place or {}

    def _message(self) -> Json:
        place = self._place or {}
        assert "ts" in place, f"No message is open:\n{self.screen}"
        return place

    def _read(self, content: Json) -> str:
        given = {key: value for key, value in content.items() if value is not None}
        named: Json = json.loads(self._named(json.dumps(given)))
        is_view = content.get("type") in ("modal", "home")
        shown = named if is_view else Message(named["text"], named.get("blocks") or [])
        return "\n".join(as_lines(shown))

    def _named(self, text: str) -> str:
        names = self._album.names
        return _MENTION.sub(lambda found: f"@{names.get(found[1], found[1])}", text)

    def _modal_buttons(self) -> list[str]:
        parts = (self._front.get(part) for part in ("submit", "close"))
        return [part["text"] for part in parts if part]

    def _find(self, label: str, beside: str) -> Pressable:
        blocks = self._front.get("blocks") or []
        places = [n for n, block in enumerate(blocks) if beside in self._named(str(block))]
        assert places, f"Nothing says {beside!r}:\n{self.screen}"
        for element, block_id in elements(self._front):
            number = next(n for n, b in enumerate(blocks) if _holds(b, element))
            if number >= places[0] and (found := _option_or_button(element, label)):
                return element, block_id, found[0]
        raise AssertionError(f"{self.name} sees no button {label!r} in:\n{self.screen}")

    def _pressed(self, element: Json, block: str, value: str | None) -> Json:
        body = payloads.block_actions(
            self._front,
            element["action_id"],
            value,
            user=self.slack_id,
            block_id=block,
            response_url=self._slack.response_url(),
        )
        if "only_for" in self._front:
            body["container"]["is_ephemeral"] = True
        return body

    def _ends_modal(self, label: str) -> Self:
        view = self._front
        if label != (view.get("submit") or {}).get("text"):
            self._close_modal()
            if not view["notify_on_close"]:
                return self._pictured(f"presses {label}")
            return self._acts(f"presses {label}", payloads.view_closed(view, user=self.slack_id))
        body = payloads.view_submission(view, self._filled, user=self.slack_id)
        return self._acts(f"presses {label}", body, is_submission=True)

    def _close_modal(self) -> None:
        self._modals.pop()
        self._filled, self._errors = {}, {}

    def _entered(self, block: Json, value: Any) -> Any:
        element = block["element"]
        if isinstance(value, datetime):
            return int(value.timestamp())
        if isinstance(value, Person):
            return value.slack_id
        if element["type"] not in _MENUS or value is None:
            return value
        if isinstance(value, str):
            return self._option(element, block["block_id"], value)
        return [self._option(element, block["block_id"], one) for one in value]

    def _option(self, element: Json, block: str, label: str) -> str:
        """Return the value of the option; in a menu that searches, type it first."""
        options = _options(element)
        if "external" in element["type"]:
            typed = payloads.block_suggestion(
                self._front, element["action_id"], label, user=self.slack_id, block_id=block
            )
            options = _options(self._system.bot.answer(typed))
        for option in options:
            if option["text"]["text"].startswith(label):
                return str(option["value"])
        raise AssertionError(f"No option {label!r}, only {[o['text']['text'] for o in options]}")

    def _acts(
        self, action: str, body: Json, *, is_submission: bool = False, is_silent: bool = False
    ) -> Self:
        """Send the payload, let the workers run, and look at what has changed."""
        self._notices, self._errors = [], {}
        self._calls = len(self._slack.calls)
        before = {view["id"]: view["hash"] for view in self._views()}
        answer = self._system.bot.answer(body)
        if is_submission:
            self._follow_submission(answer)
        elif answer:
            self._show_ephemeral(answer)
        self._system.work()
        for view in self._views():
            if before.get(view["id"]) != view["hash"]:
                self._show_modal(view)
        for call in self._slack.calls[self._calls :]:
            self._follow(call)
        self._reload()
        return self if is_silent else self._pictured(action)

    def _views(self) -> Iterator[Json]:
        yield from (v for v in self._slack.workspace.views.values() if v["type"] == "modal")

    def _follow_submission(self, answer: Json) -> None:
        action = answer.get("response_action")
        if action == "errors":
            self._errors = answer["errors"]
            return
        view = self._front
        self._close_modal()
        if action == "clear":
            self._modals = []
        elif action:
            workspace = self._slack.workspace
            is_push = action == "push"
            view_id = workspace.next_id("V") if is_push else view["id"]
            kept = workspace.keep_view(
                view_id, answer["view"], parent=view["id"] if is_push else None
            )
            self._modals += [view, kept] if is_push else [kept]

    def _show_modal(self, view: Json) -> None:
        known = [number for number, m in enumerate(self._modals) if m["id"] == view["id"]]
        if known:
            self._modals[known[0]] = dict(view)
        else:
            self._modals.append(dict(view))
            self._filled = {}

    def _show_ephemeral(self, message: Json) -> None:
        ts = self._slack.workspace.next_ts()
        self._modals = []
        self._place = {"text": "", "channel": GENERAL, "only_for": self.slack_id, "ts": ts}
        self._place |= message

    def _follow(self, call: Call) -> None:
        """Show what the bot has sent only to this member."""
        if call.method == "response_url" and not call.args.get("delete_original"):
            self._show_ephemeral(call.args)
        if call.method == "chat.postEphemeral" and call.args["user"] == self.slack_id:
            self._notices.append(call.args)

    def _reload(self) -> None:
        place = self._place
        if place and place.get("type") == "home":
            self._place = self._slack.home(self.slack_id)
        elif place and "bot_id" in place:
            now = [m for m in self._slack.messages(place["channel"]) if m["ts"] == place["ts"]]
            self._place = now[0] if now else None

    def _pictured(self, action: str) -> Self:
        self.actions += 1
        if self._front:
            title = f"{self.name} {self.actions:02}"
            self._album.add(self._picture, owner=title, action=action)
        return self

    def _picture(self, name: str) -> PayloadPicture:
        front, now = self._front, self._system.runtime.clock().timestamp()
        if front.get("type") == "modal":
            return PayloadPicture(
                name,
                _filled_in(front["blocks"], self._filled),
                "modal",
                title=front["title"]["text"],
                submit=(front.get("submit") or {}).get("text"),
                close=(front.get("close") or {}).get("text"),
                errors=self._errors,
                now=now,
            )
        notices = [b for notice in self._notices for b in _blocks(notice)]
        if front.get("type") == "home":
            return PayloadPicture(name, [*front["blocks"], *notices], "home", now=now)
        return PayloadPicture(
            name,
            [*_blocks(front), *notices],
            "message",
            author=BOT_NAME,
            time=now,
            now=now,
            only_visible_to_you="only_for" in front,
        )


class Story:
    """Begins on a Monday, when business hours start."""

    def __init__(
        self, system: BotAndWorkers, people: People, clock: FixedClock, album: Album
    ) -> None:
        self.system, self._people, self.clock, self._album = system, people, clock, album
        clock.now = at(2, 9)
        claim_installation(system.db, team_id=TEAM_ID, clock=clock)
        system.slack.add_channel(GENERAL, is_member=True, members=None)

    def employee(self, name: str) -> Person:
        return self._person(name, Role.USER)

    def moderator(self, name: str, *skills: str) -> Person:
        return self._person(name, Role.MODERATOR, *skills)

    def admin(self, name: str) -> Person:
        return self._person(name, Role.ADMIN)

    def _person(self, name: str, role: Role, *skills: str) -> Person:
        user = self._people.add(role, *skills, name=name)
        self.system.slack.add_member(People.slack_id(user), email=user.email, name=name)
        return Person(self.system, user, self._album)

    def hours_from_now(self, hours: float) -> datetime:
        return self.clock() + timedelta(hours=hours)

    def says(self, person: Person, text: str) -> Json:
        """A member writes in #general, without the bot."""
        return self.system.slack.say(GENERAL, escape(text), user=person.slack_id)

    def goes_on(self, **passed: float) -> None:
        """Let time pass, and the jobs run what has become due."""
        self.clock.advance(**passed)
        services = self.system.runtime.services
        escalation.take_due_steps(
            services.escalation_steps, self.system.publisher, should_continue=lambda: True
        )
        self.system.deliver()
        self.system.send_due_reminders()
        digest.run(self.system.runtime)
        self.system.work()


def _blocks(message: Json) -> list[Json]:
    text = {"type": "mrkdwn", "text": message.get("text") or "…"}
    return message.get("blocks") or [{"type": "section", "text": text}]


def _holds(block: Json, element: Json) -> bool:
    held = [block.get("element"), block.get("accessory"), *block.get("elements", [])]
    return any(one is element for one in held)


def _option_or_button(element: Json, label: str) -> tuple[str | None] | None:
    """Return the value of the menu's option with that label, None for a button."""
    if element["type"] == "button":
        labels = (element["text"]["text"], element.get("accessibility_label"))
        return (None,) if label in labels else None
    if element["type"] == "overflow":
        values = [o["value"] for o in element["options"] if o["text"]["text"] == label]
        return (values[0],) if values else None
    return None


def _options(menu: Json) -> list[Json]:
    groups = menu.get("option_groups") or [menu]
    return [option for group in groups for option in group.get("options", ())]


def _shown_in(element: Json) -> str:
    chosen = element.get("initial_option") or {}
    return str((chosen.get("text") or element.get("placeholder") or {}).get("text", ""))


def _filled_in(blocks: list[Json], filled: Mapping[str, Any]) -> list[Json]:
    """Return the blocks of a form with what was filled in."""
    return [
        {**block, "element": _with_value(block["element"], filled[block["block_id"]])}
        if block.get("block_id") in filled
        else block
        for block in blocks
    ]


def _with_value(element: Json, value: Any) -> Json:
    kind = element["type"]
    if kind.endswith("_input"):
        return {**element, "initial_value": value or ""}
    if kind == "datetimepicker":
        return {**element, "initial_date_time": value}
    if kind == "users_select":
        return {**element, "initial_user": value}
    if kind == "conversations_select":
        return {**element, "initial_conversation": value}
    wanted = value if isinstance(value, list) else [value]
    plain = {"type": "plain_text", "emoji": True}
    known = {option["value"]: option for option in _options(element)}
    chosen = [known.get(v) or {"text": {**plain, "text": str(v)}, "value": v} for v in wanted if v]
    if not chosen:
        return {key: held for key, held in element.items() if not key.startswith("initial_")}
    is_many = kind.startswith("multi") or kind == "checkboxes"
    return {
        **element,
        **({"initial_options": chosen} if is_many else {"initial_option": chosen[0]}),
    }
