"""docs/messages.md is what the code writes, is complete, and reads well if every date is today."""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, get_type_hints

import pytest

import bot.views
from bot.views.messages.address_claim import claim_event
from bot.views.text import Block, Message
from demo.binaries import ROOT
from tasks.email import compose
from tests.messages.catalogue import CARDS, HOME, KINDS, READERS, TERMINAL, Entry, catalogue
from tests.messages.document import DOCUMENT, document
from tests.messages.plain_text import as_lines
from tests.support.blockkit import check_message, check_view
from tests.support.blockkit_rules import ON_CARD, named_buttons, names_one_of

PACKAGES = ("cards", "explain", "home", "messages", "modals")
# What functions return that write something for people.
TEXTS = (Message, compose.EmailContent, EmailMessage, Block, list[Block], str, list[str])
NO_TEXT = {claim_event.__code__}  # an identifier
DATE = r"(?:today|tomorrow|yesterday) at \d"
PAGE_BUTTON = re.compile(r"<(?:button|a class=\"button)[^>]*>([^<{]+)<")
KEYS = {"Enter"}  # in the terminal
FAULTS = {
    "a preposition that a date with a word cannot follow": re.compile(
        rf"\b(?:on|at|by|in|from|before|for|of|since) {DATE}", re.IGNORECASE
    ),
    "a sentence that begins with a date": re.compile(rf"(?:^|[.!?] ){DATE}"),
    "two spaces": re.compile(r"\S {2,}\S"),
    "nothing in brackets or quotes": re.compile(r"\(\s*\)|\[\s*\]|“\s*”|\"\"|<\s*>"),
    "a placeholder": re.compile(r"\{\w*\}|%[sd]|<!|<@|<https?:[^>]*\||&(?:amp|lt|gt);"),
    "a value of the code": re.compile(r"\b(?:None|True|False|null|nan)\b(?! recognised| seen)"),
    "punctuation twice": re.compile(r"(?<!\.)\.\.(?!\.)|[,;:!?]{2}| [,.;!?](?:\s|$)|· *(?:·|$)"),
}


def modules() -> Iterator[ModuleType]:
    yield compose
    for info in pkgutil.walk_packages(bot.views.__path__, "bot.views."):
        if info.name.split(".")[2] in PACKAGES and not info.ispkg:
            yield importlib.import_module(info.name)


def writers() -> dict[CodeType, str]:
    """Return the public functions that write something for people, by their code."""
    return {
        function.__code__: f"{module.__name__}.{name}"
        for module in modules()
        for name, function in vars(module).items()
        if isinstance(function, FunctionType)
        and function.__module__ == module.__name__
        and not name.startswith("_")
        and get_type_hints(inspect.unwrap(function))["return"] in TEXTS
        and function.__code__ not in NO_TEXT
    }


def called_by_the_catalogue() -> set[CodeType]:
    called: set[CodeType] = set()

    def record(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(record)
    try:
        catalogue()
    finally:
        sys.setprofile(before)
    return called


def test_the_page_is_what_the_code_writes() -> None:
    assert DOCUMENT.read_text() == document(), "run: make messages"


def test_every_function_that_writes_for_people_is_on_the_page() -> None:
    expected, called = writers(), called_by_the_catalogue()
    assert len(expected) > 100
    assert sorted(name for code, name in expected.items() if code not in called) == []


def test_each_entry_has_a_place_and_a_title_of_its_own() -> None:
    entries = catalogue()
    titles = [(entry.kind, entry.reader, entry.title) for entry in entries]
    assert len(titles) == len(set(titles))
    assert {entry.kind for entry in entries} == set(KINDS)
    assert {entry.reader for entry in entries} == set(READERS)


def faults(lines: list[str]) -> list[str]:
    return [
        f"{fault}: {line}"
        for line in lines
        for fault, pattern in FAULTS.items()
        if pattern.search(line)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_well(kind: str) -> None:
    entries = [entry for entry in catalogue() if entry.kind == kind]
    assert entries
    assert [found for entry in entries for found in faults(_lines(entry))] == []


@pytest.mark.parametrize("kind", KINDS)
def test_slack_takes_it_and_each_button_that_a_sentence_names_is_there(kind: str) -> None:
    for entry in catalogue():
        content = entry.content
        if entry.kind == kind and isinstance(content, Message):
            assert check_message(content.as_args()) == [], entry.title
        elif entry.kind == kind and isinstance(content, dict):
            assert check_view(content, home=kind == HOME) == [], entry.title


def labels(held: Any) -> Iterator[str]:
    """Yield the labels of all buttons and menu choices in a view or message."""
    if isinstance(held, dict):
        is_button = held.get("type") == "button" or ("value" in held and "type" not in held)
        shown = [held.get("text") if is_button else None, held.get("submit"), held.get("close")]
        yield from (label["text"] for label in shown if isinstance(label, dict))
    children = held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
    for child in children:
        yield from labels(child)


def labels_of(entry: Entry) -> set[str]:
    content = entry.content
    return set(labels(content.blocks if isinstance(content, Message) else content))


def test_a_button_that_is_said_to_be_on_the_card_is_on_a_card_of_that_reader() -> None:
    on_cards = {
        reader: set().union(
            *(labels_of(e) for e in catalogue() if (e.kind, e.reader) == (CARDS, reader))
        )
        for reader in READERS
    }
    named = [
        (entry, label)
        for entry in catalogue()
        for line in as_lines(entry.content)
        for label in named_buttons(line)
        if ON_CARD.search(label)
    ]
    assert named
    wrong = [label for entry, label in named if not names_one_of(label, on_cards[entry.reader])]
    assert wrong == []


def test_each_button_that_the_code_names_exists() -> None:
    """Also in errors beside a field and on the pages, which stand with no button of their own."""
    exist = set().union(*map(labels_of, catalogue()))
    templates = list((ROOT / "bot" / "web" / "templates").glob("*.html"))
    for template in templates:
        exist |= set(PAGE_BUTTON.findall(template.read_text()))
    literals = [
        node.value
        for name in ("bot", "services", "tasks")
        for path in (ROOT / name).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = {
        label
        for text in [*literals, *(template.read_text() for template in templates)]
        for label in named_buttons(text)
    }
    assert len(named) >= 20
    assert [label for label in named if not names_one_of(label, exist | KEYS)] == []


def test_a_form_is_cancelled_and_a_page_is_closed() -> None:
    modals = {
        entry.title: entry.content
        for entry in catalogue()
        if isinstance(entry.content, dict) and entry.content.get("type") == "modal"
    }
    exceptions = {
        title: view["close"]["text"]
        for title, view in modals.items()
        if view["close"]["text"] != ("Cancel" if "submit" in view else "Close")
    }
    # The first is beside "Cancel the ticket", the others lead back to the form below them.
    assert exceptions == dict.fromkeys(("Cancel", "Changes", "No changes"), "Back")


def _lines(entry: Entry) -> list[str]:
    lines = [line.strip() for line in as_lines(entry.content)]
    # The columns of a table in a terminal.
    return [re.sub(" +", " ", line) for line in lines] if entry.kind == TERMINAL else lines


@pytest.mark.parametrize(
    "line",
    [
        "Ann took it on today at 8:10 PM.",
        "It closes by tomorrow at 8:10 PM.",
        "Looks again at today at 8:10 PM",
        "Done. today at 8:10 PM it closes.",
        "Two  spaces",
        "Nothing ()",
        "“”",
        "Hello {name}",
        "<@U0ANN> took it",
        "Due: None",
        "Handed back..",
    ],
)
def test_what_does_not_read_well_is_found(line: str) -> None:
    assert len(faults([line])) == 1


@pytest.mark.parametrize(
    "line",
    [
        "You are away until today at 8:10 PM.",
        "It is due today at 8:10 PM.",
        "Ann resolved it · today at 8:10 PM",
        "Ann took it (yesterday at 8:10 PM).",
        "Skills: None recognised",
        "Finding someone…",
        "[... Comment, Details]",
    ],
)
def test_what_reads_well_is_not(line: str) -> None:
    assert faults([line]) == []
