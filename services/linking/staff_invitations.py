"""Moderators and admins whom an admin chooses among the members of Slack.

A member's own account gets the role. Without one, an invitation of the address that Slack has
confirmed waits for the member's first use.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.accounts.confirmation import UnconfirmedAddress
from services.accounts.users import UserService, load_account_doc, update_account
from services.accounts.validation import checked_email, checked_skills
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Conflict, InvalidValue
from services.core.leases import Lease, LeaseUnavailable
from services.core.slack_scopes import granted_scopes
from services.linking.links import (
    EMAIL_SCOPE,
    ExclusionReason,
    LinkService,
    adopt_name,
    exclusion_reason,
    resume_link,
)
from services.models.permissions import Actor, Permission, require_permission
from services.models.slack_member import SlackMember
from services.models.user import Role, User

STAFF_ROLES = (Role.MODERATOR, Role.ADMIN)
# For a concurrent submission of the same form, which takes milliseconds.
MAX_WAIT_SECONDS = 1.0
UNKNOWN_MEMBER = "Slack does not know this person any more. Choose someone else."
IS_BOT = "This is an app. Choose a person."
_REFUSALS = {
    ExclusionReason.INACTIVE: "This person's Slack account is deactivated. Choose someone else.",
    ExclusionReason.GUEST: "Guests cannot work on tickets. Choose a full member.",
    ExclusionReason.OTHER_WORKSPACE: (
        "This person belongs to another workspace. Choose a member of this one."
    ),
}
NO_EMAIL = "Slack shows no email address of this person, so they cannot be invited."
EMAIL_NOT_PERMITTED = (
    "This app may not read email addresses in Slack. Add the permission users:read.email to it "
    "first."
)
UNCONFIRMED_EMAIL = (
    "Slack has not confirmed this person's email address yet. Ask them to confirm it in their "
    "Slack profile."
)
SEVERAL_ACCOUNTS = "Several accounts have this person's email address. Remove all but one first."
LINKED_ELSEWHERE = (
    "The account of this person's email address belongs to another Slack member. End that link on "
    "the server first: python app.py users unlink"
)
ACCOUNT_DEACTIVATED = "This person's account is deactivated. Activate it under People first."
IS_ADMIN = "This person is an admin already. To change that, press Edit under People."
BEING_ADDED = "This person is being added at this moment. Try again."


@dataclass(frozen=True, slots=True)
class StaffInvitation:
    """The account with its new role. An account that is not linked gets no tickets until the
    member's first use; `needs_code`: until they link it with a code."""

    user: User
    is_linked: bool
    needs_code: bool = False

    @property
    def key(self) -> str:
        """A key for each time that an account gets a role."""
        return f"{self.user.id}:{self.user.role.value}:{self.user.token_version}"


class StaffInvitations:
    def __init__(
        self, db: Mongo, users: UserService, links: LinkService, *, clock: Clock = utcnow
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._clock = clock

    def invite(
        self, *, actor: Actor, member: SlackMember, role: str, skills: str
    ) -> StaffInvitation:
        """Make the member a moderator or admin who also knows `skills` ("VPN, DNS").

        Safe to repeat: an account that has the role keeps it. Raises `InvalidValue`, naming the
        field of the form, for everything that is refused.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        if role not in STAFF_ROLES:
            raise InvalidValue("role", "Choose a role.")
        listed = checked_skills(skills.split(","))
        if member.is_bot:
            raise InvalidValue("member", IS_BOT)
        if reason := exclusion_reason(member):
            raise InvalidValue("member", _REFUSALS[reason])
        # Two submissions of one form would create two invitations of the same address.
        lease = Lease(
            self._db,
            f"invitation:{member.link_id}",
            clock=self._clock,
            max_wait_seconds=MAX_WAIT_SECONDS,
        )
        try:
            with lease:
                user = self._invite(actor, member, Role(role), listed)
        except LeaseUnavailable:
            raise InvalidValue("member", BEING_ADDED) from None
        except (UnconfirmedAddress, Conflict) as refusal:
            raise InvalidValue("member", str(refusal)) from None
        own = {"_id": {"$in": [member.link_id, *member.alias_link_ids]}}
        if self._db.links.find_one({**own, "userId": user.id}):
            return StaffInvitation(user, is_linked=True)
        is_unlinked = self._db.unlinked.find_one(own) is not None
        needs_code = self._links.is_strict or user.has_password or is_unlinked
        return StaffInvitation(user, is_linked=False, needs_code=needs_code)

    def _invite(self, actor: Actor, member: SlackMember, role: Role, skills: Sequence[str]) -> User:
        account = self._linked_account(member) or self._account_of_address(member)
        if account is None:
            try:
                return self._users.create(
                    actor=actor, email=member.email, role=role, skills=skills, name=member.name
                )
            except Conflict:  # the member's first use has created their account since
                raise InvalidValue("member", BEING_ADDED) from None

        def values_for(doc: Document) -> Document:
            current = User.from_doc(doc)
            if not current.active:
                raise InvalidValue("member", ACCOUNT_DEACTIVATED)
            if current.role is Role.ADMIN and role is not Role.ADMIN:
                raise InvalidValue("role", IS_ADMIN)
            values: Document = {"role": role.value}
            if skills:
                values["skills"] = checked_skills([*current.skills, *skills])
            self._users.confirmation.check_role_change(doc, values)
            return values

        user = update_account(
            self._db,
            lambda: load_account_doc(self._db, account.id),
            values_for,
            actor=actor,
            now=self._clock(),
        )
        return adopt_name(self._db, user, member, now=self._clock())

    def _linked_account(self, member: SlackMember) -> User | None:
        own = {"_id": {"$in": [member.link_id, *member.alias_link_ids]}}
        link = self._db.links.find_one(own)
        if link is None:
            return None
        if "stopped" in link:  # the member is active again, and Slack's event is still to come
            resume_link(self._db, link, now=self._clock())
        return self._users.get(link["userId"])

    def _account_of_address(self, member: SlackMember) -> User | None:
        try:
            address = checked_email(member.email)
        except InvalidValue:
            is_permitted = EMAIL_SCOPE in granted_scopes(self._db)
            reason = NO_EMAIL if is_permitted else EMAIL_NOT_PERMITTED
            raise InvalidValue("member", reason) from None
        if member.email_confirmed is not True:
            raise InvalidValue("member", UNCONFIRMED_EMAIL)
        held = self._users.find_confirmed(address)
        if not held:
            return None
        if len(held) > 1:
            raise InvalidValue("member", SEVERAL_ACCOUNTS)
        for link in self._db.links.find({"userId": held[0].id}):
            if not self._links.may_replace(link, member):
                raise InvalidValue("member", f"{LINKED_ELSEWHERE} {held[0].email}")
        return held[0]
