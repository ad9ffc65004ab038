"""The profile page: details, password, Slack members, sessions, linking code."""

import re

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind
from services.core.database import Mongo
from services.models.slack_member import link_id
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from services.registry.services import Services
from tasks.queue.celery_app import EMAIL_TASK
from tests.conftest import EASY_PASSWORD, FixedClock, RecordingPublisher, sample_ticket
from tests.support.page_client import PASSWORD, Browser, Page
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.pages"]

NEW = "a new password"
CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}")


@pytest.fixture
def browser(url: str) -> Browser:
    """Emma's browser, signed in."""
    made = Browser(url)
    made.sign_up("emma@example.com", name="Emma")
    return made


@pytest.fixture
def emma(browser: Browser, users: UserService) -> User:
    [user] = users.find_by_email("emma@example.com")
    return user


@pytest.fixture
def member(emma: User, db: Mongo, slack: RecordingSlack, clock: FixedClock) -> str:
    """Emma's Slack member."""
    return linked(db, slack, emma, "U0EMMA", "Emma in Slack", clock)


def linked(
    db: Mongo, slack: RecordingSlack, user: User, slack_id: str, name: str, clock: FixedClock
) -> str:
    slack.add_member(slack_id, email=user.email, name=name)
    link = {"teamId": TEAM_ID, "slackUserId": slack_id, "userId": user.id}
    db.links.insert_one({"_id": link_id(TEAM_ID, slack_id), **link, "createdAt": clock.now})
    return slack_id


def code_on(page: Page) -> str:
    found = CODE.search(page.text)
    assert found
    return found[0]


@pytest.fixture
def moderator(emma: User, db: Mongo) -> User:
    """Emma as a moderator with skills."""
    values = {"role": "moderator", "skills": ["VPN", "DNS"]}
    db.users.update_one({"_id": emma.id}, {"$set": values})
    return emma


def test_only_the_staff_is_asked_for_skills(browser: Browser, emma: User, db: Mongo) -> None:
    db.users.update_one({"_id": emma.id}, {"$set": {"skills": ["VPN"]}})
    page = browser.open("/profile")
    assert "skills" not in page.inputs
    page = browser.fill(page, "/profile", name="Emma M.", skills="DNS")
    assert page.path == "profile?notice=saved"
    kept = db.users.find_one({"_id": emma.id}, {"_id": 0, "name": 1, "skills": 1})
    assert kept == {"name": "Emma M.", "skills": ["VPN"]}


def test_name_and_skills_are_saved(browser: Browser, moderator: User, users: UserService) -> None:
    page = browser.fill(browser.open("/profile"), "/profile", name="Emma M.", skills="Wi-Fi")
    assert (page.path, page.status) == ("profile?notice=saved", 200)
    assert "Your profile is saved." in page.text
    [user] = users.find_by_email("emma@example.com")
    assert (user.name, user.skills) == ("Emma M.", ("Wi-Fi",))
    page = browser.fill(page, "/profile", name="", skills="")
    assert (page.inputs["name"]["value"], page.inputs["skills"]["value"]) == ("", "")
    [user] = users.find_by_email("emma@example.com")
    assert (user.name, user.skills) == (None, ())


def test_a_refused_detail_leaves_all_as_it_is(
    browser: Browser, moderator: User, users: UserService
) -> None:
    typed = {"name": "Somebody", "skills": ", ".join(map(str, range(21)))}
    page = browser.fill(browser.open("/profile"), "/profile", **typed)
    assert (page.status, page.alerts) == (400, ["Name at most 20 skills."])
    assert page.described_by("skills")[-1] == "Name at most 20 skills."
    assert page.inputs["name"]["value"] == "Somebody"
    assert users.find_by_email("emma@example.com")[0].name == "Emma"


def test_what_nobody_touched_stays_as_it_is(browser: Browser, db: Mongo, moderator: User) -> None:
    """Even if the legacy backend accepted more than we do."""
    many = [f"skill {number}" for number in range(30)]
    db.users.update_one({"_id": moderator.id}, {"$set": {"skills": many, "name": "é" * 90}})
    page = browser.fill(browser.open("/profile"), "/profile", name="Emma")
    assert page.path == "profile?notice=saved"
    assert db.users.find_one({"_id": moderator.id}, {"_id": 0, "name": 1, "skills": 1}) == {
        "name": "Emma",
        "skills": many,
    }


def test_a_new_password_ends_the_other_sessions_and_not_this_one(
    browser: Browser, url: str, db: Mongo
) -> None:
    other = Browser(url)
    other.sign_in()
    typed = {"currentPassword": PASSWORD, "password": NEW, "repeat": NEW}
    page = browser.fill(browser.open("/profile"), "/profile/password", **typed)
    assert (page.path, page.status) == ("profile?notice=password", 200)
    notice = (
        "Your password is changed, and you are signed out everywhere else. Who uses your account "
        "in Slack has not changed: see below."
    )
    assert notice in page.text
    assert other.open("/profile").path == "signin?next=profile"
    assert Browser(url).sign_in().status == 401
    assert Browser(url).sign_in(password=NEW).status == 200
    assert db.letters.count_documents({"kind": EmailKind.PASSWORD_CHANGED}) == 1


@pytest.mark.parametrize(
    ("current", "new", "repeat", "field", "sentence"),
    [
        ("wrong", NEW, NEW, "currentPassword", "That is not your current password."),
        (PASSWORD, "short", "short", "password", "Choose a password of at least 10 characters."),
        (PASSWORD, "Emma123456", "Emma123456", "password", EASY_PASSWORD),
        (PASSWORD, NEW, "else", "repeat", "The two passwords differ. Write the same one twice."),
        (
            PASSWORD,
            "é" * 37,
            "é" * 37,
            "password",
            "A password has at most 72 letters or digits, fewer with accents or emoji. If yours is "
            "longer, set a new one with “Forgot your password?”.",
        ),
    ],
)
def test_changing_a_password_requires_the_current_one(
    browser: Browser, url: str, current: str, new: str, repeat: str, field: str, sentence: str
) -> None:
    typed = {"currentPassword": current, "password": new, "repeat": repeat}
    page = browser.fill(browser.open("/profile"), "/profile/password", **typed)
    assert (page.status, page.alerts) == (400, [sentence])
    assert page.described_by(field)[-1] == sentence
    assert [page.inputs[name]["value"] for name in typed] == ["", "", ""]
    assert page.inputs["name"]["value"] == "Emma"
    assert Browser(url).sign_in().status == 200


def test_guessing_the_current_password_is_slowed_down(browser: Browser) -> None:
    page = browser.open("/profile")
    typed = {"password": NEW, "repeat": NEW}
    for _ in range(10):
        assert browser.fill(page, "/profile/password", currentPassword="no", **typed).status == 400
    page = browser.fill(page, "/profile/password", currentPassword=PASSWORD, **typed)
    assert (page.status, page.alerts) == (429, ["Too many attempts. Try again in 15 minutes."])


def test_an_account_without_a_password_gets_its_first_by_mail(
    browser: Browser, db: Mongo, emma: User
) -> None:
    db.users.update_one({"_id": emma.id}, {"$unset": {"password": ""}})
    page = browser.open("/profile")
    assert "This account has no password yet. You use it from Slack only." in page.text
    assert "/profile/password" not in page.forms
    assert browser.open("/forgot").inputs["email"]["value"] == "emma@example.com"


def test_the_role_is_the_one_of_this_moment(browser: Browser, db: Mongo, emma: User) -> None:
    db.users.update_one({"_id": emma.id}, {"$set": {"role": Role.MODERATOR}})
    assert "Role Moderator" in browser.open("/profile").text


def test_the_code_is_shown_once_and_leads_to_ones_account(
    browser: Browser, services: Services, emma: User
) -> None:
    page = browser.open("/link")
    assert page.title == "Link your Slack account – Help desk"
    assert (
        "It works once, and for 10 minutes. Opening this page again makes a new one." in page.text
    )
    assert "Never share this code: anyone who types it into Slack can act as you." in page.text
    assert "You are signed in as emma@example.com." in page.text
    first, second = code_on(page), code_on(browser.open("/link"))
    codes = services.codes
    assert codes.peek(kind=CodeKind.LINK, code=first) is None
    assert codes.peek(kind=CodeKind.LINK, code=second) == emma.id


def test_nobody_else_is_shown_a_code(url: str, db: Mongo) -> None:
    assert Browser(url).open("/link").path == "signin?next=link"
    assert db.codes.count_documents({}) == 0


def test_the_pages_name_who_acts_as_the_account(browser: Browser, member: str) -> None:
    page = browser.open("/profile")
    assert "Emma in Slack U0EMMA, since" in page.text
    assert f"/unlink?member={member}" in page.links
    page = browser.open("/link")
    assert "Emma in Slack uses this account in Slack now." in page.text


def test_a_slack_that_does_not_answer_leaves_the_id(
    browser: Browser, member: str, slack: RecordingSlack
) -> None:
    slack.fail("users.info", status=500)
    assert "U0EMMA U0EMMA, since" in browser.open("/profile").text


def test_unlinking_asks_once_more_and_tells(
    browser: Browser,
    emma: User,
    member: str,
    db: Mongo,
    slack: RecordingSlack,
    publisher: RecordingPublisher,
) -> None:
    ticket = sample_ticket()
    db.tickets.insert_one({"_id": ticket.id, "assignedTo": emma.id, "status": "IN_PROGRESS"})
    page = browser.open(f"/unlink?member={member}")
    assert "Unlink Emma in Slack?" in page.text
    assert "After that, no one uses emma@example.com in Slack." in page.text
    assert "1 open ticket is assigned to you and stay so" in page.text
    assert db.links.count_documents({}) == 1
    page = browser.fill(page, "/unlink")
    assert page.path == "profile?notice=unlinked"
    assert "That Slack member can no longer use your account." in page.text
    assert "No Slack member is linked to this account yet." in page.text
    assert db.links.count_documents({}) == 0
    [queued_email] = db.letters.find({"kind": EmailKind.UNLINKED})
    assert (queued_email["userId"], queued_email["facts"]) == (
        emma.id,
        {"slack_name": "Emma in Slack"},
    )
    assert (EMAIL_TASK, queued_email["_id"]) in publisher.asked
    [told] = slack.calls_to("chat.postMessage")
    assert told.args["channel"] == member
    assert "was unlinked from you on its page" in told.args["text"]


def test_a_user_cannot_unlink_another_account(
    browser: Browser, member: str, url: str, db: Mongo, users: UserService
) -> None:
    other = Browser(url)
    csrf = other.sign_up("eve@example.com").forms["/signout"].values["csrf"]
    gone = "That Slack member is no longer linked to your account."
    for asked in (member, "", "U0NOBODY", str(ObjectId())):
        page = other.open(f"/unlink?member={asked}")
        assert (page.status, page.alerts) == (409, [gone])
        data = {"csrf": csrf, "member": asked}
        assert other.post(f"{url}/unlink", data=data, timeout=20).status_code == 409
    assert db.links.count_documents({}) == 1


def test_the_account_pages_require_sign_in(url: str) -> None:
    for path in ("/profile", "/unlink?member=U1"):
        page = Browser(url).open(path)
        assert (page.status, page.path) == (200, "signin?next=profile")
    guest = Browser(url)
    csrf = guest.open("/signin").inputs["csrf"]["value"]
    for path in ("/profile", "/profile/password", "/unlink"):
        answer = guest.post(url + path, data={"csrf": csrf, "name": "x"}, timeout=20)
        assert answer.url == f"{url}/signin?next=profile"


def test_a_member_of_another_workspace_is_named_and_left_alone(
    browser: Browser, emma: User, db: Mongo
) -> None:
    link = {"teamId": "T0OTHER", "slackUserId": "U0THERE", "userId": emma.id}
    db.links.insert_one({"_id": "T0OTHER:U0THERE", **link})
    page = browser.open("/profile")
    assert "U0THERE" in page.text
    assert "/unlink?member=U0THERE" not in page.links
