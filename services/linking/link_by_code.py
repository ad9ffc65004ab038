"""Linking a Slack member to an account by a one-time code.

The code is shown on a page to whoever is signed in there, and typed into Slack: from browser to
Slack, so that a link somebody is lured to press attaches no stranger to their account.
"""

from dataclasses import dataclass

from pymongo.errors import DuplicateKeyError

from services.accounts.users import UserService
from services.accounts.validation import email_key
from services.auth.one_time_codes import CodeKind, Codes
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Conflict, InvalidValue, MemberRefused
from services.linking import suspension
from services.linking.code_attempts import WRONG, LinkTries
from services.linking.links import DEACTIVATED, LinkService, check_person
from services.models.slack_member import SlackMember, link_id
from services.models.user import User
from services.outbox.emails import EmailKind, Emails, queue_link_email
from services.tickets.queries import open_tickets

TYPE_IT = "Type the code that the page shows."
SAME = "You are linked to that account already."
HELD = (
    "That account is linked to another Slack member, who has been told. Unlink it there first: "
    "type /account as that member, or open your profile on the page."
)
BUSY = "Somebody else was linking that account at the same moment. Try again with a new code."
# Each further one means that another has changed the same links in between.
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Offer:
    """What a code would do: `name` is what `Codes` calls it; `is_slack_address`: the account's
    address is the one that Slack has of the member; `former` is the account the member has now,
    with as many open tickets assigned to it."""

    name: str
    email: str
    is_slack_address: bool
    former: User | None
    open_tickets: int


@dataclass(frozen=True, slots=True)
class Linked:
    """`letters` are to be sent: to the account's owner, and to the one of the former account."""

    user: User
    former: User | None
    letters: tuple[str, ...]


class Held(MemberRefused):
    """A right code, typed by another than the Slack member `holder`, who has the account."""

    def __init__(self, user: User, holder: str) -> None:
        super().__init__(HELD)
        self.user = user
        self.holder = holder


class LinkByCode:
    def __init__(
        self,
        db: Mongo,
        users: UserService,
        links: LinkService,
        codes: Codes,
        letters: Emails,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._codes = codes
        self._letters = letters
        self._tries = LinkTries(db, clock=clock)
        self._clock = clock

    def by_address(self, *, team_id: str, slack_user_id: str) -> bool:
        """Whether the account of their Slack address is there for the taking, without a code."""
        link = self._link(team_id, slack_user_id)
        return not self._links.strict and (link is None or self._account(link) is None)

    def claim_address(self, *, member: SlackMember) -> User:
        """The account of the address that Slack calls theirs, also where they had unlinked it.

        Raises `Invalid` where a code is needed, `Refused`.
        """
        check_person(member)
        if not self.by_address(team_id=member.team_id, slack_user_id=member.slack_user_id):
            raise InvalidValue("code", TYPE_IT)
        return self._links.admit(member, again=True)

    def offer(self, *, member: SlackMember, code: str) -> Offer:
        """What becomes of the code once they confirm; until then it stays good.

        Raises `Invalid` for a wrong, a used and an expired one alike, `LimitReached` after five
        of them, `Held` where the account is another member's, `Refused`.
        """
        check_person(member)
        key = link_id(member.team_id, member.slack_user_id)
        number = self._tries.count(key)
        name = self._codes.name(kind=CodeKind.LINK, code=code)
        user = self._owner(name)
        if user is None:
            self._tries.was_wrong(key, number=number)
        self._tries.was_right(key)
        former = self._former(member, user, name)
        return Offer(
            name=name,
            email=masked(user.email),
            is_slack_address=email_key(user.email) == email_key(member.email),
            former=former,
            open_tickets=open_tickets(self._db, former.id) if former else 0,
        )

    def confirm(self, *, member: SlackMember, name: str) -> Linked:
        """Use the code up and link its account. Raises as `offer`."""
        check_person(member)
        user = self._owner(name)
        if user is None:
            raise InvalidValue("code", WRONG)
        former = self._former(member, user, name)
        if self._codes.take_named(kind=CodeKind.LINK, name=name) is None:
            raise InvalidValue("code", WRONG)
        self._point(member, user)
        suspension.call_off(self._db, {"userId": user.id}, now=self._clock())
        self._db.unlinked.delete_one({"_id": link_id(member.team_id, member.slack_user_id)})
        told = {EmailKind.LINKED: user, EmailKind.UNLINKED: former}
        return Linked(
            user,
            former,
            letters=tuple(
                letter
                for kind, owner in told.items()
                if owner
                for letter in queue_link_email(
                    self._letters, kind, owner, key=name, member_name=member.name
                )
            ),
        )

    def _owner(self, name: str) -> User | None:
        user_id = self._codes.peek_named(kind=CodeKind.LINK, name=name)
        return self._users.get(user_id) if user_id else None

    def _former(self, member: SlackMember, user: User, name: str) -> User | None:
        """The other account the member has now. Raises where the new one is not to be theirs."""
        if not user.active:
            raise MemberRefused(DEACTIVATED)
        own = self._link(member.team_id, member.slack_user_id)
        if own and own["userId"] == user.id and "stopped" not in own:
            raise InvalidValue("code", SAME)
        holder = self._db.links.find_one({"teamId": member.team_id, "userId": user.id})
        is_own = holder and holder["_id"] == link_id(member.team_id, member.slack_user_id)
        if holder and not is_own and "stopped" not in holder:
            # Used up, so that its holder is told once of each code that others know.
            self._codes.take_named(kind=CodeKind.LINK, name=name)
            raise Held(user, holder["slackUserId"])
        return self._account(own) if own and own["userId"] != user.id else None

    def _point(self, member: SlackMember, user: User) -> None:
        """Let the member's link lead to that account, be it new or another's before."""
        key = link_id(member.team_id, member.slack_user_id)
        fresh = {"userId": user.id, "createdAt": self._clock()}
        place = {"teamId": member.team_id, "slackUserId": member.slack_user_id}
        for _ in range(ROUNDS):
            own = self._db.links.find_one({"_id": key})
            try:
                if own is None:
                    self._db.links.insert_one({"_id": key, **place, **fresh})
                    return
                turned = self._db.links.update_one(
                    {"_id": key, "userId": own["userId"]},
                    {"$set": fresh, "$unset": {"stopped": ""}},
                )
                if turned.matched_count:
                    return
            except DuplicateKeyError:
                self._make_way(member, user)
        raise Conflict(BUSY)

    def _make_way(self, member: SlackMember, user: User) -> None:
        """Remove the link of a member who is gone; one that works stays."""
        holder = self._db.links.find_one({"teamId": member.team_id, "userId": user.id})
        if holder is None or holder["_id"] == link_id(member.team_id, member.slack_user_id):
            return
        if "stopped" not in holder:
            raise Held(user, holder["slackUserId"])
        self._db.links.delete_one(
            {"_id": holder["_id"], "userId": user.id, "stopped": holder["stopped"]}
        )

    def _link(self, team_id: str, slack_user_id: str) -> Document | None:
        return self._db.links.find_one({"_id": link_id(team_id, slack_user_id)})

    def _account(self, link: Document) -> User | None:
        return self._users.get(link["userId"])


def masked(email: str) -> str:
    """Enough for its owner to know it by: the first letter, and where the mail is."""
    name, at, host = email.rpartition("@")
    return f"{name[:1]}…{at}{host}" if at else f"{email[:1]}…"
