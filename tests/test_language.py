"""Docstrings, comments, log lines and documents avoid the words that plain English replaces."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.binaries import ROOT

PLAIN = {
    "whoever": "the user, the caller, the assignee",
    "whomever": "the user, the caller, the assignee",
    "somebody": "a user, a colleague, the assignee",
    "anew": "again",
    "meanwhile": "since then, concurrently, in between",
    "by now": "already",
    "theirs": "their ticket, the other user's change",
    "tells of": "reports, describes",
}
WORD = re.compile(rf"\b({'|'.join(PLAIN)})\b", re.IGNORECASE)
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}

Line = tuple[int, str]


def texts(path: Path) -> Iterator[Line]:
    """Yield the lines of `path` that are checked, with their numbers."""
    source = path.read_text()
    if path.suffix == ".py":
        yield from _comments(source)
        for node in ast.walk(ast.parse(source)):
            yield from _literals(node)
    else:
        for number, line in enumerate(source.splitlines(), 1):
            yield number, line if path.suffix == ".md" else line.partition("#")[2]


def _comments(source: str) -> Iterator[Line]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _literals(node: ast.AST) -> Iterator[Line]:
    """Yield docstrings and the texts of log calls; other strings are not checked."""
    if isinstance(node, ast.Expr):  # a docstring, also of a constant
        yield from _lines(node.value)
    if isinstance(node, ast.Call) and _is_log_call(node.func):
        for inner in ast.walk(node):
            yield from _lines(inner)


def _is_log_call(method: ast.expr) -> bool:
    if not isinstance(method, ast.Attribute) or method.attr not in LOG_METHODS:
        return False
    return ast.unparse(method.value).lower().endswith(("logger", "logging", "log"))


def _lines(node: ast.AST) -> Iterator[Line]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from enumerate(node.value.split("\n"), node.lineno)


@pytest.mark.parametrize(
    "part", ["app.py", "services", "bot", "tasks", "demo", "bench", "tests", "*.md", "Makefile .ci"]
)
def test_the_language_is_plain(part: str) -> None:
    command = ["git", "ls-files", "-co", "--exclude-standard", *part.split()]
    names = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()  # noqa: S603  git
    checked = [name for name in names if name.endswith((".py", ".md", "Makefile", "/run"))]
    found = [
        f"{name}:{number}: “{word}”; plainly: {PLAIN[word.lower()]}"
        for name in checked
        for number, line in texts(ROOT / name)
        for word in WORD.findall(line)
    ]
    assert checked
    assert found == []
