"""All account pages in Chromium in a phone's size, served by `app.py`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.browser import Browser, Page
from demo.servers import MongoServer, RedisServer
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.auth.password_reset import reset_path
from services.core.database import Mongo
from services.models.slack_member import link_id
from services.outbox.emails import EmailKind
from tests.conftest import JWT_SECRET
from tests.support.http_bot import HttpBot
from tests.support.processes import Product
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

EMAIL, FIRST, SECOND = "emma@example.com", "correct horse battery", "a new password"
WIDTH, HEIGHT = 375, 812
FAILED = "Failed to load resource: the server responded with a status of"
HEADING = "document.querySelector('h1')?.textContent"


class Phone:
    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url

    def open(self, path: str) -> None:
        self._page.go(self._url + path)

    def fill(self, action: str, **typed: str) -> None:
        """Fill in the form and submit it."""
        form = f"form[action='{action}']"
        for name, text in typed.items():
            self._page.type(f'document.querySelector("{form} #{name}")', text)
        self._page.click(f'document.querySelector("{form} button")')

    def sees(self, heading: str, *texts: str) -> None:
        """Wait for the page with that heading and texts; check that nothing overflows."""
        self._page.wait_for(f"{HEADING} === {json.dumps(heading)}", heading)
        for text in texts:
            shown = f"document.body?.innerText.includes({json.dumps(text)})"
            self._page.wait_for(shown, text)
        self._page.wait_for("document.readyState === 'complete'", "the whole page")
        assert self._page.evaluate("document.documentElement.scrollWidth") == WIDTH

    def focus(self) -> object:
        return self._page.evaluate("document.activeElement.id")

    def has_in_focus(self, text: str) -> None:
        """Wait for the focus: a focused element is visible and read out first."""
        focused = f"document.activeElement.innerText === {json.dumps(text)}"
        self._page.wait_for(focused, f"the focus on {text}")

    def read(self, selector: str) -> str:
        return str(self._page.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def cookies_a_script_sees(self) -> object:
        return self._page.evaluate("document.cookie")

    def styles(self) -> object:
        """The number of our CSS rules; a refused stylesheet has none."""
        return self._page.evaluate("document.styleSheets[0].cssRules.length")

    def slip_in(self, tag: str, content: str) -> None:
        name, place = tag.strip("<>"), "src" if tag == "<img>" else "text"
        self._page.evaluate(
            f"void document.body.appendChild(Object.assign(document.createElement('{name}'),"
            f" {{{place}: {json.dumps(content)}}}))"
        )

    @property
    def title(self) -> object:
        return self._page.evaluate("document.title")

    @property
    def complaints(self) -> list[str]:
        return self._page.console_errors


@pytest.fixture
def bot(
    mongo: MongoServer, db: Mongo, redis: RedisServer, slack: RecordingSlack, tmp_path: Path
) -> Iterator[HttpBot]:
    product = Product(
        mongo_uri=mongo.uri_for(db.name), redis=redis, slack=slack, directory=tmp_path
    )
    try:
        yield HttpBot(
            product, MAILTRAP_SMTP_HOST="127.0.0.1", APP_URL="http://helpdesk.example.com"
        )
    finally:
        product.stop()


@pytest.fixture
def phone(bot: HttpBot, tmp_path: Path) -> Iterator[Phone]:
    with Browser(directory=tmp_path / "browser") as browser:
        page = browser.open(f"{bot.url}/signup", width=WIDTH, height=HEIGHT, is_phone=True)
        yield Phone(page, bot.url)


def test_an_account_from_its_beginning_to_a_new_password(
    phone: Phone, db: Mongo, users: UserService, slack: RecordingSlack
) -> None:
    phone.sees("Sign up", "Already have an account? Sign in")
    assert phone.styles() != 0
    phone.fill("/signup", email=EMAIL, name="Emma", password=FIRST, repeat="something else")
    phone.sees("Sign up", "The two passwords differ. Write the same one twice.")
    assert phone.focus() == "repeat"
    phone.fill("/signup", password=FIRST, repeat=FIRST)
    phone.sees("Your profile", "Your account is ready.", EMAIL)
    phone.fill("/profile", name="Emma M.")
    phone.sees("Your profile", "Your profile is saved.")
    [user] = users.find_by_email(EMAIL)
    assert user.name == "Emma M."
    assert phone.cookies_a_script_sees() == ""

    phone.open("/link")
    phone.sees("Link your Slack account", "Never share this code")
    codes = OneTimeCodes(db, JWT_SECRET)
    assert codes.redeem(kind=CodeKind.LINK, code=phone.read(".code code")) == user.id

    phone.open("/profile")
    phone.fill("/signout/everywhere")
    phone.sees("Sign in", "You are signed out, here and everywhere else.")
    phone.fill("/signin", email=EMAIL, password="not this one")
    phone.sees("Sign in", "Email or password is wrong")
    phone.has_in_focus("Email or password is wrong, or the account has been deactivated.")

    slack.add_member("U0EVE", email="eve@evil.example", name="Eve")
    link = {"teamId": TEAM_ID, "slackUserId": "U0EVE", "userId": user.id}
    db.links.insert_one({"_id": link_id(TEAM_ID, "U0EVE"), **link})
    phone.open("/forgot")
    phone.fill("/forgot", email=EMAIL)
    phone.sees("Check your mail", EMAIL)
    assert db.letters.count_documents({"kind": EmailKind.RESET, "userId": user.id}) == 1
    phone.open(reset_path(codes.issue(kind=CodeKind.RESET, user_id=user.id)))
    phone.sees("Choose a new password", EMAIL, "Unlink Eve", "eve@evil.example, U0EVE")
    phone.fill("/reset", password=SECOND, repeat=SECOND)
    phone.sees(
        "Your profile", "Your password is changed", "No Slack member is linked to this account yet"
    )
    phone.fill("/signout")
    phone.sees("Sign in", "You are signed out.")
    phone.fill("/signin", email=EMAIL, password=SECOND)
    phone.sees("Your profile", EMAIL)
    # The two refusals above, and nothing else.
    assert phone.complaints == [f"{FAILED} 400 (BAD REQUEST)", f"{FAILED} 401 (UNAUTHORIZED)"]


def test_a_script_that_got_into_a_page_would_not_run(phone: Phone) -> None:
    phone.sees("Sign up")
    assert phone.complaints == []
    phone.slip_in("<script>", "document.title = 'taken over'")
    phone.slip_in("<img>", "https://elsewhere.example/")
    said = " ".join(phone.complaints)
    assert "Executing inline script violates" in said
    assert "Loading the image 'https://elsewhere.example/' violates" in said
    assert phone.title == "Sign up – Help desk"
