"""Password reset: the link is requested, then a new password is set."""

import pytest

from bot.slack.bot_process import BotProcess
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind
from services.auth.password_reset import reset_path
from services.core.database import Mongo, connect
from services.linking.account_linking import AccountLinking
from services.models.permissions import OPERATOR
from services.models.slack_member import link_id
from services.models.user import User
from services.outbox.emails import EmailKind
from services.registry.services import Services
from tasks.queue.celery_app import EMAIL_TASK
from tests.conftest import (
    EASY_PASSWORD,
    NOBODY_LISTENS,
    FixedClock,
    RecordingPublisher,
    build_services,
    with_services,
)
from tests.support.page_client import PASSWORD, Browser, Page, serving
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.pages"]

NEW = "a new password"
SPENT = (
    "That link is no longer valid: each works once, and for an hour. Ask for a new one with "
    "“Forgot your password?”."
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
    said = "Help desk sends no mail. Ask an admin for a link to set a new password"
    for app_url, has_mail in (("https://help.example.com", False), ("", True)):
        with serving(bot_process, app_url=app_url, has_mail=has_mail) as address:
            page = Browser(address).open("/forgot")
        assert said in page.text
        assert "python" not in page.text
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
    assert "For emma@example.com. Setting it signs you out everywhere." in page.text
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


# After a takeover

EVE = "U0EVE"
EVES_LINK = f"{TEAM_ID}:{EVE}"
CHANGED_AND_UNLINKED = (
    "Your password is changed, you are signed out everywhere else, and your account is unlinked in "
    "Slack. To link it again, see below."
)


def link_member(db: Mongo, user: User, slack_id: str, clock: FixedClock) -> None:
    link = {"teamId": TEAM_ID, "slackUserId": slack_id, "userId": user.id}
    db.links.insert_one({"_id": link_id(TEAM_ID, slack_id), **link, "createdAt": clock.now})


def today(clock: FixedClock) -> str:
    return f"{clock.now.day} {clock.now:%B %Y}"


@pytest.fixture
def eve(emma: User, db: Mongo, slack: RecordingSlack, clock: FixedClock) -> str:
    """The Slack member of an attacker, who got into Emma's account and linked themselves."""
    slack.add_member(EVE, email="eve@evil.example", name="<b>Emma</b>")
    link_member(db, emma, EVE, clock)
    return EVE


def set_password(browser: Browser, page: Page, *, untick: str = "") -> Page:
    return browser.fill(page, "/reset", untick=untick, password=NEW, repeat=NEW)


def test_a_reset_unlinks_the_attackers_slack_member(
    browser: Browser,
    emma: User,
    eve: str,
    services: Services,
    db: Mongo,
    slack: RecordingSlack,
    publisher: RecordingPublisher,
    clock: FixedClock,
) -> None:
    pending = services.codes.issue(kind=CodeKind.LINK, user_id=emma.id)
    page = browser.open(link_for(emma, services))
    assert f"Unlink <b>Emma</b> eve@evil.example, U0EVE, linked since {today(clock)}" in page.text
    assert "<b>Emma" not in page.html
    assert page.described_by("unlink") == [
        "Anyone who got into your account may have linked their own Slack account to it. Leave "
        "this "
        "ticked unless you are sure that it is you. You can link yours again afterwards."
    ]
    page = set_password(browser, page)
    assert (page.status, page.path) == (200, "profile?notice=password-unlinked")
    assert CHANGED_AND_UNLINKED in page.text
    assert "No Slack member is linked to this account yet." in page.text
    assert services.links.find_user(team_id=TEAM_ID, slack_user_id=EVE) is None
    assert services.codes.peek(kind=CodeKind.LINK, code=pending) is None
    emails = list(db.letters.find({"kind": EmailKind.UNLINKED}))
    assert [email["userId"] for email in emails] == [emma.id]
    assert (EMAIL_TASK, emails[0]["_id"]) in publisher.asked
    [told] = slack.calls_to("chat.postMessage")
    assert (told.args["channel"], "was unlinked" in told.args["text"]) == (EVE, True)


def test_the_owner_keeps_their_own_slack_member(
    browser: Browser, emma: User, eve: str, services: Services, slack: RecordingSlack
) -> None:
    page = browser.open(link_for(emma, services))
    refused = browser.fill(page, "/reset", untick=EVES_LINK, password=NEW, repeat="another one")
    assert refused.forms["/reset"].ticked == {}  # as it was left
    page = set_password(browser, refused)
    assert page.path == "profile?notice=password"
    linked = services.links.find_user(team_id=TEAM_ID, slack_user_id=EVE)
    assert linked is not None
    assert linked.id == emma.id
    assert slack.calls_to("chat.postMessage") == []


def test_a_member_linked_after_the_page_was_opened_is_unlinked(
    browser: Browser, emma: User, services: Services, db: Mongo, clock: FixedClock
) -> None:
    page = browser.open(link_for(emma, services))
    assert "unlink" not in page.inputs
    link_member(db, emma, EVE, clock)
    set_password(browser, page)
    assert services.links.find_user(team_id=TEAM_ID, slack_user_id=EVE) is None


def test_a_member_who_is_locked_out_for_now_is_unlinked_too(
    browser: Browser, emma: User, eve: str, services: Services, db: Mongo, clock: FixedClock
) -> None:
    """The link would work again once they are a full member."""
    db.links.update_one({"_id": EVES_LINK}, {"$set": {"stopped": {"at": clock.now}}})
    page = browser.open(link_for(emma, services))
    assert f"linked since {today(clock)}, locked out at the moment" in page.text
    set_password(browser, page)
    assert db.links.count_documents({}) == 0


def test_a_first_password_leaves_the_link_by_which_the_account_was_made(
    browser: Browser,
    users: UserService,
    services: Services,
    db: Mongo,
    slack: RecordingSlack,
    clock: FixedClock,
) -> None:
    """Without a password, no one can have signed in and linked another member."""
    invited = users.create(actor=OPERATOR, email="mod@example.com")
    slack.add_member("U0MONA", email="mod@example.com", name="Mona")
    link_member(db, invited, "U0MONA", clock)
    page = browser.open(link_for(invited, services))
    assert page.forms["/reset"].ticked == {}
    assert page.described_by("unlink") == [
        "This Slack member uses the account. Tick it only if it is not you."
    ]
    set_password(browser, page)
    assert db.links.count_documents({}) == 1


def test_a_member_that_could_not_be_unlinked_is_told(
    bot_process: BotProcess, emma: User, eve: str, services: Services, db: Mongo
) -> None:
    """The database goes away after the password has been changed."""
    away = connect(NOBODY_LISTENS)

    class Interrupted(AccountLinking):
        unlink = build_services(away).account_linking.unlink

    linking = Interrupted(
        db,
        services.users,
        services.links,
        services.codes,
        services.emails,
        services.rate_limiter,
        services.address_claims,
    )
    with serving(with_services(bot_process, account_linking=linking)) as address:
        browser = Browser(address)
        page = set_password(browser, browser.open(link_for(emma, services)))
    away.client.close()
    assert page.path == "profile?notice=still-linked"
    assert (
        "Your password is changed, but your account could not be unlinked in Slack. Press Unlink "
        "below." in page.text
    )
    assert f"/unlink?member={EVE}" in page.links
