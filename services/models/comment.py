"""A comment, stored in its ticket's `comments`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.core.coerce import RequiredValues, complete_entries
from services.core.text import strip_invisible

MAX_FILES = 10
MAX_FILE_NAME_LENGTH, MAX_URL_LENGTH = 100, 500
# The values that a comment must have.
COMMENT_VALUES: RequiredValues = {
    "id": ObjectId,
    "at": datetime,
    "by": ObjectId,
}
# Without characters that end or begin a link in Slack's markup.
_URL = re.compile(r"https?://[^\s<>|\"\\]+")


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file that is not copied: its name, and the URL that readers open."""

    name: str
    url: str

    def to_doc(self) -> dict[str, str]:
        return {"name": self.name, "url": self.url}


@dataclass(frozen=True, slots=True)
class MessageRef:
    """The Slack message of a comment: its channel and `ts`."""

    channel: str
    ts: str

    def to_doc(self) -> dict[str, str]:
        return {"channel": self.channel, "ts": self.ts}


@dataclass(frozen=True, slots=True)
class Comment:
    """`position` is its index in the array, which is stable: comments are never removed from it.

    A deleted comment keeps its author and time only. `submission_id` is the id of the modal
    submission that wrote it.
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
        return cls(
            id=doc["id"],
            at=doc["at"],
            by=doc["by"],
            text=str(doc.get("text") or ""),
            position=position,
            # Internal unless explicitly marked as public.
            internal=doc.get("internal") is not False,
            files=file_links(doc.get("files") or ()),
            slack_message=_message_ref(doc.get("slack")),
            submission_id=doc.get("form"),
            edited_at=doc.get("editedAt"),
            deleted=bool(doc.get("deleted")),
        )


def comments_from_doc(stored: Any) -> tuple[Comment, ...]:
    """Return the comments of a ticket's document; entries of other programs are left out."""
    if not isinstance(stored, list):
        return ()
    return tuple(
        Comment.from_doc(doc, position)
        for position, doc in enumerate(stored)
        if complete_entries([doc], COMMENT_VALUES)
    )


def _message_ref(stored: Any) -> MessageRef | None:
    found = complete_entries([stored], {"channel": str, "ts": str})
    return MessageRef(found[0]["channel"], found[0]["ts"]) if found else None


def file_links(files: Any) -> tuple[FileLink, ...]:
    """Return the first `MAX_FILES` files, given as `name` and `url`, that have a valid URL."""
    listed = [file for file in files if isinstance(file, Mapping)] if files else []
    found = (_link(str(file.get("name") or ""), str(file.get("url") or "")) for file in listed)
    return tuple(link for link in found if link)[:MAX_FILES]


def _link(name: str, url: str) -> FileLink | None:
    if len(url) > MAX_URL_LENGTH or not _URL.fullmatch(url):
        return None
    shown = " ".join(strip_invisible(name).replace("|", " ").split())[:MAX_FILE_NAME_LENGTH]
    return FileLink(name=shown or "a file", url=url)
