"""Comments: what people write to each other about a ticket, and the staff's notes among themselves.

Each is stored as one conditional update. What somebody writes does not depend on what the ticket
is at that moment, so where another change was quicker it is stored on top of that.

How many comments a ticket takes, and how many of one person within a short time.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Conflict, LimitReached, PermissionDenied
from services.models.comment import Comment, FileLink, MessageRef
from services.models.events import EventType, NewEvent
from services.models.permissions import Actor, Permission, require_permission, require_visible
from services.models.ticket import Status, Ticket
from services.tickets import ticket_store
from services.tickets.lifecycle import PERMISSION, TicketAction
from services.tickets.queries import load
from services.tickets.transitions import Change
from services.tickets.validation import checked_text

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
        require_permission(
            actor, PERMISSION[TicketAction.NOTE if internal else TicketAction.COMMENT]
        )
        return require_visible(actor, load(self._db, ticket_id))

    def add(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        text: str,
        internal: bool = False,
        files: tuple[FileLink, ...] = (),
        slack: MessageRef | None = None,
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
        slack: MessageRef,
        text: str,
        files: tuple[FileLink, ...] = (),
    ) -> Ticket | None:
        """Follow a message's author, who has changed it. None where it is no comment.

        Raises `Invalid`, `Denied` for another's comment, `Full` and `Flood`.
        """
        require_permission(actor, Permission.SEE_OWN_TICKET)
        words = checked(text, files)

        def change(ticket: Ticket, comment: Comment, now: datetime) -> Change | None:
            if comment.by != actor.user_id:
                raise PermissionDenied("Only its author can change a comment.")
            self.ready(actor=actor, ticket_id=ticket_id, internal=comment.internal)
            if comment.deleted or (comment.text, comment.files) == (words, files):
                return None
            check_edits(ticket, actor, now)
            values = {"text": words, "files": [f.to_doc() for f in files], "editedAt": now}
            return _changed(comment, EventType.COMMENT_EDITED, values)

        return self._follow(ticket_id, slack, change)

    def delete(self, *, ticket_id: str, slack: MessageRef) -> Ticket | None:
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
        slack: MessageRef,
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
        return ticket_store.apply(
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
    """What a new comment does to its ticket. `services.tickets.actions` asks a question with it,
    too.
    """
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


def _same(
    ticket: Ticket, slack: MessageRef | None, form: str | None, *, by: ObjectId
) -> Comment | None:
    """The comment that this one repeats."""
    for comment in ticket.comments:
        is_same_form = form is not None and (comment.submission_id, comment.by) == (form, by)
        if is_same_form or (slack is not None and comment.slack_message == slack):
            return comment
    return None


def _written_in(ticket: Ticket, slack: MessageRef) -> Comment | None:
    return next((comment for comment in ticket.comments if comment.slack_message == slack), None)


COMMENTS_MAX = 500
EDITS_MAX = 500
FLOOD, FLOOD_TIME = 30, timedelta(minutes=10)

_WRITTEN = (EventType.COMMENTED, EventType.NOTED, EventType.COMMENT_EDITED)


class Full(LimitReached):
    """The ticket takes no more of them."""


class Flood(LimitReached):
    """Too many of one person's within a short time; `last` is the last that was kept."""

    def __init__(self, message: str, *, last: int) -> None:
        super().__init__(message)
        self.last = last


def check_room(ticket: Ticket, actor: Actor, now: datetime) -> None:
    if len(ticket.comments) >= COMMENTS_MAX:
        raise Full(
            f"{_name(ticket)} has {COMMENTS_MAX} comments, which is the limit, so this is not "
            "passed on. File a new ticket with /ticket and name this one in it."
        )
    _check_flood(ticket, actor, now)


def check_edits(ticket: Ticket, actor: Actor, now: datetime) -> None:
    edits = sum(event.type == EventType.COMMENT_EDITED for event in ticket.events)
    if edits >= EDITS_MAX:
        raise Full(
            f"The comments on {_name(ticket, start=False)} were changed {EDITS_MAX} times, which "
            "is the limit, so this change is not passed on. Write a new comment."
        )
    _check_flood(ticket, actor, now)


def _check_flood(ticket: Ticket, actor: Actor, now: datetime) -> None:
    # The events are there already; they are in order, the newest last.
    recent = [
        event.seq
        for event in ticket.events
        if event.by == actor.user_id and event.type in _WRITTEN and event.at > now - FLOOD_TIME
    ]
    if len(recent) >= FLOOD:
        minutes = int(FLOOD_TIME.total_seconds() // 60)
        raise Flood(
            f"You have written {FLOOD} comments on {_name(ticket, start=False)} within {minutes} "
            "minutes, which is the limit. What you write there now is not passed on; send it "
            "again in a few minutes.",
            last=recent[-1],
        )


def _name(ticket: Ticket, *, start: bool = True) -> str:
    name = f"ticket {ticket.number}" if ticket.number else "this ticket"
    return name[0].upper() + name[1:] if start else name
