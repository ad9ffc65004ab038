"""Comments on a ticket and the staff's internal notes: adding, editing, deleting, and their limits.

Each is one conditional update. A comment does not depend on the ticket's state, so after a
concurrent change it is stored on top of that.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from services.core import security_events
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import LimitReached, PermissionDenied
from services.core.optimistic_retry import retry_on_conflict
from services.core.security_events import SecurityEvent
from services.core.text import replace_once
from services.models.comment import Comment, FileLink, MessageRef
from services.models.conversation import conversation_of
from services.models.events import EventType, NewEvent
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import Ticket
from services.tickets import ticket_store
from services.tickets.access import require_visible, visible_to, was_removed
from services.tickets.lifecycle import ACTION_PERMISSIONS, TicketAction
from services.tickets.queries import load_ticket
from services.tickets.transitions import (
    EVENT_FIELD_BY_INTERNAL,
    MAX_COMMENTS_PER_TICKET,
    MAX_PARTICIPANTS,
    Change,
    add_comment,
    change_participants,
    comment_doc,
)
from services.tickets.validation import checked_required_text

MAX_COMMENT_LENGTH = 3_000

MAX_COMMENT_EDITS = 500
MAX_RECENT_COMMENTS, COMMENT_RATE_WINDOW = 30, timedelta(minutes=10)
_COMMENT_EVENTS = (EventType.COMMENTED, EventType.NOTED, EventType.COMMENT_EDITED)


class CommentLimitReached(LimitReached):
    """The ticket has the maximum number of comments, or of edits of them."""


class CommentRateLimitReached(LimitReached):
    """Too many comments by one user in a short time; `last_seq` is the event of the last one."""

    def __init__(self, message: str, *, last_seq: int) -> None:
        super().__init__(message)
        self.last_seq = last_seq


class _NoComment(Exception):
    """The Slack message is no comment."""


@dataclass(frozen=True, slots=True)
class CommentResult:
    """`is_new` is False if the comment had been stored before."""

    ticket: Ticket
    comment: Comment
    is_new: bool


class CommentService:
    """`is_for_private` says if private tickets can be talked about in a channel of a team."""

    def __init__(
        self,
        db: Mongo,
        *,
        clock: Clock = utcnow,
        is_for_private: Callable[[str, str], bool] = lambda _, __: False,
    ) -> None:
        self._db = db
        self._clock = clock
        self._is_for_private = is_for_private

    def get_for_comment(self, *, actor: Actor, ticket_id: str, internal: bool) -> Ticket:
        """Return the ticket if the actor may comment. Raises `NotFound`, `PermissionDenied`."""
        require_permission(
            actor, ACTION_PERMISSIONS[TicketAction.NOTE if internal else TicketAction.COMMENT]
        )
        return require_visible(actor, load_ticket(self._db, ticket_id))

    def add(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        text: str,
        internal: bool = False,
        files: tuple[FileLink, ...] = (),
        message: MessageRef | None = None,
        request_id: str | None = None,
    ) -> CommentResult:
        """Store a comment, once per `message` or form (`request_id`) it was written in.

        A requester's comment puts a waiting ticket in progress again. A member who writes in the
        conversation in a request channel and may not see the ticket takes part in it from then on,
        if there is room. Raises `InvalidValue`,
        `CommentLimitReached`, `CommentRateLimitReached`, `NotFound`, `PermissionDenied`.
        """

        def attempt() -> CommentResult | None:
            is_in_conversation = False
            if message and not internal:
                ticket, is_in_conversation = self._get_for_message(actor, ticket_id, message)
            else:
                ticket = self.get_for_comment(actor=actor, ticket_id=ticket_id, internal=internal)
            checked_text = checked_comment_text(text, files)
            if known := _find_duplicate(ticket, message, request_id, by=actor.user_id):
                return CommentResult(ticket, known, is_new=False)
            now = self._clock()
            check_comment_limits(ticket, actor, now)
            doc = {
                **comment_doc(by=actor.user_id, text=checked_text, at=now, internal=internal),
                "files": [file.to_doc() for file in files],
                "slack": message.to_doc() if message else None,
                **({"form": request_id} if request_id else {}),
            }
            change = add_comment(ticket, doc)
            if is_in_conversation and _joins(actor, ticket):
                own = actor.user_id
                change = change_participants(own, ticket, added=[own]).then(change)
            stored = ticket_store.apply(self._db, ticket, change, now=now)
            # None: another change was first; retry.
            return CommentResult(stored, stored.comments[-1], is_new=True) if stored else None

        return retry_on_conflict(attempt)

    def _get_for_message(
        self, actor: Actor, ticket_id: str, message: MessageRef
    ) -> tuple[Ticket, bool]:
        """Return the ticket that the message may be a comment on, and whether it is in the
        conversation: who writes in a request channel reads there what others write."""
        require_permission(actor, ACTION_PERMISSIONS[TicketAction.COMMENT])
        ticket = load_ticket(self._db, ticket_id)
        conversation = conversation_of(ticket) if ticket else None
        is_there = conversation is not None and conversation.channel == message.channel
        if ticket and is_there and self._is_read_there(ticket, message.channel):
            return ticket, True
        return require_visible(actor, ticket), False

    def _is_read_there(self, ticket: Ticket, channel: str) -> bool:
        return not ticket.private or self._is_for_private(str(ticket.team_id), channel)

    def edit(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        message: MessageRef,
        text: str,
        files: tuple[FileLink, ...] = (),
        replaces: str = "",
    ) -> Ticket | None:
        """Store an edit of a comment by its message's author; None if the message is no comment.

        With `replaces`, the text takes the place of only these words of the comment. Raises
        `InvalidValue`, `PermissionDenied` for another author's comment, `CommentLimitReached` and
        `CommentRateLimitReached`.
        """
        require_permission(actor, Permission.SEE_OWN_TICKET)

        def change(ticket: Ticket, comment: Comment, now: datetime) -> Change | None:
            if comment.by != actor.user_id:
                security_events.record(
                    SecurityEvent.PERMISSION_DENIED, reason="author_only", account=actor.user_id
                )
                raise PermissionDenied("Only its author can change a comment.")
            if comment.internal:
                self.get_for_comment(actor=actor, ticket_id=ticket_id, internal=True)
            else:
                self._get_for_message(actor, ticket_id, message)
            edited = replace_once(comment.text, replaces, text) if replaces else text
            words = checked_comment_text(edited, files)
            if comment.deleted or (comment.text, comment.files) == (words, files):
                return None
            check_edit_limits(ticket, actor, now)
            values = {"text": words, "files": [f.to_doc() for f in files], "editedAt": now}
            return _changed(comment, EventType.COMMENT_EDITED, values)

        return self._sync_with_message(ticket_id, message, change)

    def delete(self, *, ticket_id: str, message: MessageRef) -> Ticket | None:
        """Delete the comment of a deleted message; None if it was no comment.

        Without a permission check: Slack lets the author and workspace admins delete a message, and
        does not say who did.
        """

        def change(_: Ticket, comment: Comment, __: datetime) -> Change | None:
            if comment.deleted:
                return None
            values = {"text": "", "files": [], "deleted": True}
            return _changed(comment, EventType.COMMENT_DELETED, values)

        return self._sync_with_message(ticket_id, message, change)

    def _sync_with_message(
        self,
        ticket_id: str,
        message: MessageRef,
        change: Callable[[Ticket, Comment, datetime], Change | None],
    ) -> Ticket | None:
        def attempt() -> Ticket | None:
            ticket = load_ticket(self._db, ticket_id)
            comments = ticket.comments if ticket else ()
            comment = next((each for each in comments if each.slack_message == message), None)
            if ticket is None or comment is None:
                raise _NoComment
            now = self._clock()
            wanted = change(ticket, comment, now)
            # None: another change was first; retry.
            return ticket_store.apply(self._db, ticket, wanted, now=now) if wanted else ticket

        try:
            return retry_on_conflict(attempt)
        except _NoComment:
            return None


def _joins(actor: Actor, ticket: Ticket) -> bool:
    """Return whether the actor takes part by what they write in the conversation. Not whom others
    have removed, nor whom the requester does not want to get the ticket."""
    return (
        not visible_to(actor).covers(ticket)
        and not was_removed(ticket, actor.user_id)
        and actor.user_id != ticket.not_to
        and len(ticket.participants) < MAX_PARTICIPANTS
    )


def checked_comment_text(text: str, files: Iterable[FileLink] = ()) -> str:
    """Return the text as it is stored; it may be empty if there are files."""
    if not text.strip() and any(files):
        return ""
    return checked_required_text(
        text, field="text", limit=MAX_COMMENT_LENGTH, empty_message="Write something first."
    )


def check_comment_limits(ticket: Ticket, actor: Actor, now: datetime) -> None:
    if len(ticket.comments) >= MAX_COMMENTS_PER_TICKET:
        _record_refusal(actor)
        raise CommentLimitReached(
            f"{_name(ticket)} has {MAX_COMMENTS_PER_TICKET} comments, which is the limit, so "
            "this is not passed on. File a new ticket with /ticket and name this one in it."
        )
    _check_rate_limit(ticket, actor, now)


def check_edit_limits(ticket: Ticket, actor: Actor, now: datetime) -> None:
    edits = sum(event.type == EventType.COMMENT_EDITED for event in ticket.events)
    if edits >= MAX_COMMENT_EDITS:
        _record_refusal(actor)
        raise CommentLimitReached(
            f"The comments on {_name(ticket, start=False)} were changed {MAX_COMMENT_EDITS} times, "
            "which is the limit, so this change is not passed on. Write a new comment."
        )
    _check_rate_limit(ticket, actor, now)


def _changed(comment: Comment, kind: EventType, values: dict[str, Any]) -> Change:
    """Change a comment in place: the filter's `seq` keeps its position in the array valid."""
    placed = {f"comments.{comment.position}.{name}": value for name, value in values.items()}
    event = NewEvent(
        kind, by=comment.by, field=EVENT_FIELD_BY_INTERNAL[comment.internal], to=comment.id
    )
    return Change(placed, (event,))


def _find_duplicate(
    ticket: Ticket, message: MessageRef | None, request_id: str | None, *, by: ObjectId
) -> Comment | None:
    """Return the comment already stored for the same message or form."""
    for comment in ticket.comments:
        is_own_form = request_id and comment.submission_id == request_id and comment.by == by
        if is_own_form or (message is not None and comment.slack_message == message):
            return comment
    return None


def _check_rate_limit(ticket: Ticket, actor: Actor, now: datetime) -> None:
    recent = [
        event.seq
        for event in ticket.events
        if event.by == actor.user_id
        and event.type in _COMMENT_EVENTS
        and event.at > now - COMMENT_RATE_WINDOW
    ]
    if len(recent) >= MAX_RECENT_COMMENTS:
        _record_refusal(actor)
        minutes = int(COMMENT_RATE_WINDOW.total_seconds() // 60)
        raise CommentRateLimitReached(
            f"You have written {MAX_RECENT_COMMENTS} comments on {_name(ticket, start=False)} "
            f"within {minutes} minutes, which is the limit. What you write there now is not passed "
            "on; send it again in a few minutes.",
            last_seq=recent[-1],
        )


def _record_refusal(actor: Actor) -> None:
    security_events.record(SecurityEvent.RATE_LIMITED, reason="comments", account=actor.user_id)


def _name(ticket: Ticket, *, start: bool = True) -> str:
    name = f"ticket {ticket.number}" if ticket.number else "this ticket"
    return name[0].upper() + name[1:] if start else name
