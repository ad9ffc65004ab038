"""Logs at DEBUG contain no ticket text, token, name or address."""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.slack.bot_process import BotProcess
from services.core import logs
from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import Role
from tasks.runtime import Runtime
from tests.conftest import (
    Bot,
    People,
    RecordingPublisher,
    filled_in,
    inline_bot,
    pressed_resolve,
    reload,
    work,
)
from tests.support import payloads
from tests.support.recording_slack import TOKEN, RecordingSlack

EMAIL = "canary.address@example.com"
WORDS = {"title": "Canarytitle here", "description": "Canarydescription: hunter2"}
RESOLUTION = "Canaryresolution, it was."
CANARIES = ("canary", "hunter2", "example.com", TOKEN)


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log as `app.py` configures it at LOG_LEVEL=DEBUG."""
    root, names = logging.getLogger(), (None, *logs.PRODUCT_LOGGERS)
    handlers, levels = list(root.handlers), [logging.getLogger(name).level for name in names]
    written = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", written)
        patched.setattr(sys, "excepthook", sys.excepthook)
        patched.setattr(threading, "excepthook", threading.excepthook)
        logs.configure_logging("DEBUG")
        yield written
    root.handlers[:] = handlers
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
def canary(slack: RecordingSlack) -> str:
    slack.add_member("U0CANARY", email=EMAIL, name="Canaryname Surname")
    return "U0CANARY"


def assert_no_canary(log: io.StringIO, *, because: str) -> None:
    """`because` is in the log if the tested path was taken."""
    text = log.getvalue()
    assert because in text
    assert [canary for canary in CANARIES if canary.lower() in text.lower()] == []


def test_filing_and_resolving(
    ticket_bot: Bot,
    slack: RecordingSlack,
    people: People,
    runtime: Runtime,
    publisher: RecordingPublisher,
    canary: str,
    db: Mongo,
    log: io.StringIO,
) -> None:
    moderator = people.add(Role.MODERATOR, "Canarytitle", name="Canarymoderator")
    ticket_bot.answer(payloads.slash_command("Canarytitle words", user=canary))
    ticket_bot.answer(filled_in(ticket_bot, slack, canary, title="x"))
    ticket_bot.answer(filled_in(ticket_bot, slack, canary, **WORDS))
    work(runtime, publisher)
    ticket = Ticket.from_doc(db.tickets.find_one(WORDS) or {})
    ticket_bot.answer(pressed_resolve(ticket, moderator))
    view = slack.last_view()
    values = {"resolution": RESOLUTION}
    ticket_bot.answer(payloads.view_submission(view, values, user=People.slack_id(moderator)))
    work(runtime, publisher)
    assert reload(db, ticket).resolution == RESOLUTION
    assert_no_canary(log, because="is assigned to user")


def test_slack_failing(
    ticket_bot: Bot,
    slack: RecordingSlack,
    runtime: Runtime,
    publisher: RecordingPublisher,
    canary: str,
    log: io.StringIO,
) -> None:
    slack.fail("views.open", status=500)
    ticket_bot.answer(payloads.slash_command("Canarytitle words", user=canary))
    slack.fail("chat.postMessage", error="channel_not_found")
    slack.fail("chat.postMessage", status=500)
    ticket_bot.answer(filled_in(ticket_bot, slack, canary, **WORDS))
    work(runtime, publisher)
    assert_no_canary(log, because="slack failed, reference")


def test_faults_of_ours(
    bot_process: BotProcess, slack: RecordingSlack, canary: str, db: Mongo, log: io.StringIO
) -> None:
    class Broken:
        def publish_ticket(self, ticket_id: str) -> None:
            raise RuntimeError("out of order")

        def publish_email(self, email_id: str) -> None:
            raise RuntimeError("out of order")

        def publish_reply(self, reply_id: str) -> None:
            raise RuntimeError("out of order")

        def publish_availability_check(self) -> None:
            raise RuntimeError("out of order")

    broken = inline_bot(replace(bot_process, publisher=Broken()))
    broken.answer(filled_in(broken, slack, canary, **WORDS))
    body = filled_in(broken, slack, canary, **WORDS)
    del body["view"]["state"]["values"]["priority"]
    broken.answer(body)
    assert "file_ticket failed after its acknowledgement" in log.getvalue()
    assert_no_canary(log, because="unexpected fault, reference")


@pytest.mark.usefixtures("indexes_restored")
def test_an_address_in_the_databases_own_words(
    ticket_bot: Bot, canary: str, db: Mongo, log: io.StringIO
) -> None:
    db.users.create_index("email", unique=True)  # as in the legacy app
    local, _, domain = EMAIL.partition("@")
    spellings = (EMAIL, f"{local}@{domain.upper()}")
    db.users.insert_many([{"email": one, "emailKey": "someone else's"} for one in spellings])
    ticket_bot.answer(payloads.slash_command(user=canary))
    assert "[left out: it may quote a document]" in log.getvalue()
    assert_no_canary(log, because="DuplicateKeyError")


def test_the_database_away(
    bot_without_database: Bot,
    ticket_bot: Bot,
    slack: RecordingSlack,
    canary: str,
    log: io.StringIO,
) -> None:
    bot_without_database.answer(filled_in(ticket_bot, slack, canary, **WORDS))
    assert_no_canary(log, because="database away")


def test_what_nobody_handles(ticket_bot: Bot, canary: str, log: io.StringIO) -> None:
    ticket_bot.send(payloads.slash_command("Canarytitle", user=canary, command="/unknown"))
    message = payloads.message_shortcut("unknown", "Canarytitle", user="U0ANN")
    ticket_bot.send(message)
    ticket_bot.send(payloads.event({"type": "message", "text": "Canarytitle", "user": "U0ANN"}))
    assert_no_canary(log, because="Unhandled request")
