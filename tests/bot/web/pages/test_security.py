"""Security of the pages: CSRF tokens, cookies, headers, escaping."""

import re

import pytest
import requests
from bson import ObjectId
from flask import Flask

from bot.slack.bot_process import BotProcess
from bot.web.cookies import Cookies
from bot.web.pages.blueprint import PAGE_ROUTES
from bot.web.pages.csrf import CsrfProtection
from services.core.database import Mongo
from services.core.errors import PermissionDenied
from tests.support.page_client import OUTSIDE, PASSWORD, Browser, Page, serving

pytest_plugins = ["tests.support.pages"]

OLD = (
    "Nothing was done: this form is from before you last signed in or out, or your browser keeps "
    "no cookies here. Open the page again."
)
FOREIGN = "This form was sent by another site, so nothing was done."
SCRIPT = "<script>alert(1)</script>"
FORMS = sorted(path for method, path, _ in PAGE_ROUTES if method == "POST")
PAGES = sorted(path for method, path, _ in PAGE_ROUTES if method == "GET")


def state(db: Mongo) -> object:
    """The data that forms can change."""
    return [list(db[name].find()) for name in ("users", "links", "unlinked", "codes", "letters")]


def submit(browser: Browser, path: str, csrf: str | None, **headers: str) -> Page:
    """Submit that page's form with the given token and headers."""
    data = {"email": "emma@example.com", "password": PASSWORD, "repeat": PASSWORD, "name": "Eve"}
    data |= {"currentPassword": PASSWORD, "skills": "x", "code": "x", "member": "U1"}
    if csrf is not None:
        data["csrf"] = csrf
    response = browser.post(browser.url + path, data=data, headers=headers, timeout=20)
    return Page(response)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_our_token_does_nothing(browser: Browser, db: Mongo, path: str) -> None:
    other = Browser(browser.url)
    foreign = other.sign_up("other@example.com").forms["/signout"].values["csrf"]
    browser.sign_up()
    before = state(db)
    for token in (None, "", "x", "é", foreign):
        page = submit(browser, path, token)
        assert (page.status, page.alerts) == (403, [OLD])
        assert page.title == "Error: Not allowed – Help desk"
    assert state(db) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://helpdesk.example.com.evil.example"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_on_another_site_does_nothing(
    browser: Browser, db: Mongo, headers: dict[str, str]
) -> None:
    token = browser.sign_up().forms["/signout"].values["csrf"]
    before = state(db)
    for path in FORMS:
        page = submit(browser, path, token, **headers)
        assert (page.status, page.alerts) == (403, [FOREIGN])
    assert state(db) == before


def test_without_an_address_outside_an_origin_without_a_host_is_foreign_too() -> None:
    forgery = CsrfProtection("s" * 32, Cookies(secure=False), app_url=None)
    sent = Flask("pages").test_request_context(method="POST", headers={"Origin": "nowhere"})
    with sent, pytest.raises(PermissionDenied, match=FOREIGN):
        forgery.verify()


@pytest.mark.parametrize("origin", ["null", OUTSIDE, None])
def test_a_form_of_ours_is_taken_behind_a_proxy_too(browser: Browser, origin: str | None) -> None:
    page = browser.sign_up()
    headers = {"Origin": origin or browser.url, "Sec-Fetch-Site": "same-origin"}
    token = page.forms["/signout"].values["csrf"]
    assert submit(browser, "/profile", token, **headers).inputs["name"]["value"] == "Eve"


def test_nobody_is_signed_in_to_a_strangers_account(browser: Browser) -> None:
    """The token of the attacker's browser is not valid in this one."""
    attacker = Browser(browser.url)
    attacker.sign_up()
    token = attacker.open("/forgot").inputs["csrf"]["value"]
    browser.open("/signin")
    assert submit(browser, "/signin", token).status == 403
    assert "session" not in browser.cookies


def test_a_form_from_before_the_sign_in_is_no_more(browser: Browser) -> None:
    page = browser.open("/signup")
    browser.sign_up()
    late = browser.fill(page, "/signup", email="x@example.com", password=PASSWORD, repeat=PASSWORD)
    assert (late.status, late.alerts) == (403, [OLD])


def test_a_browser_keeps_its_name(browser: Browser) -> None:
    browser.open("/signin")
    name = str(browser.cookies["visitor"])
    assert re.fullmatch(r"[\w-]{43}", name)
    browser.sign_up()
    assert browser.cookies["visitor"] == name
    browser.cookies.set("visitor", "chosen by somebody", domain="127.0.0.1", path="/")
    browser.open("/profile")
    assert "chosen" not in str(browser.cookies.get("visitor", domain="127.0.0.1", path="/"))


def cookies_of(url: str, email: str) -> dict[str, str]:
    """The cookies that a sign-up sets, with their flags; over TLS as a proxy would pass them on."""
    page = requests.get(f"{url}/signup", timeout=20)
    named = page.headers["Set-Cookie"]
    values = Page(page).forms["/signup"].values
    typed = {"email": email, "password": PASSWORD, "repeat": PASSWORD}
    answer = requests.post(
        f"{url}/signup",
        data=values | typed,
        headers={"Cookie": named.partition(";")[0]},
        allow_redirects=False,
        timeout=20,
    )
    assert answer.status_code == 303
    set_cookies = answer.raw.headers.getlist("Set-Cookie")
    found = (one.partition("=") for one in (named, *set_cookies))
    return {name: value.partition("; ")[2] for name, _, value in found}


def test_the_cookies_are_for_this_host_alone_and_for_no_script(
    bot_process: BotProcess, url: str
) -> None:
    def flags(days: int, more: str) -> str:
        seconds = days * 86_400
        return rf"Expires=[^;]+; Max-Age={seconds};{more} HttpOnly; Path=/; SameSite=Lax"

    plain = cookies_of(url, "emma@example.com")
    with serving(bot_process, app_url="https://help.example.com") as tls:
        secure = cookies_of(tls, "nils@example.com")
    for cookies, prefix, more in ((plain, "", ""), (secure, "__Host-", " Secure;")):
        assert list(cookies) == [f"{prefix}{name}" for name in ("visitor", "session", "device")]
        assert re.fullmatch(flags(90, more), cookies[f"{prefix}visitor"])
        assert re.fullmatch(flags(7, more), cookies[f"{prefix}session"])
        assert re.fullmatch(flags(180, more), cookies[f"{prefix}device"])


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/signout", "/static/nothing"])
def test_every_page_forbids_scripts_frames_and_referrers(browser: Browser, path: str) -> None:
    browser.sign_up()
    page = browser.open(path)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in page.headers
    for forbidden in ("<script", "style=", "javascript:", " onclick"):
        assert forbidden not in page.html
    assert all(link.startswith("/") and not link.startswith("//") for link in page.links)


def test_over_tls_browsers_stay_there(bot_process: BotProcess) -> None:
    with serving(bot_process, app_url="https://help.example.com") as url:
        for path in ("/signin", "/nothing", "/static/style.css"):
            answer = requests.get(url + path, timeout=20)
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_the_stylesheet_is_revalidated_and_not_sent_again(url: str) -> None:
    first = requests.get(f"{url}/static/style.css", timeout=20)
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-cache")
    known = {"If-None-Match": first.headers["ETag"]}
    assert requests.get(f"{url}/static/style.css", headers=known, timeout=20).status_code == 304
    assert requests.get(f"{url}/static/../pages/site.py", timeout=20).status_code == 404
    assert requests.get(f"{url}/static/%2e%2e/pages/site.py", timeout=20).status_code == 404


def test_what_people_write_is_text(browser: Browser, db: Mongo) -> None:
    browser.sign_up()
    values = {"role": "moderator", "name": SCRIPT, "skills": ['"><img src=x onerror=alert(1)>']}
    db.users.update_one({}, {"$set": values})
    page = browser.open("/profile")
    assert "<script>" not in page.html
    assert "<img src=x" not in page.html
    assert page.inputs["name"]["value"] == SCRIPT
    page = browser.fill(page, "/profile", name=SCRIPT * 10)
    assert (page.status, page.inputs["name"]["value"]) == (400, SCRIPT * 10)
    assert "<script>" not in page.html
    guest = Browser(browser.url)
    sent = guest.fill(guest.open("/forgot"), "/forgot", email="<b>@example.com")
    assert "<b>" not in sent.html
    assert sent.inputs["email"]["value"] == "<b>@example.com"


@pytest.mark.parametrize("length", [80, 100_000])
def test_long_texts_are_shown_or_refused(browser: Browser, length: int) -> None:
    page = browser.fill(browser.sign_up(), "/profile", name="é" * length)
    assert page.inputs["name"]["value"] == "é" * length
    assert (page.status, page.alerts) == (
        (200, []) if length == 80 else (400, ["A name has at most 80 characters."])
    )


def test_texts_for_a_database_are_texts(browser: Browser) -> None:
    browser.sign_up()
    guest = Browser(browser.url)
    values = guest.open("/signin").forms["/signin"].values
    for name in ("email", "password"):
        typed = {"email": "emma@example.com", "password": PASSWORD}
        data = values | {f"{name}[$gt]": "", name: ""} | {k: typed[k] for k in typed if k != name}
        assert guest.post(f"{guest.url}/signin", data=data, timeout=20).status_code == 401


def test_a_session_of_nobody_is_none(browser: Browser, db: Mongo) -> None:
    browser.sign_up()
    for token in ("", "x", "a.b.c", "x" * 5_000, str(ObjectId())):
        guest = Browser(browser.url)
        guest.cookies.set("session", token)
        assert guest.open("/profile").path == "signin?next=profile"
    db.users.delete_many({})
    assert browser.open("/profile").path == "signin?next=profile"
