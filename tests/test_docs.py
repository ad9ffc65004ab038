"""The documentation names existing variables, commands, make targets, files, headings, tests,
metrics and messages.

Its commands run in tests/test_docs_commands.py.
"""

import argparse
import ast
import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from app import _parser
from bot.routes import ROUTES, RouteKind
from demo.binaries import ROOT
from services.core import database, settings
from services.core.metrics import ALL_METRICS, MetricKind
from services.registry import migrations
from tests.support.markdown_page import read_pages
from tests.support.processes import run

# docs/messages.md is what the bot writes, with links of its own.
PAGES = read_pages(without=["messages.md"])
CONFIGURATION, DEVELOPING = PAGES["docs/configuration.md"], PAGES["docs/developing.md"]
UPGRADE = PAGES["docs/upgrade.md"]
CONTRIBUTING, SECURITY = PAGES["CONTRIBUTING.md"], PAGES["docs/security.md"]
MAKEFILE = (ROOT / "Makefile").read_text()
CAPITALS = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
SOURCES = ("bench", "bot", "demo", "services", "tasks", "tests")
READ_BY_LIBRARIES = {"HTTPS_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "LISTEN_FDS"}
READ_BY_NAME = re.compile(r"(?:environ(?:\.get\(|\[)|getenv\()\s*\"(\w+)\"")


def product_files() -> list[Path]:
    folders = ("bot", "services", "tasks")
    return [ROOT / "app.py", *(file for name in folders for file in (ROOT / name).rglob("*.py"))]


def commands() -> list[str]:
    """Return the arguments of each `app.py` command."""
    pages = [page for name, page in PAGES.items() if name != "CHANGELOG.md"]
    lines = [line for page in pages for line in page.code_lines]
    found = (re.search(r"(?:^|\s)app\.py\b(.*)", line) for line in lines)
    arguments = (match.group(1).partition(" > ")[0] for match in found if match)
    return list(dict.fromkeys(arguments))


def variables() -> dict[str, str]:
    """Return the variables of the tables with their defaults."""
    rows = CONFIGURATION.rows("variable")
    found = {name.strip("`"): default for name, _, default in rows}
    assert len(found) == len(rows)
    return found


def read_variables() -> set[str]:
    """Return the variables that the product reads."""
    names = {name.upper() for name in settings.Settings.model_fields}
    for file in product_files():
        names |= set(READ_BY_NAME.findall(file.read_text()))
    return names


def test_the_tables_name_every_variable_that_is_read_and_no_other() -> None:
    assert variables().keys() == read_variables()


def test_the_tables_say_what_is_required() -> None:
    needed = {
        name
        for names in settings.REQUIRED_VARIABLES.values()
        for one in names
        for name in one.split(" or ")
    }
    assert {name for name, default in variables().items() if "required" in default} == needed


def test_the_tables_have_the_true_defaults() -> None:
    config, _ = settings.parse_settings("bot", {})

    def default(name: str) -> object:
        return getattr(config, name.lower())

    told = {name: text.strip("`") for name, text in variables().items() if text.startswith("`")}
    assert told == {name: str(default(name)) for name in told}
    unset = [name for name, text in variables().items() if text.startswith("none")]
    assert [name for name in unset if default(name)] == []


def test_the_tables_name_the_database_of_an_address_without_one() -> None:
    (purpose,) = (row[1] for row in CONFIGURATION.rows("variable") if row[0] == "`MONGO_URI`")
    assert f"`{database.DEFAULT_DATABASE_NAME}`" in purpose


def test_every_migration_has_a_row() -> None:
    names = [row[1] for row in UPGRADE.rows("release")]
    found = [int(number) for name in names for number in re.findall(r"\bmigration (\d+)", name)]
    assert sorted(found) == [migration.version for migration in migrations.MIGRATIONS]


def test_the_doctors_example_is_of_this_programs_data() -> None:
    (stored, known) = re.findall(
        r"version (\d+); this program knows (\d+)", PAGES["docs/monitoring.md"].text
    )[0]
    assert (int(stored), int(known)) == (migrations.PROGRAM_VERSION,) * 2


def test_the_order_of_an_upgrade_is_asked_for_by_the_releases_that_need_it() -> None:
    asks = re.compile(
        r"(?i)\b(?:stop the old|start (?:a|the) new)\b[^.]* before (?:you start )?the new"
    )
    needing = {release for release, _, text in UPGRADE.rows("release") if asks.search(text)}
    (named,) = re.findall(r"Releases that need this order: (.+)\.", UPGRADE.text)
    assert set(named.split(", ")) == needing


def test_every_command_is_one() -> None:
    assert len(commands()) > 8
    parser = _parser()
    for command in commands():
        words = shlex.split(command.replace(" ROLE", " moderator"), comments=True)
        try:
            parser.parse_args(words)
        except SystemExit as error:
            if error.code:
                pytest.fail(f"A page names app.py{command}, which app.py does not take")


def test_every_command_is_named() -> None:
    (subparsers,) = (
        action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    named = {words[0] for command in commands() if (words := shlex.split(command, comments=True))}
    assert set(subparsers.choices) - {"bot", "demo"} <= named


def test_the_table_of_targets_is_that_of_the_makefile() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    named = [row[0].strip("`").removeprefix("make ") for row in DEVELOPING.rows("command")]
    assert sorted(named) == sorted(phony.split())


def test_every_target_exists() -> None:
    lines = [line for page in PAGES.values() for line in page.code_lines]
    named = {name for line in lines for name in re.findall(r"\bmake ([a-z][\w-]*)", line)}
    assert {"test", "lint", "test-all", "mutations"} <= named
    targets = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))
    assert named <= targets


def broken_links() -> Iterator[str]:
    for name, page in PAGES.items():
        for link in page.links:
            if re.match(r"(?:https?|mailto):", link):
                continue
            file, _, heading = link.partition("#")
            target = (page.path.parent / file).resolve() if file else page.path
            if not target.exists() or not target.is_relative_to(ROOT):
                yield f"{name}: {link}"
            elif heading and heading not in PAGES[target.relative_to(ROOT).as_posix()].anchors:
                yield f"{name}: {link} (no such heading)"


def test_every_link_leads_somewhere() -> None:
    assert list(broken_links()) == []


def test_every_page_is_linked() -> None:
    linked = {
        (page.path.parent / link.partition("#")[0]).resolve()
        for page in PAGES.values()
        for link in page.links
    }
    first = ROOT / "README.md"
    assert {page.path for page in PAGES.values()} - linked - {first} == set()


def test_every_variable_exists() -> None:
    sources = [*ROOT.glob("*.py")]
    sources += [p for name in SOURCES for p in (ROOT / name).rglob("*.py")]
    known = {word for path in sources for word in CAPITALS.findall(path.read_text())}
    known |= {*CAPITALS.findall(MAKEFILE), *READ_BY_LIBRARIES}
    for name, page in PAGES.items():
        words = {line.partition("=")[0] for line in page.code_lines}
        named = {word for word in words if CAPITALS.fullmatch(word)}
        assert named - known == set(), name


def test_every_subcommand_of_slack_exists() -> None:
    known = {route.id for route in ROUTES if route.kind is RouteKind.SUBCOMMAND}
    for name, page in PAGES.items():
        if name == "CHANGELOG.md":
            continue
        spans = "\n".join(page.spans)
        named = set(re.findall(r"^/ticket ([a-z]+)", spans, re.MULTILINE))
        assert named <= known, name


def test_every_slash_command_exists() -> None:
    known = {route.id for route in ROUTES if route.kind is RouteKind.COMMAND}
    spans = [span for page in PAGES.values() for span in page.spans]
    named = {span.split()[0] for span in spans if re.match(r"/[a-z]+(?: [\w: ]+)?$", span)}
    assert named >= known


def test_every_test_that_keeps_a_promise_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", SECURITY.text)
    assert len(named) > 60
    for file, test in named:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(), (file, test)


def test_every_file_that_is_named_exists() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        for section in re.findall(r"`(\w+/(?:[\w/]+\.py)?)`", PAGES[name].text):
            assert (ROOT / section).exists(), section


def test_contributing_has_ten_points() -> None:
    points = re.findall(r"^(\d+)\. ", CONTRIBUTING.text, re.MULTILINE)
    assert points == [str(number) for number in range(1, 11)]


def known_metrics() -> set[str]:
    sources = [ROOT / "bot/web/prometheus.py", ROOT / "services/core/metrics.py"]
    return {
        name for file in sources for name in re.findall(r'"(ticket_bot_\w+)"', file.read_text())
    }


@pytest.mark.usefixtures("elsewhere")
def test_the_doctors_answer_is_of_the_same_lines() -> None:
    def about(text: str) -> set[str]:
        checked = re.findall(r"(?m)^(?:ok|warn|FAIL) +([\w ]+):", text)
        skipped = re.findall(r"(?m)^skip +not checked: +(.+), because of", text)
        return {*checked, *(name for names in skipped for name in names.split(", "))}

    assert about(PAGES["docs/monitoring.md"].text) == about(run("doctor").stdout)


def test_the_table_of_metrics_is_complete() -> None:
    rows = PAGES["docs/monitoring.md"].rows("metric")
    assert sorted(name.strip("`") for name, *_ in rows) == sorted(known_metrics())
    labels = {metric.name: set(metric.labels) for metric in ALL_METRICS}
    for name, _, named, _ in rows:
        if (metric := name.strip("`")) in labels:
            assert set(re.findall(r"`(\w+)`", named)) == labels[metric], metric


def test_every_metric_exists() -> None:
    for name, page in PAGES.items():
        if name not in ("CHANGELOG.md", "docs/upgrade.md"):
            assert set(re.findall(r"ticket_bot_\w+", page.text)) <= known_metrics(), name


def expressions() -> list[str]:
    """Return those of the dashboard, then those of the alerts."""
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
    alerts = yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yml").read_text())
    return [
        *(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())),
        *(rule["expr"] for group in alerts["groups"] for rule in group["rules"]),
    ]


def test_dashboard_and_alerts_use_metrics_labels_and_values_that_exist() -> None:
    metrics = {metric.name: metric for metric in ALL_METRICS}
    histograms = {
        f"{name}_{part}"
        for name, metric in metrics.items()
        if metric.kind is MetricKind.HISTOGRAM
        for part in ("bucket", "sum", "count")
    }
    plain = known_metrics() - {name.rpartition("_")[0] for name in histograms}
    labels = {label for metric in ALL_METRICS for label in metric.labels}
    labels |= {"job", "le", "status", "what", "holder"}
    product = "\n".join(path.read_text() for path in product_files())
    seen = set[str]()
    for expression in expressions():
        named = set(re.findall(r"ticket_bot_\w+", expression))
        assert named <= plain | histograms, expression
        seen |= named
        for group in re.findall(r"by \(([\w, ]+)\)", expression):
            assert set(group.split(", ")) <= labels, expression
        for label, values in re.findall(r'(\w+)(?:=~|!=|=)"([^"]+)"', expression):
            assert label in labels, expression
            for value in values.split("|"):
                assert value == "helpdesk" or f'"{value}"' in product, expression
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in seen}
    assert shown == known_metrics()


@cache
def said() -> list[str]:
    """Return what the product writes: its strings, with … for what it fills in, its pages, and
    docs/messages.md, line by line; without marks for code."""
    found = [line.strip() for line in (ROOT / "docs" / "messages.md").read_text().splitlines()]
    templates = (ROOT / "bot" / "web" / "templates").glob("*.html")
    found += [" ".join(template.read_text().split()) for template in templates]
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(map(_text, node.values)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"%[.\d]*[sdfg]|\{\w+\}", "…", node.value))
    return [text.replace("`", "") for text in found]


def _text(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "…"


def is_said(sentence: str) -> bool:
    """Whether the product writes the sentence, in which … stands for anything."""
    parts = [part.strip() for part in sentence.split("…")]
    pattern = re.compile(".*".join(map(re.escape, parts)))
    # Most texts lack the longest part, and looking for that costs less.
    longest = max(parts, key=len)
    return any(longest in text and pattern.search(text) for text in said())


def symptoms() -> list[str]:
    """Return the sentences in the first columns of the tables of docs/troubleshooting.md."""
    tables = PAGES["docs/troubleshooting.md"].tables
    cells = [row[0] for _, *rows in tables for row in rows]
    return [sentence for cell in cells for sentence in re.findall("`([^`]+)`", cell)]


def test_every_symptom_is_a_sentence_of_the_product() -> None:
    assert len(symptoms()) > 60
    assert [sentence for sentence in symptoms() if not is_said(sentence)] == []
    assert not is_said("… is on holiday in Spain")


# Pages for those who change the product, or a list of what has changed.
ABOUT_CODE = {
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/developing.md",
    "docs/performance.md",
    "docs/reliability.md",
    "docs/upgrade.md",
}
# Words of other programs, and of this one that stand in no string.
QUOTED_OTHERS = {
    "Dashboards": "Grafana's menu",
    "/ticket failed with the error “dispatch_failed”": "Slack's answer without a bot",
    "/ticket is not a valid command": "Slack's answer without the app",
    "Report a vulnerability": "GitHub's button",
    "Report content": "GitHub's button",
    "Conduct": "the beginning of a report's title",
    "Own": "the label in a table of docs/monitoring.md",
    "Retry Slack messages after a 429": "an example of a commit",
    "Something does not work? Type /ticket.": "an announcement that an admin writes",
    "Thanks": "what a requester writes",
    "Nils: …": "the author before a comment",
    "DONE": "a status of the Node backend",
    "In Progress": "a status of the Node backend",
}


def test_every_quoted_sentence_is_one_that_people_read() -> None:
    headings = {heading for page in PAGES.values() for heading in page.headings}
    unknown = [
        f"{name}: {quote}"
        for name, page in PAGES.items()
        if name not in ABOUT_CODE
        for quote in page.quotes
        if quote not in headings and quote not in QUOTED_OTHERS
        # An example's number, and a page's full stop.
        if not is_said(re.sub(r"\d+", "…", quote).rstrip(".")) and not is_said(quote)
    ]
    assert unknown == []
