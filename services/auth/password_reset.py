"""Reset a password by a link, sent by email or handed over by an operator."""

from datetime import datetime

from bson import ObjectId
from pymongo import ReturnDocument

from services.accounts.users import UserService
from services.accounts.validation import checked_string, email_key
from services.audit import audit_log
from services.audit.audit_log import SELF, AuditAction, AuditEntry
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.auth.password_attempts import by_address, forgive_wrong_passwords
from services.auth.passwords import checked_password
from services.auth.sign_in import AccountServiceBase
from services.core import security_events
from services.core.database import Document
from services.core.errors import Conflict, InvalidValue
from services.core.rate_limit import Limit
from services.core.security_events import SecurityEvent
from services.core.text import strip_invisible
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.user import User
from services.outbox.emails import EmailKind, queue_account_email, queue_new_password_email

INVALID_LINK = (
    "That link is no longer valid: each works once, and for an hour. Ask for a new one with "
    "“Forgot your password?”."
)


def reset_path(code: str) -> str:
    """Return the path of the reset page below APP_URL."""
    return f"/reset?code={code}"


def issue_reset_code(
    users: UserService, codes: OneTimeCodes, *, actor: Actor | Operator, email: str
) -> str:
    """Return a reset code for an account, for teams without email. It grants access to the account.

    Raises `NotFound`, and `Conflict` if several accounts have the address or it is deactivated.
    """
    require_permission(actor, Permission.MANAGE_USERS)
    user = User.from_doc(users.get_doc_by_email(email))
    if not user.active:
        raise Conflict("That account has been deactivated, so no one can sign in to it.")
    return codes.issue(kind=CodeKind.RESET, user_id=user.id, handed_to=actor)


class PasswordResetService(AccountServiceBase):
    def request_link(self, *, email: str, client_ip: str | None = None) -> None:
        """Queue an email with a reset link to the active accounts of that address, with or without
        a password. The caller does not learn whether there are any.

        Raises `LimitReached` after three in an hour, and `InvalidValue` if `email` is not a string.
        """
        email = strip_invisible(checked_string("email", email))
        self._rate_limiter.take(
            (Limit.RESETS_BY_ACCOUNT, email_key(email)),
            *by_address(client_ip, Limit.RESETS_BY_ADDRESS),
        )
        known = [user.id for user in self._users.find_by_email(email) if user.active]
        # An email to no account is discarded unsent, so that this takes as long as for an account.
        for user_id in known or [ObjectId()]:
            # A double click sends one email. The code is issued when the email is sent.
            key = f"{user_id}:{self._clock():%Y%m%d%H%M}"
            queue_account_email(self._emails, EmailKind.RESET, user_id=user_id, key=key)

    def find_account(self, *, code: str) -> User:
        """Return the active account of an unused code. Raises `InvalidValue`."""
        user_id = self._codes.peek(kind=CodeKind.RESET, code=checked_string("code", code))
        user = self._users.get(user_id) if user_id else None
        if user is None or not user.active:
            security_events.record(SecurityEvent.CODE_REFUSED, reason="reset")
            raise InvalidValue("code", INVALID_LINK)
        return user

    def reset(self, *, code: str, password: str, client_ip: str | None = None) -> User:
        """Set the password of the code's account, use the code up, end all sessions and notify the
        owner by email. The link was sent to the account's address or came from an operator, so it
        also confirms the address.

        Raises `InvalidValue` for the code, and for the password without using the code up, and
        `LimitReached` while many users sign in.
        """
        account = self.find_account(code=code)  # before a costly hash
        checked_password(password, context=(account.email, account.name))
        hashed = self._hasher.hash(password)
        user_id = self._codes.redeem(kind=CodeKind.RESET, code=code)
        doc = self._set_password(user_id, hashed, now=self._clock()) if user_id else None
        if not doc:
            security_events.record(SecurityEvent.CODE_REFUSED, reason="reset", account=user_id)
            raise InvalidValue("code", INVALID_LINK)
        user = User.from_doc(doc)
        self._codes.revoke(user_id=user.id)
        forgive_wrong_passwords(
            self._rate_limiter, account=email_key(user.email), client_ip=client_ip
        )
        queue_new_password_email(self._emails, user_id=user.id, token_version=user.token_version)
        return user

    def _set_password(self, user_id: ObjectId, hashed: str, *, now: datetime) -> Document | None:
        """Return the account, None if it has been deactivated."""
        values = {"password": hashed, "emailConfirmedAt": now}
        update: Document = {"$set": values, "$inc": {"tokenVersion": 1}}
        entry = AuditEntry(now, SELF, AuditAction.PASSWORD_RESET, user_id)
        audit_log.add_to_update(update, [entry])
        doc = self._db.users.find_one_and_update(
            {"_id": user_id, "active": {"$ne": False}},
            update,
            return_document=ReturnDocument.AFTER,
        )
        audit_log.move_pending(self._db.users, doc or {})
        return doc
