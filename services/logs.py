"""Logging: to standard error, without anything a person wrote, a token or an address."""

import logging
import re
import sys

_TOKEN = re.compile(r"\b(?:xox[a-z]|xapp)-[\w-]+|\bAIza[\w-]{20,}")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")

# Ours follow LOG_LEVEL; libraries write whole payloads at DEBUG, so they never go below this.
OURS = ("app", "bot", "demo", "services", "tasks")
LIBRARIES = logging.WARNING


class CleanFormatter(logging.Formatter):
    """The last line of defence: what should not be in a log line is taken out of it."""

    def format(self, record: logging.LogRecord) -> str:
        text = _TOKEN.sub("[token]", super().format(record))
        text = _USERINFO.sub("[credentials]@", text)
        return _EMAIL.sub("[email]", text)


def configure(level: str) -> None:
    """Set up logging for a process; called once, by its main function."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LIBRARIES)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
