"""Comments: what people write to each other about a ticket, and the staff's notes among themselves.

Each is stored as one conditional update. What somebody writes does not depend on what the ticket
is at that moment, so where another change was quicker it is stored on top of that.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from services import changes
from services.changes import EventType, NewEvent
from services.clock import Clock, utcnow
from services.comment import Comment, FileLink, Place
from services.comment_limits import COMMENTS_MAX, check_edits, check_room
from services.database import Mongo
from services.errors import Conflict, Denied
from services.lifecycle import PERMISSION, Step
from services.models import Document, Status, Ticket
from services.permissions import Actor, Permission, require, require_sight
from services.ticket_fields import checked_text
from services.tickets import load
from services.transitions import Change

COMMENT_MAX = 3_000
# Each is lost only to another change of the same ticket.
TRIES = 60
# The events' field: what is of internal notes is left out of what a requester reads.
FIELD = {False: "comments", True: "notes"}


@dataclass(frozen=True, slots=True)
class Written:
    """`is_new` is False where the comment was there already."""

    ticket: Ticket
    comment: Comment
    is_new: bool


class CommentService:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def ready(self, *, actor: Actor, ticket_id: str, internal: bool) -> Ticket:
        """The ticket, if the actor may write that about it; `NotFound` or `Denied`."""
        require(actor, PERMISSION[Step.NOTE if internal else Step.COMMENT])
        return require_sight(actor, load(self._db, ticket_id))

    def add(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        text: str,
        internal: bool = False,
        files: tuple[FileLink, ...] = (),
        slack: Place | None = None,
        form: str | None = None,
    ) -> Written:
        """Keep a comment, once per message (`slack`) or modal (`form`) it was written in.

        The requester's answer to a ticket that waits for one moves it on.
        Raises `Invalid` for the text, `Full`, `Flood`, `NotFound`, `Denied`.
        """
        ticket = self.ready(actor=actor, ticket_id=ticket_id, internal=internal)
        words = checked(text, files)
        comment_id = ObjectId()
        for _ in range(TRIES):
            if known := _same(ticket, slack, form, by=actor.user_id):
                return Written(ticket, known, is_new=False)
            now = self._clock()
            check_room(ticket, actor, now)
            doc = {
                **comment_doc(by=actor.user_id, text=words, at=now, internal=internal),
                "id": comment_id,
                "files": [file.to_doc() for file in files],
                "slack": slack.to_doc() if slack else None,
                **({"form": form} if form else {}),
            }
            stored = self._store(ticket, addition(ticket, doc), now)
            if stored:
                return Written(stored, stored.comments[-1], is_new=True)
            ticket = self.ready(actor=actor, ticket_id=ticket_id, internal=internal)
        raise Conflict("Many people are changing this ticket at the moment. Send it again.")

    def edit(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        slack: Place,
        text: str,
        files: tuple[FileLink, ...] = (),
    ) -> Ticket | None:
        """Follow a message's author, who has changed it. None where it is no comment.

        Raises `Invalid`, `Denied` for another's comment, `Full` and `Flood`.
        """
        require(actor, Permission.SEE_OWN_TICKET)
        words = checked(text, files)

        def change(ticket: Ticket, comment: Comment, now: datetime) -> Change | None:
            if comment.by != actor.user_id:
                raise Denied("Only its author can change a comment.")
            self.ready(actor=actor, ticket_id=ticket_id, internal=comment.internal)
            if comment.deleted or (comment.text, comment.files) == (words, files):
                return None
            check_edits(ticket, actor, now)
            values = {"text": words, "files": [f.to_doc() for f in files], "editedAt": now}
            return _changed(comment, EventType.COMMENT_EDITED, values)

        return self._follow(ticket_id, slack, change)

    def delete(self, *, ticket_id: str, slack: Place) -> Ticket | None:
        """Follow a message that was deleted. None where it was no comment.

        Slack lets its author do that, and the workspace's admins, and does not say who it was: so
        there is nobody whose permission could be asked for.
        """

        def change(_: Ticket, comment: Comment, __: datetime) -> Change | None:
            if comment.deleted:
                return None
            values = {"text": "", "files": [], "deleted": True}
            return _changed(comment, EventType.COMMENT_DELETED, values)

        return self._follow(ticket_id, slack, change)

    def _follow(
        self,
        ticket_id: str,
        slack: Place,
        change: Callable[[Ticket, Comment, datetime], Change | None],
    ) -> Ticket | None:
        for _ in range(TRIES):
            ticket = load(self._db, ticket_id)
            comment = _written_in(ticket, slack) if ticket else None
            if ticket is None or comment is None:
                return None
            now = self._clock()
            wanted = change(ticket, comment, now)
            if wanted is None:
                return ticket
            if stored := self._store(ticket, wanted, now):
                return stored
        raise Conflict("Many people are changing this ticket at the moment. Try again.")

    def _store(self, ticket: Ticket, change: Change, now: datetime) -> Ticket | None:
        return changes.apply(
            self._db,
            ticket,
            values=change.values,
            events=change.events,
            now=now,
            push=change.push,
        )


def checked(text: str, files: Iterable[FileLink] = ()) -> str:
    """The text as it is kept. A file may come without words."""
    if not text.strip() and any(files):
        return ""
    return checked_text(text, field="text", limit=COMMENT_MAX, missing="Write something first.")


def comment_doc(*, by: ObjectId, text: str, at: datetime, internal: bool = False) -> Document:
    """A comment that came without files, and not from a message."""
    return {
        "id": ObjectId(),
        "at": at,
        "by": by,
        "text": text,
        "internal": internal,
        "files": [],
        "slack": None,
    }


def addition(ticket: Ticket, doc: Document) -> Change:
    """What a new comment does to its ticket. `services.moves` asks a question with it, too."""
    by, internal = doc["by"], doc["internal"]
    kind = EventType.NOTED if internal else EventType.COMMENTED
    events = [NewEvent(kind, by=by, field=FIELD[internal], to=doc["id"])]
    values: dict[str, Any] = {}
    if ticket.status is Status.WAITING and by == ticket.created_by and not internal:
        was, goes_on = ticket.status.value, Status.IN_PROGRESS.value
        values["status"] = goes_on
        events.append(NewEvent(EventType.ANSWERED, by=by, field="status", from_=was, to=goes_on))
    return Change(values, tuple(events), push={"comments": doc})


def asked(ticket: Ticket, *, by: ObjectId, text: str, at: datetime) -> Change:
    """A question to the requester is part of the conversation, where that has room for it."""
    if len(ticket.comments) >= COMMENTS_MAX:
        return Change()
    return addition(ticket, comment_doc(by=by, text=text, at=at))


def _changed(comment: Comment, kind: EventType, values: dict[str, Any]) -> Change:
    """In place: the filter's `seq` holds the array still."""
    placed = {f"comments.{comment.position}.{name}": value for name, value in values.items()}
    event = NewEvent(kind, by=comment.by, field=FIELD[comment.internal], to=comment.id)
    return Change(placed, (event,))


def _same(ticket: Ticket, slack: Place | None, form: str | None, *, by: ObjectId) -> Comment | None:
    """The comment that this one repeats."""
    for comment in ticket.comments:
        is_same_form = form is not None and (comment.form, comment.by) == (form, by)
        if is_same_form or (slack is not None and comment.slack == slack):
            return comment
    return None


def _written_in(ticket: Ticket, slack: Place) -> Comment | None:
    return next((comment for comment in ticket.comments if comment.slack == slack), None)
