"""The pages name existing variables, commands, make targets, files, headings, tests and pictures.

Commands run in tests/test_docs_commands.py.
"""

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from app import _parser
from bot.routes import ROUTES, RouteKind
from demo.binaries import ROOT
from services.core import settings
from tests.support.processes import run

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()
PAGES = {
    path: path.read_text()
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
    # What the bot writes, with links of its own.
    if path.name != "messages.md"
}
MAKEFILE = (ROOT / "Makefile").read_text()
# Blocks first, so that no backtick in a block starts a span.
CODE = re.compile(r"^ *```\w*\n(.*?)^ *```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
IMAGE = re.compile(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">')
CAPITALS = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
SOURCES = ("bench", "bot", "demo", "services", "tasks", "tests")
READ_BY_LIBRARIES = {"HTTPS_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "LISTEN_FDS"}
LARGEST = 150_000
PNG = b"\x89PNG\r\n\x1a\n"
READ_BY_NAME = re.compile(r"(?:environ(?:\.get\(|\[)|getenv\()\s*\"(\w+)\"")


def code_lines(page: str = README) -> Iterator[str]:
    for block, span in CODE.findall(page):
        yield from (line.strip() for line in (block or span).splitlines())


def commands() -> list[str]:
    """Return the arguments of each `app.py` command."""
    found = (re.search(r"(?:^|\s)app\.py\b(.*)", line) for line in code_lines())
    return list(dict.fromkeys(match.group(1) for match in found if match))


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column is `heading`."""
    rows = README[README.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def variables() -> dict[str, str]:
    """Return the variables of the table with their defaults."""
    return {name.strip("`"): default for name, _, default in table("variable")}


def read_variables() -> set[str]:
    """Return the variables that the product reads."""
    names = {name.upper() for name in settings.Settings.model_fields}
    for folder in ("bot", "services", "tasks"):
        for file in (ROOT / folder).rglob("*.py"):
            names |= set(READ_BY_NAME.findall(file.read_text()))
    names |= set(READ_BY_NAME.findall((ROOT / "app.py").read_text()))
    return names


def test_the_table_names_every_variable_that_is_read_and_no_other() -> None:
    assert len(table("variable")) == len(variables())
    assert variables().keys() == read_variables()


def test_the_table_says_what_is_required() -> None:
    needed = {
        name
        for names in settings.REQUIRED_VARIABLES.values()
        for one in names
        for name in one.split(" or ")
    }
    assert {name for name, default in variables().items() if "required" in default} == needed


def test_the_table_tells_the_true_defaults() -> None:
    config, _ = settings.parse_settings("bot", {})

    def default(name: str) -> object:
        return getattr(config, name.lower())

    told = {name: text.strip("`") for name, text in variables().items() if text.startswith("`")}
    assert told == {name: str(default(name)) for name in told}
    unset = [name for name, text in variables().items() if text.startswith("none")]
    assert [name for name in unset if default(name)] == []


def test_every_command_is_one() -> None:
    assert len(commands()) > 8
    parser = _parser()
    for command in commands():
        words = shlex.split(command, comments=True)
        try:
            parser.parse_args(words)
        except SystemExit:
            pytest.fail(f"README names app.py{command}, which app.py does not take")


def test_it_names_every_command() -> None:
    (subparsers,) = (
        action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    named = {words[0] for command in commands() if (words := shlex.split(command, comments=True))}
    assert set(subparsers.choices) - {"bot", "demo"} <= named


def test_the_table_of_targets_is_that_of_the_makefile() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert {row[0].strip("`").removeprefix("make ") for row in table("command")} == {*phony.split()}


def test_every_target_exists() -> None:
    lines = [line for page in PAGES.values() for line in code_lines(page)]
    named = {name for line in lines for name in re.findall(r"\bmake ([a-z][\w-]*)", line)}
    assert {"test", "lint", "test-all", "mutations"} <= named
    targets = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))
    assert named <= targets


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub gives the headings."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    for path, page in PAGES.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", page):
            if re.match(r"https?:", link):
                continue
            file, _, heading = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), (path.name, link)
            assert not heading or heading in anchors(target.read_text()), (path.name, link)
    assert "(docs/accounts.md)" in README
    assert "CONTRIBUTING.md" in README
    for section in re.findall(r"`(\w+/(?:[\w/]+\.py)?)`", README + CONTRIBUTING):
        assert (ROOT / section).exists(), section


def test_every_page_is_linked() -> None:
    linked = {
        (path.parent / link).resolve()
        for path, page in PAGES.items()
        for link in re.findall(r"\]\(([^)#\s]+\.md)", page)
    }
    assert PAGES.keys() - linked == set()


def test_every_variable_exists() -> None:
    sources = [*ROOT.glob("*.py")]
    sources += [p for name in SOURCES for p in (ROOT / name).rglob("*.py")]
    known = {word for path in sources for word in CAPITALS.findall(path.read_text())}
    known |= {*CAPITALS.findall(MAKEFILE), *READ_BY_LIBRARIES}
    for path, page in PAGES.items():
        names = {line.partition("=")[0] for line in code_lines(page)}
        named = {name for name in names if CAPITALS.fullmatch(name)}
        assert named - known == set(), path.name


def test_every_subcommand_of_slack_exists() -> None:
    commands = {route.id for route in ROUTES if route.kind is RouteKind.SUBCOMMAND}
    for path, page in PAGES.items():
        if path.name == "CHANGELOG.md":
            continue
        spans = [span for _, span in CODE.findall(page)]
        named = {word for span in spans for word in re.findall(r"^/ticket ([a-z]+)", span)}
        assert named <= commands, path.name


def test_every_test_that_keeps_a_promise_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", SECURITY)
    assert len(named) > 60
    for file, test in named:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(), (file, test)


def test_contributing_has_ten_points() -> None:
    assert re.findall(r"^(\d+)\. ", CONTRIBUTING, re.MULTILINE) == [str(n) for n in range(1, 11)]


def test_every_picture_is_there_and_small_and_says_what_it_shows() -> None:
    shown = dict(IMAGE.findall(README))
    assert len(shown) == README.count("<img")
    for name, alt in shown.items():
        picture = (ROOT / name).read_bytes()
        assert picture.startswith(PNG), name
        assert len(picture) < LARGEST, name
        assert len(alt) > 20, name
    stored = {str(file.relative_to(ROOT)) for file in (ROOT / "docs" / "images").iterdir()}
    assert stored == set(shown)


@pytest.mark.usefixtures("elsewhere")
def test_the_doctors_answer_is_of_the_same_lines() -> None:
    def about(text: str) -> set[str]:
        checked = re.findall(r"(?m)^(?:ok|warn|FAIL) +([\w ]+):", text)
        skipped = re.findall(r"(?m)^skip +not checked: +(.+), because of", text)
        return {*checked, *(name for names in skipped for name in names.split(", "))}

    assert about(README) == about(run("doctor").stdout)


def test_every_metric_exists() -> None:
    sources = [ROOT / "bot/web/prometheus.py", ROOT / "services/core/metrics.py"]
    counted = {
        name for file in sources for name in re.findall(r'"(ticket_bot_\w+)"', file.read_text())
    }
    assert set(re.findall(r"ticket_bot_\w+", README)) <= counted
