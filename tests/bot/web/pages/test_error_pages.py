"""Error pages at addresses that people open."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

import bot.web.pages.blueprint
from bot.slack.bot_process import BotProcess
from services.auth.sign_in import SignInService
from services.core.database import connect
from tests.conftest import NOBODY_LISTENS, build_services, with_services
from tests.support.page_client import PASSWORD, Browser, Page, serving

pytest_plugins = ["tests.support.pages"]

AWAY = "This could not be done, because the database is away. Try again in a minute."


@pytest.fixture
def url_without_database(bot_process: BotProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(bot.web.pages.blueprint, "VIEW_TIMEOUT_SECONDS", 0.2)
    away = connect(NOBODY_LISTENS)
    # No server listens on that port, so Redis is unavailable, too.
    cut_off = build_services(away, REDIS_URL="redis://127.0.0.1:9/0")
    with serving(replace(bot_process, services=cut_off)) as address:
        yield address
    away.client.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "sentence"),
    [
        ("GET", "/nothing", 404, "Page not found", "There is no page at this address."),
        ("GET", "/profile/", 404, "Page not found", "There is no page at this address."),
        ("GET", "/<script>", 404, "Page not found", "There is no page at this address."),
        ("GET", "/signout", 405, "Cannot be opened", "This page cannot be opened like this."),
        ("PUT", "/nothing", 404, "Page not found", "There is no page at this address."),
    ],
)
def test_what_is_not_there_is_told_on_a_page(
    url: str, method: str, path: str, status: int, title: str, sentence: str
) -> None:
    page = Page(requests.request(method, url + path, timeout=20))
    assert (page.status, page.title) == (status, f"Error: {title} – Help desk")
    assert page.alerts == [sentence]
    assert page.links == ["/", "/"]
    assert "<script>" not in page.html


@pytest.mark.parametrize("path", ["/api/nothing", "/slack/nothing", "/metrics", "/healthz/x"])
def test_programs_get_json(url: str, path: str) -> None:
    answer = requests.get(url + path, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "Content-Security-Policy" not in answer.headers


def test_a_body_over_one_megabyte_is_refused(url: str) -> None:
    page = Page(requests.post(f"{url}/signin", data={"email": "x" * 1_000_001}, timeout=20))
    assert (page.status, page.alerts) == (413, ["What was sent is too large."])


def test_a_fault_is_told_by_its_reference_alone(
    bot_process: BotProcess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(SignInService):
        def __init__(self) -> None: ...

        def sign_in(self, **_: object) -> object:  # type: ignore[override]
            raise RuntimeError(f"secret {PASSWORD}")

    broken = with_services(bot_process, sign_in=Broken())
    with serving(broken) as url, caplog.at_level(logging.ERROR):
        page = Browser(url).sign_in()
    [alert] = page.alerts
    reference = alert.rpartition(" ")[2]
    assert (page.status, page.title) == (500, "Error: That did not work – Help desk")
    assert alert == (
        "Something went wrong on our side. Try again; if it goes on, tell an admin this "
        f"reference: {reference}"
    )
    assert PASSWORD not in page.html
    [record] = [record for record in caplog.records if reference in record.getMessage()]
    assert record.exc_info is not None


def test_without_a_database_a_form_keeps_what_was_typed(url_without_database: str) -> None:
    browser = Browser(url_without_database)
    page = browser.sign_up("emma@example.com", name="Emma")
    assert (page.status, page.alerts) == (503, [AWAY])
    assert page.headers["Retry-After"] == "5"
    assert page.inputs["name"]["value"] == "Emma"
    assert PASSWORD not in page.html


def test_without_a_database_a_page_says_so(url_without_database: str, url: str) -> None:
    # First: later the circuit breaker may be open, which refuses every page.
    visitor = Browser(url_without_database)  # signed out
    assert visitor.open("/profile").path == "signin?next=profile"
    signed_in = Browser(url)
    signed_in.sign_up()
    browser = Browser(url_without_database)
    browser.cookies.set("session", signed_in.cookies["session"])
    page = browser.open("/profile")
    assert (page.status, page.title) == (503, "Error: Back in a minute – Help desk")
    assert page.alerts == [AWAY]
