"""User accounts: look-up, invitation, roles and skills.

`update_account` is the one way to change what decides what an account may do, with all that follows
from it.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from bson import ObjectId
from pymongo import ReturnDocument, UpdateOne

from services.accounts import last_admin
from services.accounts.validation import checked_email, checked_skills, email_key
from services.core.clock import Clock, utcnow
from services.core.coerce import as_string_list
from services.core.database import Document, Mongo
from services.core.errors import Conflict, NotFound
from services.models import user as model_user
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.user import ACTIVE_STAFF, DEFAULT_CAPACITY, Role, User, can_work_on_tickets
from services.outbox import pending

DEACTIVATED_REASON = "the account was deactivated"
DEMOTED_REASON = "the account no longer works on tickets"
UNKNOWN_ACCOUNT = "There is no such account any more."


class UserService:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def get(self, user_id: ObjectId) -> User | None:
        doc = self._db.users.find_one({"_id": user_id})
        return User.from_doc(doc) if doc else None

    def get_many(self, user_ids: set[ObjectId]) -> dict[ObjectId, User]:
        docs = self._db.users.find({"_id": {"$in": list(user_ids)}})
        return {doc["_id"]: User.from_doc(doc) for doc in docs}

    def active_ids_with_role(self, role: Role) -> list[ObjectId]:
        """The active accounts of a role, oldest first."""
        query = {"role": role, "active": {"$ne": False}}
        return [doc["_id"] for doc in self._db.users.find(query, {"_id": True}).sort("_id")]

    def list_all(self, *, actor: Actor | Operator) -> list[User]:
        """Every account, by address."""
        require_permission(actor, Permission.MANAGE_USERS)
        self._index_legacy_emails()
        return [User.from_doc(doc) for doc in self._db.users.find().sort("emailKey")]

    def create(
        self,
        *,
        actor: Actor | Operator,
        email: str,
        role: Role = Role.USER,
        skills: Sequence[str] = (),
        name: str | None = None,
    ) -> User:
        """An invitation: an account without password, for the Slack member of that address.

        Raises `InvalidValue` for a bad address or skill, `Conflict` if the address has an account.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        email, listed = checked_email(email), checked_skills(skills)
        if self.find_by_email(email):
            raise Conflict("There is an account with that address already.")
        doc = new_account_doc(email=email, role=role, now=self._clock(), skills=listed, name=name)
        self._db.users.insert_one(doc)
        if len(self.find_by_email(email)) > 1:  # a concurrent request created one: keep neither
            self._db.users.delete_one({"_id": doc["_id"]})
            raise Conflict("There is an account with that address already.")
        pending.retry_unassigned(self._db, now=self._clock())
        return User.from_doc(doc)

    def set_role(self, *, actor: Actor | Operator, email: str, role: Role) -> User:
        """Raises `Conflict` if no active admin would be left."""
        require_permission(actor, Permission.MANAGE_USERS)
        while True:
            doc = self.get_doc_by_email(email)
            if doc.get("role") == role:
                return User.from_doc(doc)
            stored = update_account(
                self._db, doc, {"role": role.value}, by=actor.event_author, now=self._clock()
            )
            if stored:
                pending.retry_unassigned(self._db, now=self._clock())
                return stored

    def set_skills(self, *, actor: Actor | Operator, email: str, skills: Sequence[str]) -> User:
        require_permission(actor, Permission.MANAGE_USERS)
        return self._set(email, {"skills": checked_skills(skills)})

    def find_by_email(self, email: str) -> list[User]:
        """All accounts of an address, whatever its capitals; more than one is a legacy mishap."""
        return [User.from_doc(doc) for doc in self.find_docs_by_email(email)]

    def find_docs_by_email(self, email: str) -> list[Document]:
        """As `find_by_email`, as stored."""
        self._index_legacy_emails()
        return list(self._db.users.find({"emailKey": email_key(email)}))

    def team_skills(self) -> list[str]:
        """The distinct skills of active moderators and admins, sorted, each in one spelling."""
        spelled: dict[str, str] = {}
        for skill in sorted(as_string_list(self._db.users.distinct("skills", ACTIVE_STAFF))):
            spelled.setdefault(skill.casefold(), skill)
        return sorted(spelled.values(), key=str.casefold)

    def get_doc_by_email(self, email: str) -> Document:
        """The one account of an address, as stored. Raises `NotFound`, `Conflict` for several."""
        found = self.find_by_email(email)
        if len(found) > 1:
            raise Conflict("Several accounts have that address. Remove all but one first.")
        doc = self._db.users.find_one({"_id": found[0].id}) if found else None
        if doc is None:
            raise NotFound("There is no account with that address.")
        return doc

    def _set(self, email: str, values: Document) -> User:
        doc = self._db.users.find_one_and_update(
            {"_id": self.get_doc_by_email(email)["_id"]},
            {"$set": values},
            return_document=ReturnDocument.AFTER,
        )
        if doc is None:  # deleted meanwhile
            raise NotFound("There is no account with that address.")
        pending.retry_unassigned(self._db, now=self._clock())
        return User.from_doc(doc)

    def _index_legacy_emails(self) -> None:
        """Give the predecessor's accounts, also those it makes from now on, their emailKey."""
        keys = [
            UpdateOne({"_id": user.id}, {"$set": {"emailKey": email_key(user.email)}})
            for user in map(User.from_doc, self._db.users.find({"emailKey": None}, {"email": True}))
        ]
        if keys:
            self._db.users.bulk_write(keys, ordered=False)


def new_account_doc(
    *,
    email: str,
    role: Role,
    now: object,
    skills: Sequence[str] = (),
    name: str | None = None,
    user_id: ObjectId | None = None,
) -> Document:
    """The document of a new account, with the predecessor's fields and ours."""
    return {
        "_id": user_id or ObjectId(),
        "email": email,
        "emailKey": email_key(email),
        "role": role.value,
        "skills": list(skills),
        "name": name,
        "active": True,
        "tokenVersion": 1,
        "capacity": DEFAULT_CAPACITY,
        "createdAt": now,
    }


def update_account(
    db: Mongo, doc: Document, values: Document, *, by: ObjectId | str, now: datetime
) -> User | None:
    """Change `role`, `skills`, `capacity` or `active` of the account as loaded; None if one of them
    has changed since. Raises `Conflict` if no active admin would be left.

    A new role or a deactivation ends its sessions; an account that can no longer work on tickets is
    marked to have its open tickets released.
    """
    before, wanted = User.from_doc(doc), User.from_doc({**doc, **values})
    update: Document = {"$set": dict(values)}
    if (before.role, before.active) != (wanted.role, wanted.active):
        update["$inc"] = {"tokenVersion": 1}
    if can_work_on_tickets(wanted) and not can_work_on_tickets(before):
        update["$unset"] = {"handBack": ""}
    elif can_work_on_tickets(before) and not can_work_on_tickets(wanted):
        reason = DEMOTED_REASON if wanted.active else DEACTIVATED_REASON
        update["$set"]["handBack"] = model_user.release_request(by=by, now=now, reason=reason)
    # An absent field equals None here, as it does in what was loaded.
    expected = {name: doc.get(name) for name in ("role", "active", *values)}
    is_removal = _is_active_admin(before) and not _is_active_admin(wanted)
    guard: AbstractContextManager[Document] = (
        last_admin.removing_admin(db, before.id, now=now) if is_removal else nullcontext({})
    )
    with guard as condition:
        stored = db.users.find_one_and_update(
            {"_id": before.id, **expected, **condition},
            update,
            return_document=ReturnDocument.AFTER,
        )
    return User.from_doc(stored) if stored else None


def load_account_doc(db: Mongo, user_id: str) -> Document:
    """As stored. Raises `NotFound`."""
    doc = db.users.find_one({"_id": ObjectId(user_id)}) if ObjectId.is_valid(user_id) else None
    if doc is None:
        raise NotFound(UNKNOWN_ACCOUNT)
    return doc


def _is_active_admin(user: User) -> bool:
    return user.active and user.role is Role.ADMIN
