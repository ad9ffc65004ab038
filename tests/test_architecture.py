"""docs/architecture.md and docs/developing.md name existing paths and names; each package has a
docstring; each mutation of tests/mutations.py finds the text that it replaces."""

import ast
import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from app import _parser
from bot.routes import ROUTES
from demo.binaries import ROOT
from tests.mutations import MUTATIONS, not_applicable

PAGE = (ROOT / "docs" / "architecture.md").read_text()
DEVELOPING = (ROOT / "docs" / "developing.md").read_text()
PAGES = {"architecture.md": PAGE, "developing.md": DEVELOPING.partition("\n## Where to add")[2]}
MAKEFILE = (ROOT / "Makefile").read_text()
SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"[\w*.]+(?:/[\w*.-]+)*/?")
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
FILE_ENDING = re.compile(r"\.(?:py|md|toml|yml|json|html|txt|env|example)$")
# The start of a list item, row or paragraph: names belong to the files named in the same one.
BLOCK_START = re.compile(r"^(?:\s*[-\d]|\||#|$)")
SENTENCE_END = re.compile(r"\.(?=\s|$)")
PACKAGES = ("bot", "services", "tasks", "demo")
# Other words in backticks, neither paths nor Python names.
VALUES = frozenset({"long", "by", "RECORD=again"})


def blocks(page: str) -> Iterator[tuple[int, str]]:
    """The paragraphs, list items and table rows, each with the number of its first line."""
    text = FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), page)
    start, lines = 1, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if BLOCK_START.match(line) and lines:
            yield start, "\n".join(lines)
            lines = []
        if not lines:
            start = number
        lines.append(line)
    yield start, "\n".join(lines)


def is_path(span: str) -> bool:
    return bool(PATH.fullmatch(span)) and ("/" in span or bool(FILE_ENDING.search(span)))


def resolves(name: str, modules: Sequence[ModuleType]) -> bool:
    """Whether one of the modules defines `name`, which may be dotted."""
    return any(_has(module, name.split(".")) for module in modules) or _is_importable(name)


def _has(holder: object, parts: Sequence[str]) -> bool:
    for part in parts:
        if not hasattr(holder, part):
            fields = getattr(holder, "__dataclass_fields__", {})
            return part in fields and part == parts[-1]
        holder = getattr(holder, part)
    return True


def _is_importable(name: str) -> bool:
    """Whether `name` is a dotted path from one of the packages."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return False
    for size in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:size])
        if path.is_dir() or path.with_suffix(".py").is_file():
            return _has(importlib.import_module(".".join(parts[:size])), parts[size:])
    return False


def is_command(span: str) -> bool:
    """Whether `span` is a target of make, a command of app.py, or a slash command."""
    words = span.split()
    if words[0] == "make":
        return f"\n{words[1]}:" in MAKEFILE
    if words[:2] == ["python", "app.py"]:
        _parser().parse_args(words[2:3])  # which exits for an unknown command
        return True
    if words[:2] == ["python", "-m"]:
        return True
    return words[0] in {route.id for route in ROUTES}


def complaint(span: str, modules: Sequence[ModuleType]) -> str | None:
    if span in VALUES or span in PACKAGES:
        return None
    command = span.removeprefix("RECORD=again ")
    if command.startswith(("/", "make ", "python ")):
        return None if is_command(command) else f"{span} is no command"
    if is_path(span):
        return None if any(ROOT.glob(span.rstrip("/"))) else f"{span} does not exist"
    if NAME.fullmatch(span):
        return None if resolves(span, modules) else f"{span} is in none of the files beside it"
    return f"{span} is no path, no name and no command"


def complaints(text: str) -> list[str]:
    """Yield the errors of a block: each name must be in one of the files that it names."""
    spans = SPAN.findall(text)
    modules = [
        importlib.import_module(span.removesuffix(".py").replace("/", "."))
        for span in spans
        if is_path(span) and span.endswith(".py") and (ROOT / span).is_file()
    ]
    return [found for span in spans if (found := complaint(span, modules))]


@pytest.mark.parametrize("name", PAGES)
def test_every_path_and_name_is_there(name: str) -> None:
    found = [
        f"line {start}: {text}"
        for start, block in blocks(PAGES[name])
        for text in complaints(block)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "`services/tickets/nowhere.py`",
        "`services/tickets/filing.py` (`TicketService.nothing`)",
        "`services/tickets/filing.py` (`LinkService`)",
        "`services.tickets.nowhere`",
        "`make nothing`",
        "`/nothing`",
        "`docs/nothing.md`",
    ],
)
def test_what_is_not_there_is_found(text: str) -> None:
    assert len(complaints(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "`services/tickets/filing.py` (`TicketService.create`, `FilingResult.is_new`)",
        "`services.tickets.filing.TicketService`, `services.tickets`",
        "`services/*/__init__.py`, `services/tickets/`, `pyproject.toml`",
        "`make test-all`, `python app.py worker`, `/ticket queue`",
    ],
)
def test_what_is_there_is_not(text: str) -> None:
    assert complaints(text) == []


def test_every_package_of_the_services_is_on_the_page() -> None:
    named = set(re.findall(r"\b[a-z_]+\b", PAGE))
    packages = {path.parent.name for path in (ROOT / "services").glob("*/__init__.py")}
    assert packages <= named


def package_files() -> list[Path]:
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("__init__.py"))


@pytest.mark.parametrize("path", package_files(), ids=lambda path: str(path.parent.name))
def test_a_package_holds_a_docstring_of_two_sentences_and_no_code(path: Path) -> None:
    module = ast.parse(path.read_text())
    docstring = ast.get_docstring(module) or ""
    assert len(module.body) == 1
    assert docstring.endswith(".")
    assert len(SENTENCE_END.findall(docstring)) == 2


def test_each_mutation_finds_what_it_replaces() -> None:
    assert list(not_applicable(ROOT, MUTATIONS)) == []
