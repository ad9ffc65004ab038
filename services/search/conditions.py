"""What a ticket has to match: each condition has alternatives, one query for each finds them all.

SecantusDB uses an index only if it begins with every field of the first `$match` stage, so an
alternative says which of its fields those are. MongoDB merges the stages.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bson import ObjectId

from services.core.database import Document
from services.models.ticket import Status
from services.search.word_sample import WordSample
from services.tickets.access import Sight

_FIRST_LETTER = "0"  # of those that words consist of, in the order of the index
ANY_STATUS: Document = {"$in": [status.value for status in Status]}


@dataclass(frozen=True, slots=True)
class Alternative:
    """`indexed` are the fields that an index begins with, `rest` the others, or all if it
    `repeats` the first. `is_dated`: the index goes on with createdAt. `count` says in
    how many tickets of a sample it is."""

    indexed: Document
    count: Callable[[WordSample], int]
    rest: Document = field(default_factory=dict)
    is_dated: bool = True
    repeats: bool = False

    @property
    def filter(self) -> Document:
        parts = (self.rest,) if self.repeats else (self.indexed, self.rest)
        return {"$and": [part for part in parts if part]}


@dataclass(frozen=True, slots=True)
class Condition:
    """At least one alternative has to match. `also_by` are others that find the same tickets."""

    alternatives: tuple[Alternative, ...]
    also_by: tuple[Alternative, ...] = ()

    @property
    def filter(self) -> Document:
        return {"$or": [one.filter for one in self.alternatives]}

    def share(self, sample: WordSample) -> float:
        """Return the share of the tickets that match, more than 0."""
        if not sample.size:
            return 1.0
        count = sum(one.count(sample) for one in self.alternatives)
        return min(max(count, 0.5) / sample.size, 1.0)


def has_word(word: str, sight: Sight, people: Iterable[ObjectId] = ()) -> Condition:
    """The word is in the ticket's texts, or in the name of its requester or assignee (`people`)."""

    def alternative(field: str, rest: Document) -> Alternative:
        return Alternative({field: word}, lambda sample: sample.count(field, word), rest)

    named = [one for who in people for one in (*is_from(who).alternatives, *_assigned(who))]
    return Condition((*_in_words(alternative, sight), *named))


def has_beginning(beginning: str, sight: Sight, people: Iterable[ObjectId] = ()) -> Condition:
    """As `has_word`, for the beginning of a word; or for that whole word, and the longer ones."""
    after = beginning[:-1] + chr(ord(beginning[-1]) + 1)

    def words_from(first: str) -> Callable[[str, Document], Alternative]:
        bounds = {"$gte": first, "$lt": after}

        def alternative(field: str, rest: Document) -> Alternative:
            # The range alone would also match a word below it and another above it.
            one_word = {field: {"$elemMatch": bounds}}
            return Alternative(
                {field: bounds},
                lambda sample: sample.count_between(field, first, after),
                {**one_word, **rest},
                is_dated=False,
                repeats=True,
            )

        return alternative

    named = [one for who in people for one in (*is_from(who).alternatives, *_assigned(who))]
    begun = (*_in_words(words_from(beginning), sight), *named)
    whole = has_word(beginning, sight, people).alternatives
    longer = _in_words(words_from(beginning + _FIRST_LETTER), sight)
    return Condition(begun, also_by=(*whole, *longer))


def _in_words(
    alternative: Callable[[str, Document], Alternative], sight: Sight
) -> list[Alternative]:
    found = [alternative("search.public", {})]
    if sight.as_staff:
        all_staff = {} in sight.as_staff
        rest = {} if all_staff else {"$or": [dict(one) for one in sight.as_staff]}
        found.append(alternative("search.internal", rest))
    return found


def is_from(user_id: ObjectId) -> Condition:
    by = {"createdBy": user_id}
    return Condition((Alternative(by, lambda sample: sample.count("createdBy", user_id)),))


def is_assigned_to(user_id: ObjectId) -> Condition:
    return Condition(_assigned(user_id))


def _assigned(user_id: ObjectId) -> tuple[Alternative, ...]:
    to = {"assignedTo": user_id, "status": ANY_STATUS}
    return (Alternative(to, lambda sample: sample.count("assignedTo", user_id), is_dated=False),)


def is_involved(user_id: ObjectId) -> Condition:
    """The account is the requester or a participant."""
    takes_part = {"participants": user_id}
    return Condition(
        (
            *is_from(user_id).alternatives,
            Alternative(takes_part, lambda _: 0),
        )
    )


def is_any() -> Condition:
    return Condition((Alternative({}, lambda sample: sample.size),))
