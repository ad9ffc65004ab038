"""The rules that tests/support/blockkit.py applies to every object of a message or a view.

slack_sdk's models enforce about half of Slack's limits, and speak of one violation at a time.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.models.blocks import Block

from tests.support.blockkit_limits import ELEMENTS_IN, NEEDS_ONE, NOT_IN_VIEWS, SIZES, Size

_KNOWN_BLOCKS = frozenset(getattr(block, "type", "") for block in Block.__subclasses__())
_LINK = r"@[UW]|#C|!date\^|!subteam\^|https?://|mailto:"
_UNESCAPED = re.compile(rf"<(?!{_LINK})|&(?!(?:amp|lt|gt);)")
_EMOJI = re.compile(r":[a-z0-9_+'-]+:")
# One button, or two: "press Save to replace these changes, or Cancel to keep them".
_PRESS = re.compile(
    r"\b(?:[Pp]ress|[Cc]lick|[Tt]ap|[Cc]hoose(?= “)) “?(?=[A-Z])(?P<label>[^.:;”]*)"
)
_OR_PRESS = re.compile(r",? or (?:press )?“?(?=[A-Z])(?P<label>.*)")
ON_CARD = re.compile(r"\bon (?:the|its) card\b")
# What a date that Slack may write as "today at 8:10 PM" cannot follow.
_BEFORE_DATE = re.compile(
    r"\b(?:on|at|by|in|from|before|for|of|since) [*_]?<!date\^\d+\^\{date[^>]*>", re.IGNORECASE
)


@dataclass(frozen=True)
class Node:
    """One object of a payload: what it is and where it stands."""

    kinds: frozenset[str]
    at: str
    data: Mapping[str, Any]


def said(what: str, at: str) -> str:
    return f"{what} [json-pointer:{at or '/'}]"


def items(at: str, field: str, held: Any) -> Iterator[tuple[str, Any]]:
    """What a field holds, one or many, each with its pointer."""
    if isinstance(held, list):
        yield from ((f"{at}/{field}/{index}", item) for index, item in enumerate(held))
    else:
        yield f"{at}/{field}", held


def _sizes(node: Node) -> Iterator[str]:
    for size in SIZES:
        if size.kind not in node.kinds:
            continue
        if size.field in node.data:
            yield from _misfit(size, node.data[size.field], f"{node.at}/{size.field}")
        elif size.required:
            yield said(f"missing required field: {size.field}", node.at)


def _misfit(size: Size, value: Any, at: str) -> Iterator[str]:
    if size.text:
        allowed = ("plain_text",) if size.text == "plain" else ("plain_text", "mrkdwn")
        if not isinstance(value, Mapping) or value.get("type") not in allowed:
            yield said(f"must provide a text object of type {' or '.join(allowed)}", at)
            return
        value, at = value.get("text", ""), f"{at}/text"
    if isinstance(value, int):
        amount, unit = value, ""
    else:
        amount, unit = len(value or ""), " items" if isinstance(value, list) else " characters"
    blank = isinstance(value, str) and not value.strip()
    if amount < size.least or (blank and size.least):
        yield said(f"must be at least {size.least}{unit}", at)
    if amount > size.most:
        yield said(f"must be at most {size.most}{unit}", at)


def _needs_one(node: Node) -> Iterator[str]:
    for kind in node.kinds & NEEDS_ONE.keys():
        if not any(field in node.data for field in NEEDS_ONE[kind]):
            yield said(f"missing required field: {' or '.join(NEEDS_ONE[kind])}", node.at)


def _known_types(node: Node) -> Iterator[str]:
    """Blocks that Slack does not know, and elements where Slack does not let them stand."""
    places = {"blocks": _KNOWN_BLOCKS - NOT_IN_VIEWS if "view" in node.kinds else _KNOWN_BLOCKS}
    if "block" in node.kinds and (elements := ELEMENTS_IN.get(str(node.data.get("type")))):
        places = dict.fromkeys(("element", "elements", "accessory"), elements)
    for field in places.keys() & node.data.keys():
        for at, item in items(node.at, field, node.data[field] or []):
            if not isinstance(item, Mapping):
                yield said("must provide an object", at)
            elif item.get("type") not in places[field]:
                yield said(f"unsupported type: {item.get('type')}", f"{at}/type")


def _unique_ids(node: Node) -> Iterator[str]:
    """A block_id is unique in a message or view, an action_id only within its block."""
    for field, key in (("blocks", "block_id"), ("elements", "action_id")):
        seen: set[str] = set()
        for at, item in items(node.at, field, node.data.get(field) or []):
            own = item.get(key) if isinstance(item, Mapping) else None
            if own in seen:
                yield said(f"duplicate {key}: {own}", f"{at}/{key}")
            seen |= {own} if own else set()


def _submittable(node: Node) -> Iterator[str]:
    types = [b.get("type") for b in node.data.get("blocks") or [] if isinstance(b, Mapping)]
    if "modal" in node.kinds and "submit" not in node.data and "input" in types:
        yield said("missing required field: submit (the view has an input)", node.at)


def _initial_options(node: Node) -> Iterator[str]:
    if "element" not in node.kinds or "external" in str(node.data.get("type")):
        return
    groups = node.data.get("option_groups") or [node.data]
    options = [option for group in groups for option in group.get("options") or []]
    chosen = [node.data.get("initial_option"), *(node.data.get("initial_options") or [])]
    for option in chosen:
        if option is not None and option not in options:
            yield said("initial option is not among the options", node.at)


def _lengths(node: Node) -> Iterator[str]:
    if "plain_text_input" not in node.kinds:
        return
    most = node.data.get("max_length", 3000)
    if node.data.get("min_length", 0) > most:
        yield said("min_length is more than max_length", node.at)
    if len(node.data.get("initial_value") or "") > most:
        yield said("initial_value is longer than max_length", node.at)


def _nulls(node: Node) -> Iterator[str]:
    if "message" in node.kinds:  # the WebClient leaves out an argument that is None
        return
    for field, held in node.data.items():
        for at, item in items(node.at, field, held):
            if item is None:
                yield said("must not be null", at)


def _safe_text(node: Node) -> Iterator[str]:
    """This project's rules (Slack accepts these): a text shows as it was typed, with its emoji."""
    text, at = str(node.data.get("text") or ""), f"{node.at}/text"
    if "plain_text" in node.kinds and _EMOJI.search(text) and node.data.get("emoji") is not True:
        yield said("would show the code of an emoji: needs emoji: true", at)
    if "mrkdwn" in node.kinds and node.data.get("verbatim") is not True:
        yield said("mrkdwn needs verbatim: true, or Slack links bare URLs and names", node.at)
    if node.kinds & {"mrkdwn", "message"} and (bad := _UNESCAPED.search(text)):
        yield said(f"unescaped: {text[bad.start() : bad.start() + 20]}", at)


def _named_buttons(node: Node) -> Iterator[str]:
    """This project's rule: a sentence that names a button stands with the button."""
    if not node.kinds & {"message", "view"}:
        return
    held = list(_mappings(node.data))
    labels = tuple(
        str(label.get("text"))
        for one in held
        for label in (
            *(one.get(name) for name in ("submit", "close")),
            one.get("text") if one.get("type") == "button" or "value" in one else None,
        )
        if isinstance(label, Mapping) and label.get("text")
    )
    for text in (str(one.get("text") or "") for one in held):
        for named in named_buttons(text):
            if not names_one_of(named, labels) and not ON_CARD.search(named):
                yield said(f"names a button that is not there: {named}", node.at)


def named_buttons(text: str) -> Iterator[str]:
    """Yield what follows each "press" in the text, from the button's label on."""
    for match in _PRESS.finditer(text):
        yield match["label"]
        if other := _OR_PRESS.search(match["label"]):
            yield other["label"]


def names_one_of(named: str, labels: Iterable[str]) -> bool:
    return any(re.match(rf"{re.escape(label)}(?!\w)", named) for label in labels)


def _dates(node: Node) -> Iterator[str]:
    """This project's rule: a sentence with a date reads well if Slack writes it as today."""
    text = str(node.data.get("text") or "")
    if node.kinds & {"mrkdwn", "message"} and (bad := _BEFORE_DATE.search(text)):
        yield said(f"reads badly if the date is today: {bad[0]}", f"{node.at}/text")


def _mappings(held: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(held, Mapping):
        yield held
        held = list(held.values())
    for item in held if isinstance(held, list) else ():
        yield from _mappings(item)


RULES: tuple[Callable[[Node], Iterator[str]], ...] = (
    _sizes,
    _needs_one,
    _known_types,
    _unique_ids,
    _submittable,
    _initial_options,
    _lengths,
    _nulls,
    _safe_text,
    _named_buttons,
    _dates,
)
