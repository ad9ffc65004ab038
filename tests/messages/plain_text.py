"""A message, view or email as plain text: what a reader sees, with the buttons in brackets."""

import re
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from html import unescape
from typing import Any

from bot.views.text import Block, Message

Content = Message | EmailMessage | Block | list[Block] | list[str] | str

MAX_OPTIONS = 7  # of a menu
# What Slack shows for a date of today.
TODAY = {"date_short_pretty": "today", "time": "8:10 PM", "ago": "2 hours ago"}
_DATE = re.compile(r"<!date\^\d+\^([^|>]*)\|[^>]*>")
_TOKEN = re.compile(r"\{(\w+)\}")
_MENTION = re.compile(r"<@U0(\w+)>")
_LINK = re.compile(r"<https?:[^|>]*\|([^>]*)>|<(https?:[^>]*)>")
_EMPHASIS = re.compile(r"(?<!\w)([*_`])(?=\S)(.+?)(?<=\S)\1(?!\w)")


def as_lines(content: Content) -> Iterator[str]:
    """Yield the lines of the content, from top to bottom."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, EmailMessage):
        yield from _email(content)
    elif isinstance(content, Message):
        yield f"Notification: {from_mrkdwn(content.text)}"
        yield from _blocks(content.blocks)
    elif isinstance(content, list):
        yield from map(_line_or_option, content)
    elif content["type"] == "home":
        yield from _blocks(content["blocks"])
    else:
        yield _labelled(content["title"]["text"])
        yield from _blocks(content["blocks"])
        yield " ".join(
            f"[{content[part]['text']}]" for part in ("close", "submit") if part in content
        )


def from_mrkdwn(text: str) -> str:
    """Return mrkdwn as Slack shows it, with every date today, and mentions by name."""
    text = _DATE.sub(lambda date: _TOKEN.sub(lambda token: TODAY[token[1]], date[1]), text)
    text = _LINK.sub(lambda link: link[1] or link[2], _MENTION.sub(r"@\1", text))
    return unescape(_EMPHASIS.sub(r"\2", text))


def _line_or_option(line: str | Block) -> str:
    return line if isinstance(line, str) else f"- {_text(line['text'])}"


def _email(mail: EmailMessage) -> Iterator[str]:
    yield f"Subject: {mail['Subject']}"
    body = mail.get_body(("plain",))
    yield from body.get_content().splitlines() if body else ()


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block["type"]:
            case "divider":
                yield "---"
            case "actions":
                yield " ".join(map(_element, block["elements"]))
                yield from _confirmations(block["elements"])
            case "context":
                yield " | ".join(_text(element) for element in block["elements"])
            case "input":
                yield from _input(block)
            case _:
                yield from _section(block)


def _section(block: Block) -> Iterator[str]:
    accessory = [_element(block["accessory"])] if "accessory" in block else []
    texts = [_text(block["text"])] if "text" in block else []
    yield " ".join([*texts, *accessory])
    yield from (_text(field).replace("\n", ": ", 1) for field in block.get("fields", ()))


def _input(block: Block) -> Iterator[str]:
    element = block["element"]
    label = f"{block['label']['text']}{' (optional)' if block.get('optional') else ''}"
    yield f"{_labelled(label)} {_element(element)}"
    options = element.get("options", ())
    yield from (f"  - {_option(option)}" for option in options[:MAX_OPTIONS])
    if len(options) > MAX_OPTIONS:
        yield "  - …"
    if "hint" in block:
        yield f"  {block['hint']['text']}"


def _labelled(label: str) -> str:
    return label if label.endswith(("?", ":")) else f"{label}:"


def _option(option: Block) -> str:
    return ": ".join(option[part]["text"] for part in ("text", "description") if part in option)


def _element(element: Block) -> str:
    kind = element["type"]
    if kind == "button":
        return f"[{element['text']['text']}]"
    if kind == "overflow":
        return f"[... {', '.join(map(_option, element['options']))}]"
    return f"<{_chosen(element)}>"


def _chosen(element: Block) -> str:
    """Return what an input shows: its value, else its placeholder, else its kind."""
    if value := element.get("initial_value"):
        return str(value)
    options = element.get("initial_options") or [element.get("initial_option")]
    chosen = ", ".join(_option(option) for option in options if option)
    placeholder = element.get("placeholder", {}).get("text", element["type"].replace("_", " "))
    return chosen or str(placeholder)


def _confirmations(elements: Iterable[Block]) -> Iterator[str]:
    for asked in (element["confirm"] for element in elements if "confirm" in element):
        yield (
            f"  {asked['title']['text']} {_text(asked['text'])} "
            f"[{asked['deny']['text']}] [{asked['confirm']['text']}]"
        )


def _text(element: dict[str, Any]) -> str:
    text = str(element["text"])
    return from_mrkdwn(text) if element["type"] == "mrkdwn" else text
