"""Logging: to standard error, without anything a person wrote, a token or an address."""

import contextlib
import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from services.core import request_context

_TOKEN = re.compile(r"\b(?:xox[a-z]|xapp)-[\w-]+|\bAIza[\w-]{20,}")
# Each begins where its run of characters does: a long line without an @ takes no longer.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
# Up to the last @, since a password that holds one itself is a common mistake.
_USERINFO = re.compile(r"(?<=://)[^\s'\"]{1,500}@")
# Of a URL: an API key, or the ticket of a Socket Mode connection.
_SECRET = re.compile(r"(?<=[?&])(key|token|ticket|secret|password)=[^&\s'\"]+", re.IGNORECASE)

# Ours follow LOG_LEVEL; libraries write whole payloads at DEBUG, so they never go below this.
PRODUCT_LOGGERS = ("app", "bot", "demo", "services", "tasks")
LIBRARY_LOG_LEVEL = logging.WARNING
# Their errors quote the documents they are about.
DOCUMENT_QUOTING_LIBRARIES = ("pymongo", "bson")

# JSON lets these stand in a text, but there are readers to whom they end a line.
_LINE_ENDS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}


def redact_log_text(text: str) -> str:
    """The last line of defence: what should not be in a log line is taken out of it."""
    text = _TOKEN.sub("[token]", text)
    text = _USERINFO.sub("[credentials]@", text)
    text = _SECRET.sub(r"\1=[removed]", text)
    return _EMAIL.sub("[email]", text)


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802  the library's name
        """Without the driver's own words: a duplicate key or a failed validation quotes values."""
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
    """For a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        known = "".join(f" {name}={value}" for name, value in request_context.current_ids().items())
        return redact_log_text(super().format(record) + known)


class JsonFormatter(_Formatter):
    """For whatever collects logs: one object, one line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact_log_text(record.getMessage()),
            **{
                name: redact_log_text(value)
                for name, value in request_context.current_ids().items()
            },
        }
        if record.exc_info:
            line["traceback"] = redact_log_text(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = redact_log_text(record.stack_info)
        text = json.dumps(line, ensure_ascii=False).translate(_LINE_ENDS)
        # Half a surrogate pair cannot be written; written as an escape, JSON takes it.
        return text.encode(errors="backslashreplace").decode()


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the library's name
        """Says that a line is missing; the library would print its arguments, as they are."""
        lost = f"a line by {record.name}:{record.lineno} could not be written"
        error = logging.LogRecord(__name__, logging.ERROR, __file__, 0, lost, None, None)
        with contextlib.suppress(OSError, ValueError):  # the stream itself is gone
            self.stream.write(self.format(error) + self.terminator)


def configure_logging(level: str) -> None:
    """Set up logging for a process; called once, by its main function."""
    handler = _Handler(sys.stderr)
    plain = TextFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(plain if sys.stderr.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LIBRARY_LOG_LEVEL)
    for name in PRODUCT_LOGGERS:
        logging.getLogger(name).setLevel(level)
    # What nobody caught would otherwise be printed past the formatters.
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, (KeyboardInterrupt, SystemExit)):  # somebody meant it
        return
    logging.getLogger("app").critical("nobody caught it", exc_info=(kind, error, traceback))
