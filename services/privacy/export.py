"""Export of what is stored about a person, as JSON values."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from services.accounts.users import UserService
from services.audit import audit_log
from services.audit.audit_log import PENDING_FIELD
from services.core.coerce import as_object_id, own_entries
from services.core.database import Document, Mongo
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.ticket import MANUAL_SOURCE
from services.outbox.deliveries import parse_delivery_key
from services.tickets.fields import Output, fields_of
from services.tickets.queries import iter_tickets

# Secrets and derived keys of an account, which are not exported.
_SECRET = (
    "password",
    "tokenVersion",
    "endedSessions",
    "emailKey",
    "searchKeys",
    "handBack",
    "closing",
    PENDING_FIELD,
)
_REQUESTER_FIELDS = fields_of(Output.EXPORT)
_ASSIGNEE_FIELDS = fields_of(Output.ASSIGNEE_EXPORT)
_CHOICE = ("source", "reason", "score", "parts", "at")
_EMAIL_FIELDS = ("kind", "state", "createdAt", "endedAt")
_REPLY_FIELDS = ("to", "thread", "message", "state", "createdAt")
_DELIVERY_FIELDS = ("state", "channel", "ts")
_CORRECTION = ("ticketId", "at", "kind", "skills")
_READ = (
    *_REQUESTER_FIELDS,
    *_ASSIGNEE_FIELDS,
    "createdBy",
    "filedBy",
    "assignedTo",
    "assignment",
    "comments",
    "events",
    "notices",
    "participants",
)


class DataExport:
    def __init__(self, db: Mongo, users: UserService) -> None:
        self._db = db
        self._users = users

    def export(self, *, actor: Actor | Operator, email: str) -> Document:
        """Return all accounts of that address, and those merged into them, with their data; an
        empty list if there are none.

        Dates are ISO 8601 in UTC, ids are strings. Password hashes and the internal notes of other
        users are excluded.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        found = self._users.find_docs_of_person(email)
        accounts = {doc["_id"]: self._account(doc) for doc in found}
        if accounts:
            self._add_tickets(accounts)
            self._add_corrections(accounts)
        return {
            "email": email.strip(),
            "accounts": [to_json_value(account) for account in accounts.values()],
        }

    def _account(self, doc: Document) -> Document:
        of_account = {"userId": doc["_id"]}
        links = list(self._db.links.find(of_account, ["teamId", "slackUserId", "createdAt"]))
        to_member = {"user": {"$in": [link["slackUserId"] for link in links]}}
        return {
            "account": {name: value for name, value in doc.items() if name not in _SECRET},
            "links": links,
            "formerLinks": list(self._db.unlinked.find(of_account, ["at"])),
            "letters": list(self._db.letters.find(of_account, _EMAIL_FIELDS)),
            "directMessages": list(self._db.inbox.find(to_member, ["at", "text"])),
            "replies": list(self._db.replies.find(to_member, _REPLY_FIELDS)),
            "requestChannels": list(self._db.channels.find({"by": doc["_id"]}, ["at"])),
            "audit": [
                entry.to_doc() for entry in audit_log.entries_since(self._db, None, [doc["_id"]])
            ],
            "tickets": [],
            "assigned": [],
            "participating": [],
            "filedForOthers": [],
            "comments": [],
            "events": [],
            "corrections": [],
            "messages": [],
        }

    def _add_tickets(self, accounts: dict[ObjectId, Document]) -> None:
        for doc in iter_tickets(self._db, _READ):
            for kind, whose, entry in _entries(doc):
                if account := _account_of(accounts, whose):
                    account[kind].append(entry)

    def _add_corrections(self, accounts: dict[ObjectId, Document]) -> None:
        """Add corrections of assignments by, from or to the person."""
        for doc in self._db.corrections.find({"_id": {"$gt": ""}}):
            correction = {name: doc[name] for name in _CORRECTION if name in doc}
            for side in ("from", "to", "by"):
                if account := _account_of(accounts, doc.get(side)):
                    account["corrections"].append({**correction, "their": side})


def _entries(doc: Document) -> Iterator[tuple[str, Any, Document]]:
    """Yield (kind, user, reference) for each personal datum in a ticket."""
    which = {"ticketId": doc["_id"], "ticketNumber": doc.get("number")}
    filed = {name: doc[name] for name in _REQUESTER_FIELDS if name in doc}
    yield "tickets", doc.get("createdBy"), {"_id": doc["_id"], **filed}
    yield "assigned", doc.get("assignedTo"), which | _assignee_entry(doc)
    yield "filedForOthers", doc.get("filedBy"), which
    participants = doc.get("participants")
    for user_id in participants if isinstance(participants, list) else ():
        yield "participating", user_id, which
    for kind, key in (("comments", "id"), ("events", "seq")):
        for entry in own_entries(doc.get(kind), key):
            yield kind, entry.get("by"), {**which, **entry}
    for delivery in own_entries(doc.get("notices"), "key"):
        _, kind, recipient = parse_delivery_key(str(delivery["key"]))
        message = {name: delivery[name] for name in _DELIVERY_FIELDS if name in delivery}
        yield "messages", recipient, {**which, "kind": kind, **message}


def _assignee_entry(doc: Document) -> Document:
    """Return data about the assignee; a reason typed by another user is that user's datum."""
    choice = doc.get("assignment")
    given = {name: doc[name] for name in _ASSIGNEE_FIELDS if name in doc}
    if isinstance(choice, dict) and choice.get("source") != MANUAL_SOURCE:
        given["choice"] = {name: choice[name] for name in _CHOICE if name in choice}
    return given


def _account_of(accounts: dict[ObjectId, Document], user_id: Any) -> Document | None:
    known = as_object_id(user_id)
    return accounts.get(known) if known else None


def to_json_value(value: Any) -> Any:
    """Convert any stored value to JSON, also unusual ones of the legacy backend."""
    if isinstance(value, dict):
        return {str(name): to_json_value(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [to_json_value(entry) for entry in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, DatetimeMS):  # beyond the calendar
        return str(int(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
