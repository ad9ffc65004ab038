"""Fields that local-slack has no input for, as a line of text that is typed, and back.

A date is written in this machine's zone, which in the demo is that of whoever sits at it.
"""

from datetime import datetime
from typing import Any

Json = dict[str, Any]

DATE = "%Y-%m-%d %H:%M"
DATE_HINT = "YYYY-MM-DD HH:MM"
# What cannot be read as a date. Long ago, so that the bot refuses it beside the field.
NO_DATE = 0


def date_as_text(element: Json) -> Json:
    seconds = element.get("initial_date_time")
    shown = datetime.fromtimestamp(seconds).astimezone().strftime(DATE) if seconds else ""
    return _line(element, shown, DATE_HINT)


def text_as_date(element: Json, typed: str | None) -> Json:
    """`typed` is None where nobody touched it."""
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


def choices_as_text(element: Json) -> Json:
    """Several options, written one after the other."""
    shown = ", ".join(option["text"]["text"] for option in element.get("initial_options") or [])
    return _line(element, shown, "one, another")


def text_as_choices(element: Json, typed: str | None) -> Json:
    """Whatever is no option goes through as it was typed: the bot says that it knows no such."""
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
