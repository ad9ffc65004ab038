"""Confirm an account's address by a mailed link, together with a session or the password.

The link alone proves the mailbox, not who signed up: its owner could confirm, with one press, the
account of a stranger who signed up with their address.
"""

from bson import ObjectId

from services.accounts.validation import checked_string, email_key
from services.audit.audit_log import SELF
from services.auth.one_time_codes import CodeKind
from services.auth.password_attempts import by_address
from services.auth.sign_in import AccountServiceBase
from services.core import security_events
from services.core.errors import InvalidValue
from services.core.rate_limit import Limit
from services.core.security_events import SecurityEvent
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import User
from services.outbox.emails import EmailKind, queue_account_email

INVALID_CONFIRMATION_LINK = (
    "That link is no longer valid: each works once, and for three days. Get a new one on your "
    "profile."
)


def confirmation_path(code: str) -> str:
    """Return the path of the confirmation page below APP_URL."""
    return f"/confirm?code={code}"


class AddressConfirmationService(AccountServiceBase):
    def request_link(self, *, actor: Actor, client_ip: str | None = None) -> None:
        """Queue an email with a link to the actor's address.

        Raises `LimitReached` after three links in an hour, of passwords counted with them.
        """
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        user = self._users.get(actor.user_id)
        if user is None or self._users.confirmation.is_confirmed(user):
            return
        self._rate_limiter.take(
            (Limit.RESETS_BY_ACCOUNT, email_key(user.email)),
            *by_address(client_ip, Limit.RESETS_BY_ADDRESS),
        )
        key = f"{user.id}:{self._clock():%Y%m%d%H%M}"  # a double click sends one email
        queue_account_email(self._emails, EmailKind.CONFIRM, user_id=user.id, key=key)

    def find_account(self, *, code: str) -> User:
        """Return the account of an unused code. Raises `InvalidValue`."""
        user_id = self._codes.peek(kind=CodeKind.CONFIRM, code=checked_string("code", code))
        user = self._users.get(user_id) if user_id else None
        if user is None or not user.active:
            _record_refused_code()
            raise InvalidValue("code", INVALID_CONFIRMATION_LINK)
        return user

    def confirm(self, *, actor: Actor, code: str) -> None:
        """Use the code up, and record that the actor's address is confirmed.

        Raises `InvalidValue`, also for a code of another account, which stays valid.
        """
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        user = self.find_account(code=code)
        is_own = user.id == actor.user_id
        if not is_own or self._codes.redeem(kind=CodeKind.CONFIRM, code=code) is None:
            _record_refused_code(actor.user_id)
            raise InvalidValue("code", INVALID_CONFIRMATION_LINK)
        self._users.confirmation.record(user, by=SELF)


def _record_refused_code(account: ObjectId | None = None) -> None:
    security_events.record(SecurityEvent.CODE_REFUSED, reason="confirm", account=account)
