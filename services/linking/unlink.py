"""Removal of the link between a Slack member and an account; account and tickets stay."""

from dataclasses import dataclass
from datetime import datetime

from services.accounts.users import UserService
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import Conflict
from services.linking.links import LinkService
from services.models.permissions import Actor, Permission, require_permission
from services.models.slack_member import link_id
from services.models.user import User
from services.outbox.emails import EmailKind, Emails, queue_link_email
from services.tickets.queries import count_open_tickets

LINK_CHANGED = "You are linked to another account by now, or to none. Type /account to see which."


@dataclass(frozen=True, slots=True)
class UnlinkPreview:
    """What the form to unlink says. `can_relink_by_email`: the user can link again by their Slack
    address, without a password."""

    user: User
    open_ticket_count: int
    can_relink_by_email: bool


@dataclass(frozen=True, slots=True)
class UnlinkResult:
    """`email_ids` are emails to send to the account's owner."""

    user: User
    email_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinkedMember:
    """A Slack member linked to an account. `is_active`: Slack lets them use the help desk."""

    team_id: str
    slack_user_id: str
    since: datetime | None
    is_active: bool


class Unlink:
    def __init__(
        self,
        db: Mongo,
        users: UserService,
        links: LinkService,
        emails: Emails,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._emails = emails
        self._clock = clock

    def preview(self, *, actor: Actor) -> UnlinkPreview:
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        user = self._own(actor)
        can_relink_by_email = not self._links.is_strict and not user.has_password
        return UnlinkPreview(user, count_open_tickets(self._db, user.id), can_relink_by_email)

    def unlink(
        self, *, actor: Actor, team_id: str, slack_user_id: str, slack_name: str | None = None
    ) -> UnlinkResult:
        """End the actor's link with that Slack member. `slack_name` is for the email.

        After this, using the bot does not link or create an account automatically. Raises
        `Conflict` if there is no such link.
        """
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        user, key, now = self._own(actor), link_id(team_id, slack_user_id), self._clock()
        # Before the link is removed, so that a concurrent use does not create an account. The
        # record has no effect while there is a link.
        record = {"userId": user.id, "at": now}
        self._db.unlinked.update_one({"_id": key}, {"$set": record}, upsert=True)
        gone = self._db.links.delete_one({"_id": key, "userId": user.id})
        if not gone.deleted_count:
            self._db.unlinked.delete_one({"_id": key, **record})
            raise Conflict(LINK_CHANGED)
        email_ids = queue_link_email(
            self._emails,
            EmailKind.UNLINKED,
            user,
            key=f"{key}:{now.isoformat()}",
            member_name=slack_name,
        )
        return UnlinkResult(user, email_ids)

    def linked_members(self, *, actor: Actor) -> list[LinkedMember]:
        """Return the Slack members linked to the actor's account."""
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        return [
            LinkedMember(
                team_id=link["teamId"],
                slack_user_id=link["slackUserId"],
                since=link.get("createdAt"),
                is_active="stopped" not in link,
            )
            for link in self._db.links.find({"userId": actor.user_id}).sort("_id")
        ]

    def _own(self, actor: Actor) -> User:
        user = self._users.get(actor.user_id)
        if user is None:
            raise Conflict(LINK_CHANGED)
        return user
