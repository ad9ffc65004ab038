"""What local-slack cannot draw, said in what it can; and its answers put right again.

Pure functions on Slack's JSON. They return new objects and leave the given ones alone.

A view keeps, in an element that was exchanged, the original element under `ORIGINAL_KEY`:
local-slack stores views as they come, so the submission brings it back.
"""

import re
from collections.abc import Callable
from typing import Any

from demo.text_inputs import choices_as_text, date_as_text, text_as_choices, text_as_date

Json = dict[str, Any]

ORIGINAL_KEY = "stands_for"
# Invisible, and enough to keep local-slack from making a link or mention of quoted text.
ZERO_WIDTH_SPACE = "\u200b"

MORE_PLACEHOLDER: Json = {"type": "plain_text", "text": "More…"}


def show_initial_option(element: Json) -> Json:
    """local-slack ignores `initial_option`; what it shows while nothing is chosen it does draw."""
    initial = element.get("initial_option")
    return {**element, "placeholder": initial["text"]} if initial else element


def radio_as_select(element: Json) -> Json:
    """Radio buttons are drawn, but none is ever marked at first, and none with what is below it."""
    if any("description" in option for option in element["options"]):
        element = {**element, "options": [_with_description(o) for o in element["options"]]}
    if "initial_option" not in element:
        return element
    return show_initial_option({**element, "type": "static_select"})


def _with_description(option: Json) -> Json:
    texts = [part["text"] for part in (option["text"], option.get("description")) if part]
    return {**option, "text": {**option["text"], "text": " · ".join(texts)}}


def search_as_menu(element: Json) -> Json:
    """Its options are those the app offers, which came with it (see `with_options`)."""
    return show_initial_option({**element, "type": "static_select"})


def menu_as_select(element: Json) -> Json:
    """An overflow menu is a menu without words of its own."""
    return {**element, "type": "static_select", "placeholder": MORE_PLACEHOLDER}


def ticked_as_text(element: Json) -> Json:
    """Boxes are drawn, but none is ever ticked at first, and unticked they come back."""
    return choices_as_text(element) if element.get("initial_options") else element


# One row for each element that needs help: how it is drawn instead.
ELEMENT_TRANSLATIONS: dict[str, Callable[[Json], Json]] = {
    "static_select": show_initial_option,
    "radio_buttons": radio_as_select,
    "external_select": search_as_menu,
    "overflow": menu_as_select,
    "datetimepicker": date_as_text,
    "checkboxes": ticked_as_text,
    "multi_static_select": choices_as_text,
    "multi_external_select": choices_as_text,
}

# One row for each element that is typed instead: what was typed as that element's state.
TEXT_PARSERS: dict[str, Callable[[Json, str | None], Json]] = {
    "datetimepicker": text_as_date,
    "checkboxes": text_as_choices,
    "multi_static_select": text_as_choices,
    "multi_external_select": text_as_choices,
}

# One row for each element that starts with a value: (key in a submission, key in the element).
# Nobody having touched it, local-slack submits null in place of the initial value.
INITIAL_VALUE_KEYS: dict[str, tuple[str, str]] = {
    "plain_text_input": ("value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "datepicker": ("selected_date", "initial_date"),
    "external_select": ("selected_option", "initial_option"),
    "checkboxes": ("selected_options", "initial_options"),
}

# A menu in local-slack has no way back to nothing.
NONE_OPTION: Json = {"text": {"type": "plain_text", "text": "(none)"}, "value": "none_of_them"}
_MENUS = ("static_select", "external_select")


def translate_view(view: Json) -> Json:
    return {**view, "blocks": translate_blocks(view.get("blocks") or [])}


def with_options(view: Json, offered: Callable[[Json], list[Json]]) -> Json:
    """The view, each of its searches with what the app offers for it."""
    blocks = [
        {**block, "element": {**block["element"], "options": offered(block)}}
        if (block.get("element") or {}).get("type") == "external_select"
        else block
        for block in view.get("blocks") or []
    ]
    return {**view, "blocks": blocks}


def translate_message(message: Json) -> Json:
    """The arguments of a `chat.*` call, or the body of an answer to a command."""
    drawn = dict(message)
    if isinstance(message.get("blocks"), list):
        drawn["blocks"] = translate_blocks(message["blocks"])
    if isinstance(message.get("text"), str):
        drawn["text"] = translate_mrkdwn(message["text"], links=message.get("parse") != "none")
    return drawn


def translate_blocks(blocks: list[Json]) -> list[Json]:
    return [_translate_block(block) for block in blocks]


def _translate_block(block: Json) -> Json:
    drawn = dict(block)
    for key in ("text", "accessory", "element"):
        if isinstance(block.get(key), dict):
            drawn[key] = _translate_object(block[key])
    element = block.get("element") or {}
    if block.get("optional") and element.get("type") in _MENUS and "initial_option" in element:
        options = [NONE_OPTION, *drawn["element"].get("options", [])]
        drawn["element"] = {**drawn["element"], "options": options, ORIGINAL_KEY: element}
    for key in ("fields", "elements"):
        if isinstance(block.get(key), list):
            drawn[key] = [_translate_object(item) for item in block[key]]
    return drawn


def _translate_object(item: Json) -> Json:
    """A text object or an element."""
    if item.get("type") == "mrkdwn":
        return {**item, "text": translate_mrkdwn(item["text"], links=not item.get("verbatim"))}
    draw = ELEMENT_TRANSLATIONS.get(item.get("type", ""))
    drawn = draw(item) if draw else item
    return drawn if drawn is item else {**drawn, ORIGINAL_KEY: item}


_DATE = re.compile(r"<!date\^[^|>]*\|([^>]*)>")
_MARKUP = re.compile(r"(<[^<>]*>)")
_ESCAPED = re.compile(r"&(lt|gt|amp);")
_CHARACTER = {"lt": "<" + ZERO_WIDTH_SPACE, "gt": ">", "amp": "&"}


def translate_mrkdwn(text: str, *, links: bool) -> str:
    """Dates as their fallback, escapes as what they stand for, and neither becomes markup.

    `links` is whether Slack would make a link of a bare address; local-slack always does.
    """
    parts = _MARKUP.split(_DATE.sub(r"\1", text))
    return "".join(
        part if _MARKUP.fullmatch(part) else _unescaped(part, links=links) for part in parts
    )


def _unescaped(text: str, *, links: bool) -> str:
    shown = _ESCAPED.sub(lambda found: _CHARACTER[found.group(1)], text)
    return shown if links else shown.replace("://", f":{ZERO_WIDTH_SPACE}//")


def restore_view(view: Json) -> Json:
    """A submitted view as Slack would have sent it: our elements back, untouched inputs filled."""
    values = (view.get("state") or {}).get("values") or {}
    blocks = [_restore_block(block) for block in view.get("blocks") or []]
    restored = {block_id: dict(states) for block_id, states in values.items()}
    for element, block_id in _inputs(blocks):
        action_id = element["action_id"]
        if action_id in restored.get(block_id, {}):
            restored[block_id][action_id] = _filled(element, restored[block_id][action_id])
    return {**view, "blocks": blocks, "state": {**(view.get("state") or {}), "values": restored}}


def _restore_block(block: Json) -> Json:
    element = block.get("element")
    return (
        {**block, "element": element[ORIGINAL_KEY]}
        if element and ORIGINAL_KEY in element
        else block
    )


def _inputs(blocks: list[Json]) -> list[tuple[Json, str]]:
    return [
        (block["element"], block["block_id"]) for block in blocks if block.get("type") == "input"
    ]


def _filled(element: Json, state: Json) -> Json:
    kind = element["type"]
    if kind in TEXT_PARSERS and "selected_options" not in state:  # else it was drawn as it is
        return {"type": kind, **TEXT_PARSERS[kind](element, state.get("value"))}
    if kind not in INITIAL_VALUE_KEYS:
        return state
    key, initial = INITIAL_VALUE_KEYS[kind]
    value = state.get(key)
    if value == NONE_OPTION:
        return {**state, "type": kind, key: None}
    if value is None:
        value = element.get(initial)
    # A text that was cleared comes as "", where Slack says null.
    return {**state, "type": kind, key: None if value == "" else value}
