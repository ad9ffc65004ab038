"""The audit log for admins: the changes of one person, and everything since a date."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from bson import ObjectId

from services.accounts.users import UserService, load_account_doc
from services.audit import audit_log
from services.audit.audit_log import AuditEntry
from services.core.database import Mongo
from services.core.errors import NotFound
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.user import User
from services.team_settings.app_name import app_name

MAX_CHANGES = 50


@dataclass(frozen=True, slots=True)
class PersonChanges:
    """The newest changes of an account, the newest first. `authors` are those who made them,
    `app_name` is the author if no person did; `has_more`: older ones are left out."""

    user: User
    entries: tuple[AuditEntry, ...]
    authors: Mapping[ObjectId, User]
    app_name: str
    has_more: bool


class AuditTrail:
    def __init__(self, db: Mongo, users: UserService) -> None:
        self._db = db
        self._users = users

    def of_person(self, *, actor: Actor, user_id: str) -> PersonChanges:
        """Return the changes of that account. Raises `NotFound`."""
        require_permission(actor, Permission.MANAGE_USERS)
        user = User.from_doc(load_account_doc(self._db, user_id))
        found = tuple(islice(audit_log.entries_of(self._db, user.id), MAX_CHANGES + 1))
        entries = found[:MAX_CHANGES]
        authors = {entry.by for entry in entries if isinstance(entry.by, ObjectId)}
        return PersonChanges(
            user,
            entries,
            self._users.get_many(authors),
            app_name(self._db),
            has_more=len(found) > MAX_CHANGES,
        )

    def entries(
        self, *, actor: Actor | Operator, since: datetime | None = None, email: str | None = None
    ) -> Iterator[AuditEntry]:
        """Return the entries since that time, the oldest first. With `email`, those by or about the
        accounts of that address; raises `NotFound` if there is none."""
        require_permission(actor, Permission.MANAGE_USERS)
        account_ids = None
        if email is not None:
            account_ids = [user.id for user in self._users.find_by_email(email)]
            if not account_ids:
                raise NotFound("There is no account with that address.")
        return audit_log.entries_since(self._db, since, account_ids)
