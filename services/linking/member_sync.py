"""What Slack tells of its members, followed by their accounts: who is gone, back, or renamed."""

from bson import ObjectId

from services.accounts.users import UserService
from services.accounts.validation import checked_email, email_key
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue
from services.linking.links import exclusion_reason, resume_link, suspend_link
from services.models.slack_member import SlackMember, link_id
from services.models.user import User
from services.tickets import release


class MemberSync:
    """It has no actor: Slack says it, of its own members."""

    def __init__(
        self, db: Mongo, users: UserService, codes: OneTimeCodes, *, clock: Clock = utcnow
    ) -> None:
        self._db = db
        self._users = users
        self._codes = codes
        self._clock = clock

    def has_changes(self, *, member: SlackMember) -> bool:
        """Whether that would change anything here: Slack tells of every new status, too."""
        link = self._link(member)
        if link is None:
            return False
        if exclusion_reason(member) or "stopped" in link:
            return (exclusion_reason(member) is None) == ("stopped" in link)
        # The event may leave out what Slack then says when it is asked.
        user = self._users.get(link["userId"])
        return (
            user is not None
            and member.email_confirmed is not False
            and _has_new_email(user, member)
        )

    def sync(self, *, member: SlackMember) -> list[ObjectId]:
        """Follow what Slack says now; returns the first tickets released, the sweep does the rest.

        Safe to repeat.
        """
        link = self._link(member)
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
        """An address that has an account already, or that is none, changes nothing."""
        try:
            address = checked_email(member.email)
        except InvalidValue:
            return
        if self._users.find_by_email(address):
            return
        # Who sets a password from now on keeps the address it was set with.
        same = {"_id": user.id, "email": user.email, "password": None}
        if not self._db.users.update_one(same, _address(address)).modified_count:
            return
        # A link to a new password may be on its way to whoever has the old address now.
        self._codes.revoke(user_id=user.id, kind=CodeKind.RESET)
        if len(self._users.find_by_email(address)) > 1:
            # Another account got that address concurrently: undo.
            mine = {"_id": user.id, "email": address}
            self._db.users.update_one(mine, _address(user.email))

    def _link(self, member: SlackMember) -> Document | None:
        return self._db.links.find_one({"_id": link_id(member.team_id, member.slack_user_id)})


def _has_new_email(user: User, member: SlackMember) -> bool:
    """Whether an account without password, which so has its address from Slack, has another."""
    key = email_key(member.email)
    return bool(key) and not user.has_password and key != email_key(user.email)


def _address(email: str) -> Document:
    """The search's words are found anew when somebody searches."""
    return {"$set": {"email": email, "emailKey": email_key(email)}, "$unset": {"searchKeys": ""}}
