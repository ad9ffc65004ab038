"""What a person put into a message: text, blocks, forwarded messages and files. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.views import slack_markup
from bot.views.text import escape
from services.core.text import strip_invisible
from services.models.comment import FileLink, file_links

# Of messages that a person wrote. Others are Slack's or an app's.
PERSON_SUBTYPES = frozenset({None, "file_share", "thread_broadcast", "me_message"})
# The URL of a message: https://example.slack.com/archives/C0GENERAL/p1700000000000100
_ARCHIVES = re.compile(r"/archives/([A-Z][A-Z0-9]+)/")
_BLOCK_TEXTS = ("title", "text", "description")


@dataclass(frozen=True, slots=True)
class ForwardedMessage:
    """A message that the author forwarded. `text` is in Slack's markup; `channel` is the id of the
    channel that it was written in, "" if Slack does not say."""

    text: str
    url: str
    channel: str
    author: str


@dataclass(frozen=True, slots=True)
class MessageContent:
    """`text` is in Slack's markup; `unlinked_files` are the names of files without a link."""

    text: str = ""
    forwarded: tuple[ForwardedMessage, ...] = ()
    files: tuple[FileLink, ...] = ()
    unlinked_files: tuple[str, ...] = ()


def parse_content(message: Mapping[str, Any]) -> MessageContent:
    """Link previews are not part of the content: Slack adds them later."""
    files = list(message.get("files") or ())
    links = file_links(
        {"name": file.get("title") or file.get("name"), "url": file.get("permalink")}
        for file in files
    )
    linked = {link.url for link in links}
    return MessageContent(
        text=_text(message),
        forwarded=tuple(map(_forwarded, filter(_is_forwarded, message.get("attachments") or ()))),
        files=links,
        unlinked_files=tuple(
            str(file.get("title") or file.get("name") or "a file")
            for file in files
            if file.get("permalink") not in linked
        ),
    )


def readable_text(
    content: MessageContent, names: Mapping[str, str], *, channels: Mapping[str, str]
) -> str:
    """Return what the message says as plain text: its text, forwarded messages and files.

    `names` are of mentioned members, `channels` of the public channels of forwarded messages: these
    are quoted, others are links.
    """
    parts = [
        slack_markup.to_readable_text(content.text, names),
        *(_quote_forwarded(one, channels.get(one.channel), names) for one in content.forwarded),
        *(f"{file.name}: {file.url}" for file in content.files),
        *(f"{name} (not passed on)" for name in content.unlinked_files),
    ]
    return strip_invisible("\n".join(filter(None, parts))).strip()


def _quote_forwarded(
    message: ForwardedMessage, channel: str | None, names: Mapping[str, str]
) -> str:
    text = slack_markup.to_readable_text(message.text, names).strip()
    if channel is None or not text:
        return f"Forwarded message: {message.url}"
    author = " ".join(strip_invisible(message.author).split()) or slack_markup.UNKNOWN_NAME
    return f"Forwarded message of {author} in #{channel}:\n{text}\n{message.url}"


def _is_forwarded(attachment: Mapping[str, Any]) -> bool:
    return bool(attachment.get("is_share") or attachment.get("is_msg_unfurl")) and bool(
        attachment.get("from_url")
    )


def _forwarded(attachment: Mapping[str, Any]) -> ForwardedMessage:
    url = str(attachment["from_url"])
    found = _ARCHIVES.search(url)
    return ForwardedMessage(
        text=_text(attachment),
        url=url,
        channel=str(attachment.get("channel_id") or (found[1] if found else "")),
        author=str(attachment.get("author_name") or attachment.get("author_subname") or ""),
    )


def _text(message: Mapping[str, Any]) -> str:
    """Return the text, or what the blocks say if there is none."""
    text = str(message.get("text") or "")
    if text.strip():
        return text
    blocks = message.get("blocks") or ()
    return "\n".join(filter(None, ("".join(_words(block)).strip() for block in blocks)))


def _words(element: Any) -> Iterator[str]:
    """Yield the words of a block, or of a part of one, in Slack's markup."""
    if isinstance(element, list):
        for inner in element:
            yield from _words(inner)
        return
    if not isinstance(element, Mapping):
        return
    kind = element.get("type")
    if kind in ("text", "plain_text", "raw_text"):
        yield escape(str(element.get("text") or ""))
    elif kind in ("mrkdwn", "markdown"):
        yield str(element.get("text") or "")
    elif kind in _TOKENS:
        yield _TOKENS[str(kind)](element)
    else:
        yield from _nested_words(element)


def _nested_words(element: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words in the parts of a block. Each line of a list or a field is a line."""
    for name in _BLOCK_TEXTS:
        yield from _words(element.get(name))
    is_inline = element.get("type") in ("rich_text_section", "rich_text_preformatted", "context")
    for part in (*(element.get("fields") or ()), *(element.get("elements") or ())):
        words = "".join(_words(part))
        yield words if is_inline or not words else f"{words.rstrip()}\n"
    for row in element.get("rows") or ():
        yield " | ".join("".join(_words(cell)).strip() for cell in row) + "\n"
    if alt := element.get("alt_text"):
        yield escape(str(alt))


def _link(element: Mapping[str, Any]) -> str:
    url, label = str(element.get("url") or ""), str(element.get("text") or "")
    return f"<{escape(url)}|{escape(label)}>" if label else f"<{escape(url)}>"


_TOKENS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "link": _link,
    "user": lambda element: f"<@{element.get('user_id')}>",
    "channel": lambda element: f"<#{element.get('channel_id')}>",
    "usergroup": lambda element: f"<!subteam^{element.get('usergroup_id')}>",
    "broadcast": lambda element: f"<!{element.get('range')}>",
    "emoji": lambda element: f":{element.get('name')}:",
    "date": lambda element: escape(str(element.get("fallback") or "")),
    "button": lambda _: "",
    "divider": lambda _: "",
}
