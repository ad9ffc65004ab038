import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from pymongo.errors import DuplicateKeyError
from slack_bolt import App
from slack_bolt.logger import get_bolt_logger
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from services.core import logs, request_context


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    names = ("", *logs.PRODUCT_LOGGERS, *logs.LOGGERS_WITH_LEVEL)
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = logging.getLogger().handlers[:]
    hooks = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(capture=False)
    logging.getLogger().handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("mail to jo.doe+x@mail.example.com now", "mail to [email] now"),
        ("('jo@example.com', <jö@exämple.de>)", "('[email]', <[email]>)"),
        ("?email=jo%40example.com", "?email=[email]"),
        ("token xoxb-12-ab_C here", "token [token] here"),
        ("xapp-1-A0-12-ff, xoxe.xoxp-1-Mi0y", "[token], xoxe.[token]"),
        ("key AIzaSyA1234567890_abcdefghijklmnop-x", "key [token]"),
        ("at mongodb://app:pw@db/x", "at mongodb://[credentials]@db/x"),
        ("at 'mongodb://app:p@ss/w@db.example.com'", "at 'mongodb://[credentials]@db.example.com'"),
        ("redis://:pw@cache:6379/0", "redis://[credentials]@cache:6379/0"),
        (
            "GET https://x.example.com/v1?key=k1&alt=a",
            "GET https://x.example.com/v1?key=[removed]&alt=a",
        ),
        ("wss://wss.example.com/link/?ticket=abc", "wss://wss.example.com/link/?ticket=[removed]"),
        ("ticket 65f0 goes to user 65f1 @ 12:00", "ticket 65f0 goes to user 65f1 @ 12:00"),
    ],
)
def test_no_address_token_or_credential_is_left(text: str, written: str) -> None:
    assert logs.redact_log_text(text) == written


def test_what_is_written_is_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("INFO")
    logging.getLogger("app").info("%s wrote", "jo@example.com")
    assert "[email] wrote" in capsys.readouterr().err


def test_a_traceback_is_cleaned_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("INFO")
    try:
        int("xoxb-1-secret of jo@example.com at mongodb://app:pa55@db")
    except ValueError:
        logging.getLogger("bot.slack.request").exception("it failed")
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert "'[token] of [email] at mongodb://[credentials]@db'" in shown


def test_libraries_stay_silent_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("DEBUG")
    for name in (
        "slack_sdk.web.base_client",
        "slack_bolt.App",
        "pymongo.command",
        "celery",
        "urllib3",
    ):
        logging.getLogger(name).debug("a whole payload")
        logging.getLogger(name).info("a whole payload")
    logging.getLogger("tasks.assignment.assign_ticket").debug("ours")
    shown = capsys.readouterr().err
    assert "a whole payload" not in shown
    assert "tasks.assignment.assign_ticket" in shown
    assert shown.count("\n") == 1


def test_slack_sdk_makes_no_message_for_a_level_that_is_off() -> None:
    logs.configure_logging("DEBUG")
    bolt = get_bolt_logger(App, logging.getLogger("slack_bolt"))
    webhook = WebhookClient("https://hooks.slack.com/1")
    for logger in (WebClient().logger, webhook.logger, bolt):
        assert logger.level > logging.DEBUG


def test_a_second_configuration_does_not_write_twice(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("INFO")
    logs.configure_logging("WARNING")
    logging.getLogger("services.accounts.users").warning("once")
    logging.getLogger("services.accounts.users").info("below the level")
    assert capsys.readouterr().err.count("\n") == 1


def test_each_line_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("INFO")
    logging.getLogger("bot.app").warning("two\nlines, \x85 one\u2028 still, \udc80 Zoë \x1b[31m")
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert len(line.splitlines()) == 1
    read = json.loads(line)
    assert datetime.fromisoformat(read.pop("ts")).utcoffset() == timedelta(0)
    assert read == {
        "level": "WARNING",
        "logger": "bot.app",
        "message": "two\nlines, \x85 one\u2028 still, \udc80 Zoë \x1b[31m",
    }
    assert "Zoë" in line  # for a search for a name


def test_a_line_says_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("INFO")
    with request_context.request_scope(), request_context.bound_ids(ticket_id="65f0", task_id="t1"):
        known = dict(request_context.current_ids())
        try:
            dict[str, str]()["jo@example.com"]
        except KeyError:
            logging.getLogger("tasks.assignment.assign_ticket").exception(
                "it failed", stack_info=True
            )
    logging.getLogger("tasks.assignment.assign_ticket").info("after it")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert {"ticket_id": "65f0", "task_id": "t1"}.items() <= known.items()
    assert known.items() <= first.items()
    assert first["traceback"].endswith("KeyError: '[email]'")
    assert first["stack"].startswith("Stack (most recent call last)")
    assert "Traceback" not in first["message"]
    assert not set(known) & set(second)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_at_a_terminal_reads_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    logs.configure_logging("INFO")
    logging.getLogger("app").info("the bot is ready")
    with request_context.bound_ids(request_id="ab12"):
        logging.getLogger("app").info("to %s", "jo@example.com")
    first, second = screen.getvalue().splitlines()
    assert first.endswith(" INFO app the bot is ready")
    assert second.endswith(" INFO app to [email] request_id=ab12")


def test_a_line_that_cannot_be_written_does_not_show_what_was_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure_logging("INFO")
    words = ("canary", "canary")
    logging.getLogger("app").info("too many for %s", *words)
    written = json.loads(capsys.readouterr().err)
    assert written["message"].startswith("a line by app:")
    assert written["message"].endswith(" could not be written")
    assert "canary" not in str(written)


def test_what_nobody_caught_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("INFO")

    def fail() -> None:
        raise ValueError("jo@example.com")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    sys.excepthook(RuntimeError, RuntimeError("xoxb-1-secret"), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["uncaught exception"] * 2
    assert lines[0]["traceback"].endswith("ValueError: [email]")
    assert lines[1]["traceback"] == "RuntimeError: [token]"


def test_warnings_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure_logging("INFO")
        warnings.warn("of jo@example.com", stacklevel=1)
    assert "UserWarning: of [email]" in json.loads(capsys.readouterr().err)["message"]


def test_the_drivers_words_are_left_out_of_a_traceback() -> None:
    fault = RuntimeError("filing failed")
    fault.__cause__ = DuplicateKeyError('E11000 duplicate key: { title: "canary-9c2" }')
    thrown = (RuntimeError, fault, None)
    record = logging.LogRecord("bot", logging.ERROR, "", 1, "fault", None, thrown)
    line = logs.JsonFormatter().format(record)
    assert "canary-9c2" not in line
    assert "DuplicateKeyError: [left out: it may quote a document]" in line
    assert "filing failed" in line


class HeldStream(io.StringIO):
    """Holds its first write until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.has_begun, self.release = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.writes.append(text)
        if not self.has_begun.is_set():
            self.has_begun.set()
            self.release.wait(10)
        return len(text)


def test_no_thread_waits_for_the_line_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = HeldStream()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure_logging("INFO")
    writer = threading.Thread(target=logging.getLogger("app").info, args=("first",))
    writer.start()
    assert stream.has_begun.wait(10)
    others = [
        threading.Thread(target=logging.getLogger("app").info, args=(f"line {n}",))
        for n in range(5)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join(10)
    still_waiting = [other for other in others if other.is_alive()]
    stream.release.set()
    writer.join()
    assert still_waiting == []
    first, *later = stream.writes
    assert json.loads(first)["message"] == "first"
    lines = [json.loads(line)["message"] for line in "".join(later).splitlines()]
    assert sorted(lines) == [f"line {n}" for n in range(5)]
    assert len(later) == 1


def test_threads_wait_if_the_stream_takes_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise memory would grow until the stream's reader goes on."""
    stream = HeldStream()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(logs, "MAX_WAITING_LINES", 3)
    logs.configure_logging("INFO")
    writer = threading.Thread(target=logging.getLogger("app").info, args=("first",))
    writer.start()
    assert stream.has_begun.wait(10)
    numbers = iter(range(10))

    def log_each() -> None:
        for number in numbers:
            logging.getLogger("app").info("line %s", number)

    other = threading.Thread(target=log_each)
    other.start()
    other.join(0.3)
    left = list(numbers)
    stream.release.set()
    other.join(10)
    writer.join(10)
    assert left == [4, 5, 6, 7, 8, 9]
    lines = [json.loads(line)["message"] for line in "".join(stream.writes).splitlines()]
    assert lines == ["first", "line 0", "line 1", "line 2", "line 3"]


def test_the_last_flush_waits_for_the_line_of_another_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = HeldStream()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure_logging("INFO")
    writer = threading.Thread(target=logging.getLogger("app").info, args=("first",))
    writer.start()
    assert stream.has_begun.wait(10)
    logging.getLogger("app").info("last")  # left to the thread that writes
    assert len(stream.writes) == 1
    threading.Timer(0.01, stream.release.set).start()
    logging.getLogger().handlers[0].flush()
    assert [json.loads(line)["message"] for line in "".join(stream.writes).splitlines()] == [
        "first",
        "last",
    ]
    writer.join()


def test_a_line_that_cannot_be_written_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Picky(HeldStream):
        def write(self, text: str) -> int:
            if "bad" in text:
                raise ValueError(text)
            return super().write(text)

    stream = Picky()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure_logging("INFO")
    writer = threading.Thread(target=logging.getLogger("app").info, args=("first",))
    writer.start()
    assert stream.has_begun.wait(10)
    for text in ("good", "bad", "better"):
        logging.getLogger("app").info(text)
    stream.release.set()
    writer.join()
    written = [json.loads(line)["message"] for line in "".join(stream.writes).splitlines()]
    assert written[:2] == ["first", "good"]
    assert "a line by app" in written[2]
    assert "could not be written" in written[2]
    assert written[3:] == ["better"]
