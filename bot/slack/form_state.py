"""What somebody changed in the modal to update a ticket: what it holds against what it showed.

Slack sends the view back with its blocks, so what each input was filled in with is known. A text
that was shown cut and left alone is no change.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.views.inputs import INPUT_VALUE_KEYS
from bot.views.modals.edit_ticket import EditMetadata
from services.core.errors import InvalidValue
from services.core.text import strip_invisible

InputState = Mapping[str, Any]


def changed_fields(view: Mapping[str, Any], metadata: EditMetadata) -> dict[str, Any]:
    """By field, as `TicketEdits.update` takes them; `InvalidValue` for a date that is none.

    What had been changed when the form was sent in vain counts as changed, because it was then
    filled in again with that.
    """
    changed: dict[str, Any] = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        field, element = block["block_id"], block["element"]
        submitted = _READERS[element["type"]](view["state"]["values"][field][element["action_id"]])
        if field in metadata.changed_fields or not _is_same(
            element, submitted, _initial_value(element)
        ):
            changed[field] = submitted
    return _to_field_values(changed)


def _initial_value(element: Mapping[str, Any]) -> Any:
    """What the input was filled in with; a box is ticked on purpose, however it came to be."""
    value_key, initial_key = INPUT_VALUE_KEYS[element["type"]]
    is_checkboxes = element["type"] == "checkboxes"
    return _READERS[element["type"]](
        {value_key: None if is_checkboxes else element.get(initial_key)}
    )


def _to_field_values(changed: dict[str, Any]) -> dict[str, Any]:
    if changed.pop("noDeadline", None):
        changed["deadline"] = None
    elif changed.get("deadline") is not None:
        changed["deadline"] = parse_timestamp(changed["deadline"])
    return changed


def parse_timestamp(seconds: Any, *, field: str = "deadline") -> datetime:
    """What a date and time picker says; `InvalidValue` for no moment there is."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, ValueError, OSError):
        raise InvalidValue(field, "Choose a day and a time.") from None


def _text(state: InputState) -> str:
    return strip_invisible(str(state.get("value") or "")).strip()


def _choice(state: InputState) -> str | None:
    option = state.get("selected_option")
    return str(option["value"]) if option else None


def _choices(state: InputState) -> list[str]:
    return [str(option["value"]) for option in state.get("selected_options") or ()]


def _seconds(state: InputState) -> int | None:
    value = state.get("selected_date_time")
    return int(value) if value is not None else None


def _is_same(element: Mapping[str, Any], one: Any, other: Any) -> bool:
    if element["type"] == "plain_text_input" and not element.get("multiline"):
        return bool(one.split() == other.split())
    if element["type"] == "datetimepicker" and None not in (one, other):
        return bool(one // 60 == other // 60)  # the picker knows no seconds
    if isinstance(one, list):
        return set(one) == set(other)
    return bool(one == other)


_READERS: dict[str, Callable[[InputState], Any]] = {
    "plain_text_input": _text,
    "static_select": _choice,
    "external_select": _choice,
    "multi_static_select": _choices,
    "multi_external_select": _choices,
    "checkboxes": _choices,
    "datetimepicker": _seconds,
}
