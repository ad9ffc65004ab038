"""Brings a ticket's comments to the threads of its cards, and keeps them in step."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId

from bot.views import replies as views
from bot.views.people import person
from bot.views.text import Message
from services import notices
from services.comment import Comment
from services.directory import Directory
from services.models import Card, Role, Ticket
from services.notices import NoticeState
from tasks.messages import Notice
from tasks.recipients import Recipient, Thread
from tasks.replies import COMMENT, Reply, comment_events, replies
from tasks.runtime import Runtime
from tasks.slack import redraw

Send = Callable[[Notice], bool]


class Talk:
    """`send` sends a notice once and says whether that is settled."""

    def __init__(self, runtime: Runtime, ticket: Ticket, people: Directory, *, send: Send) -> None:
        self._runtime = runtime
        self._ticket = ticket
        self._people = people
        self._post = send
        self._sent = {str(notice["key"]): notice for notice in ticket.notices}
        self._comments = {str(event.seq): comment for event, comment in comment_events(ticket)}

    def tell_people(self, cards: Sequence[Card], *, is_all: bool) -> bool:
        """Send and update what is due. False where something has to be tried again later.

        `is_all` says that no card is still to come: who has none then gets a message by itself.
        """
        due = [reply for reply in self._due(cards) if isinstance(reply.recipient, ObjectId)]
        ready = [reply for reply in due if reply.card or is_all]
        outcomes = [self._send(reply) for reply in ready]
        outcomes += [self._follow(notice) for notice in self._outdated(is_channel=False)]
        return all(outcomes) and len(ready) == len(due)

    def tell_channel(self, cards: Sequence[Card]) -> bool:
        """The same for the triage channel."""
        due = [reply for reply in self._due(cards) if isinstance(reply.recipient, str)]
        outcomes = [self._send(reply) for reply in due]
        outcomes += [self._follow(notice) for notice in self._outdated(is_channel=True)]
        return all(outcomes)

    def _due(self, cards: Sequence[Card]) -> Iterable[Reply]:
        done = (NoticeState.SENT, NoticeState.FAILED)
        for reply in replies(self._ticket, cards, is_staff=self._is_staff):
            known = self._sent.get(reply.key)
            if not reply.comment.deleted and not (known and known["state"] in done):
                yield reply

    def _send(self, reply: Reply) -> bool:
        comment, card = reply.comment, reply.card
        to: Recipient = Thread(card.channel, card.ts) if card else reply.recipient
        is_channel = not isinstance(reply.recipient, ObjectId)
        return self._post(
            Notice(
                key=reply.key,
                kind=COMMENT,
                recipient=to,
                message=self._message(comment, is_alone=card is None, is_channel=is_channel),
                version=_version(comment, is_channel=is_channel),
            )
        )

    def _outdated(self, *, is_channel: bool) -> Iterable[Mapping[str, Any]]:
        """Notices that show a comment as it no longer is, and whose reader may see what it is."""
        for key, notice in self._sent.items():
            seq, kind, recipient = notices.read_key(key)
            comment = self._comments.get(seq) if kind == COMMENT else None
            if comment is None or notice["state"] != NoticeState.SENT:
                continue
            is_here = _is_channel(recipient) == is_channel and self._may_see(comment, recipient)
            if is_here and notice.get("version") != _version(comment, is_channel=is_channel):
                yield notice

    def _may_see(self, comment: Comment, recipient: str) -> bool:
        """What was shown to somebody who is no longer staff stays as it was, unless it goes."""
        if comment.deleted or not comment.internal or _is_channel(recipient):
            return True
        return self._is_staff(ObjectId(recipient))

    def _follow(self, notice: Mapping[str, Any]) -> bool:
        """Change the message where the comment was changed."""
        seq, _, recipient = notices.read_key(str(notice["key"]))
        comment, is_channel = self._comments[seq], _is_channel(recipient)
        channel, ts = str(notice["channel"]), str(notice["ts"])
        shown = self._message(comment, is_alone=bool(notice.get("alone")), is_channel=is_channel)
        about = f"ticket {self._ticket.id}: comment"
        if not redraw(self._runtime.slack, shown, channel=channel, ts=ts, about=about):
            return False
        return notices.message_updated(
            self._runtime.db,
            self._ticket.id,
            str(notice["key"]),
            seq=self._ticket.seq,
            version=_version(comment, is_channel=is_channel),
            now=self._runtime.clock(),
        )

    def _message(self, comment: Comment, *, is_alone: bool, is_channel: bool) -> Message:
        author = person(self._people, comment.by)
        if is_channel:
            return views.pointer(self._ticket, comment, author=author)
        return views.reply(self._ticket, comment, author=author, is_alone=is_alone)

    def _is_staff(self, user_id: ObjectId) -> bool:
        user = self._people.users.get(user_id)
        return user is not None and user.active and user.role is not Role.USER


def _is_channel(recipient: str) -> bool:
    """Of a notice's key: people are named by their accounts."""
    return not ObjectId.is_valid(recipient)


def _version(comment: Comment, *, is_channel: bool) -> str:
    """What tells two states of a message apart."""
    if comment.deleted:
        return "deleted"
    content = "" if is_channel else repr((comment.text, comment.files))
    return hashlib.sha256(content.encode()).hexdigest()
