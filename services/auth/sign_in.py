"""Accounts with a password: sign up, sign in, sessions."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from bson import ObjectId

from services.accounts.confirmation import has_proof
from services.accounts.users import UserService, new_account_doc
from services.accounts.validation import (
    checked_email,
    checked_name,
    checked_skills,
    checked_string,
    email_key,
)
from services.audit import audit_log
from services.auth.device_tokens import DeviceTokens
from services.auth.one_time_codes import OneTimeCodes
from services.auth.password_attempts import by_address, password_attempt
from services.auth.passwords import PasswordHasher, check_password_length, checked_password
from services.auth.session_tokens import SessionTokens
from services.core import security_events
from services.core.clock import Clock
from services.core.database import Document, Mongo
from services.core.errors import Conflict, LimitReached, Unauthenticated
from services.core.leases import Lease, LeaseUnavailable
from services.core.rate_limit import Limit
from services.core.rate_limiter import RateLimiter
from services.core.security_events import SecurityEvent
from services.core.text import strip_invisible
from services.models.user import Role, User
from services.outbox.emails import EmailKind, Emails, queue_account_email

# The same for an unknown address, a wrong password and a deactivated account.
WRONG_CREDENTIALS = "Email or password is wrong, or the account has been deactivated."
SESSION_ENDED = "Your session has ended, or there was none. Sign in."
ACCOUNT_EXISTS = (
    "There is an account with that address already. Sign in, or set a password with “Forgot your "
    "password?”."
)
# How many accounts with one address are checked: each comparison takes a quarter of a second.
MAX_ACCOUNTS_PER_EMAIL = 5


class AuthDependencies(NamedTuple):
    """Shared, so that one `hasher` limits concurrent hashes."""

    db: Mongo
    users: UserService
    hasher: PasswordHasher
    tokens: SessionTokens
    devices: DeviceTokens
    rate_limiter: RateLimiter
    codes: OneTimeCodes
    emails: Emails
    clock: Clock


class AccountServiceBase:
    def __init__(self, dependencies: AuthDependencies) -> None:
        self._db, self._users, self._hasher, self._tokens, self._devices = dependencies[:5]
        self._rate_limiter, self._codes, self._emails, self._clock = dependencies[5:]


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
        """Create an account, always with the role `user`.

        Raises `InvalidValue`, `LimitReached`, and `Conflict` if the address has an account, also an
        invited one: the address's owner sets its password by email.
        """
        email = checked_email(checked_string("email", email))
        values = {"skills": checked_skills(skills), "name": (name := checked_name(name))}
        checked_password(password, context=(email, name))
        self._rate_limiter.take(*by_address(client_ip, Limit.SIGN_UPS))
        self._refuse_known(email)
        doc = new_account_doc(email=email, role=Role.USER, now=self._clock()) | values
        doc["password"] = self._hasher.hash(password)
        lease_name = f"sign-up:{hashlib.sha256(email_key(email).encode()).hexdigest()[:32]}"
        try:
            with Lease(self._db, lease_name, clock=self._clock):
                self._insert_account(doc, email)
        except LeaseUnavailable as error:  # a concurrent sign-up with the same address
            raise Conflict(ACCOUNT_EXISTS) from error
        queue_account_email(
            self._emails, EmailKind.WELCOME, user_id=doc["_id"], key=str(doc["_id"])
        )
        return User.from_doc(doc)

    def sign_in(
        self,
        *,
        email: str,
        password: str,
        client_ip: str | None = None,
        device_token: str | None = None,
    ) -> User:
        """Return the account with this address and password. `client_ip` is the caller's,
        `device_token` what it got from `issue_device_token`.

        Raises `Unauthenticated`, with the same message and delay for all reasons; `LimitReached`
        after many failures and while many sign in; `InvalidValue` for values that are no texts, and
        for a password that is too long for any account.
        """
        email, password = (
            strip_invisible(checked_string("email", email)),
            checked_string("password", password),
        )
        check_password_length(password)
        with password_attempt(
            self._rate_limiter,
            account=email_key(email),
            client_ip=client_ip,
            device_id=self._device_id(device_token, email),
        ):
            known = self._users.find_docs_by_email(email)
            doc = self._matching(known, email, password)
            if doc is None:
                security_events.record(
                    SecurityEvent.SIGN_IN_FAILED, account=known[0]["_id"] if known else None
                )
                raise Unauthenticated(WRONG_CREDENTIALS)
        return User.from_doc(self._rehash_if_outdated(doc, password))

    def authenticate(self, token: str) -> User:
        """Return the account of a session, as it is now. Raises `Unauthenticated`."""
        claims = self._tokens.verify(token)
        user = self._users.get(claims.user_id) if claims else None
        if claims is None or user is None:
            raise Unauthenticated(SESSION_ENDED)
        is_ended = claims.session_id in user.ended_sessions
        if is_ended or not user.active or user.token_version != claims.token_version:
            raise Unauthenticated(SESSION_ENDED)
        return user

    def issue_token(self, user: User) -> str:
        """Start a session after a sign-in, a sign-up or a new password."""
        security_events.record(SecurityEvent.SIGNED_IN, account=user.id)
        return self._tokens.issue(user)

    def issue_device_token(self, user: User, *, device_token: str | None = None) -> str:
        """Return the proof that this browser or program has signed in to the account, to be sent at
        the next sign-in, until the password changes. `device_token` is the one it has, if any."""
        return self._devices.issue(account=_device_subject(user), token=device_token)

    def sign_out(self, *, token: str) -> None:
        """End the session of that token."""
        claims = self._tokens.verify(token)
        if claims is None:
            return
        of_account = {"_id": claims.user_id}
        session = {"id": claims.session_id, "until": claims.expires_at}
        expired = {"until": {"$lte": self._clock()}}
        self._db.users.update_one(of_account, {"$addToSet": {"endedSessions": session}})
        self._db.users.update_one(of_account, {"$pull": {"endedSessions": expired}})

    def sign_out_everywhere(self, *, user_id: ObjectId) -> None:
        """End all sessions of the account."""
        self._db.users.update_one(
            {"_id": user_id}, {"$inc": {"tokenVersion": 1}, "$unset": {"endedSessions": True}}
        )

    def _device_id(self, device_token: str | None, email: str) -> str | None:
        """Return the id of the device if it is known for an account of that address.

        Beside a confirmed account, unconfirmed ones do not count: anyone could sign up with the
        address, and try passwords of the confirmed one as a known device.
        """
        if not device_token:
            return None
        users = self._users.find_by_email(email)
        confirmed = [user for user in users if has_proof(user)]
        ids = (
            self._devices.device_id(device_token, account=_device_subject(user))
            for user in confirmed or users
        )
        return next(filter(None, ids), None)

    def _matching(self, known: Sequence[Document], email: str, password: str) -> Document | None:
        """Return the active one of the address's accounts with that password: first the one with
        the same spelling, then the oldest. Takes as long if there is none.
        """
        docs = [doc for doc in known if User.from_doc(doc).active]
        docs.sort(key=lambda doc: (doc.get("email") != email.strip(), doc["_id"]))
        for doc in docs[:MAX_ACCOUNTS_PER_EMAIL]:
            if self._hasher.matches(password, doc.get("password")):
                return doc
        if not docs:
            self._hasher.matches(password, None)
        return None

    def _rehash_if_outdated(self, doc: Document, password: str) -> Document:
        """Replace a hash of an outdated algorithm or cost, unless it has changed since. Return the
        account."""
        old = doc["password"]
        if not self._hasher.is_outdated(old):
            return doc
        try:
            new = self._hasher.hash(password)
        except LimitReached:  # next time
            return doc
        self._db.users.update_one({"_id": doc["_id"], "password": old}, {"$set": {"password": new}})
        return {**doc, "password": new}

    def _insert_account(self, doc: Document, email: str) -> None:
        self._refuse_known(email)
        self._db.users.insert_one(doc)
        # An invitation by an admin, or a first use of Slack, takes no lease.
        if len(self._users.find_by_email(email)) > 1:
            self._db.users.delete_one({"_id": doc["_id"]})
            raise Conflict(ACCOUNT_EXISTS)
        audit_log.move_pending(self._db.users, doc)

    def _refuse_known(self, email: str) -> None:
        if self._users.find_by_email(email):
            raise Conflict(ACCOUNT_EXISTS)


def _device_subject(user: User) -> str:
    return f"{user.id} {user.password_digest}"
