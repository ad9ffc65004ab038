"""The accounts, searched and a page at a time, by address.

`searchKeys` holds the beginnings one may search by: each word of a name, an address and its parts.
"""

import re
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, unquote

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, UpdateOne

from services.accounts.validation import email_key
from services.core.database import Document, Mongo
from services.core.text import strip_invisible
from services.models.user import User

PAGE_SIZE = 10
SEARCH_MAX = 80
WORDS_MAX = 5
_PARTS = re.compile(r"[\s.@_+-]+")
_PLACE = re.compile(r"([<>])([0-9a-f]{24})~(.*)|~(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the roll somebody is: what they search for, and the page after or before a user."""

    search: str = ""
    beside: ObjectId | None = None
    is_back: bool = False

    def encode(self) -> str:
        """For a button's value: no "|" in it."""
        at = f"{'<' if self.is_back else '>'}{self.beside}" if self.beside else ""
        return f"{at}~{quote(self.search, safe='')}"

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """None for whatever `encode` would not have written."""
        found = _PLACE.fullmatch(text)
        if found is None:
            return None
        search = checked_search(unquote(found[3] or found[4] or ""))
        if found[2] is None:
            return cls(search=search)
        return cls(search=search, beside=ObjectId(found[2]), is_back=found[1] == "<")


@dataclass(frozen=True, slots=True)
class RollPage:
    """`back` and `on` are None where there is nobody more on that side."""

    place: Place
    users: tuple[User, ...]
    back: Place | None = None
    on: Place | None = None


def checked_search(text: str) -> str:
    """On one line, and no longer than anybody would type."""
    return " ".join(strip_invisible(text).split())[:SEARCH_MAX].strip()


def search_keys(user: User) -> list[str]:
    address = email_key(user.email)
    words = (user.name or "").casefold().split()
    return sorted({address, *words, *_PARTS.split(address.partition("@")[0])} - {""})


def index_newcomers(db: Mongo) -> None:
    """Give accounts made since, also the predecessor's, what they are searched and sorted by."""
    found = db.users.find({"searchKeys": None}, {"email": True, "name": True})
    keys = [
        UpdateOne(
            {"_id": user.id},
            {"$set": {"emailKey": email_key(user.email), "searchKeys": search_keys(user)}},
        )
        for user in map(User.from_doc, found)
    ]
    if keys:
        db.users.bulk_write(keys, ordered=False)


def page(db: Mongo, place: Place) -> RollPage:
    """The page at `place`, or the first where that one has emptied meanwhile."""
    index_newcomers(db)
    edge = _edge(db, place)
    if edge is None:
        users, more = _read(db, place.search, None, is_back=False)
        return _cut_out(Place(search=place.search), users, back=False, on=more)
    users, more = _read(db, place.search, edge, is_back=place.is_back)
    if not place.is_back and users:
        return _cut_out(place, users, back=True, on=more)
    if place.is_back and more:
        return _cut_out(place, users, back=True, on=True)
    # So the first page is always a full one.
    return page(db, Place(search=place.search))


def _edge(db: Mongo, place: Place) -> Document | None:
    """The user beside the page; None for the first page."""
    return db.users.find_one({"_id": place.beside}, {"emailKey": True}) if place.beside else None


def _read(
    db: Mongo, search: str, edge: Document | None, *, is_back: bool
) -> tuple[list[User], bool]:
    """A page's accounts in order, and whether more follow on the side looked at."""
    order = DESCENDING if is_back else ASCENDING
    docs = list(
        db.users.find({**_matching(search), **_bounds(edge, is_back=is_back)})
        .sort([("emailKey", order), ("_id", order)])
        .limit(PAGE_SIZE + 1)
    )
    users = [User.from_doc(doc) for doc in docs[:PAGE_SIZE]]
    return users[::-1] if is_back else users, len(docs) > PAGE_SIZE


def _matching(search: str) -> Document:
    """Every word of the search begins one of the keys."""
    words = search.casefold().split()[:WORDS_MAX]
    if not words:
        return {}
    first, *rest = [{"searchKeys": {"$regex": f"^{re.escape(word)}"}} for word in words]
    return {**first, "$and": rest} if rest else dict(first)


def _bounds(edge: Document | None, *, is_back: bool) -> Document:
    if edge is None:
        return {"emailKey": {"$gte": ""}}
    to, beyond = ("$lte", "$lt") if is_back else ("$gte", "$gt")
    key: Any = edge.get("emailKey") or ""
    return {
        "emailKey": {to: key},
        "$or": [{"emailKey": {beyond: key}}, {"_id": {beyond: edge["_id"]}}],
    }


def _cut_out(place: Place, users: list[User], *, back: bool, on: bool) -> RollPage:
    return RollPage(
        place=place,
        users=tuple(users),
        back=Place(place.search, users[0].id, is_back=True) if back else None,
        on=Place(place.search, users[-1].id) if on else None,
    )
