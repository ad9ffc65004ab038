"""What members write in request channels, in the tickets that their messages became.

What an author adds within two minutes goes to the ticket's description until it is accepted. An
edit of such a message changes the words there, and a deletion removes them.

Without a permission check: Slack lets only the author change a message, and says so; who deletes
one it does not say. The history does not repeat the words, because the author may have taken back
a secret.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.optimistic_retry import retry_on_conflict
from services.models.comment import MessageRef
from services.models.events import EventType, NewEvent
from services.models.message_source import ADDING_SECONDS, filed_near
from services.models.resolution import CANCELLED_RESOLUTION
from services.models.ticket import Status, Ticket
from services.tickets import ticket_store, transitions
from services.tickets.filing import find_by_message, replaced_words
from services.tickets.transitions import Change
from services.tickets.validation import MAX_DESCRIPTION_LENGTH

DELETED_NOTE = "deleted the message"


@dataclass(frozen=True, slots=True)
class MessageWords:
    """The title and the description that a ticket has from a message."""

    title: str
    description: str


class ChannelMessages:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def find(self, *, team_id: str, message: MessageRef) -> Ticket | None:
        """Return the ticket that was filed from the message, or that has its words."""
        return find_by_message(self._db, team_id=team_id, message=message)

    def find_to_add_to(
        self, *, team_id: str, message: MessageRef, author: ObjectId
    ) -> Ticket | None:
        """Return the author's open ticket that the message belongs to: filed from one that they
        wrote within two minutes of it. Events may come out of order, so that one may be later."""
        near = filed_near(team_id=team_id, channel=message.channel, ts=message.ts)
        found = map(Ticket.from_doc, self._db.tickets.find(near))
        own = [
            ticket
            for ticket in found
            if ticket.created_by == author and ticket.status is not Status.COMPLETED
        ]
        return min(own, key=lambda ticket: ticket.source.ts if ticket.source else "", default=None)

    def add(self, ticket: Ticket, *, message: MessageRef, words: str) -> Ticket | None:
        """Add the words to the description, once for each message; None if someone has accepted
        the ticket, or it has no room for them."""

        def add_to(now: Ticket) -> Change | None:
            source = now.source
            if source is None or message.ts in (source.ts, *source.added):
                return transitions.NO_CHANGE
            parts = [now.description, words] if message.ts > source.ts else [words, now.description]
            description = "\n".join(filter(None, parts))
            if not _takes_words(now) or len(description) > MAX_DESCRIPTION_LENGTH:
                return None
            added = {"description": description, "source.added": [*source.added, message.ts]}
            return _edited(now, added, fields=["description"])

        return self._change(ticket.id, add_to)

    def follow(
        self, ticket: Ticket, *, before: MessageWords, after: MessageWords
    ) -> tuple[Ticket, bool]:
        """Change the words of a message as its author has; return the ticket and whether it had
        these words."""

        def follow_in(now: Ticket) -> Change:
            values = replaced_words(
                now, (before.title, before.description), (after.title, after.description)
            )
            kept = {name: value.strip() for name, value in values.items()}  # without an empty line
            return _edited(now, kept, fields=sorted(kept))

        changed = self._change(ticket.id, follow_in)
        return changed or ticket, changed is not None and changed.seq > ticket.seq

    def withdraw(
        self, ticket: Ticket, *, written: MessageWords, deleted: MessageWords, is_soon: bool
    ) -> Ticket | None:
        """Remove the words of the message that the ticket was filed from. If it was deleted soon
        (`is_soon`), and no one has accepted the ticket, it is cancelled."""

        def remove_from(now: Ticket) -> Change:
            values = replaced_words(
                now, (written.title, written.description), (deleted.title, deleted.description)
            )
            removed = _edited(now, values, fields=sorted(values))
            is_all = now.source is not None and not now.source.added
            if not (is_soon and is_all and _takes_words(now)):
                return removed
            by = now.created_by
            return removed.then(
                transitions.complete(
                    by or "system",
                    now,
                    EventType.CANCELLED,
                    resolution=CANCELLED_RESOLUTION,
                    note=DELETED_NOTE,
                    now=self._clock(),
                )
            )

        return self._change(ticket.id, remove_from)

    def _change(
        self, ticket_id: ObjectId, decide: Callable[[Ticket], Change | None]
    ) -> Ticket | None:
        """Store the change that is decided on the present ticket; None without one."""

        def attempt() -> tuple[Ticket | None] | None:
            doc = self._db.tickets.find_one({"_id": ticket_id})
            ticket = Ticket.from_doc(doc) if doc else None
            change = decide(ticket) if ticket else None
            if ticket is None or change is None:
                return (None,)
            if not change.events:
                return (ticket,)
            stored = ticket_store.apply(self._db, ticket, change, now=self._clock())
            return (stored,) if stored else None  # None: another change was first; retry

        return retry_on_conflict(attempt)[0]


def is_soon(message: MessageRef, *, event_ts: str) -> bool:
    """Return whether the event came within two minutes of the message."""
    return float(event_ts) - float(message.ts) <= ADDING_SECONDS


def _takes_words(ticket: Ticket) -> bool:
    """Return whether no one has accepted it."""
    return ticket.accepted_at is None and ticket.status in (Status.TODO, Status.IN_PROGRESS)


def _edited(ticket: Ticket, values: Mapping[str, Any], *, fields: Iterable[str]) -> Change:
    """Return the edit by the requester, who wrote the messages."""
    if not values:
        return transitions.NO_CHANGE
    by = ticket.created_by or "system"
    return Change(
        values=values,
        events=tuple(NewEvent(EventType.EDITED, by=by, field=name) for name in fields),
        remove=("summary", "assignment.next"),  # both are of the words before
    )
