"""Filing and reading tickets.

A form files one ticket even if it is submitted twice, and a Slack message even if two users ask. It
is asked about an own open ticket that looks like the same.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pymongo
from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Conflict, InvalidValue, LimitReached, NotFound
from services.core.optimistic_retry import retry_on_conflict
from services.core.rate_limit import RULES, Limit, refuse
from services.core.text import replace_once
from services.models import events as model_events
from services.models.comment import FileLink, MessageRef
from services.models.events import EventType, NewEvent
from services.models.message_source import MessageSource, filed_from, filed_near, talked_about_in
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.models.ticket_similarity import MIN_ALIKE, TicketWords
from services.outbox.pending import outbox_fields
from services.sla.policy import cached_policy
from services.sla.timing import timing_for_new_ticket
from services.team_settings.private_tickets import prepare_for_private_ticket
from services.tickets import search_index, ticket_store
from services.tickets.access import require_visible, visible_to
from services.tickets.fields import FILED_FIELDS, current_value
from services.tickets.indexes import NEWEST_INDEX
from services.tickets.lifecycle import check_requester
from services.tickets.numbered_inserts import NumberedInserts
from services.tickets.queries import WITHOUT_MESSAGES, load_ticket
from services.tickets.transitions import Change, change_requester, comment_doc, make_private
from services.tickets.validation import (
    MAX_DESCRIPTION_LENGTH,
    MIN_TITLE_LENGTH,
    TicketFields,
    checked_deadline,
    checked_fields,
)

if TYPE_CHECKING:
    from services.core.rate_limiter import Place, RateLimiter

logger = logging.getLogger(__name__)

# Of a requester's open tickets, the newest.
MAX_TICKETS_FOR_MESSAGE = 50
# Of a requester's open tickets, the newest are compared with a new one, if they are read in time.
MAX_COMPARED_TICKETS = 20
MAX_COMPARING_SECONDS = 0.3
# SecantusDB's time grows with the fields: the others are read of the ticket that is alike, if any.
_COMPARED_FIELDS = (
    *("number", "title", "search.public", "search.parts", "teamId", "requestId"),
    *("source.channel", "source.ts"),
)
# As a pipeline, which both PyMongo and SecantusDB answer in four fifths of the time of a `find`.
_NEWEST_COMPARED: tuple[Document, ...] = (
    {"$sort": dict(NEWEST_INDEX)},
    {"$limit": MAX_COMPARED_TICKETS},
    {"$project": dict.fromkeys(_COMPARED_FIELDS, True)},
)
REQUEST_ID_REUSED = "This key has filed another ticket already. Take a new one for each ticket."


class AlreadyFiled(Conflict):
    """A ticket of that message exists; `ticket` is None for a user who may not see it. `is_own`:
    the user filed it."""

    def __init__(self, number: int | None, ticket: Ticket | None, *, is_own: bool) -> None:
        who = "You have" if is_own else "Someone has"
        super().__init__(f"{who} already filed this as ticket {number}.")
        self.number = number
        self.ticket = ticket


class SimilarTicketOpen(Conflict):
    """The user's own `ticket` is open and looks like the one that they are about to file."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__(f"Looks like your ticket {ticket.number}.")
        self.ticket = ticket


@dataclass(frozen=True, slots=True)
class FilingResult:
    """`is_new` is False if the same form was submitted before."""

    ticket: Ticket
    is_new: bool


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """A message in the thread of the one that a ticket is filed from: a comment without an event,
    so that it notifies no one and counts for no figure."""

    by: ObjectId
    at: datetime
    text: str
    message: MessageRef
    files: tuple[FileLink, ...] = ()

    def to_doc(self) -> Document:
        return {
            **comment_doc(by=self.by, text=self.text, at=self.at),
            "files": [file.to_doc() for file in self.files],
            "slack": self.message.to_doc(),
        }


class TicketService:
    def __init__(self, db: Mongo, rate_limiter: "RateLimiter", *, clock: Clock = utcnow) -> None:
        self._db = db
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._inserts = NumberedInserts(db)

    def create(
        self,
        *,
        actor: Actor,
        team_id: str,
        request_id: str | None,
        title: str,
        description: str,
        priority: str | None = None,
        deadline: datetime | None = None,
        source: MessageSource | None = None,
        private: bool = False,
        not_to: ObjectId | None = None,
        requester: ObjectId | None = None,
        thread: Sequence[ThreadMessage] = (),
        reject_edits: bool = False,
        reject_similar: bool = False,
    ) -> FilingResult:
        """File a ticket, once per `request_id`: a second submission returns the first's ticket.

        A second submission with other values is the requester's edit if the ticket is not in
        progress; with `reject_edits` it is a `Conflict`. A message (`source`) makes one ticket for
        all users, and its thread is the conversation about one ticket. `not_to` is an account that
        it is never assigned to. `requester` is whose ticket it is, if not the actor's; the hourly
        limit counts for the actor. `thread` are messages that become its first comments, which must
        be valid. With `reject_similar`, a ticket that looks like an open one of the actor's own is
        not filed for the actor. Raises
        `InvalidValue`, `PermissionDenied`, `LimitReached`, `AlreadyFiled`, `SimilarTicketOpen`,
        `Conflict`.
        """
        require_permission(actor, Permission.FILE_TICKET)
        requester = _other_requester(actor, requester)
        fields = checked_fields(
            title=title,
            description=description,
            priority=priority,
            deadline=deadline,
            now=self._clock(),
            private=private,
            not_to=not_to,
            requester=requester,
        )
        if private:
            prepare_for_private_ticket(self._db, now=self._clock())
        if reject_similar and requester is None:
            self._check_not_similar(actor, team_id, request_id, fields, source)
        content_hash = fields.content_hash() if reject_edits and request_id else None
        subject = (Limit.TICKETS, str(actor.user_id))
        place = self._rate_limiter.try_take(subject)
        refusal: Exception | None = None
        if place:
            try:
                with place:
                    checked_deadline(deadline, now=self._clock())
                    self._check_stored_tickets(actor, place)
                    filed = self._insert(
                        actor, team_id, request_id, fields, source, content_hash, thread
                    )
                return FilingResult(filed, is_new=True)
            except (InvalidValue, LimitReached, DuplicateKeyError) as error:
                refusal = error
        # A form that is submitted again is not refused: its deadline may have passed, for example.
        earlier = self._by_request(team_id, request_id) if request_id else None
        if earlier:
            resubmit = self._check_same_content if reject_edits else self._apply_resubmission
            ticket = resubmit(actor, earlier, fields)
            return FilingResult(_seen_by_filer(actor, ticket, fields), is_new=False)
        self._check_not_filed(actor, team_id, source)
        if refusal is None:
            self._rate_limiter.refuse(subject)
        raise refusal  # also a `DuplicateKeyError` of another unique index

    def check_not_filed(self, *, actor: Actor, team_id: str, source: MessageSource) -> None:
        """Raise `AlreadyFiled` if there is a ticket of that message."""
        require_permission(actor, Permission.FILE_TICKET)
        self._check_not_filed(actor, team_id, source)

    def follow_message(
        self,
        *,
        team_id: str,
        source: MessageSource,
        before: tuple[str, str],
        after: tuple[str, str],
    ) -> tuple[Ticket, bool] | None:
        """Change the words of the ticket that was filed from a direct message, as the message was
        changed; `before` and `after` are its title and description. Return the ticket and whether
        it had these words; None if there is no ticket.

        Without a permission check: Slack lets the author change a message, and says so. The history
        does not repeat the words, because the author may have taken back a secret.
        """

        filed = filed_from(team_id=team_id, channel=source.channel, ts=source.ts)

        def attempt() -> tuple[tuple[Ticket, bool] | None] | None:
            doc = self._db.tickets.find_one(filed)
            ticket = Ticket.from_doc(doc) if doc else None
            author = ticket.filer if ticket else None
            if ticket is None or author is None:
                return (None,)
            values = replaced_words(ticket, before, after)
            if not values:
                return ((ticket, False),)
            change = Change(
                values=values,
                events=tuple(
                    NewEvent(EventType.EDITED, by=author, field=name) for name in sorted(values)
                ),
                remove=("summary", "assignment.next"),  # both are of the words before
            )
            stored = ticket_store.apply(self._db, ticket, change, now=self._clock())
            return ((stored, True),) if stored else None

        return retry_on_conflict(attempt)[0]

    def get(self, *, actor: Actor, ticket_id: str) -> Ticket:
        """Return the ticket. Raises `NotFound`, also if the actor may not see it."""
        return require_visible(actor, load_ticket(self._db, ticket_id))

    def get_by_number(self, *, actor: Actor, team_id: str, number: int) -> Ticket:
        """Return the ticket with that number in the team, as `get`."""
        doc = self._db.tickets.find_one({"teamId": team_id, "number": number})
        try:
            return require_visible(actor, Ticket.from_doc(doc) if doc else None)
        except NotFound:
            raise NotFound(f"There is no ticket {number}, or you may not see it.") from None

    def list_for_message(self, *, actor: Actor, team_id: str) -> list[Ticket]:
        """Return the tickets that a message of the actor is most likely about: at most two of their
        own that are open, first those that wait for their answer, the last changed first."""
        require_permission(actor, Permission.SEE_OWN_TICKET)
        own = {
            "createdBy": actor.user_id,
            "status": {"$in": list(OPEN_STATUSES)},
            "teamId": team_id,
        }
        newest = self._db.tickets.find(own, WITHOUT_MESSAGES).sort(NEWEST_INDEX)
        found = [Ticket.from_doc(doc) for doc in newest.limit(MAX_TICKETS_FOR_MESSAGE)]
        return sorted(filter(lambda ticket: ticket.number, found), key=_relevance)[:2]

    def _by_request(self, team_id: str, request_id: str) -> Ticket | None:
        doc = self._db.tickets.find_one({"teamId": team_id, "requestId": request_id})
        return Ticket.from_doc(doc) if doc else None

    def _check_not_filed(self, actor: Actor, team_id: str, source: MessageSource | None) -> None:
        if source is None:
            return
        message = MessageRef(source.channel, source.ts)
        ticket = find_by_message(self._db, team_id=team_id, message=message)
        if ticket is None:
            return
        visible = ticket if visible_to(actor).covers(ticket) else None
        raise AlreadyFiled(ticket.number, visible, is_own=ticket.filer == actor.user_id)

    def _check_not_similar(
        self,
        actor: Actor,
        team_id: str,
        request_id: str | None,
        fields: TicketFields,
        source: MessageSource | None,
    ) -> None:
        """Raise `SimilarTicketOpen` if the actor has such a ticket: the most similar one. Nothing
        is raised if MongoDB is slow, or if this form or message has been filed already."""
        own = {"createdBy": actor.user_id, "status": {"$in": list(OPEN_STATUSES)}}
        try:
            with pymongo.timeout(MAX_COMPARING_SECONDS):
                docs = list(self._db.tickets.aggregate([{"$match": own}, *_NEWEST_COMPARED]))
                found = _most_alike(docs, team_id, request_id, fields, source)
                stored = self._db.tickets.find_one({"_id": found}) if found else None
        except PyMongoError as error:
            logger.info("filed without a look at similar tickets: %s", type(error).__name__)
            return
        ticket = Ticket.from_doc(stored) if stored else None
        if ticket and ticket.created_by == actor.user_id and ticket.status in OPEN_STATUSES:
            raise SimilarTicketOpen(ticket)

    def _check_stored_tickets(self, actor: Actor, place: "Place") -> None:
        """Count the stored tickets, unless Redis has counted all of them. Concurrent submissions
        pass this; the rate limiter stops them."""
        rule, now = RULES[Limit.TICKETS], self._clock()
        since = now - rule.window
        if place.counts_since and place.counts_since <= since:
            return
        # Two stages each: SecantusDB would scan for a filter with a field outside the index.
        own: list[tuple[Document, Document]] = [({"createdBy": actor.user_id}, {"filedBy": None})]
        if actor.has_permission(Permission.FILE_FOR_OTHERS):
            own.append(({"filedBy": actor.user_id}, {}))
        latest: list[Document] = [
            {"$sort": {"createdAt": -1}},
            {"$limit": rule.amount},
            {"$project": {"_id": False, "createdAt": True}},
        ]
        filed = [
            doc["createdAt"]
            for indexed, rest in own
            for doc in self._db.tickets.aggregate(
                [{"$match": {**indexed, "createdAt": {"$gt": since}}}, {"$match": rest}, *latest]
            )
        ]
        if len(filed) >= rule.amount:
            oldest: datetime = sorted(filed, reverse=True)[rule.amount - 1]
            wait = (oldest - since).total_seconds()
            refuse(Limit.TICKETS, subject=str(actor.user_id), retry_after=wait)
        if place.counts_since is None:
            anyones = self._db.tickets.find_one({"createdAt": {"$gt": since}}, {"_id": True})
            self._rate_limiter.begin_counts(since=now if anyones else since)

    def _insert(
        self,
        actor: Actor,
        team_id: str,
        request_id: str | None,
        fields: TicketFields,
        source: MessageSource | None,
        content_hash: str | None,
        thread: Sequence[ThreadMessage],
    ) -> Ticket:
        now = self._clock()
        if source and source.is_conversation and self._is_talked_about(team_id, source):
            source = replace(source, is_conversation=False)
        filed = NewEvent(
            EventType.FILED,
            by=actor.user_id,
            field="createdBy" if fields.requester else None,
            to=fields.requester,
        )
        doc: Document = {
            "_id": ObjectId(),
            "title": fields.title,
            "description": fields.description,
            "status": Status.TODO.value,
            "priority": fields.priority.value if fields.priority else None,
            "createdBy": fields.requester or actor.user_id,
            "assignedTo": None,
            "createdAt": now,
            "teamId": team_id,
            "seq": 1,
            "events": model_events.event_docs([filed], seq=0, at=now),
            **outbox_fields(now),
        }
        optional = {
            "requestId": request_id,
            "filedBy": actor.user_id if fields.requester else None,
            "deadline": fields.deadline,
            "private": fields.private,
            "notTo": fields.not_to,
            "requestDigest": content_hash,
            "source": source.to_doc() if source else None,
            "comments": [said.to_doc() for said in thread],
        }
        doc |= {name: value for name, value in optional.items() if value}
        ticket = Ticket.from_doc(doc)
        timing = timing_for_new_ticket(ticket, policy=cached_policy(self._db), now=now).values
        computed = {**search_index.words_of(ticket), **timing}
        stored = doc | computed
        self._inserts.insert(stored)
        return ticket.with_fields({**computed, "number": stored["number"]})

    def _is_talked_about(self, team_id: str, source: MessageSource) -> bool:
        """Return whether the thread is the conversation about another ticket already, whose
        comments the replies there are."""
        of_first, of_reply = talked_about_in(
            team_id=team_id, channel=source.channel, thread_ts=source.reply_thread_ts
        )
        others = [of_first, of_reply] if source.thread_ts else [of_reply]
        return any(self._db.tickets.find_one(other, ["_id"]) for other in others)

    def _check_same_content(self, actor: Actor, ticket: Ticket, fields: TicketFields) -> Ticket:
        """Return the ticket as it is now, if the actor filed it with the same values."""
        doc = self._db.tickets.find_one({"_id": ticket.id}, {"requestDigest": True}) or {}
        if ticket.filer != actor.user_id or doc.get("requestDigest") != fields.content_hash():
            raise Conflict(REQUEST_ID_REUSED)
        return ticket

    def _apply_resubmission(self, actor: Actor, ticket: Ticket, fields: TicketFields) -> Ticket:
        if ticket.filer != actor.user_id:  # a replayed view of another user
            raise NotFound("This form is not yours. Open a new one with /ticket.")
        edits = _edits(ticket, fields)
        is_made_private = edits.pop("private", None) is not None
        new_requester = _new_requester(actor, ticket, fields)
        if not edits and not is_made_private and not new_requester:
            return ticket
        _check_editable(actor, ticket, requester=new_requester)
        if "deadline" in edits:
            checked_deadline(fields.deadline, now=self._clock())
        change = Change(
            values={name: new for name, (_, new) in edits.items()},
            events=tuple(
                NewEvent(EventType.EDITED, by=actor.user_id, field=name, from_=old, to=new)
                for name, (old, new) in edits.items()
            ),
            remove=("assignment.next",),  # the new text may match an assignee
        )
        if new_requester:
            change = change.then(change_requester(actor.user_id, ticket, new_requester))
        if is_made_private:
            change = change.then(make_private(actor.user_id, seen_by=()))  # no one has acted on it
        edited = ticket_store.apply(
            self._db, ticket, change, now=self._clock(), status=Status.TODO.value
        )
        return _require_edited(edited)


def _most_alike(
    docs: Sequence[Document],
    team_id: str,
    request_id: str | None,
    fields: TicketFields,
    source: MessageSource | None,
) -> ObjectId | None:
    """Return the stored ticket that is most similar to the new one, if it is alike. None if one of
    them is of the same form or message."""
    message = {"channel": source.channel, "ts": source.ts} if source else None
    if any(
        (request_id and doc.get("requestId") == request_id)
        or (message and doc.get("source") == message)
        for doc in docs
    ):
        return None
    numbered = [doc for doc in docs if doc.get("number") and doc.get("teamId") == team_id]
    if not numbered:
        return None
    words = TicketWords.of_texts(fields.title, fields.description)
    most, found = 0.0, None
    for doc in numbered:
        if words.max_similarity(doc) < max(most, MIN_ALIKE):
            continue
        other = TicketWords.of_doc(doc)
        if words.is_alike(other) and (similarity := words.similarity(other)) > most:
            most, found = similarity, doc["_id"]
    return found


def _new_requester(actor: Actor, ticket: Ticket, fields: TicketFields) -> ObjectId | None:
    """Return the requester that staff have chosen since, None if it is the same."""
    requester = fields.requester or actor.user_id
    may_move = actor.has_permission(Permission.FILE_FOR_OTHERS)
    return requester if may_move and requester != ticket.created_by else None


def _require_edited(edited: Ticket | None) -> Ticket:
    if edited is None:
        raise Conflict("This ticket has changed since. Look at it again, then decide.")
    return edited


def _seen_by_filer(actor: Actor, ticket: Ticket, fields: TicketFields) -> Ticket:
    """Return the ticket to the actor, who filed it; one that they may not see only as they filed
    it: it is private, or has another requester since."""
    if visible_to(actor).covers(ticket):
        return ticket
    requester = fields.requester or actor.user_id
    return Ticket(
        id=ticket.id,
        number=ticket.number,
        title=fields.title,
        description=fields.description,
        status=Status.TODO,
        priority=fields.priority,
        deadline=fields.deadline,
        private=fields.private,
        created_by=requester,
        filed_by=None if requester == actor.user_id else actor.user_id,
        assigned_to=None,
        created_at=ticket.created_at,
        team_id=ticket.team_id,
        source=ticket.source,
    )


def _check_editable(actor: Actor, ticket: Ticket, *, requester: ObjectId | None) -> None:
    """`requester` is whom the ticket is moved to."""
    require_visible(actor, ticket)
    if requester:
        check_requester(ticket, requester)
    if ticket.status is not Status.TODO:
        raise Conflict(f"Ticket {ticket.number} is being worked on; it can't be edited here.")


def find_by_message(db: Mongo, *, team_id: str, message: MessageRef) -> Ticket | None:
    """Return the ticket that was filed from the message, or to whose description its words were
    added."""
    filed = filed_from(team_id=team_id, channel=message.channel, ts=message.ts)
    doc = db.tickets.find_one(filed)
    if doc:
        return Ticket.from_doc(doc)
    near = filed_near(team_id=team_id, channel=message.channel, ts=message.ts)
    found = map(Ticket.from_doc, db.tickets.find(near))
    return next((one for one in found if one.source and message.ts in one.source.added), None)


def _relevance(ticket: Ticket) -> tuple[bool, float]:
    """Sort tickets that wait for their requester first, each by the last change."""
    last = ticket.events[-1].at.timestamp() if ticket.events else 0.0
    return ticket.status is not Status.WAITING, -last


def replaced_words(
    ticket: Ticket, before: tuple[str, str], after: tuple[str, str]
) -> dict[str, str]:
    """Return the new title and description, each only if it has the words of the message."""
    (old_title, old_text), (new_title, new_text) = before, after
    values = {}
    if old_title and ticket.title == " ".join(old_title.split()) and new_title != old_title:
        is_long_enough = len(new_title) >= MIN_TITLE_LENGTH
        values["title"] = new_title if is_long_enough else f"Message: {new_title}"
    if old_text and old_text in ticket.description:
        replaced = replace_once(ticket.description, old_text, new_text)[:MAX_DESCRIPTION_LENGTH]
        if replaced != ticket.description:
            values["description"] = replaced
    return values


def _edits(ticket: Ticket, fields: TicketFields) -> dict[str, tuple[Any, Any]]:
    """Return the fields a resubmission changes, with their old and new values.

    An empty field is no change: analysis or staff may have set the priority since then.
    """
    edits: dict[str, tuple[Any, Any]] = {}
    for name in FILED_FIELDS:
        old, new = current_value(ticket, name), current_value(fields, name)
        if new and new != old:
            edits[name] = (old, new)
    return edits


def _other_requester(actor: Actor, requester: ObjectId | None) -> ObjectId | None:
    """Return the requester for whom the actor files a ticket, None if it is the actor's own."""
    if requester in (None, actor.user_id):
        return None
    require_permission(actor, Permission.FILE_FOR_OTHERS)
    return requester
