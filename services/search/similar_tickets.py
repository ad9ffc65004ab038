"""The tickets most similar to one that staff look at, and how they were solved.

The newest tickets that have one of its rarest words are read by the index of words, and compared by
all words. The reader sees only tickets that they may see anyway.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pymongo
from bson import ObjectId
from pymongo.errors import PyMongoError

from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.redaction import mask_visible
from services.models.permissions import Actor, Permission, require_permission
from services.models.resolution import RESOLUTION_CODES
from services.models.ticket import Status, Ticket
from services.models.ticket_similarity import TicketWords, informative_words
from services.search.word_sample import WordSample, word_sample
from services.tickets.access import Sight, for_requester, visible_to
from services.tickets.indexes import NEWEST_INDEX

logger = logging.getLogger(__name__)

MAX_SHOWN = 3
# Below, two texts have hardly more in common than any two: the list stays shorter.
MIN_SIMILARITY = 0.3
MAX_SECONDS = 0.3  # for each of the two queries; a page does not wait longer
_MAX_WORDS = 8
_MAX_COMPARED = 300  # about as many tickets are read
_COUNT_IF_UNSEEN = 0.1  # of a word that is not in the sample: most are in hardly any ticket
_COMPARED_FIELDS = ("title", "search.public", "search.parts")
_SHOWN_FIELDS = (
    *("number", "title", "status", "resolution", "private", "comments", "createdBy"),
    *("assignedTo", "acceptedAt", "participants", "createdAt"),
)


@dataclass(frozen=True, slots=True)
class SimilarTicket:
    """`ticket` has only what the reader may see. `solution` is what was done, or else the last
    public answer to the requester; "" if neither is known, or the ticket is open."""

    ticket: Ticket
    solution: str


class SimilarTickets:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def find(self, *, actor: Actor, ticket: Ticket) -> tuple[SimilarTicket, ...]:
        """Return the most similar ones of the tickets that the actor may see, best first; none if
        MongoDB is slow."""
        require_permission(actor, Permission.SEE_ANY_TICKET)
        if ticket.search is None:
            return ()
        try:
            sample = word_sample(self._db, now=self._clock())
            with pymongo.timeout(MAX_SECONDS):
                candidates = self._candidates(ticket, sample, visible_to(actor))
            best = _most_similar(ticket, candidates)
            with pymongo.timeout(MAX_SECONDS):
                return self._load(best, visible_to(actor))
        except PyMongoError as error:
            logger.info("shown without similar tickets: %s", type(error).__name__)
            return ()

    def _candidates(self, ticket: Ticket, sample: WordSample, sight: Sight) -> list[Document]:
        words, share = _rarest_words(ticket, sample)
        first: Document = {"search.public": {"$in": words}}
        if share * sample.total > _MAX_COMPARED and not sample.is_complete:
            newest = sample.read_at - sample.span_of(_MAX_COMPARED / share)
            first["createdAt"] = {"$gt": newest}
        rest: list[Document] = [{"_id": {"$ne": ticket.id}}]
        if condition := sight.condition():
            rest.append(condition)
        if not words:
            return []
        found = self._db.tickets.aggregate(
            [
                {"$match": first},
                {"$match": {"$and": rest}},
                {"$sort": dict(NEWEST_INDEX)},
                {"$limit": _MAX_COMPARED},
                {"$project": dict.fromkeys(_COMPARED_FIELDS, True)},
            ],
            batchSize=_MAX_COMPARED + 1,
        )
        return list(found)

    def _load(self, ticket_ids: Sequence[ObjectId], sight: Sight) -> tuple[SimilarTicket, ...]:
        if not ticket_ids:
            return ()
        these = {"_id": {"$in": list(ticket_ids)}}
        docs = self._db.tickets.find(these, dict.fromkeys(_SHOWN_FIELDS, True))
        loaded = {doc["_id"]: Ticket.from_doc(doc) for doc in docs}
        tickets = (loaded.get(ticket_id) for ticket_id in ticket_ids)
        visible = (ticket for ticket in tickets if ticket and sight.covers(ticket))
        return tuple(SimilarTicket(for_requester(one), _solution(one)) for one in visible)


def _rarest_words(ticket: Ticket, sample: WordSample) -> tuple[list[str], float]:
    """Return the ticket's rarest informative words, as many as are in few tickets, and about the
    share of the tickets that have one of them."""
    search = ticket.search
    words = search.public[: search.text_count] if search else ()
    counted = sorted(
        (max(sample.count("search.public", word), _COUNT_IF_UNSEEN) / max(sample.size, 1), word)
        for word in informative_words(words)
    )
    chosen: list[str] = []
    total = 0.0
    for share, word in counted[:_MAX_WORDS]:
        if chosen and (total + share) * sample.total > _MAX_COMPARED:
            break
        chosen.append(word)
        total += share
    return chosen, total


def _most_similar(ticket: Ticket, candidates: Sequence[Document]) -> list[ObjectId]:
    """Return the ids of the most similar; of equal ones the newest first, as they were read."""
    own = TicketWords.of_texts(mask_visible(ticket.title), mask_visible(ticket.description))
    possible = (doc for doc in candidates if own.max_similarity(doc) >= MIN_SIMILARITY)
    rated = ((own.similarity(TicketWords.of_doc(doc)), doc["_id"]) for doc in possible)
    found = [pair for pair in rated if pair[0] >= MIN_SIMILARITY]
    found.sort(key=lambda pair: -pair[0])
    return [ticket_id for _, ticket_id in found[:MAX_SHOWN]]


def _solution(ticket: Ticket) -> str:
    if ticket.status is not Status.COMPLETED or ticket.resolution in RESOLUTION_CODES:
        return ""
    if ticket.resolution:
        return str(ticket.resolution)
    others = {ticket.created_by, *ticket.participants}
    answers = (
        comment.text
        for comment in reversed(ticket.comments)
        if not (comment.internal or comment.deleted or comment.by in others)
    )
    return next(filter(None, answers), "")
