"""Read the inputs of a submitted modal: the submitted and the initial value of each."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.views.inputs import INPUT_VALUE_KEYS
from bot.views.text import Block
from services.core.errors import InvalidValue
from services.core.text import strip_invisible

_EMPTY_VALUES: Mapping[str, Any] = {"value": "", "selected_options": [], "selected_users": []}


class FormState:
    """A value is a stripped text, an option's value, a member's id, a list of those, or a time in
    seconds.

    An empty text is "", an empty list [], anything else None. Initial values are known because
    Slack sends a view back with its blocks.
    """

    def __init__(self, view: Mapping[str, Any]) -> None:
        self._inputs = {b["block_id"]: b for b in view["blocks"] if b["type"] == "input"}
        self._states = view["state"]["values"]

    def __contains__(self, field: str) -> bool:
        """Whether the modal has that input."""
        return field in self._states

    def submitted(self, field: str) -> Any:
        return _read(self._raw_value(field), self._value_keys(field)[0])

    def initial(self, field: str) -> Any:
        value_key, initial_key = self._value_keys(field)
        return _read(self._inputs[field]["element"].get(initial_key), value_key)

    def changed(self, *, or_in: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return the submitted values of the changed fields, and of those in `or_in`."""
        return {
            field: self.submitted(field)
            for field in self._inputs
            if field in or_in or self.has_changed(field)
        }

    def has_changed(self, field: str) -> bool:
        submitted, initial = self.submitted(field), self.initial(field)
        element = self._inputs[field]["element"]
        if isinstance(submitted, list):
            return set(submitted) != set(initial)
        if element["type"] == "plain_text_input" and not element.get("multiline"):
            return bool(submitted.split() != initial.split())
        if isinstance(submitted, int) and isinstance(initial, int):
            return submitted // 60 != initial // 60  # the picker has no seconds
        return bool(submitted != initial)

    def filled_inputs(self) -> list[Block]:
        """The input blocks, with the submitted values as their initial ones."""
        return [self._filled_input(field) for field in self._inputs]

    def _filled_input(self, field: str) -> Block:
        element, value = dict(self._inputs[field]["element"]), self._raw_value(field)
        initial_key = self._value_keys(field)[1]
        element.pop(initial_key, None)
        if value:
            element[initial_key] = value
        return {**self._inputs[field], "element": element}

    def _raw_value(self, field: str) -> Any:
        action_id = self._inputs[field]["element"]["action_id"]
        return self._states[field][action_id].get(self._value_keys(field)[0])

    def _value_keys(self, field: str) -> tuple[str, str]:
        return INPUT_VALUE_KEYS[self._inputs[field]["element"]["type"]]


def parse_timestamp(seconds: Any, *, field: str = "deadline") -> datetime:
    """Return the time of a date and time picker. Raises `InvalidValue` if it is out of range."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, ValueError, OSError):
        raise InvalidValue(field, "Choose a day and a time.") from None


def _read(value: Any, value_key: str) -> Any:
    if value is None:
        return _EMPTY_VALUES.get(value_key)
    if isinstance(value, list):
        return [str(one["value"] if isinstance(one, dict) else one) for one in value]
    if isinstance(value, dict):
        return str(value["value"])
    return strip_invisible(value).strip() if isinstance(value, str) else int(value)
