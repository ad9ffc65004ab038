"""Logging to standard error, without users' texts, tokens and email addresses."""

import contextlib
import json
import logging
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from services.core import request_context

_TOKEN = re.compile(r"\b(?:xox[a-z]|xapp)-[\w-]+|\bAIza[\w-]{20,}")
# Anchored to the beginning of a run of characters, for linear time on long lines without an @.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
# Up to the last @, because unescaped passwords may contain one.
_USERINFO = re.compile(r"(?<=://)[^\s'\"]{1,500}@")
# In a URL: an API key, or the ticket of a Socket Mode connection.
_SECRET = re.compile(r"(?<=[?&])(key|token|ticket|secret|password)=[^&\s'\"]+", re.IGNORECASE)
# What each of these has a part of.
_SUSPICIOUS = re.compile(r"xox|xapp-|AIza|@|%40|://|[?&]")

# These follow LOG_LEVEL. Libraries log whole payloads at DEBUG, so they stay at this level.
PRODUCT_LOGGERS = ("app", "bot", "demo", "services", "tasks")
LIBRARY_LOG_LEVEL = logging.WARNING
# They compare this logger's own level, and without one write messages of whole payloads for a level
# that is off.
LOGGERS_WITH_LEVEL = ("slack_bolt", "slack_sdk.web.base_client", "slack_sdk.webhook.client")
# Their errors quote documents.
DOCUMENT_QUOTING_LIBRARIES = ("pymongo", "bson")

# Allowed in JSON strings, but some log readers treat them as line ends.
_LINE_ENDS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}


# Characters that end a line, or that a terminal obeys.
_CONTROL_CHARACTERS = {
    number: f"\\x{number:02x}" for number in (*range(0x20), *range(0x7F, 0xA0)) if number != 0x09
} | _LINE_ENDS
# Above this, threads wait for the stream: while it takes nothing, memory must not grow.
MAX_WAITING_LINES = 1_000
# Of a record: fields besides the message.
_STRUCTURED = "structured"


def structured(fields: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """Return the `extra` of a log call that has these fields besides its message."""
    return {_STRUCTURED: fields}


def redact_log_text(text: str) -> str:
    """Remove secrets and addresses from a log line, as a last safeguard."""
    if not _SUSPICIOUS.search(text):  # as most
        return text
    text = _TOKEN.sub("[token]", text)
    text = _USERINFO.sub("[credentials]@", text)
    text = _SECRET.sub(r"\1=[removed]", text)
    return _EMAIL.sub("[email]", text)


def _fields(record: logging.LogRecord) -> Mapping[str, str]:
    """Return what the line says besides its message."""
    return {**getattr(record, _STRUCTURED, {}), **request_context.current_ids()}


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802  the library's name
        """Remove the driver's messages: duplicate key and validation errors quote values."""
        text = super().formatException(ei)
        error: BaseException | None = ei[1]
        while error is not None:
            if type(error).__module__.partition(".")[0] in DOCUMENT_QUOTING_LIBRARIES and str(
                error
            ):
                text = text.replace(str(error), "[left out: it may quote a document]")
            error = error.__cause__ or error.__context__
        return text


class TextFormatter(_Formatter):
    """Format for a terminal: one line, and an indented traceback, so that no value forges a
    line."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_log_text(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        known = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return (super().formatMessage(record) + known).translate(_CONTROL_CHARACTERS)

    def formatException(self, ei: Any) -> str:  # noqa: N802  the library's name
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {line.translate(_CONTROL_CHARACTERS)}" for line in lines)


class JsonFormatter(_Formatter):
    """Format for log collectors: one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact_log_text(record.getMessage()),
            **{name: redact_log_text(value) for name, value in _fields(record).items()},
        }
        if record.exc_info:
            line["traceback"] = redact_log_text(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = redact_log_text(record.stack_info)
        text = json.dumps(line, ensure_ascii=False).translate(_LINE_ENDS)
        # An unpaired surrogate cannot be encoded, but JSON accepts its escape.
        return text.encode(errors="backslashreplace").decode()


class _Handler(logging.StreamHandler[TextIO]):
    """Writes what waits in one piece. No thread waits for another's write, as in the library: a
    line that is logged during a write is left to the thread that writes, unless
    `MAX_WAITING_LINES` wait already."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: deque[tuple[logging.LogRecord, str]] = deque()
        self._write_lock = threading.RLock()
        os.register_at_fork(after_in_child=self._forget_other_threads)

    def handle(self, record: logging.LogRecord) -> bool:
        """As the library, without its lock."""
        is_logged = bool(self.filter(record))
        if is_logged:
            self.emit(record)
        return is_logged

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.append((record, self.format(record) + self.terminator))
        except Exception:  # noqa: BLE001  as the library: logging must not fail
            self.handleError(record)
        # Again after the release: others leave their lines here until then.
        while (waiting := len(self._waiting)) and self._write_lock.acquire(
            blocking=waiting > MAX_WAITING_LINES
        ):
            try:
                self._write_waiting()
            finally:
                self._write_lock.release()

    def flush(self) -> None:
        """Also wait for a write of another thread, because this is the last call at exit."""
        with self._write_lock:
            self._write_waiting()

    def _write_waiting(self) -> None:
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._write("".join(line for _, line in lines))
        except Exception:  # noqa: BLE001  as in `emit`
            for record, line in lines:
                try:
                    self._write(line)
                except Exception:  # noqa: BLE001  as in `emit`
                    self.handleError(record)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()

    def _forget_other_threads(self) -> None:
        """They do not exist in a child process, and the parent writes their lines."""
        self._waiting.clear()
        self._write_lock = threading.RLock()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the library's name
        """Log that a line is missing. The library would print its arguments unredacted."""
        lost = f"a line by {record.name}:{record.lineno} could not be written"
        error = logging.LogRecord(__name__, logging.ERROR, __file__, 0, lost, None, None)
        with contextlib.suppress(OSError, ValueError):  # the stream is closed
            self.stream.write(self.format(error) + self.terminator)


def configure_logging(level: str) -> None:
    """Configure logging; called once per process, by its main function."""
    handler = _Handler(sys.stderr)
    plain = TextFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(plain if sys.stderr.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LIBRARY_LOG_LEVEL)
    for name in LOGGERS_WITH_LEVEL:
        logging.getLogger(name).setLevel(LIBRARY_LOG_LEVEL)
    for name in PRODUCT_LOGGERS:
        logging.getLogger(name).setLevel(level)
    # By default, uncaught exceptions bypass the formatters.
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, (KeyboardInterrupt, SystemExit)):  # intended
        return
    logging.getLogger("app").critical("uncaught exception", exc_info=(kind, error, traceback))
