"""Changes of the actor's own account over pages and API, also of its password."""

from collections.abc import Sequence

from services.accounts.users import load_account_doc, update_account
from services.accounts.validation import checked_account_values, checked_string, email_key
from services.auth.password_attempts import password_attempt
from services.auth.passwords import checked_password
from services.auth.sign_in import AccountServiceBase
from services.core import security_events
from services.core.database import Document
from services.core.errors import Conflict, InvalidValue
from services.core.security_events import SecurityEvent
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import User
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
        """Change the given fields of the actor's account; None leaves one, a name "" removes it.

        A new password ends every session, this one too, and the owner is notified. It requires the
        current one; wrong guesses are limited as at sign-in (`client_ip` is the caller's address).
        Raises `InvalidValue`, `LimitReached`, and `Conflict` if the password has changed since.
        """
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        values = checked_account_values(name=name, skills=skills)
        verified: str | None = None
        if password is not None:
            doc = load_account_doc(self._db, actor.user_id)
            user = User.from_doc(doc)
            checked_password(password, context=(user.email, user.name, values.get("name")))
            verified = self._verify_current_password(doc, current_password, client_ip)
            values["password"] = self._hasher.hash(password)

        def values_for(doc: Document) -> Document:
            if verified and doc.get("password") != verified:
                raise Conflict("Your password has just been changed. Sign in with the new one.")
            return values

        user = update_account(
            self._db,
            lambda: load_account_doc(self._db, actor.user_id),
            values_for,
            actor=actor,
            now=self._clock(),
        )
        if password is not None:
            self._codes.revoke(user_id=user.id)
            queue_new_password_email(
                self._emails, user_id=user.id, token_version=user.token_version
            )
        return user

    def _verify_current_password(
        self, doc: Document, current: str | None, client_ip: str | None
    ) -> str:
        """Return the stored hash after `current` has matched it."""
        stored = doc.get("password")
        if not stored:
            raise InvalidValue(
                "password",
                "This account has no password yet. Set its first one with “Forgot your password?”.",
            )
        if current is None:
            raise InvalidValue("currentPassword", "Write your current password, too.")
        checked_string("currentPassword", current)
        account = email_key(User.from_doc(doc).email)
        with password_attempt(
            self._rate_limiter, account=account, client_ip=client_ip, is_signed_in=True
        ):
            if not self._hasher.matches(current, stored):
                security_events.record(
                    SecurityEvent.SIGN_IN_FAILED, reason="current_password", account=doc["_id"]
                )
                raise InvalidValue("currentPassword", "That is not your current password.")
        return str(stored)
