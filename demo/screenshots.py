"""`make screenshots`: take the pictures of README and docs, of the demo in a headless Chromium.

First the account pages in a phone's size, then the animation (demo/animation.py). Messages, forms
and Home are drawn from the blocks that the product sent, see demo/payload_pictures.py.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from PIL import Image

from bot.views import ids
from demo import animation
from demo.binaries import ROOT
from demo.block_translation import original_blocks
from demo.browser import Browser, Page
from demo.local_stack import Stack
from demo.payload_pictures import TIME_ZONE, PayloadPicture, save_pictures
from demo.process import ProcessError
from demo.seed import EMPLOYEE, HELP, HELP_NAME, TRIAGE, open_account
from demo.slack_page import NotSeenError, SlackPage
from demo.slack_user import ScreenMessage, SlackUser
from services.registry.services import Services

IMAGES = ROOT / "docs" / "images"
# Tall enough that nothing has to be scrolled.
HEIGHT = 2400
PHONE_WIDTH, PHONE_SCALE = 400, 1.25
# The time of day at which the pictures are taken, whenever that is.
SHOWN_HOUR, SHOWN_MINUTE = 10, 12
# Times this near to the present are moved with it; due dates stay.
PRESENT = timedelta(minutes=30)
# In a reason for an assignment out of business hours.
_BACK = re.compile(r" · back [^·]*")
_DATE = re.compile(r"<!date\^(\d+)\^")

# A message that two workers update concurrently waits for the sweep.
NOTIFICATION_TIMEOUT_SECONDS = 40.0
BOT = "Help desk"
# On the assignee's card only.
ASSIGNEE_REASON = "Why you:"
TITLE = "VPN drops every hour"
DESCRIPTION = "Since this morning, at home and in the office alike."
QUESTION = "Which client do you use?"
CHANNEL_MESSAGE = "My laptop shows a black picture in video calls"
CHANNEL_QUESTION = "Does it also stay black after a restart?"
CHANNEL_ANSWER = "No, after a restart it is fine again."
CHANNEL_RESOLUTION = "Updated the camera's driver. No restart is needed any more."
# Requester, assignee, title, description.
EARLIER = (
    ("Emma", "Nils", "DNS finds no intranet pages", "Other addresses work."),
    ("Nils", "Lara", "My laptop gets very hot", "Even with all programs closed."),
)


# The messages of one thread in the request channel, joined in one picture.
CHANNEL_PART = "channel-"
CHANNEL_PICTURE = "channel.png"

# The values of the sign-up form.
NEWCOMER = {
    "email": "robin@example.com",
    "name": "Robin",
    "password": "for this demo only",
    "repeat": "for this demo only",
}


class Photographer:
    """Files tickets and works on one of them; collects what each person sees."""

    def __init__(self, stack: Stack, workspace: SlackPage) -> None:
        self._members = {m.first_name: m for m in [EMPLOYEE, *stack.staff]}
        self._people = {m.first_name: SlackUser(workspace, m.slack_id) for m in stack.members}
        self._pictures: list[PayloadPicture] = []

    def take(self) -> list[PayloadPicture]:
        self._file_earlier()
        self._take_admin_pages()
        card = self._file()
        self._take_assigned(card)
        self._take_lists()
        self._take_ticket()
        self._take_question(card)
        self._take_channel()
        return self._pictures

    def _file_earlier(self) -> None:
        for requester, assignee, title, description in EARLIER:
            person = self._people[requester]
            person.command("/ticket")
            person.fill(title=title, description=description).submit()
            person.dismiss()
            self._wait_for_assignment(person, title, self._members[assignee].real_name)

    def _file(self) -> ScreenMessage:
        """File the ticket of the pictures; return its assignee's card."""
        emma, nils = self._people["Emma"], self._people["Nils"]
        emma.command("/ticket", TITLE)
        self._take_modal("form", emma, "File a ticket", description=DESCRIPTION)
        emma.fill(description=DESCRIPTION).submit()
        emma.wait_for_modal("Ticket filed")
        emma.dismiss()
        assignee = self._members["Nils"].real_name
        self._take_message("requester-card", self._wait_for_assignment(emma, TITLE, assignee))
        return self._wait_for_assignment(nils, TITLE, ASSIGNEE_REASON)

    def _take_assigned(self, card: ScreenMessage) -> None:
        nils = self._people["Nils"]
        self._take_message("assignee-card", card)
        self._take_message("triage", self._wait_for_message(nils, TRIAGE, TITLE, "Assigned"))

    def _take_lists(self) -> None:
        emma, nils = self._people["Emma"], self._people["Nils"]
        emma.command("/ticket", "search vpn")
        self._take_message("search", self._wait_for_message(emma, emma.channel, TITLE))
        nils.open_home()
        self._take_home("home", nils, TITLE)
        nils.press("My availability")
        self._take_modal("availability", nils, "My availability")
        nils.dismiss()
        nils.press("The queue")
        self._take_home("queue", nils, "Assign several")

    def _take_ticket(self) -> None:
        """Take the ticket's page, and the reasons of its assignment."""
        nils, ada = self._people["Nils"], self._people["Ada"]
        nils.press(_button_label(nils.home, TITLE))
        self._take_home("ticket", nils, "History")
        ada.press("The queue")
        queue = self._wait_for_home(ada, TITLE)
        ada.press(_button_label(queue, TITLE))
        self._wait_for_home(ada, "History")
        ada.press("Why?")
        ada.wait_for(lambda: ada.modal and "Who is left out" in ada.modal.text, "the reasons")
        self._take_modal("why", ada, "why?")
        ada.dismiss()

    def _take_question(self, card: ScreenMessage) -> None:
        """Accept the ticket and ask its requester."""
        emma, nils = self._people["Emma"], self._people["Nils"]
        nils.click(card, ids.ACCEPT)
        accepted = self._wait_for_assignment(nils, TITLE, "In progress")
        nils.click(accepted, ids.WAIT)
        nils.fill(question=QUESTION).submit()
        (question,) = emma.wait_for_dm(QUESTION, seconds=NOTIFICATION_TIMEOUT_SECONDS)
        self._take_message("question", question)

    def _take_channel(self) -> None:
        """Write in the request channel, answer there and resolve the ticket."""
        emma, lara = self._people["Emma"], self._people["Lara"]
        emma.say(CHANNEL_MESSAGE, channel=HELP)
        message = self._wait_for_message(emma, HELP, CHANNEL_MESSAGE)
        self._wait_for_message(emma, HELP, "*Assigned* to Lara")
        lara.reply(message, CHANNEL_QUESTION)
        emma.reply(message, CHANNEL_ANSWER)
        card = self._wait_for_assignment(lara, CHANNEL_MESSAGE, ASSIGNEE_REASON)
        lara.click(card, ids.ACCEPT)
        card = self._wait_for_assignment(lara, CHANNEL_MESSAGE, "In progress")
        lara.click(card, ids.RESOLVE)
        lara.fill(resolution=CHANNEL_RESOLUTION).submit()
        self._wait_for_message(emma, HELP, CHANNEL_RESOLUTION)
        self._wait_for_message(emma, HELP, "*Resolved* by Lara")
        for number, shown in enumerate([message, *emma.thread(message)]):
            name = f"{CHANNEL_PART}{number}"
            if shown.by_bot and shown.raw.get("blocks"):
                self._take_message(name, shown)
            else:
                self._take_text(name, shown)

    def _take_text(self, name: str, message: ScreenMessage) -> None:
        """Take a message that a member wrote."""
        text = {"type": "plain_text", "text": message.text, "emoji": False}
        author = next(m for m in self._members.values() if m.slack_id == message.raw["user"])
        picture = PayloadPicture(
            name,
            [{"type": "section", "text": text}],
            kind="message",
            author=author.first_name,
            is_member=True,
            time=float(message.ts),
        )
        self._pictures.append(picture)

    def _take_admin_pages(self) -> None:
        ada = self._people["Ada"]
        ada.open_home()
        self._take_home("first-day", ada, "steps done")
        for name, button, text in (
            ("people", "People", "Add moderator"),
            ("settings", "Settings", "Change due times"),
        ):
            ada.press(button)
            self._take_home(name, ada, text)
            ada.press("Back")
            self._wait_for_home(ada, "The queue")

    def _take_message(self, name: str, message: ScreenMessage) -> None:
        picture = PayloadPicture(
            name,
            original_blocks(message.raw["blocks"]),
            kind="message",
            author=BOT,
            time=float(message.ts),
            only_visible_to_you=message.only_for is not None,
        )
        self._pictures.append(picture)

    def _take_home(self, name: str, person: SlackUser, text: str) -> None:
        home = self._wait_for_home(person, text)
        self._pictures.append(
            PayloadPicture(name, original_blocks(home.raw["blocks"]), kind="home")
        )

    def _take_modal(self, name: str, person: SlackUser, title: str, **typed: str) -> None:
        """Take the open form, with the texts that are typed in it."""
        raw = person.wait_for_modal(title).raw
        blocks = original_blocks(raw["blocks"])
        for block in blocks:
            if block.get("block_id") in typed:
                block["element"] |= {"initial_value": typed[block["block_id"]]}
        labels = {key: raw[key]["text"] for key in ("submit", "close") if key in raw}
        picture = PayloadPicture(name, blocks, kind="modal", title=raw["title"]["text"], **labels)
        self._pictures.append(picture)

    @staticmethod
    def _wait_for_message(person: SlackUser, channel: str, *parts: str) -> ScreenMessage:
        def shown() -> ScreenMessage | None:
            found = [m for m in person.read(channel) if all(part in m.text for part in parts)]
            return found[-1] if found else None

        return person.wait_for(
            shown, f"{', '.join(parts)} in a channel", seconds=NOTIFICATION_TIMEOUT_SECONDS
        )

    @staticmethod
    def _wait_for_home(person: SlackUser, text: str) -> ScreenMessage:
        def shown() -> ScreenMessage | None:
            return person.home if person.home and text in _visible(person.home) else None

        return person.wait_for(shown, f"Home with {text}")

    @staticmethod
    def _wait_for_assignment(person: SlackUser, title: str, words: str) -> ScreenMessage:
        return person.wait_for_dm(title, words, seconds=NOTIFICATION_TIMEOUT_SECONDS)[-1]


def _visible(home: ScreenMessage) -> str:
    return "\n".join([home.text, *home.labels])


def _button_label(home: ScreenMessage | None, text: str) -> str:
    """Return the label of the button beside the text."""
    blocks = home.raw["blocks"] if home else []
    section = next(block for block in blocks if "accessory" in block and text in str(block["text"]))
    return str(section["accessory"]["accessibility_label"])


def at_shown_time(pictures: Sequence[PayloadPicture], *, now: datetime) -> list[PayloadPicture]:
    """Return the pictures as if they were taken at the shown time of day instead of `now`."""
    local = now.astimezone(ZoneInfo(TIME_ZONE))
    shown = local.replace(hour=SHOWN_HOUR, minute=SHOWN_MINUTE, second=0, microsecond=0)
    moved = (shown - local).total_seconds()

    def move(seconds: float) -> float:
        is_present = abs(now.timestamp() - seconds) < PRESENT.total_seconds()
        return seconds + moved if is_present else seconds

    def moved_dates(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: moved_dates(value) for key, value in node.items()}
        if isinstance(node, list):
            return [moved_dates(value) for value in node]
        if not isinstance(node, str):
            return node
        return _DATE.sub(lambda found: f"<!date^{int(move(int(found[1])))}^", _BACK.sub("", node))

    return [
        replace(
            picture,
            blocks=moved_dates(list(picture.blocks)),
            time=None if picture.time is None else move(picture.time),
            now=shown.timestamp(),
        )
        for picture in pictures
    ]


def join_channel(files: Sequence[Path]) -> list[Path]:
    """Join the messages of the thread below each other; return the other files and the joined."""
    parts = [file for file in files if file.name.startswith(CHANNEL_PART)]
    images = [Image.open(part).convert("RGB") for part in parts]
    size = (max(image.width for image in images), sum(image.height for image in images))
    joined, top = Image.new("RGB", size, "white"), 0
    for image in images:
        joined.paste(image, (0, top))
        top += image.height
    file = IMAGES / CHANNEL_PICTURE
    joined.save(file)
    for part in parts:
        part.unlink()
    return [*(file for file in files if file not in parts), file]


def take_pages(phone: Page, url: str) -> None:
    """Sign up, and take pictures of the profile and the linking code."""
    for name, text in NEWCOMER.items():
        phone.type(f"document.querySelector('#{name}')", text)
    phone.click("document.querySelector('main button')")
    phone.wait_for("document.querySelector('.notice')", "the profile")
    for picture in ("profile", "link"):
        phone.go(f"{url}/{picture}")
        file = IMAGES / f"{picture}.png"
        phone.screenshot("document.body", file)
        report(file)


def take_animation(browser: Browser, stack: Stack) -> None:
    page = browser.open(
        stack.slack.url, width=animation.WIDTH, height=animation.HEIGHT, scale=animation.SCALE
    )
    (assignee,) = (member for member in stack.staff if "Printer" in member.skills)
    file = IMAGES / "demo.png"
    animation.record(page, assignee, file)
    report(file)


def report(file: Path) -> None:
    print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1000} kB", flush=True)


def main() -> int:
    IMAGES.mkdir(parents=True, exist_ok=True)
    try:
        with (
            Stack() as stack,
            SlackPage(stack.slack.url) as workspace,
            Browser(directory=stack.logs / "browser") as browser,
        ):
            signup = f"{stack.pages_url}/signup"
            phone = browser.open(
                signup, width=PHONE_WIDTH, height=HEIGHT, scale=PHONE_SCALE, is_phone=True
            )
            take_pages(phone, stack.pages_url)
            open_account(Services(stack.database()), EMPLOYEE)
            try:
                take_animation(browser, stack)
                pictures = Photographer(stack, workspace).take()
            except NotSeenError:
                for name, process in stack.product.processes.items():
                    print(f"--- {name}\n{process.tail(20)}", file=sys.stderr)
                raise
            people = {member.slack_id: member.first_name for member in stack.members}
            files = save_pictures(
                browser,
                at_shown_time(pictures, now=datetime.now(UTC)),
                people=people,
                channels={TRIAGE: "triage", HELP: HELP_NAME},
                directory=IMAGES,
            )
            for file in join_channel(files):
                report(file)
    except (ProcessError, NotSeenError) as error:
        print(f"No pictures: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
