"""Accounts: who exists, with which role and skills."""

from collections.abc import Sequence
from unicodedata import normalize

from bson import ObjectId
from pymongo import ReturnDocument, UpdateOne

from services import accounts, waiting
from services.clock import Clock, utcnow
from services.database import Mongo
from services.errors import Conflict, Invalid, NotFound
from services.models import DEFAULT_CAPACITY, Document, Role, User
from services.permissions import Actor, Operator, Permission, require
from services.stored import names
from services.text import EMAIL, visible

MAX_SKILLS = 20
MAX_SKILL_LENGTH = 50
MAX_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3: a path of 256 octets less its angle brackets

# Whoever works on tickets.
STAFF: Document = {"role": {"$in": [Role.MODERATOR, Role.ADMIN]}, "active": {"$ne": False}}


def email_key(email: str) -> str:
    """What an address is stored and looked up by: stripped, lower case, in one spelling.

    Unicode has several for what looks the same and gets the same mail: é may be an e and an accent.
    """
    return _in_one_spelling(email).strip().lower()


def checked_email(email: str) -> str:
    """As it is to be stored. Raises `Invalid`."""
    typed = visible(email).strip()
    address = _in_one_spelling(typed)
    for written in (typed, address):
        if len(written) > MAX_EMAIL_LENGTH or not EMAIL.fullmatch(written):
            raise Invalid("email", "That is not an email address. Write it like name@example.com.")
    return address


def _in_one_spelling(email: str) -> str:
    """What is too long for an address stays: a long row of accents takes minutes to be sorted."""
    return normalize("NFKC", email) if len(email) <= MAX_EMAIL_LENGTH else email


def _composed(skill: str) -> str:
    """With letters and their accents in one: some keyboards write them apart."""
    return normalize("NFC", skill) if len(skill) <= 2 * MAX_SKILL_LENGTH else skill


def checked_skills(skills: Sequence[str]) -> list[str]:
    """Stripped, without blanks, each once whatever its capitals, as it was written first."""
    unique: dict[str, str] = {}
    for skill in skills:
        name = _composed(" ".join(visible(skill).split()))
        unique.setdefault(name.casefold(), name)
    unique.pop("", None)
    if len(unique) > MAX_SKILLS:
        raise Invalid("skills", f"Name at most {MAX_SKILLS} skills.")
    for skill in unique.values():
        if len(skill) > MAX_SKILL_LENGTH:
            raise Invalid("skills", f"A skill has at most {MAX_SKILL_LENGTH} characters.")
    return list(unique.values())


class UserService:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def get(self, user_id: ObjectId) -> User | None:
        doc = self._db.users.find_one({"_id": user_id})
        return User.from_doc(doc) if doc else None

    def many(self, user_ids: set[ObjectId]) -> dict[ObjectId, User]:
        docs = self._db.users.find({"_id": {"$in": list(user_ids)}})
        return {doc["_id"]: User.from_doc(doc) for doc in docs}

    def ids_of(self, role: Role) -> list[ObjectId]:
        """The active accounts of a role, oldest first."""
        query = {"role": role, "active": {"$ne": False}}
        return [doc["_id"] for doc in self._db.users.find(query, {"_id": True}).sort("_id")]

    def everyone(self, *, actor: Actor | Operator) -> list[User]:
        """Every account, by address."""
        require(actor, Permission.MANAGE_USERS)
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

        Raises `Invalid` for a bad address or skill, `Conflict` where the address has an account.
        """
        require(actor, Permission.MANAGE_USERS)
        email, listed = checked_email(email), checked_skills(skills)
        if self.by_email(email):
            raise Conflict("There is an account with that address already.")
        doc = new_account(email=email, role=role, now=self._clock(), skills=listed, name=name)
        self._db.users.insert_one(doc)
        if len(self.by_email(email)) > 1:  # a twin was made meanwhile: rather none than two
            self._db.users.delete_one({"_id": doc["_id"]})
            raise Conflict("There is an account with that address already.")
        waiting.wake(self._db, now=self._clock())
        return User.from_doc(doc)

    def set_role(self, *, actor: Actor | Operator, email: str, role: Role) -> User:
        """Raises `Conflict` where no active admin would be left."""
        require(actor, Permission.MANAGE_USERS)
        while True:
            doc = self.only_stored(email)
            if doc.get("role") == role:
                return User.from_doc(doc)
            stored = accounts.store(
                self._db, doc, {"role": role.value}, by=actor.by, now=self._clock()
            )
            if stored:
                waiting.wake(self._db, now=self._clock())
                return stored

    def set_skills(self, *, actor: Actor | Operator, email: str, skills: Sequence[str]) -> User:
        require(actor, Permission.MANAGE_USERS)
        return self._set(email, {"skills": checked_skills(skills)})

    def by_email(self, email: str) -> list[User]:
        """All accounts of an address, whatever its capitals; more than one is a legacy mishap."""
        return [User.from_doc(doc) for doc in self.stored_by_email(email)]

    def stored_by_email(self, email: str) -> list[Document]:
        """The same, as stored."""
        self._index_legacy_emails()
        return list(self._db.users.find({"emailKey": email_key(email)}))

    def team_skills(self) -> list[str]:
        """The distinct skills of active moderators and admins, sorted, each in one spelling."""
        spelled: dict[str, str] = {}
        for skill in sorted(names(self._db.users.distinct("skills", STAFF))):
            spelled.setdefault(skill.casefold(), skill)
        return sorted(spelled.values(), key=str.casefold)

    def only_stored(self, email: str) -> Document:
        """The one account of an address, as stored. Raises `NotFound`, `Conflict` for several."""
        found = self.by_email(email)
        if len(found) > 1:
            raise Conflict("Several accounts have that address. Remove all but one first.")
        doc = self._db.users.find_one({"_id": found[0].id}) if found else None
        if doc is None:
            raise NotFound("There is no account with that address.")
        return doc

    def _set(self, email: str, values: Document) -> User:
        doc = self._db.users.find_one_and_update(
            {"_id": self.only_stored(email)["_id"]},
            {"$set": values},
            return_document=ReturnDocument.AFTER,
        )
        if doc is None:  # deleted meanwhile
            raise NotFound("There is no account with that address.")
        waiting.wake(self._db, now=self._clock())
        return User.from_doc(doc)

    def _index_legacy_emails(self) -> None:
        """Give the predecessor's accounts, also those it makes from now on, their emailKey."""
        keys = [
            UpdateOne({"_id": user.id}, {"$set": {"emailKey": email_key(user.email)}})
            for user in map(User.from_doc, self._db.users.find({"emailKey": None}, {"email": True}))
        ]
        if keys:
            self._db.users.bulk_write(keys, ordered=False)


def new_account(
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
