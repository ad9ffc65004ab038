"""Tickets similar to a given one: resolved ones as precedents, and reports within the last hour.

At most a few hundred of the newest are read, by index, and compared here by their words; rare words
count more.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from services.analysis.model_exchange import Precedent, canonical_skills
from services.core.coerce import as_object_id, as_str, as_string_list
from services.core.database import Document, Mongo
from services.models.resolution import NOT_A_REQUEST_RESOLUTION, RESOLUTION_CODES
from services.models.ticket import Status, Ticket
from services.routing.indexes import SKILL_RESOLVED_INDEX
from services.routing.learned_model import extract_features
from services.tickets.access import is_for_other_tickets
from services.tickets.indexes import NEWEST_INDEX, RESOLVED_INDEX

MAX_PRECEDENTS = 4
MAX_SEARCHED_SKILLS = 3
MAX_COMPARED_TICKETS = 200
# Texts about different subjects reach less than half of this, by their common words.
MIN_SIMILARITY = 0.2

# A word counts at least once and at most twice: when many report the same problem, its words are
# not rare but must still count.
MIN_WORD_WEIGHT, MAX_WORD_WEIGHT = 1.0, 2.0
REPORT_WINDOW = timedelta(hours=1)
COMPARED_LENGTH = 500  # characters of a text

_COMPLETED: Document = {"status": Status.COMPLETED.value}
_SUMMARISED = {
    "summary": True,
    "title": True,
    "relatedSkills": True,
    "resolution": True,
    "private": True,
}
_REPORTED = {
    "title": True,
    "description": True,
    "createdBy": True,
    "private": True,
    "resolution": True,
}


def find_precedents(
    db: Mongo, *, text: str, likely: Sequence[str], team_skills: Sequence[str]
) -> tuple[Precedent, ...]:
    """Return the resolved tickets most similar to the text, best first: their summaries by a model,
    and which of the team's skills they needed.

    The newest tickets of the first three `likely` skills are compared; without a likely skill, the
    newest of all. Titles are compared but not returned.
    """
    docs = {doc["_id"]: doc for doc in _resolved_tickets(db, likely[:MAX_SEARCHED_SKILLS])}
    done = (doc for doc in docs.values() if doc.get("resolution") not in RESOLUTION_CODES)
    summarised = [doc for doc in done if _summary(doc)]
    shares = similarities(
        text[:COMPARED_LENGTH], [_beginning(doc, "summary") for doc in summarised]
    )
    alike = [pair for pair in zip(shares, summarised, strict=True) if pair[0] >= MIN_SIMILARITY]
    alike.sort(key=lambda pair: (-pair[0], pair[1]["_id"]))
    # Of several with the same summary, keep the most similar.
    once = {_summary(doc): doc for _, doc in reversed(alike)}
    best = [doc for _, doc in alike if once[_summary(doc)] is doc][:MAX_PRECEDENTS]
    choices = canonical_skills(team_skills)
    return tuple(Precedent(_summary(doc), _skills(doc, choices)) for doc in best)


def count_reporters(db: Mongo, ticket: Ticket, *, now: datetime) -> int:
    """Return how many other requesters filed a similar ticket within the last hour."""
    found = db.tickets.find({"createdAt": {"$gt": now - REPORT_WINDOW}}, _REPORTED)
    newest = found.sort(list(NEWEST_INDEX)).limit(MAX_COMPARED_TICKETS)
    own = {None, ticket.created_by}
    others = [
        doc
        for doc in newest
        if as_object_id(doc.get("createdBy")) not in own
        and is_for_other_tickets(doc)
        and doc.get("resolution") != NOT_A_REQUEST_RESOLUTION
    ]
    text = ticket.text[:COMPARED_LENGTH]
    shares = similarities(text, [_beginning(doc, "description") for doc in others])
    alike = zip(shares, others, strict=True)
    return len(
        {as_object_id(doc.get("createdBy")) for share, doc in alike if share >= MIN_SIMILARITY}
    )


def similarities(text: str, others: Sequence[str]) -> list[float]:
    """Return the cosine similarity of the text to each of the others, 0 to 1.

    Rare words are those that are rare in these texts.
    """
    own, bags = extract_features(text), [extract_features(other) for other in others]
    spread = Counter(word for bag in (own, *bags) for word in bag)
    weights = {word: _weight(len(bags) + 1, count) for word, count in spread.items()}
    length = _norm(own, weights)
    return [_dot_product(own, bag, weights) / (length * _norm(bag, weights) or 1.0) for bag in bags]


def _resolved_tickets(db: Mongo, skills: Sequence[str]) -> Iterator[Document]:
    if not skills:
        newest = db.tickets.find(_COMPLETED, _SUMMARISED).sort(list(RESOLVED_INDEX)[1:])
        yield from filter(is_for_other_tickets, newest.limit(MAX_COMPARED_TICKETS))
    for skill in skills:
        of_skill = db.tickets.find({"relatedSkills": skill, **_COMPLETED}, _SUMMARISED)
        newest = of_skill.sort(list(SKILL_RESOLVED_INDEX)[2:])
        amount = MAX_COMPARED_TICKETS // len(skills)
        yield from filter(is_for_other_tickets, newest.limit(amount))


def _summary(doc: Document) -> str:
    return as_str(doc.get("summary")).strip()


def _skills(doc: Document, choices: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ticket's skills that the team has, in the team's spelling."""
    noted = (skill.casefold() for skill in as_string_list(doc.get("relatedSkills")))
    return tuple(dict.fromkeys(choices[key] for key in noted if key in choices))


def _beginning(doc: Document, field: str) -> str:
    return f"{as_str(doc.get('title'))}\n{as_str(doc.get(field))}"[:COMPARED_LENGTH]


def _weight(texts: int, count: int) -> float:
    return min(max(math.log(1 + texts / count), MIN_WORD_WEIGHT), MAX_WORD_WEIGHT)


def _dot_product(
    one: Mapping[int, float], other: Mapping[int, float], weights: Mapping[int, float]
) -> float:
    both = one.keys() & other.keys()
    return math.fsum(weights[word] * one[word] * other[word] for word in both)


def _norm(bag: Mapping[int, float], weights: Mapping[int, float]) -> float:
    return math.sqrt(math.fsum(weights[word] * count**2 for word, count in bag.items()))
