"""`make screenshots`: take the README's pictures of the demo in a headless Chromium.

First the account pages in a phone's size, then Slack. Only the ticket in the pictures is filed in
the browser.
"""

import json
import sys

from demo.binaries import ROOT
from demo.browser import Browser, Page
from demo.local_stack import Stack
from demo.process import ProcessError
from demo.seed import EMPLOYEE, Member
from demo.slack_page import NotSeenError, SlackPage
from demo.slack_user import SlackUser

IMAGES = ROOT / "docs" / "images"
# Tall enough that nothing has to be scrolled, and narrow enough for a page of text.
WIDTH, HEIGHT, SCALE, MARGIN = 820, 2400, 1.5, 12
PHONE_WIDTH = 400
# No shadow around a form; a message apart from its neighbours and no wider than its text.
STYLE = f"""
    .modal-overlay {{ background: #fff }}
    .modal {{ box-shadow: none; border: 1px solid #ccc }}
    .msg {{ width: fit-content; min-width: 480px; border: {MARGIN}px solid #fff }}
    .msg-hover-actions {{ display: none }}
"""

# A message that two workers update concurrently waits for the sweep.
NOTIFICATION_TIMEOUT_SECONDS = 40.0
# The entry under Apps.
BOT = "Help desk"
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

    def take_all(self) -> None:
        self._file_earlier()
        self._file()
        emma, nils = self._members["Emma"], self._members["Nils"]
        for member, picture, words in (
            (emma, "requester-card", nils.real_name),
            (nils, "assignee-card", "Why you:"),
        ):
            person = self._people[member.first_name]
            person.wait_for_dm(TITLE, words, seconds=NOTIFICATION_TIMEOUT_SECONDS)
            self._open_entry(member.real_name, member=member)
            self._take(picture, _element_with(".msg", TITLE, words), margin=0)
        self._open_entry(BOT, member=nils)
        self._take("home", _element_with(".home .blocks", "Hello, Nils", TITLE))
        self._page.click(f"{_element_with('.home .bk-section', TITLE)}?.querySelector('button')")
        self._take("ticket", _element_with(".home .blocks", "History"))
        self._take_moderators_tools(nils)

    def _take_moderators_tools(self, moderator: Member) -> None:
        self._open_entry("triage", member=moderator)
        self._take("triage", _element_with(".msg", TITLE), margin=0)
        person = self._people[moderator.first_name]
        self._open_entry("general", member=moderator)
        person.command("/ticket", "queue")
        self._take("queue", _element_with(".msg", "The queue", TITLE), margin=0)
        person.command("/ticket", f"update {len(EARLIER) + 1}")
        self._take("update", _element_with(".modal", "Assignee"))
        person.dismiss()

    def _file_earlier(self) -> None:
        for requester, assignee, title, description in EARLIER:
            person = self._people[requester]
            person.command("/ticket")
            person.fill(title=title, description=description).submit()
            person.dismiss()
            self._wait_for_assignment(person, title, self._members[assignee])

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

    def _wait_for_assignment(self, person: SlackUser, title: str, assignee: Member) -> None:
        person.wait_for_dm(title, assignee.real_name, seconds=NOTIFICATION_TIMEOUT_SECONDS)

    def _act_as(self, member: Member) -> None:
        self._page.choose("document.querySelector('.actas select')", member.slack_id)

    def _open_entry(self, entry: str, *, member: Member) -> None:
        """Open an entry of the sidebar as `member`."""
        self._act_as(member)
        self._page.click(_element_with(".sidebar-item", entry))

    def _take(self, picture: str, element: str, *, margin: int = MARGIN) -> None:
        take_screenshot(self._page, picture, element, margin=margin)


def take_pages(phone: Page, url: str) -> None:
    """Sign up, and take pictures of the profile and the linking code."""
    for name, text in NEWCOMER.items():
        phone.type(f"document.querySelector('#{name}')", text)
    phone.click("document.querySelector('main button')")
    phone.wait_for("document.querySelector('.notice')", "the profile")
    for picture in ("profile", "link"):
        phone.go(f"{url}/{picture}")
        take_screenshot(phone, picture, "document.body", margin=0)


def take_screenshot(page: Page, picture: str, element: str, *, margin: int = MARGIN) -> None:
    file = IMAGES / f"{picture}.png"
    page.screenshot(element, file, margin=margin)
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
                signup, width=PHONE_WIDTH, height=HEIGHT, scale=SCALE, is_phone=True
            )
            take_pages(phone, stack.pages_url)
            page = browser.open(stack.slack.url, width=WIDTH, height=HEIGHT, scale=SCALE)
            try:
                Photographer(stack, workspace, page).take_all()
            except NotSeenError:
                for name, process in stack.product.processes.items():
                    print(f"--- {name}\n{process.tail(20)}", file=sys.stderr)
                raise
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
