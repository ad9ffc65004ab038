"""Docstrings, comments, logs, documents and the texts that people read are in plain English."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator, Mapping
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
# In texts of the product, which people read in Slack, on pages, in emails and on the command line.
IN_TEXTS = {
    "alarm": "reminder, escalation",
    "asker": "requester",
    "hand on": "decline, reassign",
    "holder": "assignee",
    "nobody": "no one, no moderator",
    "nudge": "reminder",
    "the staff": "moderators and admins",
    "whom": "who",
    "everybody": "everyone",
    "anybody": "anyone",
    "one's": "your",
    "is told": "is notified",
    "are told": "are notified",
    "been told": "been notified",
    "hand it on": "decline, reassign",
    "handed on": "declined, reassigned",
    "keep it": "cancel",
    "it stands": "it is, its status",
    "stand here": "appear here",
    "stands here": "stays here",
}
PLAIN_TEXTS = PLAIN | IN_TEXTS
# Other texts: the prompt of the model, what users write, and words that are looked for in tickets.
NO_TEXTS = {
    "demo/sample_tickets.py",
    "services/analysis/model_exchange.py",
    "services/analysis/urgency.py",
    "services/core/password_words.py",
    "services/core/stop_words.py",
}
PRODUCT = ("app.py", "bot", "services", "tasks", "demo")
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
    """Yield docstrings and the texts of log calls."""
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


def texts_for_people(path: Path) -> Iterator[Line]:
    """Yield the lines of a template, or of the module's strings that contain a space."""
    source = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(source.split("\n"), 1)
        return
    module = ast.parse(source)
    docstrings = {node.value for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and " " in str(node.value) and node not in docstrings:
            yield from _lines(node)


def words(line: str, plain: Mapping[str, str]) -> list[str]:
    """Return the words in the line that `plain` replaces, each with its replacement."""
    found = re.findall(rf"(?<![\w-])({'|'.join(plain)})(?![\w-])", line, re.IGNORECASE)
    return [f"“{word}”; plainly: {plain[word.lower()]}" for word in found]


def tracked(part: str, *endings: str) -> list[str]:
    command = ["git", "ls-files", "-co", "--exclude-standard", *part.split()]
    names = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()  # noqa: S603  git
    found = [name for name in names if name.endswith(endings)]
    assert found
    return found


@pytest.mark.parametrize("part", PARTS)
def test_the_language_is_plain(part: str) -> None:
    found = [
        f"{name}:{number}: {word}"
        for name in tracked(part, ".py", ".md", "Makefile", "/run")
        for number, line in texts(ROOT / name)
        for word in words(line, PLAIN)
    ]
    assert found == []


@pytest.mark.parametrize("part", PRODUCT)
def test_what_people_read_is_plain(part: str) -> None:
    found = [
        f"{name}:{number}: {word}"
        for name in tracked(part, ".py", ".html")
        if name not in NO_TEXTS
        for number, line in texts_for_people(ROOT / name)
        for word in words(line, PLAIN_TEXTS)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "Somebody else has it.",
        "Nobody has it.",
        "Hand it on.",
        "The admins are told.",
        "Whom do you mean?",
        "The staff withdrew it.",
    ],
)
def test_other_words_are_found(line: str) -> None:
    assert len(words(line, PLAIN_TEXTS)) == 1
