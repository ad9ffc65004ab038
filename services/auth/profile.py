"""Edit accounts over pages and API: one's own, and as an admin any."""

from collections.abc import Sequence

from bson import ObjectId
from pymongo import ReturnDocument

from services.accounts import users
from services.accounts.users import UNKNOWN_ACCOUNT
from services.accounts.validation import (
    checked_name,
    checked_role,
    checked_skill_list,
    checked_string,
    email_key,
)
from services.auth.base import AccountServiceBase
from services.auth.passwords import checked_password
from services.core.database import Document
from services.core.errors import Conflict, InvalidValue, NotFound
from services.core.text import strip_invisible
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.user import User
from services.outbox import pending
from services.outbox.emails import queue_new_password_email


class ProfileService(AccountServiceBase):
    def update_own(
        self,
        *,
        actor: Actor,
        name: str | None = None,
        skills: Sequence[str] | None = None,
        password: str | None = None,
        current_password: str | None = None,
        client_ip: str | None = None,
    ) -> User:
        """Change the given fields of the actor's account; None: unchanged, name "": removed.

        A new password needs the current one, rate-limited as at sign-in. It ends all sessions, this
        one too, and the owner is notified by email.
        Raises `InvalidValue`, `LimitReached`, and `Conflict` if the password has changed since.
        """
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        update = _profile(name, skills)
        expected: Document = {"_id": actor.user_id}
        if password is not None:
            checked_password(password)
            expected["password"] = self._verify_current_password(
                actor.user_id, current_password, client_ip
            )
            update.setdefault("$set", {})["password"] = self._hasher.hash(password)
            update["$inc"] = {"tokenVersion": 1}
        if not update:
            return User.from_doc(self._load(actor.user_id))
        doc = self._db.users.find_one_and_update(
            expected, update, return_document=ReturnDocument.AFTER
        )
        if doc is None:
            self._load(actor.user_id)
            raise Conflict("Your password has just been changed. Sign in with the new one.")
        user = User.from_doc(doc)
        if password is not None:
            self._codes.revoke(user_id=user.id)
            queue_new_password_email(
                self._emails, user_id=user.id, token_version=user.token_version
            )
        if skills is not None:
            pending.retry_unassigned(self._db, now=self._clock())
        return user

    def update_other(
        self,
        *,
        actor: Actor | Operator,
        email: str,
        role: str | None = None,
        skills: Sequence[str] | None = None,
    ) -> User:
        """Change the given fields of the account with that address; None: unchanged.

        A new role ends its sessions. Raises `InvalidValue`; `NotFound`; `Conflict` for the last
        active admin, and if several accounts have the address.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        email = strip_invisible(checked_string("email", email))
        values: Document = {}
        if role is not None:
            values["role"] = checked_role(role).value
        if skills is not None:
            values["skills"] = checked_skill_list(skills)
        while True:
            doc = self._users.get_doc_by_email(email)
            if not values:
                return User.from_doc(doc)
            stored = users.update_account(
                self._db, doc, values, by=actor.event_author, now=self._clock()
            )
            if stored:
                pending.retry_unassigned(self._db, now=self._clock())
                return stored

    def _verify_current_password(
        self, user_id: ObjectId, current: str | None, client_ip: str | None
    ) -> str:
        """Return the stored hash if `current` is its password."""
        doc = self._load(user_id)
        stored = doc.get("password")
        if not stored:
            raise InvalidValue(
                "password",
                "This account has no password yet. Set its first one by “Forgot your password?”.",
            )
        if current is None:
            raise InvalidValue("currentPassword", "Write your current password, too.")
        checked_string("currentPassword", current)
        account = email_key(User.from_doc(doc).email)
        self._rate_limiter.check_sign_in(account=account, client_ip=client_ip)
        if not self._hasher.matches(current, stored):
            self._rate_limiter.record_sign_in_failure(account=account, client_ip=client_ip)
            raise InvalidValue("currentPassword", "That is not your current password.")
        return str(stored)

    def _load(self, user_id: ObjectId) -> Document:
        doc = self._db.users.find_one({"_id": user_id})
        if doc is None:
            raise NotFound(UNKNOWN_ACCOUNT)
        return doc


def _profile(name: str | None, skills: Sequence[str] | None) -> Document:
    update: Document = {}
    if name is not None:
        update["$set"] = {"name": checked_name(name)}
        update["$unset"] = {"searchKeys": ""}  # rebuilt by the next search
    if skills is not None:
        update.setdefault("$set", {})["skills"] = checked_skill_list(skills)
    return update
