"""The file `.env`, written so that every program that reads it reads the same values.

Readers: python-dotenv (the product), Docker Compose (`env_file:` and `${NAME}`), systemd
(`EnvironmentFile=`) and a shell. They agree on plain words, on single quotes without escapes, and
on double quotes without anything to expand.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

ENV_FILE, NEW_ENV_FILE = Path(".env"), Path(".env.new")
HEADER = "# By `python app.py init`. docs/configuration.md explains each variable.\n"
_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
# python-dotenv takes a backslash before another one or before a quote for an escape, and expands
# ${NAME} in single quotes, too.
_SINGLE_QUOTED = re.compile(r"(?:[^'\\$\x00-\x1f\x7f]|\\(?![\\']|\Z)|\$(?!\{))*")
_DOUBLE_QUOTED = re.compile(r'[^"\\$`\x00-\x1f\x7f]*')


def format_value(value: str) -> str:
    """Return the value as it is written after the `=`.

    Raises `ValueError` if the readers would not agree on it.
    """
    if _WORD.fullmatch(value):
        return value
    if _SINGLE_QUOTED.fullmatch(value):
        return f"'{value}'"
    if _DOUBLE_QUOTED.fullmatch(value):
        return f'"{value}"'
    raise ValueError


def updated_text(text: str, values: Mapping[str, str]) -> str:
    """Return the text of a `.env` file with these values; "" removes one.

    All other lines, and those whose value is unchanged, stay as they are.
    """
    stored = dotenv_values(stream=StringIO(text))
    changed = {name: new for name, new in values.items() if new != (stored.get(name) or "").strip()}
    kept, written = [], set()
    for binding in parse_stream(StringIO(text)):
        if binding.key not in changed:
            kept.append(binding.original.string)
        elif changed[binding.key] and binding.key not in written:
            written.add(binding.key)
            kept.append(_line(binding.key, changed[binding.key]))
    if kept and not kept[-1].endswith("\n"):
        kept.append("\n")
    added = [_line(name, new) for name, new in changed.items() if new and name not in written]
    return "".join([*(kept or [HEADER]), *added])


def _line(name: str, value: str) -> str:
    return f"{name}={format_value(value)}\n"


def write_private(path: Path, text: str) -> None:
    """Write the file as a whole or not at all, readable by its owner only from its first byte."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # with mode 600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:  # Ctrl-C, too
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
