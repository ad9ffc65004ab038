"""Password reset: the link is requested, then a new password is set."""

import pytest

from bot.slack.bot_process import BotProcess
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind
from services.auth.password_reset import reset_path
from services.core.database import Mongo
from services.models.permissions import OPERATOR
from services.models.user import User
from services.outbox.emails import EmailKind
from services.registry.services import Services
from tests.conftest import EASY_PASSWORD, FixedClock
from tests.support.page_client import PASSWORD, Browser, serving

pytest_plugins = ["tests.support.pages"]

NEW = "a new password"
SPENT = (
    "That link is no longer valid: each works once, and for an hour. Ask for a new one by “Forgot "
    "your password?”."
)


@pytest.fixture
def emma(url: str, users: UserService) -> User:
    Browser(url).sign_up("emma@example.com")
    [user] = users.find_by_email("emma@example.com")
    return user


def link_for(user: User, accounts: Services) -> str:
    """The page that the email links to."""
    return reset_path(accounts.codes.issue(kind=CodeKind.RESET, user_id=user.id))


def asked_for(db: Mongo) -> list[object]:
    """The accounts with a queued reset email."""
    return [queued_email["userId"] for queued_email in db.letters.find({"kind": EmailKind.RESET})]


def test_the_answer_is_the_same_for_those_who_have_no_account(
    browser: Browser, emma: User, db: Mongo
) -> None:
    page = browser.open("/forgot")
    said = []
    for email in ("emma@example.com", "nobody@example.com"):
        sent = browser.fill(page, "/forgot", email=email)
        assert (sent.status, sent.title) == (200, "Check your mail – Help desk")
        assert f"If {email} has an account, a link to set a new password is on its" in sent.text
        said.append(sent.text.replace(email, ""))
    assert len(set(said)) == 1
    assert asked_for(db)[0] == emma.id


def test_what_is_no_address_is_told(browser: Browser, db: Mongo) -> None:
    page = browser.fill(browser.open("/forgot"), "/forgot", email="emma")
    wrong = "That is not an email address. Write it like name@example.com."
    assert (page.status, page.alerts, page.inputs["email"]["value"]) == (400, [wrong], "emma")
    assert asked_for(db) == []


def test_nobody_is_flooded_with_mail(browser: Browser, emma: User, db: Mongo) -> None:
    page = browser.open("/forgot")
    for _ in range(3):
        assert browser.fill(page, "/forgot", email="emma@example.com").status == 200
    page = browser.fill(page, "/forgot", email="emma@example.com")
    assert (page.status, page.alerts) == (429, ["Too many attempts. Try again in 60 minutes."])
    assert page.headers["Retry-After"].isdecimal()
    assert asked_for(db) == [emma.id]  # within one minute: one email


def test_without_mail_the_page_says_whom_to_ask(bot_process: BotProcess) -> None:
    said = "This help desk sends no mail. Ask one of its admins for a link to set a new password"
    for app_url, has_mail in (("https://help.example.com", False), ("", True)):
        with serving(bot_process, app_url=app_url, has_mail=has_mail) as address:
            page = Browser(address).open("/forgot")
        assert said in page.text
        assert "email" not in page.inputs


def test_the_link_sets_a_new_password_once(
    browser: Browser, url: str, emma: User, services: Services
) -> None:
    old = Browser(url)
    old.sign_in()
    link = link_for(emma, services)
    for _ in range(2):  # email scanners may open it
        page = browser.open(link)
        assert (page.status, page.title) == (200, "New password – Help desk")
    assert "For emma@example.com. Setting it ends every session of the account." in page.text
    page = browser.fill(page, "/reset", password=NEW, repeat=NEW)
    assert (page.status, page.path) == (200, "profile?notice=password")
    assert old.open("/profile").path == "signin?next=profile"
    assert Browser(url).sign_in(password=PASSWORD).status == 401
    assert Browser(url).sign_in(password=NEW).status == 200
    again = Browser(url).open(link)
    assert (again.status, again.alerts) == (400, [SPENT])
    assert "/forgot" in again.links


def test_a_refused_password_leaves_the_link_good(
    browser: Browser, emma: User, services: Services
) -> None:
    page = browser.open(link_for(emma, services))
    page = browser.fill(page, "/reset", password="short", repeat="short")
    assert (page.status, page.path) == (400, "reset")
    assert page.alerts == ["Choose a password of at least 10 characters."]
    page = browser.fill(page, "/reset", password="Emma123456", repeat="Emma123456")
    assert (page.status, page.alerts) == (400, [EASY_PASSWORD])
    assert page.described_by("password")[-1] == EASY_PASSWORD
    page = browser.fill(page, "/reset", password=NEW, repeat="another one")
    assert page.alerts == ["The two passwords differ. Write the same one twice."]
    assert browser.fill(page, "/reset", password=NEW, repeat=NEW).status == 200


def test_a_link_that_is_used_or_old_or_made_up_is_refused(
    browser: Browser, emma: User, services: Services, clock: FixedClock
) -> None:
    opened = browser.open(link_for(emma, services))
    clock.advance(minutes=61)
    late = browser.fill(opened, "/reset", password=NEW, repeat=NEW)
    assert (late.status, late.alerts) == (400, [SPENT])
    for code in ("", "x", "é", "x" * 5_000, "<b>"):
        page = browser.open(reset_path(code))
        assert (page.status, page.alerts) == (400, [SPENT])
        assert "<b>" not in page.html
    assert browser.open("/reset").status == 400
    link = services.codes.issue(kind=CodeKind.LINK, user_id=emma.id)
    assert browser.open(reset_path(link)).status == 400


def test_a_deactivated_account_gets_no_password(
    browser: Browser, emma: User, services: Services, db: Mongo
) -> None:
    link = link_for(emma, services)
    opened = browser.open(link)
    db.users.update_one({"_id": emma.id}, {"$set": {"active": False}})
    assert browser.open(link).status == 400
    assert browser.fill(opened, "/reset", password=NEW, repeat=NEW).alerts == [SPENT]


def test_an_account_made_from_slack_gets_its_first_password(
    browser: Browser, users: UserService, services: Services
) -> None:
    invited = users.create(actor=OPERATOR, email="mod@example.com")
    page = browser.open(link_for(invited, services))
    page = browser.fill(page, "/reset", password=NEW, repeat=NEW)
    assert "Email mod@example.com" in page.text
    assert "/profile/password" in page.forms
