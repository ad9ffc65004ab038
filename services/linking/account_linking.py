"""Linking of a Slack member to an account by a one-time code, and unlinking.

The page shows the code to the signed-in user, who types it into Slack. In this direction, a
phished link cannot attach another Slack member to the user's account. Unlinking keeps the account
and its tickets.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.accounts.confirmation import has_proof, has_slack_address
from services.accounts.users import UserService
from services.accounts.validation import email_key
from services.audit import audit_log
from services.audit.audit_log import SELF, AuditAction, AuditEntry, author
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.core import security_events
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Conflict, InvalidValue, MemberRefused, Unauthenticated
from services.core.optimistic_retry import retry_on_conflict
from services.core.rate_limit import Limit
from services.core.security_events import SecurityEvent
from services.core.text import strip_invisible
from services.linking.address_claims import AddressClaims, may_merge, moves_role
from services.linking.links import (
    ACCOUNT_DEACTIVATED,
    LinkService,
    adopt_name,
    cancel_release,
    check_member,
    record_removal,
)
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.slack_member import SlackMember, link_id
from services.models.user import Role, User
from services.outbox.emails import EmailKind, Emails, queue_account_email
from services.tickets.queries import count_open_tickets

if TYPE_CHECKING:
    from services.core.rate_limiter import RateLimiter

WRONG_CODE = (
    "This code is wrong, out of date or used already. Get a new one on the page; it works for ten "
    "minutes."
)
LINK_CHANGED = "You are now linked to another account, or to none. Type /account to see which."
CODE_REQUIRED = "Type the code that the page shows."
ALREADY_LINKED = "You are linked to that account already."
LINKED_ELSEWHERE = (
    "That account is linked to another Slack member, who has been notified. Unlink it there first: "
    "type /account as that member, or open your profile on the page."
)
LINK_BUSY = "Someone else was linking that account at the same moment. Try again with a new code."


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
    """A Slack member linked to an account. `is_active`: they may use the app."""

    team_id: str
    slack_user_id: str
    since: datetime | None
    is_active: bool

    @property
    def link_id(self) -> str:
        return link_id(self.team_id, self.slack_user_id)


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """What a code would do. `code_id` is its id in `OneTimeCodes`; `is_slack_address`: Slack has
    the account's address for the member; `previous_user` is the account the member has now,
    `open_ticket_count` counts the tickets assigned to it, and if `is_merge`, it becomes one with
    the code's account: then `moved_role` is the role that the code's account gets, and
    `ends_password` says that its password ends."""

    code_id: str
    email: str
    is_slack_address: bool
    previous_user: User | None
    open_ticket_count: int
    is_merge: bool = False
    moved_role: Role | None = None
    ends_password: bool = False


@dataclass(frozen=True, slots=True)
class LinkResult:
    """`email_ids` are emails to send to the owners of both accounts. If `is_merge`, the previous
    account is one with this one now, and `ticket_ids` are the first tickets that moved."""

    user: User
    previous_user: User | None
    email_ids: tuple[str, ...]
    is_merge: bool = False
    ticket_ids: tuple[ObjectId, ...] = ()


class AccountLinkedElsewhere(MemberRefused):
    """A valid code of an account that is linked to another Slack member, `slack_user_id`."""

    def __init__(self, user: User, slack_user_id: str) -> None:
        super().__init__(LINKED_ELSEWHERE)
        self.user = user
        self.slack_user_id = slack_user_id


class AccountLinking:
    def __init__(
        self,
        db: Mongo,
        users: UserService,
        links: LinkService,
        codes: OneTimeCodes,
        emails: Emails,
        rate_limiter: "RateLimiter",
        claims: AddressClaims,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._codes = codes
        self._emails = emails
        self._rate_limiter = rate_limiter
        self._claims = claims
        self._clock = clock

    def can_link_by_email(self, *, team_id: str, slack_user_id: str) -> bool:
        """Return whether the member may link the account of their Slack address without a code."""
        link = self._link(team_id, slack_user_id)
        return not self._links.is_strict and (link is None or self._account(link) is None)

    def link_by_email(self, *, member: SlackMember) -> User:
        """Link the account of the member's Slack address, also if they had unlinked it.

        Raises `InvalidValue` if a code is required, `MemberRefused`.
        """
        check_member(member)
        if not self.can_link_by_email(team_id=member.team_id, slack_user_id=member.slack_user_id):
            raise InvalidValue("code", CODE_REQUIRED)
        return self._links.get_or_create_user(member, allow_unlinked=True)

    def issue_code(self, *, user: User) -> str:
        """Return a new code for the account, as it was when the caller signed in. It revokes the
        previous one. Raises `Unauthenticated` if a new password has ended the session since.
        """
        require_permission(Actor.from_user(user), Permission.EDIT_OWN_PROFILE)
        code = self._codes.issue(kind=CodeKind.LINK, user_id=user.id)
        # A new password ends the sessions first, then revokes the codes. If this code came too late
        # to be revoked, the session has already ended.
        if not self._is_session_valid(user):
            self._codes.revoke(kind=CodeKind.LINK, user_id=user.id)
            raise Unauthenticated("Your session has ended. Sign in again.")
        return code

    def preview_code(self, *, member: SlackMember, code: str) -> LinkPreview:
        """Return what `confirm_code` would do; the code stays valid.

        Raises `InvalidValue` for a wrong, used or expired code, `LimitReached` after five of them,
        `AccountLinkedElsewhere` if the account is another member's, `MemberRefused`.
        """
        check_member(member)
        # Counted before the code is looked up, so that concurrent guesses do not pass the limit. A
        # right code does not forgive wrong ones: the member may have a valid code of their own.
        attempt = self._rate_limiter.take((Limit.LINK_CODES, member.link_id))
        code_id = self._codes.code_id(kind=CodeKind.LINK, code=code)
        with attempt:  # a fault of the database is no wrong code
            user = self._owner(code_id)
        if user is None:
            _record_refused_code(member.link_id)
            raise InvalidValue("code", WRONG_CODE)
        attempt.give_back()
        previous_user = self._previous_user(member, user, code_id)
        open_tickets = count_open_tickets(self._db, previous_user.id) if previous_user else 0
        own = self._merged_account(previous_user, user, member)
        moved_role = own.role if own and moves_role(own, into=user) else None
        return LinkPreview(
            code_id=code_id,
            email=mask_email(user.email),
            is_slack_address=email_key(user.email) == email_key(member.email),
            previous_user=previous_user,
            open_ticket_count=open_tickets,
            is_merge=own is not None,
            moved_role=moved_role,
            ends_password=moved_role is not None and not has_proof(user),
        )

    def confirm_code(self, *, member: SlackMember, code_id: str) -> LinkResult:
        """Redeem the code and link its account; merge into it the account that the member has for
        the same address. Raises as `preview_code`."""
        check_member(member)
        user = self._owner(code_id)
        if user is None:
            _record_refused_code(member.link_id)
            raise InvalidValue("code", WRONG_CODE)
        previous_user = self._previous_user(member, user, code_id)
        own = self._merged_account(previous_user, user, member)
        if self._codes.redeem_by_id(kind=CodeKind.LINK, code_id=code_id) is None:
            _record_refused_code(member.link_id)
            raise InvalidValue("code", WRONG_CODE)
        if own:
            self._claims.prepare_merge(own, into=user)
        self._set_link(member, user)
        self._check_session(user, member, own)
        cancel_release(self._db, {"userId": user.id}, now=self._clock())
        self._db.unlinked.delete_one({"_id": member.link_id})
        tickets: tuple[ObjectId, ...] = ()
        recipients = {EmailKind.LINKED: user, EmailKind.UNLINKED: previous_user}
        if own:
            tickets = self._claims.merge(own, into=user).ticket_ids
            del recipients[EmailKind.UNLINKED]  # the account has no address any more
        if has_slack_address(user, member):
            self._users.confirmation.record(user, by=SELF)
        user = self._users.get(user.id) or user
        return LinkResult(
            adopt_name(self._db, user, member, now=self._clock()),
            previous_user,
            is_merge=own is not None,
            ticket_ids=tickets,
            email_ids=tuple(
                email_id
                for kind, owner in recipients.items()
                if owner
                for email_id in queue_account_email(
                    self._emails, kind, user_id=owner.id, key=code_id, slack_name=member.name
                )
            ),
        )

    def _check_session(self, user: User, member: SlackMember, own: User | None) -> None:
        """Undo the new link if a password reset has ended the session that the code comes from: it
        ends the sessions first, then the links."""
        if self._is_session_valid(user):
            return
        linked = {"_id": member.link_id, "userId": user.id}
        if removed := self._db.links.find_one_and_delete(linked):
            self._record_removal(removed)
        if own:
            self._claims.cancel_merge(own, into=user)
        raise InvalidValue("code", WRONG_CODE)

    def preview_unlink(self, *, actor: Actor) -> UnlinkPreview:
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
        removed = self._db.links.find_one_and_delete({"_id": key, "userId": user.id})
        if removed is None:
            self._db.unlinked.delete_one({"_id": key, **record})
            raise Conflict(LINK_CHANGED)
        self._record_removal(removed)
        email_ids = queue_account_email(
            self._emails,
            EmailKind.UNLINKED,
            user_id=user.id,
            key=f"{key}:{now.isoformat()}",
            slack_name=slack_name,
        )
        return UnlinkResult(user, email_ids)

    def unlink_all(
        self, *, actor: Actor, keep: Collection[str] = ()
    ) -> list[tuple[LinkedMember, UnlinkResult]]:
        """End all links of the actor's account but those with an id in `keep`. Safe to repeat."""
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        unlinked = []
        for member in self.linked_members(actor=actor):
            if member.link_id in keep:
                continue
            with suppress(Conflict):  # unlinked concurrently
                result = self.unlink(
                    actor=actor, team_id=member.team_id, slack_user_id=member.slack_user_id
                )
                unlinked.append((member, result))
        return unlinked

    def unlink_account(self, *, actor: Actor | Operator, email: str) -> list[str]:
        """End all links of an account, so that another Slack member may link it; return the ids of
        its former members. A sweep sends the email about it.

        Raises `Conflict` if there is none, and as `UserService.get_doc_by_email`.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        user = User.from_doc(self._users.get_doc_by_email(strip_invisible(email)))
        links = self._links_of(user.id)
        if not links:
            raise Conflict("No Slack member is linked to that account.")
        for link in links:
            own = {"_id": link["_id"], "userId": user.id}
            if removed := self._db.links.find_one_and_delete(own):
                record_removal(self._db, removed, by=author(actor, user.id), now=self._clock())
        key = f"{user.id}:{self._clock().isoformat()}"
        queue_account_email(self._emails, EmailKind.UNLINKED, user_id=user.id, key=key)
        return [str(link["slackUserId"]) for link in links]

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
            for link in self._links_of(actor.user_id)
        ]

    def _links_of(self, user_id: ObjectId) -> list[Document]:
        return sorted(self._db.links.find({"userId": user_id}), key=lambda link: str(link["_id"]))

    @staticmethod
    def _merged_account(previous_user: User | None, user: User, member: SlackMember) -> User | None:
        """Return the previous account if it is to be merged into the code's."""
        is_merged = previous_user and may_merge(previous_user, into=user, member=member)
        return previous_user if is_merged else None

    def _own(self, actor: Actor) -> User:
        user = self._users.get(actor.user_id)
        if user is None:
            raise Conflict(LINK_CHANGED)
        return user

    def _is_session_valid(self, user: User) -> bool:
        """Return False if all sessions of the account have been ended since `user` was read."""
        current = self._users.get(user.id)
        return current is not None and current.token_version == user.token_version

    def _owner(self, code_id: str) -> User | None:
        user_id = self._codes.peek_by_id(kind=CodeKind.LINK, code_id=code_id)
        return self._users.get(user_id) if user_id else None

    def _previous_user(self, member: SlackMember, user: User, code_id: str) -> User | None:
        """Return the other account the member has now. Raises if they may not link the new one."""
        if not user.active:
            raise MemberRefused(ACCOUNT_DEACTIVATED)
        own = self._link(member.team_id, member.slack_user_id)
        if own and own["userId"] == user.id and "stopped" not in own:
            raise InvalidValue("code", ALREADY_LINKED)
        current_link = self._db.links.find_one({"teamId": member.team_id, "userId": user.id})
        is_own = current_link and current_link["_id"] == member.link_id
        if (
            current_link
            and not is_own
            and "stopped" not in current_link
            and not self._links.may_replace(current_link, member)
        ):
            # Redeemed, so that the account's member is notified only once per code.
            self._codes.redeem_by_id(kind=CodeKind.LINK, code_id=code_id)
            security_events.record(
                SecurityEvent.CODE_REFUSED,
                reason="linked_elsewhere",
                account=user.id,
                member=member.link_id,
            )
            raise AccountLinkedElsewhere(user, current_link["slackUserId"])
        return self._account(own) if own and own["userId"] != user.id else None

    def _set_link(self, member: SlackMember, user: User) -> None:
        """Create the member's link to that account, or change the existing one."""
        key, now = member.link_id, self._clock()
        fresh = {"userId": user.id, "createdAt": now}
        member_ids = {"teamId": member.team_id, "slackUserId": member.slack_user_id}

        def attempt() -> Document | None:
            own = self._db.links.find_one({"_id": key})
            entries = []
            if own and own["userId"] != user.id:
                entries.append(AuditEntry(now, SELF, AuditAction.UNLINKED, own["userId"]))
            entries.append(AuditEntry(now, SELF, AuditAction.LINKED, user.id))
            try:
                if own is None:
                    link = {"_id": key, **member_ids, **fresh, **audit_log.pending_field(*entries)}
                    self._db.links.insert_one(link)
                    return link
                change: Document = {"$set": fresh, "$unset": {"stopped": ""}}
                audit_log.add_to_update(change, entries)
                return self._db.links.find_one_and_update(
                    {"_id": key, "userId": own["userId"]},
                    change,
                    return_document=ReturnDocument.AFTER,
                )
            except DuplicateKeyError:
                self._remove_replaceable_link(member, user)
                return None

        stored = retry_on_conflict(attempt, busy_message=LINK_BUSY)
        audit_log.move_pending(self._db.links, stored)

    def _remove_replaceable_link(self, member: SlackMember, user: User) -> None:
        """Remove the account's link that is suspended or may be replaced; raise for another one."""
        current_link = self._db.links.find_one({"teamId": member.team_id, "userId": user.id})
        if current_link is None or current_link["_id"] == member.link_id:
            return
        if "stopped" not in current_link and not self._links.may_replace(current_link, member):
            raise AccountLinkedElsewhere(user, current_link["slackUserId"])
        removed = self._db.links.find_one_and_delete(
            {
                "_id": current_link["_id"],
                "userId": user.id,
                "stopped": current_link.get("stopped"),
            }
        )
        if removed:
            self._record_removal(removed)

    def _record_removal(self, link: Document) -> None:
        record_removal(self._db, link, by=SELF, now=self._clock())

    def _link(self, team_id: str, slack_user_id: str) -> Document | None:
        return self._db.links.find_one({"_id": link_id(team_id, slack_user_id)})

    def _account(self, link: Document) -> User | None:
        return self._users.get(link["userId"])


def _record_refused_code(link_id: str) -> None:
    security_events.record(SecurityEvent.CODE_REFUSED, reason="link", member=link_id)


def mask_email(email: str) -> str:
    """Return the first letter and the domain, enough for the owner to recognise the address."""
    name, at, host = email.rpartition("@")
    return f"{name[:1]}…{at}{host}" if at else f"{email[:1]}…"
