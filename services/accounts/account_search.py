"""Search of accounts, in pages ordered by address.

A search word has to be a prefix of one of the account's `searchKeys`: the words of its name, its
address and the parts of that.
"""

import re
from collections.abc import Collection
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
MAX_SEARCH_LENGTH = 80
MAX_SEARCH_WORDS = 5
_PARTS = re.compile(r"[\s.@_+-]+")
_CURSOR_PATTERN = re.compile(r"([<>])([0-9a-f]{24})~(.*)|~(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AccountCursor:
    """Position in the list of accounts: the search, and the page after or before a user."""

    search: str = ""
    anchor_id: ObjectId | None = None
    is_backward: bool = False

    def encode(self) -> str:
        """Encode for a button's value, which may not contain "|"."""
        at = f"{'<' if self.is_backward else '>'}{self.anchor_id}" if self.anchor_id else ""
        return f"{at}~{quote(self.search, safe='')}"

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Return None if `encode` did not write `text`."""
        found = _CURSOR_PATTERN.fullmatch(text)
        if found is None:
            return None
        search = checked_search(unquote(found[3] or found[4] or ""))
        if found[2] is None:
            return cls(search=search)
        return cls(search=search, anchor_id=ObjectId(found[2]), is_backward=found[1] == "<")


@dataclass(frozen=True, slots=True)
class AccountPage:
    """`previous` and `next` are None if there are no more accounts on that side."""

    cursor: AccountCursor
    users: tuple[User, ...]
    previous: AccountCursor | None = None
    next: AccountCursor | None = None


def checked_search(text: str) -> str:
    """Return the search on one line, cut at `MAX_SEARCH_LENGTH`."""
    return " ".join(strip_invisible(text).split())[:MAX_SEARCH_LENGTH].strip()


def search_keys(user: User) -> list[str]:
    address = email_key(user.email)
    words = (user.name or "").casefold().split()
    return sorted({address, *words, *_PARTS.split(address.partition("@")[0])} - {""})


def index_new_accounts(db: Mongo) -> None:
    """Set the search and sort keys of new accounts, also of the legacy backend's."""
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


def account_page(db: Mongo, cursor: AccountCursor) -> AccountPage:
    """Return the page at `cursor`, or the first one if that one has become empty."""
    index_new_accounts(db)
    anchor = (
        db.users.find_one({"_id": cursor.anchor_id}, {"emailKey": True})
        if cursor.anchor_id
        else None
    )
    first = AccountCursor(search=cursor.search)
    cursor = cursor if anchor else first
    users, has_more = _read_page(db, cursor.search, anchor, is_backward=cursor.is_backward)
    # A backward page with nothing before it is the first page: read that as a full page.
    if anchor and not (has_more if cursor.is_backward else users):
        return account_page(db, first)
    before = AccountCursor(cursor.search, users[0].id, is_backward=True) if anchor else None
    after = AccountCursor(cursor.search, users[-1].id) if has_more else None
    return AccountPage(cursor, tuple(users), previous=before, next=after)


def accounts_named(
    db: Mongo, typed: str, *, limit: int, within: Collection[ObjectId] | None = None
) -> list[User]:
    """Return the accounts with that id or address, or else those whose name or address begins with
    each of the words; of `within`, if it is given."""
    if within is not None:
        known = (User.from_doc(doc) for doc in db.users.find({"_id": {"$in": list(within)}}))
        candidates = [user for user in known if _is_meant(user, typed)]
        exact = [user for user in candidates if email_key(typed) == email_key(user.email)]
        return (exact or candidates)[:limit]
    if ObjectId.is_valid(typed):
        doc = db.users.find_one({"_id": ObjectId(typed)})
        return [User.from_doc(doc)] if doc else []
    index_new_accounts(db)
    exact_docs = list(db.users.find({"emailKey": email_key(typed)}).limit(limit))
    docs = exact_docs or db.users.find(_matching(checked_search(typed))).limit(limit)
    return [User.from_doc(doc) for doc in docs]


def accounts_with_key(db: Mongo, key: str, *, limit: int) -> list[User]:
    """Return the accounts with that word in their name or address."""
    return [User.from_doc(doc) for doc in db.users.find({"searchKeys": key}).limit(limit)]


def _is_meant(user: User, typed: str) -> bool:
    if str(user.id) == typed:
        return True
    keys = search_keys(user)
    words = checked_search(typed).casefold().split()
    return bool(words) and all(any(key.startswith(word) for key in keys) for word in words)


def _read_page(
    db: Mongo, search: str, anchor: Document | None, *, is_backward: bool
) -> tuple[list[User], bool]:
    """Return a page's accounts in order, and whether there are more in that direction."""
    order = DESCENDING if is_backward else ASCENDING
    docs = list(
        db.users.find({**_matching(search), **_bounds(anchor, is_backward=is_backward)})
        .sort([("emailKey", order), ("_id", order)])
        .limit(PAGE_SIZE + 1)
    )
    users = [User.from_doc(doc) for doc in docs[:PAGE_SIZE]]
    return users[::-1] if is_backward else users, len(docs) > PAGE_SIZE


def _matching(search: str) -> Document:
    """Return a filter: each word of the search is a prefix of one of the keys."""
    words = search.casefold().split()[:MAX_SEARCH_WORDS]
    if not words:
        return {}
    first, *rest = [{"searchKeys": {"$regex": f"^{re.escape(word)}"}} for word in words]
    return {**first, "$and": rest} if rest else dict(first)


def _bounds(anchor: Document | None, *, is_backward: bool) -> Document:
    if anchor is None:
        return {"emailKey": {"$gte": ""}}
    to, beyond = ("$lte", "$lt") if is_backward else ("$gte", "$gt")
    key: Any = anchor.get("emailKey") or ""
    return {
        "emailKey": {to: key},
        "$or": [{"emailKey": {beyond: key}}, {"_id": {beyond: anchor["_id"]}}],
    }
