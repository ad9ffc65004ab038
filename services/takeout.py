"""What is kept about a person, as JSON can hold it."""

import math
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from services.database import Mongo
from services.models import Document
from services.permissions import Actor, Operator, Permission, require
from services.stored import object_id, ours
from services.users import UserService
from services.walk import every_ticket

# An account's secrets, and what is only made to look it up.
_SECRET = ("password", "tokenVersion", "emailKey", "searchKeys", "handBack")
# What its requester may read of a ticket.
_FILED = (
    "number",
    "title",
    "description",
    "status",
    "priority",
    "deadline",
    "createdAt",
    "completedAt",
    "resolution",
    "source",
)
_LETTER = ("kind", "state", "createdAt", "endedAt")


class Takeout:
    def __init__(self, db: Mongo, users: UserService) -> None:
        self._db = db
        self._users = users

    def export(self, *, actor: Actor | Operator, email: str) -> Document:
        """All accounts of that address with what belongs to them; no account is an empty list.

        Dates are ISO 8601 in UTC, ids are texts. Never a password's hash, nor what staff wrote to
        each other, except by this person.
        """
        require(actor, Permission.MANAGE_USERS)
        found = self._users.stored_by_email(email)
        held = {doc["_id"]: self._account(doc) for doc in found}
        if held:
            self._add_tickets(held)
        return {"email": email.strip(), "accounts": [plain(account) for account in held.values()]}

    def _account(self, doc: Document) -> Document:
        theirs = {"userId": doc["_id"]}
        links = self._db.links.find(theirs, ["teamId", "slackUserId", "createdAt"])
        return {
            "account": {name: value for name, value in doc.items() if name not in _SECRET},
            "links": list(links),
            "letters": list(self._db.letters.find(theirs, _LETTER)),
            "tickets": [],
            "comments": [],
            "events": [],
        }

    def _add_tickets(self, held: dict[ObjectId, Document]) -> None:
        for doc in every_ticket(self._db, (*_FILED, "createdBy", "comments", "events")):
            which = {"ticketId": doc["_id"], "ticketNumber": doc.get("number")}
            if account := _of(held, doc.get("createdBy")):
                filed = {name: doc[name] for name in _FILED if name in doc}
                account["tickets"].append({"_id": doc["_id"], **filed})
            for kind, key in (("comments", "id"), ("events", "seq")):
                for entry in ours(doc.get(kind), key):
                    if account := _of(held, entry.get("by")):
                        account[kind].append({**which, **entry})


def _of(held: dict[ObjectId, Document], user_id: Any) -> Document | None:
    known = object_id(user_id)
    return held.get(known) if known else None


def plain(value: Any) -> Any:
    """As JSON has it, whatever the predecessor has stored there."""
    if isinstance(value, dict):
        return {str(name): plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [plain(held) for held in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, DatetimeMS):  # beyond the calendar
        return str(int(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
