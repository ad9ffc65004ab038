"""Participants of a ticket: people who read its public comments and reply, and cannot change it.

The requester and the staff add and remove them. In Slack they are chosen among the members; one who
has not used the app yet gets the account that their first use would make.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bson import ObjectId

from services.accounts.confirmation import MemberLookup
from services.accounts.users import UserService
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import (
    Conflict,
    InvalidValue,
    LimitReached,
    MemberRefused,
    PermissionDenied,
)
from services.core.optimistic_retry import retry_on_conflict
from services.linking.links import (
    ACCOUNT_DEACTIVATED,
    ExclusionReason,
    LinkService,
    exclusion_reason,
)
from services.models.events import EventType
from services.models.permissions import Actor, Permission, record_denial, require_permission
from services.models.ticket import Ticket
from services.models.user import User
from services.tickets import ticket_store
from services.tickets.access import (
    gets_messages,
    may_change_participants,
    require_visible,
    was_removed,
)
from services.tickets.queries import load_ticket
from services.tickets.transitions import MAX_PARTICIPANTS, change_participants

# Of one ticket, so that its history has an end, and no one is sent a card by a loop.
MAX_ADDITIONS = 100
# The fields of the form, which errors name.
ADDED, REMOVED, MAY_SEE_PRIVATE = "people", "removed", "maySeePrivate"
_MAX_LOOKUPS_AT_ONCE = 5  # Slack shows a form's error for three seconds after it is sent

ONLY_REQUESTER_AND_STAFF = "Only the requester, moderators and admins can add and remove people."
CHOOSE_SOMEONE = "Choose someone."
ADDED_ONESELF = "You don't need to add yourself: you can read this ticket and comment on it."
PRIVATE_UNCONFIRMED = "This ticket is private. Confirm that these people may see it."
BECAME_PRIVATE = (
    "This ticket has become private since you opened this form. Open the form again to add people."
)
NOT_LINKED = "has linked no account here yet. Ask them to type /account in Slack."
NO_ACCOUNT = "has no account here, or has not confirmed the address."
DEACTIVATED = "has a deactivated account here. Choose someone else."
NOT_A_PARTICIPANT = "You do not take part in this ticket."
_REFUSALS = {
    ExclusionReason.INACTIVE: "is an app, or has left Slack. Choose someone else.",
    ExclusionReason.GUEST: "is a guest in Slack. Choose a full member.",
    ExclusionReason.OTHER_WORKSPACE: ("belongs to another workspace. Choose a member of this one."),
}


@dataclass(frozen=True, slots=True)
class ParticipantsForm:
    """What the form to add and remove people shows."""

    ticket: Ticket
    participants: tuple[User, ...]

    @property
    def room(self) -> int:
        """How many people can be added."""
        return max(MAX_PARTICIPANTS - len(self.ticket.participants), 0)


class Participants:
    def __init__(
        self, db: Mongo, users: UserService, links: LinkService, *, clock: Clock = utcnow
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._clock = clock

    def get_form(self, *, actor: Actor, ticket_id: str) -> ParticipantsForm:
        """Raises `NotFound`, `PermissionDenied`."""
        ticket = self._changeable(actor, ticket_id)
        return ParticipantsForm(ticket, self._in_order(ticket.participants))

    def accounts_of_members(
        self,
        *,
        actor: Actor,
        team_id: str,
        ticket_id: str,
        slack_user_ids: Sequence[str],
        look_up: MemberLookup,
    ) -> tuple[ObjectId, ...]:
        """Return the accounts of Slack members who are to be added to that ticket.

        Slack is asked by `look_up` about those without an account. Raises `InvalidValue` for those
        who get none, and as `get_form`.
        """
        ticket = self._changeable(actor, ticket_id)
        if len(slack_user_ids) > MAX_PARTICIPANTS:
            raise InvalidValue(ADDED, _too_many(len(ticket.participants)))
        found = {one: self._linked(team_id, one) for one in slack_user_ids}
        unknown = [one for one, user in found.items() if user is None]
        with ThreadPoolExecutor(_MAX_LOOKUPS_AT_ONCE) as pool:
            members = pool.map(lambda one: look_up(team_id, one), unknown)
        for slack_user_id, member in zip(unknown, members, strict=True):
            if member is None:
                raise InvalidValue(ADDED, "Slack had a problem just now. Try again in a moment.")
            name = member.name or "This person"
            if excluded := exclusion_reason(member):
                raise InvalidValue(ADDED, f"{name} {_REFUSALS[excluded]}")
            try:
                found[slack_user_id] = self._links.get_or_create_user(member)
            except MemberRefused as refusal:
                is_deactivated = str(refusal) == ACCOUNT_DEACTIVATED
                reason = DEACTIVATED if is_deactivated else NOT_LINKED
                raise InvalidValue(ADDED, f"{name} {reason}") from None
        return tuple(user.id for user in found.values() if user)

    def accounts_of_addresses(
        self, *, actor: Actor, ticket_id: str, emails: Sequence[str]
    ) -> tuple[ObjectId, ...]:
        """Return the accounts whose owners have proved to have these addresses. Raises
        `InvalidValue`, and as `get_form`."""
        ticket = self._changeable(actor, ticket_id)
        if not emails:
            raise InvalidValue(ADDED, CHOOSE_SOMEONE)
        if len(emails) > MAX_PARTICIPANTS:
            raise InvalidValue(ADDED, _too_many(len(ticket.participants)))
        found = []
        for email in emails:
            confirmed = self._users.find_confirmed(email)
            if len(confirmed) != 1:
                raise InvalidValue(ADDED, f"{email} {NO_ACCOUNT}")
            found.append(confirmed[0].id)
        return tuple(found)

    def change(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        added: Sequence[ObjectId] = (),
        removed: Sequence[ObjectId] = (),
        may_see_private: bool = False,
    ) -> Ticket:
        """Add and remove people. Safe to repeat: who takes part already is not added again, except
        that who took part by writing in a request channel gets messages from then on.

        `may_see_private`: the actor has confirmed that they may see a private ticket. Raises
        `InvalidValue`, `LimitReached`, `NotFound`, `PermissionDenied`.
        """

        def attempt() -> Ticket | None:
            ticket = self._changeable(actor, ticket_id)
            leaving = [one for one in dict.fromkeys(removed) if one in ticket.participants]
            staying = set(ticket.participants) - set(leaving)
            joining = [one for one in dict.fromkeys(added) if not gets_messages(ticket, one)]
            self._check_joining(actor, ticket, joining, beside=len(staying - set(joining)))
            if joining and ticket.private and not may_see_private:
                raise InvalidValue(MAY_SEE_PRIVATE, PRIVATE_UNCONFIRMED)
            if not joining and not leaving:
                return ticket
            change = change_participants(actor.user_id, ticket, added=joining, removed=leaving)
            # None: another change was first; retry.
            return ticket_store.apply(self._db, ticket, change, now=self._clock())

        return retry_on_conflict(attempt)

    def leave(self, *, actor: Actor, ticket_id: str) -> Ticket:
        """Remove the actor, who may not see the ticket any more then. Safe to repeat."""
        require_permission(actor, Permission.SEE_OWN_TICKET)

        def attempt() -> Ticket | None:
            ticket = load_ticket(self._db, ticket_id)
            if ticket and was_removed(ticket, actor.user_id):
                return ticket
            ticket, own = require_visible(actor, ticket), actor.user_id
            if own not in ticket.participants:
                raise Conflict(NOT_A_PARTICIPANT)
            change = change_participants(own, ticket, removed=[own])
            # None: another change was first; retry.
            return ticket_store.apply(self._db, ticket, change, now=self._clock())

        return retry_on_conflict(attempt)

    def _changeable(self, actor: Actor, ticket_id: str) -> Ticket:
        require_permission(actor, Permission.SEE_OWN_TICKET)
        ticket = require_visible(actor, load_ticket(self._db, ticket_id))
        if not may_change_participants(actor, ticket):
            record_denial(Permission.WORK_ON_TICKETS, actor.user_id)
            raise PermissionDenied(ONLY_REQUESTER_AND_STAFF)
        return ticket

    def _linked(self, team_id: str, slack_user_id: str) -> User | None:
        try:
            return self._links.find_user(team_id=team_id, slack_user_id=slack_user_id)
        except MemberRefused:  # named below, once Slack has told the name
            return None

    def _check_joining(
        self, actor: Actor, ticket: Ticket, joining: Sequence[ObjectId], *, beside: int
    ) -> None:
        if not joining:
            return
        people = self._users.get_many(set(joining))
        for user_id in joining:
            user = people.get(user_id)
            if user is None or not user.active:
                name = user.display_name if user else "One of these people"
                raise InvalidValue(ADDED, f"{name} {DEACTIVATED}")
            if reason := _obstacle(actor, ticket, user):
                raise InvalidValue(ADDED, reason)
        if beside + len(joining) > MAX_PARTICIPANTS:
            raise InvalidValue(ADDED, _too_many(beside))
        additions = sum(event.type == EventType.PARTICIPANT_ADDED for event in ticket.events)
        if additions + len(joining) > MAX_ADDITIONS:
            raise LimitReached(
                f"People were added to this ticket {additions} times. The limit is {MAX_ADDITIONS}."
            )

    def _in_order(self, user_ids: Sequence[ObjectId]) -> tuple[User, ...]:
        people = self._users.get_many(set(user_ids))
        return tuple(people[user_id] for user_id in user_ids if user_id in people)


def _obstacle(actor: Actor, ticket: Ticket, user: User) -> str:
    """Return why the user cannot be added; "" if nothing speaks against it."""
    if user.id == actor.user_id:
        return ADDED_ONESELF
    if user.id == ticket.created_by:
        return f"{user.display_name} is the requester, and reads all of its comments already."
    if user.id == ticket.assigned_to:
        return f"{user.display_name} has this ticket, and reads all of its comments already."
    if user.id == ticket.not_to:
        return f"The requester does not want {user.display_name} to get this ticket."
    return ""


def _too_many(present: int) -> str:
    most = f"A ticket has at most {MAX_PARTICIPANTS} participants"
    if not present:
        return f"{most}. Choose fewer people."
    return f"{most}, and this one has {present}. Choose fewer people, or remove some first."
