"""The words around a match, from a masked text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.core.redaction import mask_visible
from services.models.search_words import MAX_LENGTH, iter_words, normalized
from services.models.ticket import Ticket
from services.search.search_query import SearchQuery

MAX_EXCERPT_LENGTH = 140
_BEFORE = 40  # characters before the first match


class Place(StrEnum):
    TITLE = "title"
    DESCRIPTION = "description"
    COMMENT = "comment"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Segment:
    text: str
    is_match: bool = False


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of one of the ticket's texts. `is_cut_before` and `is_cut_after`: the text goes on."""

    place: Place
    segments: tuple[Segment, ...]
    is_cut_before: bool = False
    is_cut_after: bool = False


def find_excerpt(ticket: Ticket, query: SearchQuery) -> Excerpt | None:
    """Return the surroundings of the words: of the text that has most of those that the title does
    not have, or of the title; None if they are in none."""
    wanted = {*query.words, query.beginning} - {""}
    title = normalized(mask_visible(ticket.title))
    missing = wanted - _terms_in(title, query)
    best: tuple[Place, str] | None = (Place.TITLE, title) if missing < wanted else None
    most = 0
    for place, text in _texts(ticket):
        count = len(_terms_in(text, query) & missing)
        if count > most:
            best, most = (place, text), count
    return _around(*best, query) if best else None


def _texts(ticket: Ticket) -> Iterator[tuple[Place, str]]:
    yield Place.DESCRIPTION, normalized(mask_visible(ticket.description))
    for comment in ticket.comments:
        if not comment.deleted:
            place = Place.NOTE if comment.internal else Place.COMMENT
            yield place, normalized(mask_visible(comment.text))


def _terms_in(text: str, query: SearchQuery) -> set[str]:
    return {term for _, _, term in _matches(text, query)}


def _matches(text: str, query: SearchQuery) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and term of each word that was searched for."""
    beginning = query.beginning[:MAX_LENGTH]
    for word in iter_words(text):
        if word.text in query.words:
            yield word.start, word.end, word.text
        elif beginning and word.text.startswith(beginning):
            yield word.start, word.end, query.beginning


def _around(place: Place, text: str, query: SearchQuery) -> Excerpt:
    spans = _merged([(start, end) for start, end, _ in _matches(text, query)])
    first = max(spans[0][0] - _BEFORE, 0)
    if first and (blank := text.find(" ", first, spans[0][0])) >= 0:
        first = blank + 1
    last = min(first + MAX_EXCERPT_LENGTH, len(text))
    if last < len(text) and (blank := text.rfind(" ", first, last)) > spans[0][1]:
        last = blank
    segments: list[Segment] = []
    done = first
    for start, end in spans:
        if end > last and segments:
            break
        segments.append(Segment(_one_line(text[done:start])))
        segments.append(Segment(_one_line(text[start : min(end, last)]), is_match=True))
        done = min(end, last)
    segments.append(Segment(_one_line(text[done:last])))
    shown = tuple(segment for segment in segments if segment.text)
    return Excerpt(place, shown, is_cut_before=first > 0, is_cut_after=last < len(text))


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans that touch, as pairs of letters do."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _one_line(text: str) -> str:
    """Replace white space by one blank, also at the ends."""
    words = " ".join(text.split())
    before = " " if text[:1].isspace() else ""
    after = " " if words and text[-1:].isspace() else ""
    return f"{before}{words}{after}"
