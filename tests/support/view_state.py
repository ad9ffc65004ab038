"""What a message or view holds as `state.values` once a person has filled it in."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_EMPTY: Json = {
    "datepicker": {"selected_date": None},
    "timepicker": {"selected_time": None},
    "datetimepicker": {"selected_date_time": None},
    "static_select": {"selected_option": None},
    "external_select": {"selected_option": None},
    "radio_buttons": {"selected_option": None},
    "overflow": {"selected_option": None},
    "users_select": {"selected_user": None},
    "conversations_select": {"selected_conversation": None},
    "channels_select": {"selected_channel": None},
    "checkboxes": {"selected_options": []},
    "multi_static_select": {"selected_options": []},
    "multi_external_select": {"selected_options": []},
    "multi_users_select": {"selected_users": []},
    "multi_conversations_select": {"selected_conversations": []},
    "multi_channels_select": {"selected_channels": []},
}
"""Which field an element's state has, and what it holds when nothing is chosen; others: `value`."""


def state_values(source: Mapping[str, Any], values: Mapping[str, Any]) -> Json:
    """`values` by block_id, as payloads.view_submission takes them. Untouched is initial."""
    inputs = [(e, block) for e, block in elements(source) if _is_stateful(e)]
    names = [block for _, block in inputs]
    if unknown := values.keys() - set(names):
        raise LookupError(f"no input {sorted(unknown)} in the view; there are {names}")
    state: Json = {}
    for element, block in inputs:
        value = entered(element, values[block]) if block in values else _untouched(element)
        action_id = element.get("action_id", block)
        state.setdefault(block, {})[action_id] = {"type": element["type"], **value}
    return state


def entered(element: Mapping[str, Any], value: Any) -> Json:
    """The fields by which an element of this type tells what was entered or chosen."""
    if isinstance(value, dict):
        return value
    field, empty = _field(element)
    if value is None:
        return {field: empty}
    if field == "selected_option":
        value = _option(element, value)
    if field == "selected_options":
        value = [_option(element, one) for one in value]
    return {field: value}


def elements(source: Mapping[str, Any]) -> Iterator[tuple[Json, str]]:
    """Each element of a message or view, with its block's id."""
    for number, block in enumerate(source["blocks"]):
        own = block.get("block_id", f"block{number}")  # Slack names those that have none
        held = [block.get("element"), block.get("accessory"), *block.get("elements", [])]
        yield from ((element, own) for element in held if element)


def find_element(
    source: Mapping[str, Any], action_id: str, block_id: str | None
) -> tuple[Json, str]:
    seen = [(e.get("action_id"), block) for e, block in elements(source)]
    for element, block in elements(source):
        if element.get("action_id") == action_id and block_id in (None, block):
            return element, block
    raise LookupError(f"no element {action_id!r} to press; there are {seen}")


def _is_stateful(element: Mapping[str, Any]) -> bool:
    own = str(element["type"])  # an overflow menu fires and keeps nothing
    return (own in _EMPTY or own.endswith("_input")) and own != "overflow"


def _field(element: Mapping[str, Any]) -> tuple[str, Any]:
    ((field, empty),) = _EMPTY.get(element["type"], {"value": None}).items()
    return field, empty


def _untouched(element: Mapping[str, Any]) -> Json:
    field, empty = _field(element)
    initial = "initial_value" if field == "value" else field.replace("selected", "initial")
    return {field: element.get(initial, empty)}


def _option(element: Mapping[str, Any], value: str) -> Json:
    if "external" in element["type"]:  # its options come from the app, not from the view
        return {"text": {"type": "plain_text", "text": value}, "value": value}
    groups = element.get("option_groups") or [element]
    options: list[Json] = [option for group in groups for option in group["options"]]
    for option in options:
        if option["value"] == value:
            return option
    raise LookupError(f"no option {value!r}; there are {[o['value'] for o in options]}")
