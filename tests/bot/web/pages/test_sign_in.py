"""Sign up, sign in and sign out, on the real server."""

import pytest

from services.accounts.users import UserService
from services.core.database import Mongo
from services.models.permissions import OPERATOR
from services.models.user import Role
from services.outbox.emails import EmailKind
from services.registry.services import Services
from tests.conftest import EASY_PASSWORD, FixedClock
from tests.support.page_client import PASSWORD, Browser

pytest_plugins = ["tests.support.pages"]

WRONG = "Email or password is wrong, or the account has been deactivated."
EXISTS = (
    "There is an account with that address already. Sign in, or set a password with “Forgot your "
    "password?”."
)


def test_a_user_signs_up_and_reads_their_profile(
    browser: Browser, users: UserService, db: Mongo
) -> None:
    page = browser.sign_up(" Emma@Example.com ", name="Emma Müller")
    assert (page.status, page.path) == (200, "profile?notice=welcome")
    assert "Your account is ready." in page.text
    assert page.title == "Profile – Help desk"
    assert "Email Emma@Example.com Role User" in page.text
    assert page.inputs["name"]["value"] == "Emma Müller"
    assert "skills" not in page.inputs
    assert "skills" not in Browser(browser.url).open("/signup").inputs
    [user] = users.find_by_email("emma@example.com")
    assert (user.role, user.email, user.has_password) == (Role.USER, "Emma@Example.com", True)
    assert [queued_email["kind"] for queued_email in db.letters.find()] == [EmailKind.WELCOME]


def test_no_form_makes_an_admin(browser: Browser, users: UserService) -> None:
    browser.sign_up(role="admin", active="true", tokenVersion="7", skills="VPN")
    [user] = users.find_by_email("emma@example.com")
    assert (user.role, user.token_version, user.skills) == (Role.USER, 1, ())


def test_what_was_typed_is_there_again_but_no_password(browser: Browser) -> None:
    typed = {"name": "Emma", "password": "secret1", "repeat": "secret1"}
    page = browser.sign_up("emma@example.com", **typed)
    assert (page.status, page.path) == (400, "signup")
    assert page.title == "Error: Sign up – Help desk"
    values = {name: page.inputs[name]["value"] for name in ("email", "name")}
    assert values == {"email": "emma@example.com", "name": "Emma"}
    assert "secret1" not in page.html
    assert page.alerts == ["Choose a password of at least 10 characters."]
    assert page.described_by("password") == [
        "At least 10 characters, and hard to guess.",
        "Choose a password of at least 10 characters.",
    ]
    assert page.inputs["password"]["aria-invalid"] == "true"
    assert page.described_by("email") == []


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        (
            {"email": "emma"},
            "email",
            "That is not an email address. Write it like name@example.com.",
        ),
        (
            {"repeat": "another one"},
            "repeat",
            "The two passwords differ. Write the same one twice.",
        ),
        ({"password": "Emma123456", "repeat": "Emma123456"}, "password", EASY_PASSWORD),
        ({"name": "x" * 81}, "name", "A name has at most 80 characters."),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    browser: Browser, db: Mongo, typed: dict[str, str], field: str, sentence: str
) -> None:
    page = browser.sign_up(**typed)
    assert (page.status, page.alerts) == (400, [sentence])
    assert sentence in page.described_by(field)
    assert db.users.count_documents({}) == 0


def test_an_address_that_has_an_account_signs_up_no_second_time(
    browser: Browser, url: str, users: UserService
) -> None:
    users.create(actor=OPERATOR, email="mod@example.com", role=Role.MODERATOR)
    page = browser.sign_up("MOD@example.com")
    assert (page.status, page.alerts) == (409, [EXISTS])
    assert page.inputs["email"]["value"] == "MOD@example.com"
    assert not users.find_by_email("mod@example.com")[0].has_password


def test_two_clicks_on_sign_up_are_one_account_and_let_in(
    browser: Browser, url: str, users: UserService
) -> None:
    form = browser.open("/signup")
    typed = {"email": "emma@example.com", "password": PASSWORD, "repeat": PASSWORD}
    other = Browser(url)
    other.cookies.update(browser.cookies)  # as the second of two clicks sends them
    assert browser.fill(form, "/signup", **typed).path == "profile?notice=welcome"
    assert other.fill(form, "/signup", **typed).path == "profile"
    assert len(users.find_by_email("emma@example.com")) == 1


def test_guesses_at_sign_up_are_counted_as_at_sign_in(browser: Browser, url: str) -> None:
    Browser(url).sign_up()
    for _ in range(10):
        page = browser.sign_up(password="a wrong one", repeat="a wrong one")
        assert (page.status, page.alerts) == (409, [EXISTS])
    assert browser.sign_up().alerts == [EXISTS]
    assert browser.sign_in().alerts == ["Too many attempts. Try again in 15 minutes."]


def test_a_user_signs_in_and_out_in_one_browser(browser: Browser, url: str) -> None:
    page = browser.sign_up()
    elsewhere, stolen = Browser(url), Browser(url)
    elsewhere.sign_in()
    stolen.cookies.update(browser.cookies)
    out = browser.fill(page, "/signout")
    assert (out.path, out.status) == ("signin?notice=signed-out", 200)
    assert "You are signed out." in out.text
    assert "session" not in browser.cookies
    assert stolen.open("/profile").path == "signin?next=profile"
    assert elsewhere.open("/profile").path == "profile"


def test_a_user_signs_in_and_out_everywhere(browser: Browser, url: str) -> None:
    browser.sign_up()
    elsewhere = Browser(url)
    page = elsewhere.sign_in("EMMA@example.com")
    assert (page.status, page.path) == (200, "profile")
    assert elsewhere.open("/").path == "profile"
    stolen = Browser(url)
    stolen.cookies.update(elsewhere.cookies)
    out = elsewhere.fill(page, "/signout/everywhere")
    assert (out.path, out.status) == ("signin?notice=signed-out-everywhere", 200)
    assert "You are signed out, here and everywhere else." in out.text
    assert "session" not in elsewhere.cookies
    for other in (stolen, browser):
        assert other.open("/profile").path == "signin?next=profile"
    assert elsewhere.open("/").path == "signin"


def test_wrong_unknown_and_deactivated_look_alike(
    browser: Browser, url: str, users: UserService, db: Mongo
) -> None:
    browser.sign_up()
    gone = Browser(url)
    gone.sign_up("gone@example.com")
    db.users.update_one({"email": "gone@example.com"}, {"$set": {"active": False}})
    assert gone.open("/profile").path == "signin?next=profile"
    seen = []
    for email, password in (
        ("emma@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
    ):
        page = Browser(url).sign_in(email, password)
        assert (page.status, page.path, page.alerts) == (401, "signin", [WRONG])
        assert page.inputs["email"]["value"] == email
        assert password not in page.html
        seen.append(page.text)
    assert len(set(seen)) == 1


def test_too_many_failures_are_refused_for_a_while(browser: Browser, url: str) -> None:
    browser.sign_up()
    for _ in range(10):
        assert Browser(url).sign_in(password="wrong password").status == 401
    page = Browser(url).sign_in()
    assert (page.status, page.alerts) == (429, ["Too many attempts. Try again in 15 minutes."])
    assert int(page.headers["Retry-After"]) in range(840, 901)
    assert page.inputs["email"]["value"] == "emma@example.com"


def test_the_thirty_first_from_one_address_is_told_when_to_retry(
    url: str, services: Services
) -> None:
    address = "203.0.113.7"
    for number in range(30):
        services.sign_in.sign_up(
            email=f"{number}@example.com", password=PASSWORD, client_ip=address
        )
    with pytest.MonkeyPatch.context() as there:
        there.setattr("bot.web.pages.browser_request.address_for_rate_limit", lambda *_: address)
        page = Browser(url).sign_up()
    words = "Too many accounts were made from your network within an hour. Try again in 60 minutes."
    assert (page.status, page.alerts) == (429, [words])
    assert int(page.headers["Retry-After"]) in range(3_500, 3_601)
    assert page.inputs["email"]["value"] == "emma@example.com"


def test_a_new_session_begins_at_every_sign_in(browser: Browser, clock: FixedClock) -> None:
    browser.sign_up()
    first = browser.cookies["session"]
    clock.advance(seconds=1)
    page = browser.open("/profile")
    values = {"email": "emma@example.com", "password": PASSWORD}
    values["csrf"] = page.forms["/signout"].values["csrf"]
    browser.post(f"{browser.url}/signin", data=values, timeout=20)
    assert browser.cookies["session"] not in ("", first)


def test_a_session_ends_after_seven_days(browser: Browser, clock: FixedClock) -> None:
    browser.sign_up()
    clock.advance(days=6, hours=23)
    assert browser.open("/profile").path == "profile"
    clock.advance(hours=2)
    assert browser.open("/profile").path == "signin?next=profile"


@pytest.mark.parametrize("path", ["/signin", "/signup"])
def test_a_signed_in_user_is_redirected(browser: Browser, path: str) -> None:
    browser.sign_up()
    assert browser.open(path).path == "profile"
    assert browser.open(f"{path}?next=link").path == "link"


def test_sign_in_leads_back_to_the_code(browser: Browser, url: str) -> None:
    page = browser.open("/link")
    assert page.path == "signin?next=link"
    assert "Then you get the one-time code to type into Slack." in page.text
    assert "/signup?next=link" in page.links
    wrong = browser.fill(page, "/signin", email="emma@example.com", password="wrong password")
    assert wrong.inputs["next"]["value"] == "link"
    signing_up = browser.open("/signup?next=link")
    typed = {"email": "emma@example.com", "password": PASSWORD, "repeat": PASSWORD}
    assert browser.fill(signing_up, "/signup", **typed).path == "link?notice=welcome"
    other = Browser(url)
    page = other.open("/link")
    arrived = other.fill(page, "/signin", email="emma@example.com", password=PASSWORD)
    assert arrived.path == "link"


@pytest.mark.parametrize(
    "goal",
    ["https://evil.example", "//evil.example", "/link", "/\\evil.example", "", "javascript:"],
)
def test_sign_in_leads_nowhere_else(browser: Browser, url: str, goal: str) -> None:
    browser.sign_up()
    other = Browser(url)
    page = other.open("/signin")
    typed = {"email": "emma@example.com", "password": PASSWORD, "next": goal}
    response = other.post(
        f"{url}/signin",
        data=page.forms["/signin"].values | typed,
        allow_redirects=False,
        timeout=20,
    )
    assert (response.status_code, response.headers["Location"]) == (303, "/profile")
