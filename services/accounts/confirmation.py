"""Whether an account's address was proved to be its owner's.

Anyone can sign up with any address. `emailConfirmedAt` says when the owner proved it: by a link
sent to the address or printed by an operator, by `users confirm`, or by Slack. Without it, a role
above user, or no password, counts: an admin gave the first, and only an invitation or Slack creates
the second. The rest is asked of Slack when it matters: a linked member whose confirmed address is
the account's proves it. An unconfirmed account gets no role and no Slack member.
"""

import threading
import time
from collections.abc import Callable, Iterable

from bson import ObjectId
from cachetools import TTLCache
from pymongo import ReturnDocument

from services.accounts.validation import email_key
from services.audit import audit_log
from services.audit.audit_log import SYSTEM, AuditAction, AuditEntry
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Conflict
from services.models.slack_member import SlackMember
from services.models.user import Role, User

# Asks Slack for a member, by workspace and id. A member whom Slack no longer knows is deleted;
# None if Slack gives no answer.
MemberLookup = Callable[[str, str], SlackMember | None]

# How long cards show an answer of Slack's. A confirmed address is stored, and not asked again.
ANSWER_TTL_SECONDS = 300.0
MAX_CACHED_ANSWERS = 10_000


class UnconfirmedAddress(Conflict):
    """An unconfirmed account is to get a role."""

    def __init__(self, email: str) -> None:
        super().__init__(
            f"It is not confirmed that {email} is the address of this account's owner, so it "
            "gets no role. If you know the owner, confirm it on the server: python app.py users "
            f"confirm {email}"
        )


class EmailConfirmation:
    def __init__(
        self,
        db: Mongo,
        look_up_member: MemberLookup | None = None,
        *,
        clock: Clock = utcnow,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without `look_up_member`, Slack is not asked. `timer` is of the cache."""
        self._db = db
        self._look_up_member = look_up_member
        self._clock = clock
        self._denied: TTLCache[ObjectId, bool] = TTLCache(
            MAX_CACHED_ANSWERS, ANSWER_TTL_SECONDS, timer
        )
        self._lock = threading.Lock()

    def is_confirmed(self, user: User) -> bool:
        return has_proof(user) or self._ask_slack(user) is True

    def find_unconfirmed(self, users: Iterable[User]) -> frozenset[ObjectId]:
        """Return the unconfirmed ones, for display: Slack's last answer counts for minutes."""
        return frozenset(user.id for user in users if not self._was_confirmed(user))

    def check_role_change(self, doc: Document, values: Document) -> None:
        """Raise `UnconfirmedAddress` if an unconfirmed account would get another role."""
        user = User.from_doc(doc)
        is_new_role = "role" in values and values["role"] != user.role.value
        if is_new_role and not self.is_confirmed(user):
            raise UnconfirmedAddress(user.email)

    def record(self, user: User, *, by: ObjectId | str) -> None:
        """Store that the address the account has in `user` is confirmed. `by` is for the audit
        log."""
        now = self._clock()
        change: Document = {"$set": {"emailConfirmedAt": now}}
        audit_log.add_to_update(change, [AuditEntry(now, by, AuditAction.CONFIRMED, user.id)])
        stored = self._db.users.find_one_and_update(
            {"_id": user.id, "email": user.email, "emailConfirmedAt": None},
            change,
            return_document=ReturnDocument.AFTER,
        )
        audit_log.move_pending(self._db.users, stored or {})

    def _was_confirmed(self, user: User) -> bool:
        if has_proof(user):
            return True
        with self._lock:
            if user.id in self._denied:
                return False
        answer = self._ask_slack(user)
        if answer is False:
            with self._lock:
                self._denied[user.id] = True
        return answer is True

    def _ask_slack(self, user: User) -> bool | None:
        """Return whether a linked member has the account's address; None without an answer."""
        if user.disowned_at:
            return False
        links = self._db.links.find({"userId": user.id, "stopped": None})
        answers = []
        for link in links:
            member = (
                self._look_up_member(link["teamId"], link["slackUserId"])
                if self._look_up_member
                else None
            )
            if member and not member.is_deleted and has_slack_address(user, member):
                self.record(user, by=SYSTEM)
                return True
            answers.append(member)
        return None if None in answers else False


def has_slack_address(user: User, member: SlackMember) -> bool:
    """Return whether Slack has confirmed the account's address for the member."""
    key = email_key(user.email)
    return bool(key) and member.email_confirmed is True and key == email_key(member.email)


def has_proof(user: User) -> bool:
    """Return whether what is stored proves the address, without asking Slack."""
    if user.disowned_at:
        return False
    return (
        user.email_confirmed_at is not None or user.role is not Role.USER or not user.has_password
    )
