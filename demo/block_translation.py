"""Translate blocks that local-slack cannot render into ones it can, and its submissions back.

Pure functions on Slack's JSON; the given objects are not changed. A replaced element or text keeps
the original under `ORIGINAL_KEY`: local-slack stores blocks unchanged, so the submission of a view
returns it, and `original_blocks` finds what the product sent.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

Json = dict[str, Any]

ORIGINAL_KEY = "stands_for"
# Keeps local-slack from making a link or mention of quoted text.
ZERO_WIDTH_SPACE = "\u200b"

# Dates and multiple choices are typed as text: local-slack has no input for them. A date is in this
# machine's time zone, which is that of the demo's user.
DATE = "%Y-%m-%d %H:%M"
DATE_HINT = "YYYY-MM-DD HH:MM"
# For dates that cannot be parsed: in the past, so that the bot shows an error at the field.
NO_DATE = 0

# The signs of priorities.
EMOJI = {
    ":red_circle:": "🔴",
    ":large_orange_circle:": "🟠",
    ":large_blue_circle:": "🔵",
    ":white_circle:": "⚪",
}
MORE_PLACEHOLDER: Json = {"type": "plain_text", "text": "More…"}


def show_initial_option(element: Json) -> Json:
    """local-slack ignores `initial_option`, but shows a placeholder. It shows the codes of emoji in
    options."""
    if any(option["text"].get("emoji") for option in element.get("options", ())):
        element = {**element, "options": [_with_emoji(option) for option in element["options"]]}
        if initial := element.get("initial_option"):
            element["initial_option"] = _with_emoji(initial)
    initial = element.get("initial_option")
    return {**element, "placeholder": initial["text"]} if initial else element


def _with_emoji(option: Json) -> Json:
    text = option["text"]["text"]
    for code, character in EMOJI.items():
        text = text.replace(code, character)
    return {**option, "text": {**option["text"], "text": text}}


def radio_as_select(element: Json) -> Json:
    """local-slack shows radio buttons, but neither an initial choice nor descriptions."""
    if any("description" in option for option in element["options"]):
        element = {**element, "options": [_with_description(o) for o in element["options"]]}
    if "initial_option" not in element:
        return element
    return show_initial_option({**element, "type": "static_select"})


def _with_description(option: Json) -> Json:
    texts = [part["text"] for part in (option["text"], option.get("description")) if part]
    return {**option, "text": {**option["text"], "text": " · ".join(texts)}}


def search_as_menu(element: Json) -> Json:
    """The options are those that `with_options` added."""
    return show_initial_option({**element, "type": "static_select"})


def menu_as_select(element: Json) -> Json:
    """An overflow menu becomes a select with a placeholder."""
    return {**element, "type": "static_select", "placeholder": MORE_PLACEHOLDER}


def ticked_as_text(element: Json) -> Json:
    """local-slack shows checkboxes, but none is ticked initially, and no descriptions."""
    if element.get("initial_options"):
        return choices_as_text(element)
    return {**element, "options": [_with_description(option) for option in element["options"]]}


def date_as_text(element: Json) -> Json:
    seconds = element.get("initial_date_time")
    shown = datetime.fromtimestamp(seconds).astimezone().strftime(DATE) if seconds else ""
    return _line(element, shown, DATE_HINT)


def text_as_date(element: Json, typed: str | None) -> Json:
    """`typed` is None if the user has not changed it."""
    return {"selected_date_time": _seconds(typed, element.get("initial_date_time"))}


def _seconds(typed: str | None, initial: int | None) -> int | None:
    if typed is None:
        return initial
    if not typed.strip():
        return None
    try:
        return int(datetime.strptime(typed.strip(), DATE).astimezone().timestamp())
    except ValueError:
        return NO_DATE


def channel_as_text(element: Json) -> Json:
    return _line(element, element.get("initial_conversation", ""), "A channel's id")


def text_as_channel(element: Json, typed: str | None) -> Json:
    """`typed` is None if the user has not changed it."""
    chosen = element.get("initial_conversation") if typed is None else typed.strip()
    return {"selected_conversation": chosen or None}


def choices_as_text(element: Json) -> Json:
    """Show the chosen options with commas between them."""
    shown = ", ".join(option["text"]["text"] for option in element.get("initial_options") or [])
    return _line(element, shown, "one, another")


def text_as_choices(element: Json, typed: str | None) -> Json:
    """Text that is no option is passed on as typed, so that the bot refuses it."""
    initial = element.get("initial_options") or []
    if typed is None:
        return {"selected_options": initial}
    known = {
        one["text"]["text"].casefold(): one for one in [*(element.get("options") or []), *initial]
    }
    names = [name.strip() for name in typed.split(",") if name.strip()]
    return {"selected_options": [known.get(name.casefold()) or _option(name) for name in names]}


def _option(name: str) -> Json:
    return {"text": {"type": "plain_text", "text": name}, "value": name}


def _line(element: Json, shown: str, placeholder: str) -> Json:
    line: Json = {
        "type": "plain_text_input",
        "action_id": element["action_id"],
        "placeholder": {"type": "plain_text", "text": placeholder},
    }
    return {**line, "initial_value": shown} if shown else line


def members_as_menu(element: Json) -> Json:
    """A menu of several members becomes one of a single one: local-slack has none of several."""
    return {**element, "type": "static_select"}


# How each element that local-slack cannot render is replaced.
ELEMENT_TRANSLATIONS: dict[str, Callable[[Json], Json]] = {
    "static_select": show_initial_option,
    "radio_buttons": radio_as_select,
    "external_select": search_as_menu,
    "users_select": search_as_menu,
    "multi_users_select": members_as_menu,
    "overflow": menu_as_select,
    "datetimepicker": date_as_text,
    "conversations_select": channel_as_text,
    "checkboxes": ticked_as_text,
    "multi_static_select": choices_as_text,
    "multi_external_select": choices_as_text,
}

# How the text typed for a replaced element becomes the element's state.
TEXT_PARSERS: dict[str, Callable[[Json, str | None], Json]] = {
    "datetimepicker": text_as_date,
    "conversations_select": text_as_channel,
    "checkboxes": text_as_choices,
    "multi_static_select": text_as_choices,
    "multi_external_select": text_as_choices,
}

# For an element with an initial value: (key in a submission, key in the element). If the user has
# not changed it, local-slack submits null instead of the initial value.
INITIAL_VALUE_KEYS: dict[str, tuple[str, str]] = {
    "plain_text_input": ("value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "datepicker": ("selected_date", "initial_date"),
    "external_select": ("selected_option", "initial_option"),
    "checkboxes": ("selected_options", "initial_options"),
}

# A menu of local-slack cannot be cleared.
NONE_OPTION: Json = {"text": {"type": "plain_text", "text": "(none)"}, "value": "none_of_them"}
_MENUS = ("static_select", "external_select")
MEMBER_MENUS = ("users_select", "multi_users_select")


def translate_view(view: Json) -> Json:
    return {**view, "blocks": translate_blocks(view.get("blocks") or [])}


def with_options(content: Json, offered: Callable[[Json, Json], list[Json]]) -> Json:
    """Add the options to each menu of the view or message that does not have them itself.

    `offered` gets the block and the menu.
    """

    def completed(block: Json, element: Json) -> Json:
        if element.get("type") not in ("external_select", *MEMBER_MENUS):
            return element
        initial, options = element.get("initial_option"), offered(block, element)
        if member := element.get("initial_user"):
            initial = next((option for option in options if option["value"] == member), None)
            element = {**element, **({"initial_option": initial} if initial else {})}
        return {**element, "options": options or ([initial] if initial else [])}

    def block_with_options(block: Json) -> Json:
        if isinstance(block.get("element"), dict):
            return {**block, "element": completed(block, block["element"])}
        if block.get("type") == "actions":
            return {**block, "elements": [completed(block, e) for e in block["elements"]]}
        return block

    return {**content, "blocks": [block_with_options(b) for b in content.get("blocks") or []]}


def translate_message(message: Json) -> Json:
    """Translate the arguments of a `chat.*` call, or the body of an answer to a command."""
    shown = dict(message)
    if isinstance(message.get("blocks"), list):
        shown["blocks"] = translate_blocks(message["blocks"])
    if isinstance(message.get("text"), str):
        shown["text"] = translate_mrkdwn(message["text"], links=message.get("parse") != "none")
    return shown


def translate_blocks(blocks: list[Json]) -> list[Json]:
    return [_translate_block(block) for block in blocks]


def _translate_block(block: Json) -> Json:
    if block.get("dispatch_action"):
        return search_box_as_text(block)
    shown = dict(block)
    for key in ("text", "accessory", "element"):
        if isinstance(block.get(key), dict):
            shown[key] = _translate_object(block[key])
    element = block.get("element") or {}
    if block.get("optional") and element.get("type") in _MENUS and "initial_option" in element:
        options = [NONE_OPTION, *shown["element"].get("options", [])]
        shown["element"] = {**shown["element"], "options": options, ORIGINAL_KEY: element}
    for key in ("fields", "elements"):
        if isinstance(block.get(key), list):
            shown[key] = [_translate_object(item) for item in block[key]]
    return shown


def _translate_object(item: Json) -> Json:
    """Translate a text object or an element."""
    if item.get("type") == "mrkdwn":
        text = translate_mrkdwn(item["text"], links=not item.get("verbatim"))
        return item if text == item["text"] else {**item, "text": text, ORIGINAL_KEY: item}
    translate = ELEMENT_TRANSLATIONS.get(item.get("type", ""))
    shown = translate(item) if translate else item
    return shown if shown is item else {**shown, ORIGINAL_KEY: item}


def search_box_as_text(block: Json) -> Json:
    """local-slack sends nothing when Enter is pressed in an input outside of a form."""
    label = block["label"]["text"]
    hint = f"{label}: type /ticket search and the words, in any channel."
    return {"type": "section", "text": {"type": "plain_text", "text": hint}, ORIGINAL_KEY: block}


_DATE = re.compile(r"<!date\^[^|>]*\|([^>]*)>")
_MARKUP = re.compile(r"(<[^<>]*>)")
_ESCAPED = re.compile(r"&(lt|gt|amp);")
_CHARACTER = {"lt": "<" + ZERO_WIDTH_SPACE, "gt": ">", "amp": "&"}


def translate_mrkdwn(text: str, *, links: bool) -> str:
    """Replace dates by their fallback and unescape text, without creating markup.

    `links`: Slack makes links of bare addresses; local-slack always does.
    """
    parts = _MARKUP.split(_DATE.sub(r"\1", text))
    return "".join(
        part if _MARKUP.fullmatch(part) else _unescaped(part, links=links) for part in parts
    )


def _unescaped(text: str, *, links: bool) -> str:
    shown = _ESCAPED.sub(lambda found: _CHARACTER[found.group(1)], text)
    return shown if links else shown.replace("://", f":{ZERO_WIDTH_SPACE}//")


def original_blocks(blocks: list[Json]) -> list[Json]:
    """Return translated blocks as the product sent them."""
    return [_original(block) for block in blocks]


def _original(node: Any) -> Any:
    if isinstance(node, list):
        return [_original(item) for item in node]
    if not isinstance(node, dict):
        return node
    if ORIGINAL_KEY in node:
        return node[ORIGINAL_KEY]
    return {key: _original(value) for key, value in node.items()}


def restore_view(view: Json) -> Json:
    """Return a submitted view as Slack sends it: original elements, initial values filled in."""
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
    if kind in TEXT_PARSERS and "selected_options" not in state:  # else it was not replaced
        return {"type": kind, **TEXT_PARSERS[kind](element, state.get("value"))}
    if kind == "users_select":
        chosen = state.get("selected_option") or {"value": element.get("initial_user")}
        member = None if chosen == NONE_OPTION else chosen.get("value")
        return {"type": kind, "selected_user": member}
    if kind == "multi_users_select":
        chosen = state.get("selected_option") or {}
        return {"type": kind, "selected_users": [chosen["value"]] if chosen else []}
    if kind not in INITIAL_VALUE_KEYS:
        return state
    key, initial = INITIAL_VALUE_KEYS[kind]
    value = state.get(key)
    if value == NONE_OPTION:
        return {**state, "type": kind, key: None}
    if value is None:
        value = element.get(initial)
    # local-slack submits "" for a cleared text, Slack null.
    return {**state, "type": kind, key: None if value == "" else value}
