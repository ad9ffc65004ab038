"""Update accounts after changes of their Slack members: removed, restored, new address."""

from bson import ObjectId
from pymongo import ReturnDocument

from services.accounts.users import UserService
from services.accounts.validation import checked_email, email_key
from services.audit import audit_log
from services.audit.audit_log import SYSTEM, AuditEntry
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue
from services.linking.links import exclusion_reason, resume_link, suspend_link
from services.models.slack_member import SlackMember
from services.models.user import User
from services.tickets import release


class MemberSync:
    """Without an actor: the changes are reported by Slack."""

    def __init__(
        self, db: Mongo, users: UserService, codes: OneTimeCodes, *, clock: Clock = utcnow
    ) -> None:
        self._db = db
        self._users = users
        self._codes = codes
        self._clock = clock

    def has_changes(self, *, member: SlackMember) -> bool:
        """Return whether `sync` would change anything; Slack also reports each new status."""
        link = self._db.links.find_one({"_id": member.link_id})
        if link is None:
            return False
        if exclusion_reason(member) or "stopped" in link:
            return (exclusion_reason(member) is None) == ("stopped" in link)
        # The event may lack fields that `users.info` has.
        user = self._users.get(link["userId"])
        return (
            user is not None
            and member.email_confirmed is not False
            and _has_new_email(user, member)
        )

    def sync(self, *, member: SlackMember) -> list[ObjectId]:
        """Store the member's state. Return the first tickets released; the sweep continues.

        Safe to repeat.
        """
        link = self._db.links.find_one({"_id": member.link_id})
        if link is None:
            return []
        now, reason = self._clock(), exclusion_reason(member)
        if reason:
            suspend_link(self._db, link, reason, now=now)
            return release.release_tickets(self._db, link["userId"], now=now)
        if "stopped" in link:
            resume_link(self._db, link, now=now)
        user = self._users.get(link["userId"])
        if user and member.email_confirmed is True and _has_new_email(user, member):
            self._sync_email(user, member)
        return []

    def _sync_email(self, user: User, member: SlackMember) -> None:
        """Change the account's address unless it is invalid or has a confirmed account."""
        try:
            address = checked_email(member.email)
        except InvalidValue:
            return
        if self._users.find_confirmed(address):
            return
        # An account with a password keeps its address.
        if not self._set_address(user, address, {"email": user.email, "password": None}):
            return
        # A link may be in the old mailbox, which another person may have now.
        for kind in (CodeKind.RESET, CodeKind.CONFIRM):
            self._codes.revoke(user_id=user.id, kind=kind)
        if len(self._users.find_confirmed(address)) > 1:
            # Another account got that address concurrently: undo.
            self._set_address(user, user.email, {"email": address})

    def _set_address(self, user: User, address: str, expected: Document) -> bool:
        update: Document = {
            "$set": {"email": address, "emailKey": email_key(address)},
            "$unset": {"searchKeys": ""},
        }
        entry = AuditEntry(self._clock(), SYSTEM, audit_log.account_field("email"), user.id)
        audit_log.add_to_update(update, [entry])
        stored = self._db.users.find_one_and_update(
            {"_id": user.id, **expected}, update, return_document=ReturnDocument.AFTER
        )
        audit_log.move_pending(self._db.users, stored or {})
        return stored is not None


def _has_new_email(user: User, member: SlackMember) -> bool:
    """Return whether Slack has another address for an account without password."""
    key = email_key(member.email)
    return bool(key) and not user.has_password and key != email_key(user.email)
