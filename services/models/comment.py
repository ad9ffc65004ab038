"""One comment on a ticket, as it is stored in the ticket's `comments`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.core.text import strip_invisible

MAX_FILES = 10
MAX_FILE_NAME_LENGTH, MAX_URL_LENGTH = 100, 500
# Nothing that could end a link, or begin another, in Slack's markup.
_URL = re.compile(r"https?://[^\s<>|\"\\]+")


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file that stays where it is: its name, and the address that its readers open it at."""

    name: str
    url: str

    def to_doc(self) -> dict[str, str]:
        return {"name": self.name, "url": self.url}


@dataclass(frozen=True, slots=True)
class MessageRef:
    """Where a comment was written in Slack: the message `ts` of a channel."""

    channel: str
    ts: str

    def to_doc(self) -> dict[str, str]:
        return {"channel": self.channel, "ts": self.ts}


@dataclass(frozen=True, slots=True)
class Comment:
    """`position` is its index in the array: comments are never taken out of it.

    Of a deleted one only the author and the time are left. `submission_id` is the modal it was
    written in.
    """

    id: ObjectId
    at: datetime
    by: ObjectId
    text: str
    position: int
    internal: bool = False
    files: tuple[FileLink, ...] = ()
    slack_message: MessageRef | None = None
    submission_id: str | None = None
    edited_at: datetime | None = None
    deleted: bool = False

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any], position: int) -> "Comment":
        slack = doc.get("slack")
        return cls(
            id=doc["id"],
            at=doc["at"],
            by=doc["by"],
            text=str(doc.get("text") or ""),
            position=position,
            # Whatever does not say that it is for everybody is not.
            internal=doc.get("internal") is not False,
            files=file_links(doc.get("files") or ()),
            slack_message=MessageRef(slack["channel"], slack["ts"]) if slack else None,
            submission_id=doc.get("form"),
            edited_at=doc.get("editedAt"),
            deleted=bool(doc.get("deleted")),
        )


def comments_from_doc(stored: Any) -> tuple[Comment, ...]:
    """The comments of a ticket's document; what was not written by us is left out."""
    if not isinstance(stored, list):
        return ()
    return tuple(
        Comment.from_doc(doc, position)
        for position, doc in enumerate(stored)
        if isinstance(doc, Mapping) and isinstance(doc.get("id"), ObjectId)
    )


def file_links(files: Any) -> tuple[FileLink, ...]:
    """Of things with a `name` and a `url`, the first ten that can be opened."""
    found = (_link(str(file.get("name") or ""), str(file.get("url") or "")) for file in files)
    return tuple(link for link in found if link)[:MAX_FILES]


def _link(name: str, url: str) -> FileLink | None:
    if len(url) > MAX_URL_LENGTH or not _URL.fullmatch(url):
        return None
    shown = " ".join(strip_invisible(name).replace("|", " ").split())[:MAX_FILE_NAME_LENGTH]
    return FileLink(name=shown or "a file", url=url)
