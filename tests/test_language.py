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
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
PARTS = ["app.py", "services", "bot", "tasks", "demo", "bench", "tests", "*.md", "Makefile .ci"]
Line = tuple[int, str]


def texts(path: Path) -> Iterator[Line]:
    """Yield the lines of `path` that are checked, with their numbers."""
    source = path.read_text()
    if path.suffix == ".py":
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        yield from ((t.start[0], t.string) for t in tokens if t.type == tokenize.COMMENT)
        for node in ast.walk(ast.parse(source)):
            yield from _literals(node)
    elif path.suffix == ".md":
        prose = FENCE.sub(lambda code: "\n" * code[0].count("\n"), source)
        yield from enumerate(prose.split("\n"), 1)
    else:
        lines = enumerate(source.split("\n"), 1)
        yield from ((number, line.partition("#")[2]) for number, line in lines)


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


@pytest.mark.parametrize("part", PARTS)
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
