"""What was typed to search for tickets: words, a number, and filters such as `status:open`."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Self

from bson import ObjectId

from services.core.database import Document
from services.core.errors import InvalidValue
from services.core.text import join_words, strip_invisible
from services.models.resolution import (
    CANCELLED_RESOLUTION,
    NOT_A_REQUEST_RESOLUTION,
    RESOLUTION_CODES,
)
from services.models.search_words import MIN_LENGTH, Word, iter_words, normalized
from services.models.ticket import OPEN_STATUSES, Priority, Status, parse_priority

QUERY_FIELD = "q"
MAX_QUERY_LENGTH = 150
MAX_QUERY_WORDS = 10
ME = "me"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CURSOR = re.compile(r"([0-3])\.(-?[0-9]{1,15}|)\.([0-9a-f]{24})", re.ASCII)
_ACCOUNT_ID = re.compile("[0-9a-f]{24}")  # of a person that was chosen from several
_NUMBER = re.compile(r"#?([0-9]{1,9})", re.ASCII)


class SearchFilter(StrEnum):
    STATUS = "status"
    PRIORITY = "priority"
    ASSIGNEE = "assignee"
    REQUESTER = "from"
    SINCE = "since"


PEOPLE_FILTERS = (SearchFilter.ASSIGNEE, SearchFilter.REQUESTER)
# Filters of other programs. Any other word with a colon is read as words.
_OTHER_FILTERS = frozenset(
    {"assigned", "author", "by", "created", "date", "is", "label", "owner", "requester"}
    | {"skill", "state", "to"}
)
_FILTER = re.compile(r"""(?<!\S)([^\W\d_]+):(?:"([^"]*)"?|(\S*))""")
_DONE: Document = {"status": Status.COMPLETED.value}
STATUSES: Mapping[str, Document] = {
    "open": {"status": {"$in": [status.value for status in OPEN_STATUSES]}},
    "assigned": {"status": Status.IN_PROGRESS.value, "acceptedAt": None},
    "in-progress": {"status": Status.IN_PROGRESS.value, "acceptedAt": {"$ne": None}},
    "waiting": {"status": Status.WAITING.value},
    "reopened": {"status": Status.REOPENED.value},
    "resolved": {**_DONE, "resolution": {"$nin": list(RESOLUTION_CODES)}},
    "cancelled": {**_DONE, "resolution": CANCELLED_RESOLUTION},
    "not-a-request": {**_DONE, "resolution": NOT_A_REQUEST_RESOLUTION},
    "closed": _DONE,
}
_SINCE = re.compile(r"([0-9]{1,4})([hdw])|([0-9]{4}-[0-9]{2}-[0-9]{2})", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAYS_AGO = {"today": 0, "yesterday": 1}
_FILTERS_HINT = f"Use {join_words([f'{name}:' for name in SearchFilter], 'or')}."
_VALUES = {
    SearchFilter.STATUS: join_words(list(STATUSES), "or"),
    SearchFilter.PRIORITY: join_words(list(Priority), "or"),
    SearchFilter.ASSIGNEE: "me, a name or an email address",
    SearchFilter.REQUESTER: "me, a name or an email address",
    SearchFilter.SINCE: "a date or an age, such as 2026-03-01, 7d, 2w or yesterday",
}
NOTHING_TYPED = (
    "Write what to search for: a number, words of the ticket, or filters such as status:open "
    "from:me."
)
TOO_SHORT = "Write words of at least two letters or digits."


class Rank(StrEnum):
    """Where all words of a search are, in the order of the results. `OLDER`: not ranked."""

    TITLE = "0"
    DESCRIPTION = "1"
    ELSEWHERE = "2"
    OLDER = "3"


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """The last ticket of a page."""

    rank: Rank
    created_at: datetime | None
    ticket_id: ObjectId

    @property
    def sort_key(self) -> tuple[str, float, int]:
        at = self.created_at.timestamp() if self.created_at else float("-inf")
        return self.rank.value, -at, -int(str(self.ticket_id), 16)

    def encode(self) -> str:
        at = (self.created_at - _EPOCH) // _MILLISECOND if self.created_at else ""
        return f"{self.rank}.{at}.{self.ticket_id}"

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Return None if `encode` did not write the text."""
        found = _CURSOR.fullmatch(text)
        try:
            at = _EPOCH + int(found[2]) * _MILLISECOND if found and found[2] else None
        except OverflowError:
            return None
        return cls(Rank(found[1]), at, ObjectId(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What was typed, and the page of its results."""

    text: str
    cursor: SearchCursor | None = None

    def encode(self) -> str:
        """Encode for a button's value, without "|"."""
        text = urlsafe_b64encode(self.text.encode()).decode().rstrip("=")
        return f"{text}~{self.cursor.encode() if self.cursor else ''}"

    @classmethod
    def decode(cls, encoded: str) -> Self | None:
        """Return None if `encode` did not write it."""
        text, _, cursor = encoded.partition("~")
        try:
            typed = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except ValueError:
            return None
        return cls(typed, SearchCursor.decode(cursor)) if typed else None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """`words` have to occur, `beginning` as the beginning of a word. `people` has the text of each
    filter by a person; `number` is what was typed, if that is one number."""

    text: str
    words: tuple[str, ...] = ()
    beginning: str = ""
    number: int | None = None
    status: Document | None = None
    priority: Priority | None = None
    people: Mapping[SearchFilter, str] = field(default_factory=dict)
    since: datetime | None = None

    @classmethod
    def parse(cls, text: str, *, now: datetime) -> "SearchQuery":
        """Read it; days begin in the time zone of `now`. Raises `InvalidValue` with a sentence
        that says what is possible."""
        text = " ".join(strip_invisible(text).split())
        if not text:
            raise InvalidValue(QUERY_FIELD, NOTHING_TYPED)
        if len(_ACCOUNT_ID.sub("", text)) > MAX_QUERY_LENGTH:
            raise InvalidValue(QUERY_FIELD, f"Write at most {MAX_QUERY_LENGTH} characters.")
        filters = _read_filters(text)
        rest = _FILTER.sub(lambda found: "" if _filter_name(found[1]) else found[0], text).strip()
        words, beginning = _read_words(rest)
        if rest and not (words or beginning or _NUMBER.fullmatch(rest)):
            raise InvalidValue(QUERY_FIELD, TOO_SHORT)
        number = _NUMBER.fullmatch(rest)
        return cls(
            text,
            words,
            beginning,
            number=int(number[1]) if number else None,
            status=_read(filters, SearchFilter.STATUS, _status),
            priority=_read(filters, SearchFilter.PRIORITY, parse_priority),
            people={name: filters[name] for name in PEOPLE_FILTERS if name in filters},
            since=_read(filters, SearchFilter.SINCE, lambda value: _since(value, now)),
        )

    @property
    def is_number_alone(self) -> bool:
        """Whether it has no word, as a number of one digit has not."""
        return self.number is not None and not (self.words or self.beginning)

    def with_person(self, by: SearchFilter, user_id: ObjectId) -> str:
        """Return what to type to search for that account in the filter."""

        def replace(found: re.Match[str]) -> str:
            return f"{by}:{user_id}" if _filter_name(found[1]) is by else found[0]

        return _FILTER.sub(replace, self.text)


def _filter_name(typed: str) -> SearchFilter | None:
    """Return None for a word that is no filter. Raises `InvalidValue` for a likely slip."""
    name = typed.casefold()
    if name in set(SearchFilter):
        return SearchFilter(name)
    if name in _OTHER_FILTERS or get_close_matches(name, list(SearchFilter), n=1, cutoff=0.75):
        raise InvalidValue(QUERY_FIELD, f"There is no filter {name}:. {_FILTERS_HINT}")
    return None


def _read_filters(text: str) -> dict[SearchFilter, str]:
    filters: dict[SearchFilter, str] = {}
    for found in _FILTER.finditer(text):
        name = _filter_name(found[1])
        if name is None:
            continue
        if name in filters:
            raise InvalidValue(QUERY_FIELD, f"Use {name}: only once.")
        filters[name] = (found[2] if found[2] is not None else found[3]).strip()
        if not filters[name]:
            raise InvalidValue(QUERY_FIELD, _hint(name))
    return filters


def _hint(name: SearchFilter) -> str:
    return f"Write {_VALUES[name]} right after {name}:."


def _read(filters: Mapping[SearchFilter, str], name: SearchFilter, read: Any) -> Any:
    if name not in filters:
        return None
    value = read(filters[name])
    if value is None:
        raise InvalidValue(QUERY_FIELD, _hint(name))
    return value


def _status(typed: str) -> Document | None:
    return STATUSES.get(typed.casefold().replace("_", "-"))


def _since(typed: str, now: datetime) -> datetime | None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if (days := _DAYS_AGO.get(typed.casefold())) is not None:
        return midnight - timedelta(days=days)
    found = _SINCE.fullmatch(typed.casefold())
    if found is None:
        return None
    try:
        if found[3]:
            return datetime.fromisoformat(found[3]).replace(tzinfo=now.tzinfo)
        return now - int(found[1]) * _UNITS[found[2]]
    except (ValueError, OverflowError):
        return None


def _read_words(text: str) -> tuple[tuple[str, ...], str]:
    """Return the words, and the last one if it may go on: a pair of letters is complete."""
    found: list[Word] = list(iter_words(normalized(text)))
    last = found[-1] if found else None
    is_single = last is not None and last.is_pair and len(last.text) == 1
    beginning = last.text if last and (is_single or not last.is_pair) else ""
    if not is_single and len(beginning) < MIN_LENGTH:
        beginning = ""
    complete = found[:-1] if beginning else found
    words = tuple(dict.fromkeys(word.text for word in complete if len(word.text) >= MIN_LENGTH))
    if len(words) > MAX_QUERY_WORDS:
        raise InvalidValue(QUERY_FIELD, f"Write at most {MAX_QUERY_WORDS} words.")
    return words, beginning
