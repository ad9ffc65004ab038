"""Block Kit's limits as tables, as Slack documents and applies them.

A row speaks of a kind: "view", "modal", "message", "block", "element", "option", ... or the `type`
that the block or element itself carries ("section", "button").
"""

from dataclasses import dataclass
from typing import Literal

Kind = str
TextType = Literal["plain", "any"]


@dataclass(frozen=True)
class Size:
    """How long a string or a list may be, or how high a number.

    With `text`, the field holds a text object and its text is measured.
    """

    kind: Kind
    field: str
    least: int
    most: int
    text: TextType | None = None
    required: bool = False


SIZES: tuple[Size, ...] = (
    Size("modal", "title", 1, 24, "plain", required=True),
    Size("modal", "submit", 1, 24, "plain"),
    Size("modal", "close", 1, 24, "plain"),
    Size("view", "blocks", 1, 100, required=True),
    Size("view", "private_metadata", 0, 3000),
    Size("view", "callback_id", 1, 255),
    Size("view", "external_id", 0, 255),
    Size("message", "text", 1, 4000, required=True),  # what notifications and readers read
    Size("message", "blocks", 0, 50),
    Size("block", "block_id", 1, 255),
    Size("section", "text", 1, 3000, "any"),
    Size("section", "fields", 1, 10),
    Size("field", "text", 1, 2000, required=True),
    Size("header", "text", 1, 150, "plain", required=True),
    Size("actions", "elements", 1, 25, required=True),
    Size("context", "elements", 1, 10, required=True),
    Size("input", "label", 1, 2000, "plain", required=True),
    Size("input", "hint", 1, 2000, "plain"),
    Size("image", "alt_text", 1, 2000, required=True),
    Size("image", "image_url", 1, 3000),
    Size("element", "action_id", 1, 255),
    Size("element", "placeholder", 1, 150, "plain"),
    Size("button", "text", 1, 75, "plain", required=True),
    Size("button", "value", 1, 2000),
    Size("button", "url", 1, 3000),
    Size("button", "accessibility_label", 1, 75),
    Size("plain_text_input", "initial_value", 0, 3000),
    Size("plain_text_input", "min_length", 0, 3000),
    Size("plain_text_input", "max_length", 1, 3000),
    Size("static_select", "options", 1, 100),
    Size("static_select", "option_groups", 1, 100),
    Size("multi_static_select", "options", 1, 100),
    Size("multi_static_select", "option_groups", 1, 100),
    Size("overflow", "options", 1, 5, required=True),
    Size("checkboxes", "options", 1, 10, required=True),
    Size("radio_buttons", "options", 1, 10, required=True),
    Size("option", "text", 1, 75, "any", required=True),
    Size("menu_option", "text", 1, 75, "plain"),
    Size("option", "value", 1, 150, required=True),
    Size("option", "description", 1, 75, "any"),
    Size("option_group", "label", 1, 75, "plain", required=True),
    Size("option_group", "options", 1, 100, required=True),
    Size("confirm", "title", 1, 100, "plain", required=True),
    Size("confirm", "text", 1, 300, "any", required=True),
    Size("confirm", "confirm", 1, 30, "plain", required=True),
    Size("confirm", "deny", 1, 30, "plain", required=True),
    Size("text", "text", 1, 3000, required=True),
)

NEEDS_ONE: dict[Kind, tuple[str, ...]] = {
    "input": ("element",),
    "section": ("text", "fields"),
    "image": ("image_url", "slack_file"),
    "static_select": ("options", "option_groups"),
    "multi_static_select": ("options", "option_groups"),
}

MESSAGE_CHARACTERS = 13_000
"""Of a message's blocks as compact JSON. Slack counts more than the texts and does not say what
(slackapi/bolt-js issues 2509 and 2867); who stays below this stays below Slack's."""
VIEW_BYTES = 250_000

_SELECTS = frozenset(
    many + of
    for many in ("", "multi_")
    for of in (
        "static_select",
        "external_select",
        "users_select",
        "conversations_select",
        "channels_select",
    )
)
_ANYWHERE = _SELECTS | {"checkboxes", "radio_buttons", "datepicker", "timepicker"}
_BUTTONS = frozenset({"button", "overflow", "workflow_button"})
_TYPED = frozenset({"plain_text_input", "email_text_input", "url_text_input", "number_input"})

ELEMENTS_IN: dict[Kind, frozenset[str]] = {
    "section": _ANYWHERE | _BUTTONS | {"image"},
    "actions": _ANYWHERE | _BUTTONS | {"datetimepicker", "rich_text_input"},
    "input": _ANYWHERE | _TYPED | {"datetimepicker", "rich_text_input", "file_input"},
    "context": frozenset({"image", "plain_text", "mrkdwn"}),
}

CLASSIC_BLOCKS = frozenset({"section", "actions", "context", "input", "header", "image", "divider"})
"""The blocks whose inside these tables know; the inside of others is judged by slack_sdk alone."""

NOT_IN_VIEWS = frozenset({"markdown", "table", "file", "context_actions", "task_card", "plan"})

CHILDREN: dict[str, Kind] = {
    "blocks": "block",
    "elements": "element",
    "element": "element",
    "accessory": "element",
    "fields": "field",
    "options": "option",
    "option_groups": "option_group",
    "initial_option": "option",
    "initial_options": "option",
    "confirm": "confirm",
    "attachments": "attachment",
}
"""What a field's content is, unless it is a text object."""
