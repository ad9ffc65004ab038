"""A user account, its role, and who works on tickets."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bson import ObjectId

from services.core.coerce import as_datetime, as_int, as_str, as_string_list, own_entries
from services.core.database import Document

DEFAULT_CAPACITY = 8


class Role(StrEnum):
    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"


# The roles that work on tickets, as filters of `users`.
STAFF: Document = {"role": {"$in": [Role.MODERATOR, Role.ADMIN]}}
ACTIVE_STAFF: Document = {**STAFF, "active": {"$ne": False}}
# Those whom the settings name for private tickets that have no assignee.
PRIVATE_TICKET_STAFF: Document = {"privateTickets": True, **ACTIVE_STAFF}


@dataclass(frozen=True, slots=True)
class User:
    """An account. `email` is as its owner wrote it; it is looked up by the stored `emailKey`.

    `disowned_at`: when the owner of its former address disowned the account. `password_digest`
    changes with the password; "" without one. `gets_private_tickets`: the settings name the account
    for private tickets that have no assignee.
    """

    id: ObjectId
    email: str
    role: Role
    skills: tuple[str, ...] = ()
    name: str | None = None
    active: bool = True
    capacity: int = DEFAULT_CAPACITY
    has_password: bool = False
    password_digest: str = field(default="", repr=False, compare=False)
    away_until: datetime | None = None
    wants_digest: bool = True
    token_version: int = 0
    ended_sessions: frozenset[str] = frozenset()
    created_at: datetime | None = None
    email_confirmed_at: datetime | None = None
    disowned_at: datetime | None = None
    gets_private_tickets: bool = False

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "User":
        capacity, away = as_int(doc.get("capacity")), doc.get("away")
        return cls(
            id=doc["_id"],
            email=as_str(doc.get("email")),
            # An exact match: "Admin" or "administrator" does not make an admin.
            role=Role(doc["role"]) if doc.get("role") in tuple(Role) else Role.USER,
            skills=as_string_list(doc.get("skills")),
            # Some versions of the legacy backend store first and last name apart.
            name=None if isinstance(doc.get("name"), Mapping) else as_str(doc.get("name")) or None,
            active=doc.get("active", True) is not False,
            capacity=DEFAULT_CAPACITY if capacity is None else capacity,
            has_password=bool(doc.get("password")),
            password_digest=_digest(doc.get("password")),
            away_until=as_datetime(away.get("until")) if isinstance(away, dict) else None,
            wants_digest=doc.get("digest") is not False,
            token_version=as_int(doc.get("tokenVersion")) or 0,
            ended_sessions=frozenset(
                str(session["id"]) for session in own_entries(doc.get("endedSessions"), "id")
            ),
            created_at=as_datetime(doc.get("createdAt")),
            email_confirmed_at=as_datetime(doc.get("emailConfirmedAt")),
            disowned_at=as_datetime(doc.get("disownedAt")),
            gets_private_tickets=doc.get("privateTickets") is True,
        )

    @property
    def display_name(self) -> str:
        return self.name or self.email.partition("@")[0] or "someone"


def _digest(password_hash: object) -> str:
    return hashlib.sha256(str(password_hash).encode()).hexdigest() if password_hash else ""


def can_work_on_tickets(user: User) -> bool:
    """Return whether tickets may be assigned to the account: an active moderator or admin."""
    return user.active and user.role is not Role.USER


def release_request(
    *,
    by: ObjectId | str,
    now: datetime,
    reason: str,
    member_removed: bool = False,
    one_off: bool = False,
) -> Document:
    """Return what to set as `handBack` of an account; `reason` is shown in each ticket's history.

    `member_removed`: though the account might work on tickets, its owner no longer can. `one_off`:
    the owner still can, and only the tickets assigned now are released; those assigned later, or
    after a return, stay.
    """
    request: Document = {"at": now, "by": by, "reason": reason}
    flags = {"isGone": member_removed, "once": one_off}
    return request | {name: True for name, is_so in flags.items() if is_so}
