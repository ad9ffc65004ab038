"""Accounts with a password: sign up, sign in, sessions."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bson import ObjectId

from services.accounts.users import new_account_doc
from services.accounts.validation import (
    checked_email,
    checked_name,
    checked_skills,
    checked_string,
    email_key,
)
from services.auth.base import AccountServiceBase
from services.auth.passwords import check_password_length, checked_password
from services.auth.rate_limit import RateLimitedAction
from services.core.database import Document
from services.core.errors import Conflict, LimitReached, Unauthenticated
from services.core.leases import Lease
from services.core.text import strip_invisible
from services.models.user import Role, User
from services.outbox.emails import EmailKind, queue_account_email

# The same for an unknown address, a wrong password and an account that has been deactivated.
WRONG_CREDENTIALS = "Email or password is wrong, or the account has been deactivated."
SESSION_ENDED = "Your session has ended, or there was none. Sign in."
ACCOUNT_EXISTS = (
    "There is an account with that address already. Sign in, or set a password by “Forgot your "
    "password?”."
)
# Of more accounts than these with one address, all but the oldest have to be removed first:
# comparing takes a quarter of a second each.
MAX_ACCOUNTS_PER_EMAIL = 5


class SignInService(AccountServiceBase):
    def sign_up(
        self,
        *,
        email: str,
        password: str,
        skills: Sequence[str] = (),
        name: str | None = None,
        client_ip: str | None = None,
    ) -> User:
        """A new account, of role `user` whoever asks. `client_ip` is the caller's.

        Raises `InvalidValue`, `LimitReached`, and `Conflict` if the address has an account, be it
        an invitation: the address's owner sets its password by email.
        """
        email = checked_email(checked_string("email", email))
        values = {"skills": checked_skills(skills), "name": checked_name(name)}
        checked_password(password)
        self._rate_limiter.record_attempt(RateLimitedAction.SIGN_UP, client_ip=client_ip)
        self._refuse_known(email)
        doc = new_account_doc(email=email, role=Role.USER, now=self._clock()) | values
        doc["password"] = self._hasher.hash(password)
        with self._sign_up_lease(email):
            self._refuse_known(email)
            self._db.users.insert_one(doc)
            # An admin who invites, or a first use of Slack, does not ask whether one is alone.
            if len(self._users.find_by_email(email)) > 1:
                self._db.users.delete_one({"_id": doc["_id"]})
                raise Conflict(ACCOUNT_EXISTS)
        queue_account_email(
            self._emails, EmailKind.WELCOME, user_id=doc["_id"], key=str(doc["_id"])
        )
        return User.from_doc(doc)

    def sign_in(self, *, email: str, password: str, client_ip: str | None = None) -> User:
        """The account whose address and password these are. `client_ip` is the caller's.

        Raises `Unauthenticated`, in the same words and after the same time whatever is wrong;
        `LimitReached` after many failures and while many sign in; `InvalidValue` for what is no
        text, and for a password that is too long for any account's.
        """
        email, password = (
            strip_invisible(checked_string("email", email)),
            checked_string("password", password),
        )
        check_password_length(password)
        account = email_key(email)
        self._rate_limiter.check_sign_in(account=account, client_ip=client_ip)
        doc = self._matching(email, password)
        if doc is None:
            self._rate_limiter.record_sign_in_failure(account=account, client_ip=client_ip)
            raise Unauthenticated(WRONG_CREDENTIALS)
        self._rate_limiter.clear_sign_in_failures(account=account)
        self._rehash_if_outdated(doc, password)
        return User.from_doc(doc)

    def authenticate(self, token: str) -> User:
        """Whose session it is, as the account is at this moment. Raises `Unauthenticated`."""
        claims = self._tokens.verify(token)
        user = self._users.get(claims.user_id) if claims else None
        if claims is None or user is None:
            raise Unauthenticated(SESSION_ENDED)
        if not user.active or user.token_version != claims.token_version:
            raise Unauthenticated(SESSION_ENDED)
        return user

    def issue_token(self, user: User) -> str:
        """A new session for somebody who has just signed in or up, or set a password."""
        return self._tokens.issue(user)

    def sign_out(self, *, user_id: ObjectId) -> None:
        """End every session of the account."""
        self._db.users.update_one({"_id": user_id}, {"$inc": {"tokenVersion": 1}})

    def _matching(self, email: str, password: str) -> Document | None:
        """Of an address's active accounts the one with that password: first the one whose address
        is written like this, then the oldest. Where there is none, that takes as long.
        """
        docs = [doc for doc in self._users.find_docs_by_email(email) if User.from_doc(doc).active]
        docs.sort(key=lambda doc: (doc.get("email") != email.strip(), doc["_id"]))
        for doc in docs[:MAX_ACCOUNTS_PER_EMAIL]:
            if self._hasher.matches(password, doc.get("password")):
                return doc
        if not docs:
            self._hasher.matches(password, None)
        return None

    def _rehash_if_outdated(self, doc: Document, password: str) -> None:
        """Replace a hash of another kind or cost than today's, unless it has changed since."""
        old = doc["password"]
        if not self._hasher.is_outdated(old):
            return
        try:
            new = self._hasher.hash(password)
        except LimitReached:  # next time
            return
        self._db.users.update_one({"_id": doc["_id"], "password": old}, {"$set": {"password": new}})

    def _refuse_known(self, email: str) -> None:
        if self._users.find_by_email(email):
            raise Conflict(ACCOUNT_EXISTS)

    @contextmanager
    def _sign_up_lease(self, email: str) -> Iterator[None]:
        """Of several who sign up with one address at once, one goes on."""
        name = hashlib.sha256(email_key(email).encode()).hexdigest()
        lease = Lease(self._db, f"sign-up:{name[:32]}", clock=self._clock)
        if not lease.acquire():
            raise Conflict(ACCOUNT_EXISTS)
        try:
            yield
        finally:
            lease.release()
