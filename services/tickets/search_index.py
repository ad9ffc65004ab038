"""Keeps the words that a ticket is found by (`search`) with the texts that they come from.

Only masked texts have words here, as only these are listed: no one finds a ticket by its secrets.
`ticket_store.apply` and filing write the words in the update of the text. Processes of an earlier
release and the legacy backend write texts alone; `refresh` corrects that.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne

from services.core.database import Document, Mongo
from services.core.redaction import mask_visible
from services.models.comment import Comment
from services.models.events import Event, EventType
from services.models.search_words import SearchWords, unique_words
from services.models.ticket import Ticket
from services.tickets.indexes import NEWEST_INDEX
from services.tickets.transitions import NO_CHANGE, Change

# Staff find a ticket by its skills, which requesters do not see.
_TEXT_FIELDS = frozenset({"title", "description", "relatedSkills"})
_COMMENT_TEXT = re.compile(r"comments\.(\d+)\.text")
_COMMENT_EVENTS = frozenset(
    {
        EventType.COMMENTED,
        EventType.NOTED,
        EventType.COMMENT_EDITED,
        EventType.COMMENT_DELETED,
        EventType.ANALYSED,
        EventType.FILED,
    }
)
# What `refresh` reads of each ticket to see if its words are current.
_VERSION_FIELDS = ("events", "search.seq", "search.public")
_WITHOUT_WORDS: Document = {"search.public": None}
_POSITION = {"_id": "search-refresh"}


def words_of(ticket: Ticket) -> Document:
    """Return the fields that hold the words of the ticket's present texts."""
    return _rebuilt(ticket, NO_CHANGE, ticket.seq)


def words_after(ticket: Ticket, change: Change) -> Document:
    """Return the fields to set with the change, {} if it changes no text."""
    changed = {name for name in change.values if _is_text(name)}
    added = change.push.get("comments")
    if not (changed or added):
        return {}
    seq = ticket.seq + len(change.events)
    stored = ticket.search
    if stored is None or not is_current(ticket) or changed - {"relatedSkills"}:
        return _rebuilt(ticket, change, seq)
    values: Document = {"search.seq": seq}
    if added and not _is_internal(added):
        public = unique_words([_masked(added["text"])], stored.public)
        if public != stored.public:
            values["search.public"] = list(public)
    else:
        internal = _internal_words(ticket, change)
        if internal != stored.internal:
            values["search.internal"] = list(internal)
    return values


def is_current(ticket: Ticket) -> bool:
    """Return whether no text has changed since the words were written."""
    stored = ticket.search
    if stored is None:
        return False
    return all(event.seq <= stored.seq for event in ticket.events if _changes_text(event))


def add_words(db: Mongo, *, limit: int, now: datetime) -> int:  # noqa: ARG001  as migrations are
    """Add the words of the newest tickets that have none; return how many have changed."""
    return _add_words(db, limit)


def refresh(db: Mongo, *, limit: int) -> None:
    """Add missing words, and correct those that are older than their text, of `limit` tickets. Each
    run goes on behind the last ticket of the run before, and after the end begins again."""
    _add_words(db, limit)
    position = db.meta.find_one(_POSITION) or {}
    after = position.get("after") or ObjectId("0" * 24)
    read = dict.fromkeys(_VERSION_FIELDS, True)
    found = list(db.tickets.find({"_id": {"$gt": after}}, read).sort("_id").limit(limit))
    stale = [doc["_id"] for doc in found if not is_current(Ticket.from_doc(doc))]
    if stale:
        _write(db, list(db.tickets.find({"_id": {"$in": stale}})))
    reached = found[-1]["_id"] if len(found) == limit else None
    db.meta.update_one(_POSITION, {"$set": {"after": reached}}, upsert=True)


def _add_words(db: Mongo, limit: int) -> int:
    newest = db.tickets.find(_WITHOUT_WORDS).sort(NEWEST_INDEX)
    return _write(db, list(newest.limit(limit)))


def _write(db: Mongo, docs: Sequence[Document]) -> int:
    """Store the words of the tickets, each unless it has changed since."""
    updates = []
    for doc in docs:
        ticket = Ticket.from_doc(doc)
        unchanged = {"_id": doc["_id"], "seq": doc.get("seq")}
        updates.append(UpdateOne(unchanged, {"$set": words_of(ticket)}))
    return db.tickets.bulk_write(updates, ordered=False).matched_count if updates else 0


def _is_text(name: str) -> bool:
    return name in _TEXT_FIELDS or bool(_COMMENT_TEXT.fullmatch(name))


def _changes_text(event: Event) -> bool:
    is_edit = event.type == EventType.EDITED and event.field in _TEXT_FIELDS
    return is_edit or event.type in _COMMENT_EVENTS


def _rebuilt(ticket: Ticket, change: Change, seq: int) -> Document:
    values = change.values
    title = unique_words([_masked(values.get("title", ticket.title))])
    own = unique_words([_masked(values.get("description", ticket.description))], title)
    public = (text for text, is_internal in _comments(ticket, change) if not is_internal)
    words = SearchWords(
        public=unique_words(map(_masked, public), own),
        internal=_internal_words(ticket, change),
        title_count=len(title),
        text_count=len(own),
        seq=seq,
    )
    return {"search": words.to_doc()}


def _internal_words(ticket: Ticket, change: Change) -> tuple[str, ...]:
    skills = change.values.get("relatedSkills", ticket.related_skills) or ()
    notes = (text for text, is_internal in _comments(ticket, change) if is_internal)
    return unique_words(map(_masked, notes), unique_words(map(str, skills)))


def _comments(ticket: Ticket, change: Change) -> Iterator[tuple[str, bool]]:
    """Yield the text of each comment after the change, and whether it is internal."""
    edited = {
        int(found[1]): str(text)
        for name, text in change.values.items()
        if (found := _COMMENT_TEXT.fullmatch(name))
    }
    for comment in ticket.comments:
        yield edited.get(comment.position, _text(comment)), comment.internal
    if added := change.push.get("comments"):
        yield str(added["text"]), _is_internal(added)


def _is_internal(comment: Document) -> bool:
    return comment["internal"] is not False


def _text(comment: Comment) -> str:
    return "" if comment.deleted else comment.text


def _masked(text: Any) -> str:
    return mask_visible(str(text or ""))
