"""Whose ticket it becomes: that of a message's author, of a chosen member, or of an address.

A message is its author's: they and the staff make a ticket of it, which is the author's. Anyone
else files a ticket of their own. If the author gets no account, the ticket is that of who files it.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.accounts.confirmation import MemberLookup
from services.accounts.users import UserService
from services.core.database import Mongo
from services.core.errors import InvalidValue, MemberRefused
from services.linking.links import ExclusionReason, LinkService, exclusion_reason
from services.models.permissions import Actor, Permission, require_permission
from services.models.slack_member import SlackMember
from services.models.user import User

UNKNOWN_ADDRESS = (
    "No active account has confirmed this address. Its owner gets one with the first message to "
    "the app in Slack."
)
BY_AN_APP = "An app wrote this message, and apps get no account."
UNKNOWN_MEMBER = "Slack does not say who this is right now. Try again in a minute."


class MessageOwner(StrEnum):
    """Who may make a ticket of a message, seen from the actor."""

    ACTOR = "actor"  # the author, or the author gets no account
    AUTHOR_BY_STAFF = "author_by_staff"  # the actor is staff, and files it for the author
    AUTHOR = "author"  # only the author and the staff; the actor may link to the message


@dataclass(frozen=True, slots=True)
class MessageClaim:
    """`without_account` is a sentence: why the author gets no account, so that it is the actor's;
    "" if the author gets one."""

    owner: MessageOwner
    without_account: str = ""


class Requesters:
    """`look_up` asks Slack about a member without an account."""

    def __init__(self, db: Mongo, users: UserService, links: LinkService) -> None:
        self._db = db
        self._users = users
        self._links = links

    def of_message(
        self, *, actor: Actor, team_id: str, author: str | None, look_up: MemberLookup
    ) -> MessageClaim:
        """Return who may make a ticket of a message of the member `author`; None is an app.

        No account is created. An author about whom Slack gives no answer may get one.
        """
        require_permission(actor, Permission.FILE_TICKET)
        if author is None:
            return MessageClaim(MessageOwner.ACTOR, BY_AN_APP)
        try:
            user = self._links.find_user(team_id=team_id, slack_user_id=author)
        except MemberRefused:
            return MessageClaim(MessageOwner.ACTOR, "The author's account is deactivated.")
        if user and user.id == actor.user_id:
            return MessageClaim(MessageOwner.ACTOR)
        member = None if user else look_up(team_id, author)
        if member and (why := self._why_no_account(member)):
            return MessageClaim(MessageOwner.ACTOR, why)
        is_staff = actor.has_permission(Permission.FILE_FOR_OTHERS)
        return MessageClaim(MessageOwner.AUTHOR_BY_STAFF if is_staff else MessageOwner.AUTHOR)

    def of_member(
        self, *, actor: Actor, team_id: str, slack_user_id: str, look_up: MemberLookup
    ) -> tuple[User, bool]:
        """Return the account of a member whom the staff choose as the requester, and whether it was
        created for that. Raises `InvalidValue`, `PermissionDenied`."""
        require_permission(actor, Permission.FILE_FOR_OTHERS)
        try:
            user = self._links.find_user(team_id=team_id, slack_user_id=slack_user_id)
        except MemberRefused:
            raise _refusal("The account of this person is deactivated.") from None
        if user:
            return user, False
        member = look_up(team_id, slack_user_id)
        if member is None:
            raise InvalidValue("createdBy", UNKNOWN_MEMBER)
        if why := self._why_no_account(member):
            raise _refusal(why)
        try:
            return self._links.get_or_create_user(member), True
        except MemberRefused:  # an account that only its owner can link
            raise _refusal(
                f"{_name(member)} has to link an account first, with /account."
            ) from None

    def of_writer(
        self, *, actor: Actor, team_id: str, slack_user_id: str, look_up: MemberLookup
    ) -> tuple[User | None, bool]:
        """Return the account of the author of a message that becomes a comment, and whether it was
        created for that: a member gets one who would get it by writing to the app. None for anyone
        else, or if Slack does not say who it is."""
        require_permission(actor, Permission.FILE_TICKET)
        try:
            user = self._links.find_user(team_id=team_id, slack_user_id=slack_user_id)
            member = None if user else look_up(team_id, slack_user_id)
            if member is None or self._why_no_account(member):
                return user, False
            return self._links.get_or_create_user(member), True
        except MemberRefused:  # deactivated, or an account that only its owner can link
            return None, False

    def of_address(self, *, actor: Actor, address: str | None) -> User:
        """Return the account of an address that a program names as the requester. Raises
        `InvalidValue`, `PermissionDenied`."""
        require_permission(actor, Permission.FILE_FOR_OTHERS)
        found = [user for user in self._users.find_confirmed(address or "") if user.active]
        if len(found) != 1:
            raise InvalidValue("requester", UNKNOWN_ADDRESS)
        return found[0]

    def _why_no_account(self, member: SlackMember) -> str:
        """Return why a member without an active link gets no account; "" if they get one."""
        name, reason = _name(member), exclusion_reason(member)
        if reason is ExclusionReason.GUEST:
            return f"{name} is a guest, and guests get no account."
        if reason is ExclusionReason.OTHER_WORKSPACE:
            return f"{name} belongs to another organisation, whose people get no account."
        if reason is ExclusionReason.INACTIVE:
            return f"{name} has left Slack." if member.is_deleted else BY_AN_APP
        own = {"_id": {"$in": [member.link_id, *member.alias_link_ids]}}
        if self._db.links.find_one(own, ["_id"]):
            return ""  # resumed
        if self._links.is_strict:
            return f"{name} has not linked an account."
        if self._db.unlinked.find_one(own, ["_id"]):
            return f"{name} has unlinked their account."
        if not member.email.strip() or member.email_confirmed is False:
            return f"Slack has not confirmed the email address of {name}."
        return ""


def _refusal(why: str) -> InvalidValue:
    return InvalidValue("createdBy", f"{why} Choose another person.")


def _name(member: SlackMember) -> str:
    return " ".join((member.name or "").split()) or "The author"
