"""User accounts: look-up, invitation and changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from bson import ObjectId
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from services.accounts.confirmation import EmailConfirmation
from services.accounts.validation import (
    checked_account_values,
    checked_email,
    checked_skills,
    checked_string,
    email_key,
)
from services.audit import audit_log
from services.audit.audit_log import AuditAction, AuditEntry
from services.core import legacy_backend
from services.core.clock import Clock, utcnow
from services.core.coerce import as_string_list
from services.core.database import Document, Mongo
from services.core.errors import Conflict, NotFound
from services.core.leases import Lease, LeaseUnavailable
from services.core.optimistic_retry import retry_on_conflict
from services.core.text import strip_invisible
from services.core.ttl_cache import ReadCache
from services.models import user as model_user
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.user import (
    ACTIVE_STAFF,
    DEFAULT_CAPACITY,
    PRIVATE_TICKET_STAFF,
    Role,
    User,
    can_work_on_tickets,
)
from services.outbox import pending

DEACTIVATED_REASON = "the account was deactivated"
DEMOTED_REASON = "the account no longer works on tickets"
UNKNOWN_ACCOUNT = "There is no such account any more."
ADDRESS_TAKEN = "There is an account with that address already."
LAST_ADMIN_MESSAGE = "There has to be an active admin. Make someone else an admin first."
BUSY_MESSAGE = "Another admin is being changed at this moment. Try again."
# Each removal takes some milliseconds. Longer than this waits only for a process that has died.
MAX_WAIT_SECONDS = 2.0
# A change of these may give a queued ticket an assignee.
_ASSIGNMENT_FIELDS = frozenset({"role", "skills", "capacity", "active", "privateTickets"})
# The audit log holds the values of these, and of all others that they were changed.
_AUDITED_VALUES: Mapping[str, Callable[[User], object]] = {
    "role": lambda user: user.role.value,
    "skills": lambda user: list(user.skills),
    "capacity": lambda user: user.capacity,
    "active": lambda user: user.active,
    "privateTickets": lambda user: user.gets_private_tickets,
}


@contextmanager
def removing_admin(db: Mongo, user_id: ObjectId, *, now: datetime) -> Iterator[Document]:
    """Guard the update by which that admin stops being an active one; yield its extra condition.

    Two admins could demote each other at the same moment and leave none. A lease serialises
    demotions. It may expire while the process is stopped between the check and the update, so each
    demotion also marks its admin, after it has removed the marks of all others: the update requires
    its own mark, and an admin marked by another demotion does not count as one who is left.

    Raises `Conflict` if no other admin would be left, or the lease is taken for too long.
    """
    try:
        with Lease(db, "admins", clock=lambda: now, max_wait_seconds=MAX_WAIT_SECONDS):
            admins = {"role": Role.ADMIN, "active": {"$ne": False}}
            mark = {"adminRemoval": ObjectId()}
            remove_mark = {"$unset": {"adminRemoval": ""}}
            db.users.update_many({**admins, "adminRemoval": {"$ne": None}}, remove_mark)
            db.users.update_one({"_id": user_id}, {"$set": mark})
            try:
                others = {**admins, "_id": {"$ne": user_id}, "adminRemoval": None}
                if db.users.find_one(others, {"_id": True}) is None:
                    raise Conflict(LAST_ADMIN_MESSAGE)
                yield mark
            finally:
                db.users.update_one({"_id": user_id, **mark}, remove_mark)
    except LeaseUnavailable as error:
        raise Conflict(BUSY_MESSAGE) from error


class UserService:
    def __init__(
        self,
        db: Mongo,
        *,
        confirmation: EmailConfirmation | None = None,
        cache_seconds: float = 0.0,
        clock: Clock = utcnow,
    ) -> None:
        """`cache_seconds`: for how long the team's skills, and the users that a caller may get from
        the cache, are not read again."""
        self._db = db
        self._cached_users: ReadCache[ObjectId, User] = ReadCache(cache_seconds)
        self._cached_skills: ReadCache[None, list[str]] = ReadCache(cache_seconds)
        self.confirmation = confirmation or EmailConfirmation(db, clock=clock)
        self._clock = clock

    def get(self, user_id: ObjectId) -> User | None:
        doc = self._db.users.find_one({"_id": user_id})
        return User.from_doc(doc) if doc else None

    def can_work_on_tickets(self, user_id: ObjectId | None) -> bool:
        user = self.get(user_id) if user_id else None
        return user is not None and can_work_on_tickets(user)

    def get_many(
        self, user_ids: set[ObjectId], *, may_be_cached: bool = False
    ) -> dict[ObjectId, User]:
        """With `may_be_cached`, their names may be out of date, and so may their permissions."""
        cached = map(self._cached_users.get, user_ids) if may_be_cached else ()
        found = {user.id: user for user in cached if user}
        if missing := user_ids - found.keys():
            for doc in self._db.users.find({"_id": {"$in": list(missing)}}):
                found[doc["_id"]] = User.from_doc(doc)
                self._cached_users.put(doc["_id"], found[doc["_id"]])
        return found

    def active_ids_with_role(self, role: Role) -> list[ObjectId]:
        """Return the active accounts of a role, oldest first."""
        query = {"role": role, "active": {"$ne": False}}
        return sorted(doc["_id"] for doc in self._db.users.find(query, {"_id": True}))

    def active_ids_for_private_tickets(self) -> list[ObjectId]:
        """Return the accounts that the settings name for private tickets without an assignee."""
        found = self._db.users.find(PRIVATE_TICKET_STAFF, {"_id": True})
        return sorted(doc["_id"] for doc in found)

    def list_all(self, *, actor: Actor | Operator) -> list[User]:
        """Return every account, ordered by address."""
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
        """Create an invitation: an account without password, for the Slack member of that address.

        Raises `InvalidValue` for a bad address or skill, `Conflict` if the address has a confirmed
        account. An unconfirmed one stays beside it.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        email, listed = checked_email(email), checked_skills(skills)
        if self.find_confirmed(email):
            raise Conflict(ADDRESS_TAKEN)
        now = self._clock()
        doc = new_account_doc(
            email=email, role=role, now=now, actor=actor, skills=listed, name=name
        )
        created = store_account(self._db, doc)
        if len(self.find_confirmed(email)) > 1:  # a concurrent request created one: keep neither
            self._db.users.delete_one({"_id": created.id})
            raise Conflict(ADDRESS_TAKEN)
        audit_log.move_pending(self._db.users, doc)
        pending.retry_unassigned(self._db, now=self._clock())
        return created

    def update(
        self,
        *,
        actor: Actor | Operator,
        email: str,
        role: str | None = None,
        skills: Sequence[str] | None = None,
    ) -> User:
        """Change the role or skills of the account with that address; None leaves them unchanged.

        Raises `InvalidValue`; `NotFound`; `UnconfirmedAddress` for a role; `Conflict` for the last
        active admin, and if several accounts have the address.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        address = strip_invisible(checked_string("email", email))
        values = checked_account_values(role=role, skills=skills)

        def values_for(doc: Document) -> Document:
            self.confirmation.check_role_change(doc, values)
            return values

        return update_account(
            self._db,
            lambda: self.get_doc_by_email(address),
            values_for,
            actor=actor,
            now=self._clock(),
        )

    def confirm_email(self, *, actor: Actor | Operator, email: str) -> User:
        """Record that the address of the account is its owner's. Raises as `get_doc_by_email`."""
        require_permission(actor, Permission.MANAGE_USERS)
        user = User.from_doc(self.get_doc_by_email(strip_invisible(email)))
        self.confirmation.record(user, by=audit_log.author(actor, user.id))
        return user

    def find_by_email(self, email: str) -> list[User]:
        """Return all accounts of an address, ignoring case. Several confirmed ones are a legacy
        fault; beside one, there may be those of people who only claimed to have the address."""
        return [User.from_doc(doc) for doc in self.find_docs_by_email(email)]

    def find_confirmed(self, email: str) -> list[User]:
        """Return the accounts of an address whose owner has proved to have it."""
        return [user for user in self.find_by_email(email) if self.confirmation.is_confirmed(user)]

    def find_docs_by_email(self, email: str) -> list[Document]:
        """Return the documents of `find_by_email`."""
        self._index_legacy_emails()
        return list(self._db.users.find({"emailKey": email_key(email)}))

    def find_docs_of_person(self, email: str) -> list[Document]:
        """Return the documents of an address, and of the accounts that were merged into them."""
        found = self.find_docs_by_email(email)
        ids = [doc["_id"] for doc in found]
        return list(self._db.users.find({"mergedInto": {"$in": ids}})) + found if ids else []

    def team_skills(self) -> list[str]:
        """Return the skills of active moderators and admins, sorted, each in one spelling."""
        skills = self._cached_skills.get(None)
        if skills is None:
            skills = self._read_team_skills()
            self._cached_skills.put(None, skills)
        return skills

    def _read_team_skills(self) -> list[str]:
        spelled: dict[str, str] = {}
        for skill in sorted(as_string_list(self._db.users.distinct("skills", ACTIVE_STAFF))):
            spelled.setdefault(skill.casefold(), skill)
        return sorted(spelled.values(), key=str.casefold)

    def get_doc_by_email(self, email: str) -> Document:
        """Return the only account of an address, or of several the only confirmed one.

        Raises `NotFound`, and `Conflict` if several are left.
        """
        found = self.find_docs_by_email(email)
        if not found:
            raise NotFound("There is no account with that address.")
        if len(found) > 1:
            found = [doc for doc in found if self.confirmation.is_confirmed(User.from_doc(doc))]
        if len(found) != 1:
            raise Conflict("Several accounts have that address. Remove all but one first.")
        return found[0]

    def _index_legacy_emails(self) -> None:
        """Set the `emailKey` of the legacy backend's accounts, which may still create new ones."""
        found = list(map(User.from_doc, self._db.users.find({"emailKey": None}, {"email": True})))
        ids = [user.id for user in found if isinstance(user.id, ObjectId)]
        keys = [
            UpdateOne({"_id": user.id}, {"$set": {"emailKey": email_key(user.email)}})
            for user in found
        ]
        if keys and ids:
            self._db.users.bulk_write(keys, ordered=False)
            legacy_backend.record_write(self._db, max(user_id.generation_time for user_id in ids))


def new_account_doc(
    *,
    email: str,
    role: Role,
    now: datetime,
    actor: Actor | Operator | None = None,
    skills: Sequence[str] = (),
    name: str | None = None,
    user_id: ObjectId | None = None,
) -> Document:
    """Return the document of a new account, with the legacy backend's fields and ours.

    `actor` is None if its owner creates it.
    """
    user_id = user_id or ObjectId()
    by = audit_log.author(actor, user_id) if actor else audit_log.SELF
    return {
        "_id": user_id,
        "email": email,
        "emailKey": email_key(email),
        "role": role.value,
        "skills": list(skills),
        "name": name,
        "active": True,
        "tokenVersion": 1,
        "capacity": DEFAULT_CAPACITY,
        "createdAt": now,
        **audit_log.pending_field(AuditEntry(now, by, AuditAction.CREATED, user_id, to=role.value)),
    }


def store_account(db: Mongo, doc: Document) -> User:
    """Store a new account, unless a concurrent request has stored it; return it.

    In a database shared with the legacy backend, a unique index may refuse a second account with
    the same spelling of the address. Domains ignore case, so the account gets another spelling.
    """

    def upsert(values: Document) -> Document | None:
        return db.users.find_one_and_update(
            {"_id": doc["_id"]},
            {"$setOnInsert": values},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )

    values = {name: value for name, value in doc.items() if name != "_id"}
    try:
        return User.from_doc(upsert(values) or doc)
    except DuplicateKeyError:
        local, at, domain = doc["email"].rpartition("@")
        values["email"] = f"{local}{at}{domain.upper()}"
        return User.from_doc(upsert(values) or {**doc, **values})


def update_account(
    db: Mongo,
    load: Callable[[], Document],
    values_for: Callable[[Document], Document],
    *,
    actor: Actor | Operator,
    now: datetime,
) -> User:
    """Change an account. Every edit by an admin or by its owner goes through here, and has an entry
    in the audit log for each field.

    `load` returns the account as stored, `values_for` the checked values to set in it; both are
    called again if a concurrent change came first. A new role, a new password and a deactivation
    end the account's sessions. If it can no longer work on tickets, its open tickets are marked to
    be released. Raises `Conflict` if no active admin would be left.
    """

    def attempt() -> User | None:
        doc = load()
        wanted = values_for(doc)
        # An absent field equals None here, as it does in a filter.
        values = {name: value for name, value in wanted.items() if doc.get(name) != value}
        return _store(db, doc, values, actor=actor, now=now) if values else User.from_doc(doc)

    return retry_on_conflict(attempt)


def _store(
    db: Mongo, doc: Document, values: Document, *, actor: Actor | Operator, now: datetime
) -> User | None:
    """Return None if one of the values, the role or `active` has changed since `doc` was loaded."""
    before, after = User.from_doc(doc), User.from_doc({**doc, **values})
    update: Document = {"$set": dict(values)}
    if (before.role, before.active) != (after.role, after.active) or "password" in values:
        update["$inc"] = {"tokenVersion": 1}
    if "name" in values:
        update["$unset"] = {"searchKeys": ""}  # the next search adds them
    if can_work_on_tickets(after) and not can_work_on_tickets(before):
        update.setdefault("$unset", {})["handBack"] = ""
    elif can_work_on_tickets(before) and not can_work_on_tickets(after):
        reason = DEMOTED_REASON if after.active else DEACTIVATED_REASON
        update["$set"]["handBack"] = model_user.release_request(
            by=actor.event_author, now=now, reason=reason
        )
    audit_log.add_to_update(update, _audit_entries(before, after, values, actor, now))
    expected = {name: doc.get(name) for name in ("role", "active", *values)}
    is_removal = _is_active_admin(before) and not _is_active_admin(after)
    guard: AbstractContextManager[Document] = (
        removing_admin(db, before.id, now=now) if is_removal else nullcontext({})
    )
    with guard as condition:
        query = {"_id": before.id, **expected, **condition}
        stored = db.users.find_one_and_update(query, update, return_document=ReturnDocument.AFTER)
    if stored is None:
        return None
    audit_log.move_pending(db.users, stored)
    if _ASSIGNMENT_FIELDS & values.keys():
        pending.retry_unassigned(db, now=now)
    return User.from_doc(stored)


def _audit_entries(
    before: User, after: User, values: Document, actor: Actor | Operator, now: datetime
) -> list[AuditEntry]:
    by = audit_log.author(actor, before.id)
    entries = []
    for name in values:
        value_of = _AUDITED_VALUES.get(name, _no_value)
        entries.append(
            AuditEntry(
                now,
                by,
                audit_log.account_field(name),
                before.id,
                from_=value_of(before),
                to=value_of(after),
            )
        )
    return entries


def _no_value(_: User) -> None:
    return None


def load_account_doc(db: Mongo, user_id: ObjectId | str) -> Document:
    """Return the account as stored. Raises `NotFound`."""
    doc = db.users.find_one({"_id": ObjectId(user_id)}) if ObjectId.is_valid(user_id) else None
    if doc is None:
        raise NotFound(UNKNOWN_ACCOUNT)
    return doc


def _is_active_admin(user: User) -> bool:
    return user.active and user.role is Role.ADMIN
