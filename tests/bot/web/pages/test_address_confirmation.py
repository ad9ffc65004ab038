"""The mailed link that confirms an address, and what the profile says without one."""

import pytest

from bot.slack.bot_process import BotProcess
from services.accounts.users import UserService
from services.auth.address_confirmation import confirmation_path
from services.auth.one_time_codes import CodeKind
from services.core.database import Mongo
from services.models.user import User
from services.outbox.emails import EmailKind
from services.registry.services import Services
from tests.conftest import FixedClock
from tests.support.page_client import PASSWORD, Browser, serving

pytest_plugins = ["tests.support.pages"]

SPENT = (
    "That link is no longer valid: each works once, and for three days. Get a new one on your "
    "profile."
)
WRONG = "Email or password is wrong, or the account has been deactivated."
ASK = "This address is not confirmed yet."


@pytest.fixture
def emma(url: str, users: UserService) -> User:
    Browser(url).sign_up("emma@example.com")
    [user] = users.find_by_email("emma@example.com")
    return user


def link_for(user: User, services: Services) -> str:
    return confirmation_path(services.codes.issue(kind=CodeKind.CONFIRM, user_id=user.id))


def is_confirmed(users: UserService, user: User) -> bool:
    stored = users.get(user.id)
    return stored is not None and stored.email_confirmed_at is not None


def test_the_link_confirms_who_is_signed_in(
    browser: Browser, emma: User, services: Services, users: UserService
) -> None:
    browser.sign_in("emma@example.com")
    assert ASK in browser.open("/profile").text
    link = link_for(emma, services)
    for _ in range(2):  # as an email scanner, and then its reader
        page = browser.open(link)
    assert not is_confirmed(users, emma)
    assert "password" not in page.inputs
    done = browser.fill(page, "/confirm")
    assert "Your address is confirmed." in done.text
    assert ASK not in done.text
    assert is_confirmed(users, emma)
    spent = browser.open(link)
    assert (spent.status, spent.alerts) == (400, [SPENT])


def test_without_a_session_it_needs_the_password_that_was_signed_up_with(
    browser: Browser, emma: User, services: Services, users: UserService
) -> None:
    """The address's owner, who did not sign up, confirms nothing by a press."""
    page = browser.open(link_for(emma, services))
    for typed in ("", "not the password"):
        refused = browser.fill(page, "/confirm", password=typed)
        assert (refused.status, refused.alerts) == (401, [WRONG])
        assert not is_confirmed(users, emma)
    assert "Your address is confirmed." in browser.fill(page, "/confirm", password=PASSWORD).text
    assert is_confirmed(users, emma)
    assert browser.open("/profile").status == 200


def test_another_accounts_session_confirms_nothing(
    browser: Browser, url: str, emma: User, services: Services, users: UserService
) -> None:
    browser.sign_up("other@example.com")
    page = browser.open(link_for(emma, services))
    refused = browser.fill(page, "/confirm", password="not the password")
    assert (refused.status, refused.alerts) == (401, [WRONG])
    [other] = users.find_by_email("other@example.com")
    assert not is_confirmed(users, emma)
    assert not is_confirmed(users, other)


def test_a_link_expires_and_a_new_password_ends_it(
    browser: Browser, emma: User, services: Services, clock: FixedClock
) -> None:
    late, revoked = link_for(emma, services), link_for(emma, services)
    clock.advance(days=3)
    assert browser.open(late).alerts == [SPENT]
    revoked = link_for(emma, services)
    code = services.codes.issue(kind=CodeKind.RESET, user_id=emma.id)
    services.password_resets.reset(code=code, password="the owner's own password")
    assert browser.open(revoked).alerts == [SPENT]
    assert browser.open("/confirm?code=").alerts == [SPENT]
    assert browser.open("/confirm").alerts == [SPENT]


def test_the_profile_mails_a_link_three_times_an_hour(
    browser: Browser, emma: User, users: UserService, db: Mongo, clock: FixedClock
) -> None:
    browser.sign_in("emma@example.com")
    for _ in range(3):
        page = browser.fill(browser.open("/profile"), "/profile/confirm")
        assert "A link is on its way to your address." in page.text
        clock.advance(minutes=1)
    page = browser.open("/profile")
    assert browser.fill(page, "/profile/confirm").status == 429
    sent = {"kind": EmailKind.CONFIRM, "userId": emma.id}
    assert db.letters.count_documents(sent) == 3
    users.confirmation.record(emma, by="self")
    assert ASK not in browser.open("/profile").text
    assert browser.fill(page, "/profile/confirm").status == 200
    assert db.letters.count_documents(sent) == 3


def test_without_mail_the_profile_says_what_else_confirms(bot_process: BotProcess) -> None:
    with serving(bot_process, has_mail=False) as address:
        browser = Browser(address)
        browser.sign_up("emma@example.com")
        page = browser.open("/profile")
    assert (
        "Help desk sends no mail. To confirm the address, use Help desk in Slack, if you have the "
        "same address there, or ask an admin." in page.text
    )
    assert "/profile/confirm" not in page.forms
