"""What a person reads in blocks: texts and buttons, in reading order."""

import re
from typing import Any

_FACTS = re.compile(r"(?:low|medium|high|urgent) priority, |, due <!date[^>]*>.*$")


def read(view: dict[str, Any]) -> list[str]:
    """Of a view or a message; a rule as "---", the choices of a menu one by one."""
    found: list[str] = []
    _walk(view["blocks"], found)
    return found


def without_facts(notification: str) -> str:
    """Return what it says of a ticket without its priority and due date."""
    return _FACTS.sub("", notification)


def _walk(node: Any, found: list[str]) -> None:
    if isinstance(node, dict):
        if node.get("type") == "divider":
            found.append("---")
        if isinstance(node.get("text"), str):
            found.append(node["text"])
    for held in node.values() if isinstance(node, dict) else node:
        if isinstance(held, (dict, list)):
            _walk(held, found)
