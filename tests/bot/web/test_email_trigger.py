"""Emails that a page or the API queues are published as soon as the response is sent."""

from collections.abc import Iterator

import pytest
from flask import Response
from pymongo.errors import AutoReconnect

from bot.slack.bot_process import BotProcess
from bot.web.email_trigger import trigger_email_delivery
from services.core import request_context
from services.core.database import Mongo
from services.outbox.emails import Emails
from tasks.queue.celery_app import EMAIL_TASK
from tests.conftest import FixedClock, RecordingPublisher
from tests.support.api_client import PASSWORD, Api
from tests.support.page_client import Browser, serving
from tests.support.processes import eventually


@pytest.fixture
def browser(bot_process: BotProcess) -> Iterator[Browser]:
    with serving(bot_process) as url:
        yield Browser(url)


def is_asked_for(db: Mongo, publisher: RecordingPublisher, kind: str) -> bool:
    queued_email = db.letters.find_one({"kind": kind})
    return queued_email is not None and (EMAIL_TASK, queued_email["_id"]) in publisher.asked


def forget(db: Mongo, publisher: RecordingPublisher) -> None:
    """As if all of it had been sent."""
    db.letters.delete_many({})
    publisher.asked.clear()


def test_of_the_pages(browser: Browser, db: Mongo, publisher: RecordingPublisher) -> None:
    browser.sign_up("emma@example.com")
    eventually(lambda: is_asked_for(db, publisher, "welcome"), what="the welcome")
    forget(db, publisher)
    changing = {"currentPassword": PASSWORD, "password": "four words by chance"}
    typed = {**changing, "repeat": changing["password"]}
    browser.fill(browser.open("/profile"), "/profile/password", **typed)
    eventually(lambda: is_asked_for(db, publisher, "password_changed"), what="the new password")
    forget(db, publisher)
    browser.fill(browser.open("/forgot"), "/forgot", email="emma@example.com")
    eventually(lambda: is_asked_for(db, publisher, "reset"), what="the link")


def test_of_the_api(api: Api, db: Mongo, publisher: RecordingPublisher) -> None:
    signing_up = {"email": "jo@example.com", "password": PASSWORD}
    token = api.post("/api/auth/signup", json=signing_up).json()["token"]
    eventually(lambda: is_asked_for(db, publisher, "welcome"), what="the welcome")
    forget(db, publisher)
    change = {"password": "four words by chance", "currentPassword": PASSWORD}
    assert api.post("/api/auth/update-user", by=token, json=change).status_code == 200
    eventually(lambda: is_asked_for(db, publisher, "password_changed"), what="the new password")


def test_it_is_asked_for_under_the_requests_id(
    api: Api, publisher: RecordingPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried: list[str] = []
    monkeypatch.setattr(
        publisher, "publish_email", lambda _: carried.extend(request_context.current_ids())
    )
    api.post("/api/auth/signup", json={"email": "jo@example.com", "password": PASSWORD})
    eventually(lambda: carried == [request_context.REQUEST_ID], what="the welcome")


def test_whatever_is_away_is_the_jobs_matter(
    db: Mongo, clock: FixedClock, publisher: RecordingPublisher, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    emails = Emails(db, clock=clock)

    def away() -> str | None:
        raise AutoReconnect("gone")

    monkeypatch.setattr(emails, "next_due_id", away)
    response = Response()
    trigger_email_delivery(response, emails, publisher)
    response.close()
    assert caplog.messages == ["a letter is left to the sweep: AutoReconnect"]
    assert publisher.asked == []
