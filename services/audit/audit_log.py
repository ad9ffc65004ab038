"""The audit log: who changed which account or setting, when, from what to what.

`audit` holds `{at, by, action, subject, from, to}`. `by` is the id of an account, `SELF`,
`COMMAND_LINE` or `SYSTEM`; `subject` is the id of the changed account or of the document in
`settings` or `channels`. `from` and `to` hold roles, skills and values of settings, never an
address, a name, a password or a text that a person typed: for such a change they are None.

The entries of a change are stored by the same update, in the field `unaudited` of the changed
document, and then moved to `audit`. So no entry describes a change that was refused or lost, and
no change is without its entry: the job "upkeep" moves what a killed process has left. The end of a
link or of a request channel deletes its document, and without a transaction nothing can carry the
entry: `record` stores it right after, so a process that is killed between the two leaves a change
without an entry. The entry of a reset link is stored before the link is shown.

Nothing changes an entry or deletes it before its retention is over, except erasure, which replaces
the account's id.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pymongo.collection
from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from services.core.database import Document, Mongo
from services.models.permissions import Actor, Operator

logger = logging.getLogger(__name__)

SELF, COMMAND_LINE, SYSTEM = "self", "command line", "system"
PENDING_FIELD = "unaudited"
# The collections whose documents may have pending entries.
AUDITED_COLLECTIONS = ("users", "links", "settings", "channels")
# Younger entries may belong to a change that is still in progress, and may be undone.
MIN_PENDING_AGE = timedelta(minutes=1)
BATCH_SIZE = 500


class AuditAction(StrEnum):
    """The actions that are not the change of a field. The values are stored."""

    CREATED = "account.created"
    CONFIRMED = "account.confirmed"  # the address
    ERASED = "account.erased"
    LINKED = "account.linked"
    UNLINKED = "account.unlinked"
    RESET_LINK_ISSUED = "account.reset_link_issued"
    MERGED = "account.merged"  # into the older account of its owner
    PASSWORD_RESET = "account.password_reset"  # noqa: S105  no password
    CHANNEL_ADDED = "channel.added"
    CHANNEL_REMOVED = "channel.removed"
    CHANNEL_ID_CHANGED = "channel.id"


def account_field(name: str) -> str:
    """Return the action that changes this field of an account."""
    return f"account.{name}"


def settings_field(name: str) -> str:
    """Return the action that changes this field of a settings document."""
    return f"settings.{name}"


def channel_field(name: str) -> str:
    """Return the action that changes this field of a request channel."""
    return f"channel.{name}"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    at: datetime
    by: ObjectId | str
    action: str
    subject: ObjectId | str
    from_: Any = None
    to: Any = None
    id: ObjectId = field(default_factory=ObjectId)

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "AuditEntry":
        return cls(
            at=doc["at"],
            by=doc["by"],
            action=doc["action"],
            subject=doc["subject"],
            from_=doc.get("from"),
            to=doc.get("to"),
            id=doc["_id"],
        )

    def to_doc(self) -> Document:
        return {
            "_id": self.id,
            "at": self.at,
            "by": self.by,
            "action": str(self.action),
            "subject": self.subject,
            "from": self.from_,
            "to": self.to,
        }


def author(actor: Actor | Operator, subject: ObjectId | str) -> ObjectId | str:
    """Return the `by` of a change that the actor makes."""
    if isinstance(actor, Operator):
        return COMMAND_LINE
    return SELF if actor.user_id == subject else actor.user_id


def add_to_update(update: Document, entries: Sequence[AuditEntry]) -> None:
    """Let the update store the entries in the document that it changes."""
    if entries:
        docs = [entry.to_doc() for entry in entries]
        update.setdefault("$push", {})[PENDING_FIELD] = {"$each": docs}


def pending_field(*entries: AuditEntry) -> Document:
    """Return the field of a new document that holds its entries, if there are any."""
    return {PENDING_FIELD: [entry.to_doc() for entry in entries]} if entries else {}


def move_pending(collection: pymongo.collection.Collection[Document], doc: Document) -> None:
    """Move the entries of a document as it was stored. Safe to repeat.

    A failure is logged and leaves them to the job, because the change itself is done.
    """
    try:
        _move(collection, doc)
    except PyMongoError as error:
        logger.warning("audit entries are moved later: %s", type(error).__name__)


def move_all_pending(db: Mongo, *, before: datetime, limit: int = BATCH_SIZE) -> int:
    """Move the entries that were left before that time, of at most `limit` documents of each
    collection; return the number of documents."""
    number = 0
    for name in AUDITED_COLLECTIONS:
        left = {f"{PENDING_FIELD}.at": {"$lte": before}}
        for doc in db[name].find(left, [PENDING_FIELD]).limit(limit):
            _move(db[name], doc)
            number += 1
    return number


def _move(collection: pymongo.collection.Collection[Document], doc: Document) -> None:
    entries = doc.get(PENDING_FIELD)
    if not entries:
        return
    insertions = [
        UpdateOne({"_id": entry["_id"]}, {"$setOnInsert": entry}, upsert=True) for entry in entries
    ]
    collection.database.audit.bulk_write(insertions, ordered=False)
    # If another change has added entries since, the process that made it moves all of them.
    unchanged = {"_id": doc["_id"], PENDING_FIELD: entries}
    collection.update_one(unchanged, {"$unset": {PENDING_FIELD: ""}})


def record(db: Mongo, *entries: AuditEntry) -> None:
    """Store entries of a change that no document can carry."""
    db.audit.insert_many([entry.to_doc() for entry in entries])


def delete_expired(db: Mongo, *, before: datetime, limit: int = BATCH_SIZE) -> int:
    """Delete at most `limit` entries that are older; return how many."""
    found = db.audit.find({"at": {"$lt": before}}, ["_id"]).limit(limit)
    ids = [doc["_id"] for doc in found]
    return db.audit.delete_many({"_id": {"$in": ids}}).deleted_count if ids else 0


def replace_account(db: Mongo, account_id: ObjectId, pseudonym: ObjectId, *, now: datetime) -> None:
    """Replace the account's id by one that leads to no account."""
    for name in AUDITED_COLLECTIONS:
        for doc in db[name].find({f"{PENDING_FIELD}.at": {"$lte": now}}, [PENDING_FIELD]):
            people = [entry[side] for entry in doc[PENDING_FIELD] for side in ("by", "subject")]
            if account_id in people:
                _move(db[name], doc)
    for name in ("by", "subject"):
        db.audit.update_many({name: account_id}, {"$set": {name: pseudonym}})


def entries_of(db: Mongo, account_id: ObjectId) -> Iterator[AuditEntry]:
    """Yield the entries about the account, the newest first."""
    found = db.audit.find({"subject": account_id}).sort("at", -1)
    return map(AuditEntry.from_doc, found)


def entries_since(
    db: Mongo, since: datetime | None, account_ids: Sequence[ObjectId] | None
) -> Iterator[AuditEntry]:
    """Yield the entries since that time, the oldest first: all, or those by or about accounts."""
    query: Document = {"at": {"$gte": since}} if since else {}
    if account_ids is None:
        return map(AuditEntry.from_doc, db.audit.find(query).sort("at", 1))
    found = {
        doc["_id"]: doc
        for name in ("subject", "by")
        for account_id in account_ids
        for doc in db.audit.find({name: account_id, **query}).sort("at", 1)
    }
    in_order = sorted(found.values(), key=lambda doc: (doc["at"], doc["_id"]))
    return map(AuditEntry.from_doc, in_order)
