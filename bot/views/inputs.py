"""Modals and their inputs.

The `block_id` and `action_id` of a field are both its domain name.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.views.text import Block, plain_text, truncate_utf16
from services.core.text import strip_invisible

View = dict[str, Any]

MAX_OPTION_TEXT_LENGTH = 75
MAX_OPTIONS = 100
# By type of input: the key of its value in a submission, and of its initial value in a view.
INPUT_VALUE_KEYS = {
    "plain_text_input": ("value", "initial_value"),
    "radio_buttons": ("selected_option", "initial_option"),
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "checkboxes": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
}


# Between a modal's own private metadata and where it was opened (bot/slack/form_origin.py).
ORIGIN_SEPARATOR = "\n"


def own_metadata(view: Mapping[str, Any]) -> str:
    """Return a modal's private metadata, without where it was opened."""
    return str(view.get("private_metadata") or "").partition(ORIGIN_SEPARATOR)[0]


def modal(*, title: str, blocks: list[Block], close: str = "", **properties: Any) -> View:
    """Return a form if it has a `submit` label, else a page. The button that closes a form is
    "Cancel", of a page "Close", unless `close` says more."""
    if "submit" in properties:
        properties["submit"] = plain_text(properties["submit"])
    return {
        "type": "modal",
        "title": plain_text(title),
        "close": plain_text(close or ("Cancel" if "submit" in properties else "Close")),
        "blocks": blocks,
        **properties,
    }


def notice_modal(sentence: str) -> View:
    """Return a modal with one sentence, such as an error."""
    return modal(
        title="Please note",
        blocks=[{"type": "section", "text": plain_text(sentence)}],
    )


def text_input(
    field: str,
    label: str,
    *,
    max_length: int,
    multiline: bool = False,
    optional: bool = False,
    initial: str = "",
    hint: str = "",
    placeholder: str = "",
) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": field,
        "multiline": multiline,
        "max_length": max_length,
    }
    if initial:
        element["initial_value"] = truncate_utf16(strip_invisible(initial), max_length)
    if placeholder:
        element["placeholder"] = plain_text(placeholder)
    return input_block(label, element, optional=optional, hint=hint)


def select(
    field: str,
    label: str,
    options: Mapping[str, str],
    *,
    placeholder: str,
    chosen: str = "",
    optional: bool = False,
    hint: str = "",
) -> Block:
    """Return a menu of at most 100 options, given as texts by value; `chosen` is a value."""
    listed = {value: option(text, value) for value, text in options.items()}
    element: Block = {
        "type": "static_select",
        "action_id": field,
        "placeholder": plain_text(placeholder),
        "options": list(listed.values()),
    }
    if chosen:
        element["initial_option"] = listed[chosen]
    return input_block(label, element, optional=optional, hint=hint)


def user_select(
    field: str,
    label: str,
    *,
    placeholder: str,
    chosen: str = "",
    optional: bool = False,
    hint: str = "",
) -> Block:
    """Return a menu of all members of the workspace, which Slack fills; `chosen` is a member."""
    element: Block = {
        "type": "users_select",
        "action_id": field,
        "placeholder": plain_text(placeholder),
    }
    if chosen:
        element["initial_user"] = chosen
    return input_block(label, element, optional=optional, hint=hint)


def multi_user_select(
    field: str,
    label: str,
    *,
    placeholder: str,
    most: int,
    optional: bool = False,
    hint: str = "",
) -> Block:
    """As `user_select`, for several members: `most` of them."""
    element: Block = {
        "type": "multi_users_select",
        "action_id": field,
        "placeholder": plain_text(placeholder),
        "max_selected_items": most,
    }
    return input_block(label, element, optional=optional, hint=hint)


def channel_select(
    field: str,
    label: str,
    *,
    placeholder: str,
    chosen: str,
    optional: bool = True,
    hint: str = "",
) -> Block:
    """Return a menu of the workspace's own channels, which Slack fills."""
    element: Block = {
        "type": "conversations_select",
        "action_id": field,
        "placeholder": plain_text(placeholder),
        "filter": {"include": ["public", "private"], "exclude_external_shared_channels": True},
    }
    if chosen:
        element["initial_conversation"] = chosen
    return input_block(label, element, optional=optional, hint=hint)


def datetime_picker(field: str, at: datetime | None = None) -> Block:
    element: Block = {"type": "datetimepicker", "action_id": field}
    # Slack requires an initial date of ten digits.
    if at and 10**9 <= (seconds := int(at.timestamp())) < 10**10:
        element["initial_date_time"] = seconds
    return element


def input_block(label: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    block: Block = {
        "type": "input",
        "block_id": element["action_id"],
        "label": plain_text(label),
        "element": element,
    }
    if optional:
        block["optional"] = True
    if hint:
        block["hint"] = plain_text(hint)
    return block


def option(text: str, value: str) -> Block:
    return {"text": plain_text(text, limit=MAX_OPTION_TEXT_LENGTH), "value": value}
