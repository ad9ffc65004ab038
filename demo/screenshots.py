"""`make screenshots`: take the README's pictures of the demo in a headless Chromium.

First the account pages in a phone's size, then the forms on local-slack's page. Cards, lists and
Home are drawn from the blocks that the product sent, see demo/payload_pictures.py. Only the ticket
in the pictures is filed in the browser.
"""

import json
import sys
from pathlib import Path

from demo.binaries import ROOT
from demo.block_translation import original_blocks
from demo.browser import Browser, Page
from demo.local_stack import Stack
from demo.payload_pictures import PayloadPicture, save_pictures
from demo.process import ProcessError
from demo.seed import EMPLOYEE, TRIAGE, Member
from demo.slack_page import NotSeenError, SlackPage
from demo.slack_user import ScreenMessage, SlackUser

IMAGES = ROOT / "docs" / "images"
# Tall enough that nothing has to be scrolled, and narrow enough for a page of text.
WIDTH, HEIGHT, SCALE, MARGIN = 820, 2400, 1.5, 12
PHONE_WIDTH, PHONE_SCALE = 400, 1.25
# No shadow around a form.
STYLE = """
    .modal-overlay { background: #fff }
    .modal { box-shadow: none; border: 1px solid #ccc }
"""

# A message that two workers update concurrently waits for the sweep.
NOTIFICATION_TIMEOUT_SECONDS = 40.0
BOT = "Help desk"
# On the assignee's card only.
ASSIGNEE_REASON = "Why you:"
TITLE = "VPN drops every hour"
DESCRIPTION = "Since this morning, at home and in the office alike."
# Requester, assignee, title, description.
EARLIER = (
    ("Emma", "Nils", "DNS finds no intranet pages", "Other addresses work."),
    ("Emma", "Lara", "The printer prints blank pages", "The one on the second floor, since noon."),
    ("Nils", "Lara", "My laptop gets very hot", "Even with all programs closed."),
)


# The values of the sign-up form.
NEWCOMER = {
    "email": "robin@example.com",
    "name": "Robin",
    "password": "for this demo only",
    "repeat": "for this demo only",
}


class Photographer:
    def __init__(self, stack: Stack, workspace: SlackPage, page: Page) -> None:
        members = [EMPLOYEE, *stack.staff]
        self._members = {member.first_name: member for member in members}
        self._people = {m.first_name: SlackUser(workspace, m.slack_id) for m in members}
        self._page = page
        page.evaluate(
            "document.head.appendChild(document.createElement('style'))"
            f".textContent = {json.dumps(STYLE)}"
        )

    def take_forms(self) -> None:
        """File the tickets, and take pictures of the forms to file and edit one."""
        self._file_earlier()
        self._file()
        nils = self._people["Nils"]
        self._wait_for_assignment(nils, TITLE, ASSIGNEE_REASON)
        nils.command("/ticket", f"update {len(EARLIER) + 1}")
        self._take("update", _element_with(".modal", "Assignee"))
        nils.dismiss()

    def payloads(self) -> list[PayloadPicture]:
        """Return pictures of the filed ticket, as requester, assignee and moderators see it."""
        emma, nils = self._people["Emma"], self._people["Nils"]
        assignee = self._members["Nils"].real_name
        cards = {
            "requester-card": self._wait_for_assignment(emma, TITLE, assignee),
            "assignee-card": self._wait_for_assignment(nils, TITLE, ASSIGNEE_REASON),
            "triage": self._last_in(nils, TRIAGE, TITLE),
        }
        nils.command("/ticket", "queue")
        cards["queue"] = self._last_in(nils, nils.channel, TITLE)
        pictures = [_message_picture(name, card) for name, card in cards.items()]
        nils.open_home()
        pictures.append(self._home_picture("home", nils, TITLE))
        nils.press(_button_label(nils.home, TITLE))
        return [*pictures, self._home_picture("ticket", nils, "History")]

    @staticmethod
    def _last_in(person: SlackUser, channel: str, text: str) -> ScreenMessage:
        return [message for message in person.read(channel) if text in message.text][-1]

    @staticmethod
    def _home_picture(name: str, person: SlackUser, text: str) -> PayloadPicture:
        def shown() -> ScreenMessage | None:
            return person.home if person.home and text in person.home.text else None

        home = person.wait_for(shown, f"Home with {text}")
        return PayloadPicture(name, original_blocks(home.raw["blocks"]), kind="home")

    def _file_earlier(self) -> None:
        for requester, assignee, title, description in EARLIER:
            person = self._people[requester]
            person.command("/ticket")
            person.fill(title=title, description=description).submit()
            person.dismiss()
            self._wait_for_assignment(person, title, self._members[assignee].real_name)

    def _file(self) -> None:
        self._act_as(self._members["Emma"])
        self._people["Emma"].command("/ticket")
        self._page.type(_field("Title"), TITLE)
        self._page.type(_field("Description"), DESCRIPTION)
        self._page.evaluate("document.activeElement.blur()")
        self._take("form", _element_with(".modal", "Description"))
        self._page.click("document.querySelector('.modal-foot .primary')")
        self._take("filed", _element_with(".modal", "filed"))
        self._people["Emma"].dismiss()

    def _wait_for_assignment(self, person: SlackUser, title: str, words: str) -> ScreenMessage:
        seconds = NOTIFICATION_TIMEOUT_SECONDS
        return person.wait_for_dm(title, words, seconds=seconds)[-1]

    def _act_as(self, member: Member) -> None:
        self._page.choose("document.querySelector('.actas select')", member.slack_id)

    def _take(self, picture: str, element: str) -> None:
        take_screenshot(self._page, picture, element, margin=MARGIN)


def _message_picture(name: str, message: ScreenMessage) -> PayloadPicture:
    return PayloadPicture(
        name,
        original_blocks(message.raw["blocks"]),
        kind="message",
        author=BOT,
        time=float(message.ts),
        only_visible_to_you=message.only_for is not None,
    )


def _button_label(home: ScreenMessage | None, text: str) -> str:
    """Return the label of the button beside the text."""
    blocks = home.raw["blocks"] if home else []
    section = next(block for block in blocks if "accessory" in block and text in str(block["text"]))
    return str(section["accessory"]["accessibility_label"])


def take_pages(phone: Page, url: str) -> None:
    """Sign up, and take pictures of the profile and the linking code."""
    for name, text in NEWCOMER.items():
        phone.type(f"document.querySelector('#{name}')", text)
    phone.click("document.querySelector('main button')")
    phone.wait_for("document.querySelector('.notice')", "the profile")
    for picture in ("profile", "link"):
        phone.go(f"{url}/{picture}")
        take_screenshot(phone, picture, "document.body", margin=0)


def take_screenshot(page: Page, picture: str, element: str, *, margin: int) -> None:
    file = IMAGES / f"{picture}.png"
    page.screenshot(element, file, margin=margin)
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
            page = browser.open(stack.slack.url, width=WIDTH, height=HEIGHT, scale=SCALE)
            try:
                photographer = Photographer(stack, workspace, page)
                photographer.take_forms()
                pictures = photographer.payloads()
            except NotSeenError:
                for name, process in stack.product.processes.items():
                    print(f"--- {name}\n{process.tail(20)}", file=sys.stderr)
                raise
            people = {member.slack_id: member.first_name for member in stack.members}
            for file in save_pictures(browser, pictures, people=people, directory=IMAGES):
                report(file)
    except (ProcessError, NotSeenError) as error:
        print(f"No pictures: {error}", file=sys.stderr)
        return 1
    return 0


def _element_with(selector: str, *texts: str) -> str:
    """Return JavaScript for the first element of the selector that contains all texts."""
    return (
        f"[...document.querySelectorAll({json.dumps(selector)})]"
        f".find(e => {json.dumps(texts)}.every(text => e.textContent.includes(text)))"
    )


def _field(label: str) -> str:
    return f"{_element_with('.modal .bk-input', label)}?.querySelector('input, textarea')"


if __name__ == "__main__":
    sys.exit(main())
