"""The account that a Slack member acts as.

The first use links the member to a new account of role `user`, or to an invitation: an account
without password and without links, of the address that Slack has confirmed. An unconfirmed account
of that address is left alone (services/linking/address_claims.py). An account without a name gets
the member's, then or later. If linking is strict, or the
member has unlinked themselves, only a code links them (services/linking/account_linking.py).

A link whose member has left Slack is replaced by that of another member with the confirmed address,
and one of the same person under another id. Any other link keeps its account.

A link has `stopped {at, reason}` while its member cannot use this workspace; it gives no access
then. The account and the tickets it filed stay; the tickets assigned to it are released.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.accounts.confirmation import MemberLookup, has_slack_address
from services.accounts.users import UserService, new_account_doc, store_account
from services.accounts.validation import email_key
from services.audit import audit_log
from services.audit.audit_log import SELF, SYSTEM, AuditAction, AuditEntry
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import MemberInactive, MemberRefused
from services.core.shared_call import SharedCall
from services.core.slack_scopes import granted_scopes
from services.models.events import EventType
from services.models.slack_member import SlackMember, link_id
from services.models.ticket import Ticket
from services.models.user import Role, User, can_work_on_tickets, release_request
from services.outbox import pending
from services.team_settings.app_name import DEFAULT_APP_NAME, app_name

EMAIL_SCOPE = "users:read.email"
ASK_ADMIN = "Ask an admin of this app."
ACCOUNT_DEACTIVATED = "Your account in this app is deactivated. Ask one of its admins."
LINK_REQUIRED = "Link your account first: type /account."
ACCOUNT_UNLINKED = "You have unlinked your account. Type /account to link one again."
LINKING_REQUIRES_PROOF = (
    "Your email address already has an account with a password. Type /account to link it."
)
SEVERAL_ACCOUNTS = (
    "Several accounts have your email address. Type /account to link one of them, or ask an admin "
    "of this app."
)
EMAIL_NOT_PERMITTED = (
    "This app may not read email addresses in Slack. Type /account to link your account, or ask an "
    "admin of this app."
)
ACCOUNT_TAKEN = f"The account of your email address belongs to another Slack member. {ASK_ADMIN}"

_WITHOUT_NAME: Document = {"name": {"$in": [None, ""]}}


class ExclusionReason(StrEnum):
    """Why a Slack member cannot use the app, with any account."""

    INACTIVE = "nobody"  # deleted, or a bot
    GUEST = "guest"
    OTHER_WORKSPACE = "elsewhere"  # in another one only


# The reason in the history of each released ticket.
_REASONS = {
    ExclusionReason.INACTIVE: "the Slack member was deactivated",
    ExclusionReason.GUEST: "the Slack member is now a guest",
    ExclusionReason.OTHER_WORKSPACE: "the Slack member now belongs to another workspace",
}


@dataclass(frozen=True, slots=True)
class Directory:
    """Accounts and their Slack ids; members who have left Slack have no id. Of those asked for,
    `unconfirmed` are the accounts whose address is not confirmed. `links` are their links as
    stored. `app_name` names the product, which acts, too."""

    users: Mapping[ObjectId, User]
    slack_ids: Mapping[ObjectId, str]
    unconfirmed: frozenset[ObjectId] = frozenset()
    links: Sequence[Document] = ()
    app_name: str = DEFAULT_APP_NAME


class LinkService:
    def __init__(
        self,
        db: Mongo,
        users: UserService,
        *,
        admin_emails: frozenset[str] = frozenset(),
        is_strict: bool = False,
        look_up_member: MemberLookup | None = None,
        clock: Clock = utcnow,
    ) -> None:
        """`is_strict`: an address creates no account, and only a code links to one. Without
        `look_up_member`, Slack is not asked about the members of other links."""
        self._db = db
        self.users = users
        self._admin_emails = admin_emails
        self.is_strict = is_strict
        self._look_up_member = look_up_member
        self._clock = clock
        self._linked_accounts = SharedCall(self._read_linked_accounts)

    def find_user(self, *, team_id: str, slack_user_id: str) -> User | None:
        """Return the linked account, or None. Raises `MemberRefused` if it is deactivated."""
        found = self._linked_accounts.ask(link_id(team_id, slack_user_id))
        user = User.from_doc(found) if found else None
        if user and not user.active:
            raise MemberRefused(ACCOUNT_DEACTIVATED)
        return user

    def _read_linked_accounts(self, link_ids: Sequence[str]) -> list[Document | None]:
        """Return the stored account of each link, None without one or if the link is stopped."""
        with_account: list[Document] = [
            {"$match": {"_id": {"$in": sorted(set(link_ids))} if link_ids[1:] else link_ids[0]}},
            {
                "$lookup": {
                    "from": "users",
                    "localField": "userId",
                    "foreignField": "_id",
                    "as": "accounts",
                }
            },
        ]
        accounts = {
            link["_id"]: link["accounts"][0]
            for link in self._db.links.aggregate(with_account)
            if "stopped" not in link and link["accounts"]
        }
        return [accounts.get(each) for each in link_ids]

    def get_or_create_user(self, member: SlackMember, *, allow_unlinked: bool = False) -> User:
        """Return the account of a member without an active link. Raises `MemberRefused`.

        `allow_unlinked`: also for a member who has unlinked themselves.
        """
        account = self._find_or_create(member, allow_unlinked=allow_unlinked)
        return adopt_name(self._db, account, member, now=self._clock())

    def _find_or_create(self, member: SlackMember, *, allow_unlinked: bool) -> User:
        check_member(member)
        resumed = self._resume(member) or self._adopt_alias(member)
        if resumed:
            return resumed
        if self.is_strict:
            raise MemberRefused(LINK_REQUIRED)
        self._check_email(member)
        existing = self.users.find_by_email(member.email)
        # A link is stored before its account, so if the account is found, the link is there.
        linked = self.find_user(team_id=member.team_id, slack_user_id=member.slack_user_id)
        if linked:
            return linked
        own = {"_id": {"$in": [member.link_id, *member.alias_link_ids]}}
        if not allow_unlinked and self._db.unlinked.find_one(own):
            raise MemberRefused(ACCOUNT_UNLINKED)
        held = [user for user in existing if not self._is_mere_claim(user, member)]
        if len(held) > 1:
            held = [_only_invitation(held)]
        account = self._accept_invitation(member, held[0]) if held else self._open_account(member)
        if account.role is not Role.USER:  # one more candidate for queued tickets
            pending.retry_unassigned(self._db, now=self._clock())
        if allow_unlinked:
            self._db.unlinked.delete_many(own)
        return account

    def _check_email(self, member: SlackMember) -> None:
        if not member.email.strip() and EMAIL_SCOPE not in granted_scopes(self._db):
            raise MemberRefused(EMAIL_NOT_PERMITTED)
        check_email(member)

    def may_replace(self, link: Document, member: SlackMember) -> bool:
        """Return whether the link's member has left Slack, or is the same person as `member`.

        Unless the link says so, Slack is asked; without an answer, the link stays.
        """
        if link.get("stopped", {}).get("reason") == ExclusionReason.INACTIVE:
            return True
        if self._look_up_member is None or link["teamId"] != member.team_id:
            return False
        former = self._look_up_member(link["teamId"], link["slackUserId"])
        if former is None:
            return False
        ids, former_ids = ({one.slack_user_id, *one.aliases} for one in (member, former))
        return former.is_deleted or not ids.isdisjoint(former_ids)

    def slack_ids(self, *, team_id: str, user_ids: set[ObjectId]) -> dict[ObjectId, str]:
        """Return the users' Slack ids; users without an active link are left out."""
        return _slack_ids(self._links(team_id, user_ids))

    def resolve_people(
        self,
        *,
        team_id: str | None,
        user_ids: set[ObjectId],
        requesters: Collection[ObjectId] = (),
        may_be_cached: bool = False,
    ) -> Directory:
        """Look up all users in two queries, and whether the requesters' addresses are confirmed.

        `may_be_cached` is of the users, not of their links.
        """
        users = self.users.get_many(user_ids, may_be_cached=may_be_cached)
        asking = [users[user_id] for user_id in requesters if user_id in users]
        links = self._links(team_id or "", user_ids)
        return Directory(
            users,
            _slack_ids(links),
            self.users.confirmation.find_unconfirmed(asking),
            links,
            app_name(self._db),
        )

    def _links(self, team_id: str, user_ids: set[ObjectId]) -> list[Document]:
        if not user_ids:
            return []
        return list(self._db.links.find({"teamId": team_id, "userId": {"$in": list(user_ids)}}))

    def _resume(self, member: SlackMember) -> User | None:
        """Resume the suspended link of a member who is active again, and return the account."""
        link = self._db.links.find_one({"_id": member.link_id})
        if link is None or "stopped" not in link:
            return None
        resume_link(self._db, link, now=self._clock())
        return self.find_user(team_id=member.team_id, slack_user_id=member.slack_user_id)

    def _adopt_alias(self, member: SlackMember) -> User | None:
        """Move the link of the member's other id to this one, and return the account."""
        if not member.aliases or self._db.links.find_one({"_id": member.link_id}):
            return None
        former = self._db.links.find_one({"_id": {"$in": member.alias_link_ids}})
        if former is None:
            return None
        self._replace_link(former, member)
        return self.find_user(team_id=member.team_id, slack_user_id=member.slack_user_id)

    def _replace_link(self, former: Document, member: SlackMember) -> None:
        """Link the former link's account to the member. The unique index allows one link per
        account, so the former one is removed first."""
        user_id = former["userId"]
        removed = self._db.links.find_one_and_delete({"_id": former["_id"], "userId": user_id})
        if removed:
            record_removal(self._db, removed, by=SELF, now=self._clock())
        self._link(member, user_id)
        cancel_release(self._db, {"userId": user_id}, now=self._clock())

    def _is_mere_claim(self, user: User, member: SlackMember) -> bool:
        """Return whether the account holds the address without proof, and Slack has confirmed it
        for the member. An account that was deactivated keeps its person out."""
        is_members_address = has_slack_address(user, member)
        return is_members_address and user.active and not self.users.confirmation.is_confirmed(user)

    def _accept_invitation(self, member: SlackMember, user: User) -> User:
        if not user.active:
            raise MemberRefused(ACCOUNT_DEACTIVATED)
        if user.has_password:
            raise MemberRefused(LINKING_REQUIRES_PROOF)
        if member.email_confirmed is not True:
            raise MemberRefused(
                "Your email address was invited, but Slack has not confirmed that it is yours. "
                "Confirm it in your Slack profile, then try again."
            )
        own = member.link_id
        # A concurrent request of this first use may have created the member's own link.
        for link in self._db.links.find({"userId": user.id, "_id": {"$ne": own}}):
            if not self.may_replace(link, member):
                raise MemberRefused(ACCOUNT_TAKEN)
            self._replace_link(link, member)
        former = self._link(member, user.id)
        if former != user.id:  # the account of the former link is gone
            relink: Document = {"$set": {"userId": user.id}}
            audit_log.add_to_update(relink, [self._linked_entry(user.id)])
            relinked = self._db.links.find_one_and_update(
                {"_id": own, "userId": former}, relink, return_document=ReturnDocument.AFTER
            )
            audit_log.move_pending(self._db.links, relinked or {})
        return user

    def _open_account(self, member: SlackMember) -> User:
        user_id = self._link(member, ObjectId())
        doc = new_account_doc(
            email=member.email.strip(),
            role=self._first_role(member),
            now=self._clock(),
            name=member.name,
            user_id=user_id,
        )
        if member.email_confirmed is True:
            doc["emailConfirmedAt"] = doc["createdAt"]
        user = store_account(self._db, doc)
        audit_log.move_pending(self._db.users, self._db.users.find_one({"_id": user.id}) or {})
        return user

    def _first_role(self, member: SlackMember) -> Role:
        named = email_key(member.email) in self._admin_emails
        return Role.ADMIN if named and member.email_confirmed is True else Role.USER

    def _link(self, member: SlackMember, user_id: ObjectId) -> ObjectId:
        """Link the member and return the account. If a concurrent request linked the member first,
        return that account."""
        key = member.link_id
        link = {
            "_id": key,
            "teamId": member.team_id,
            "slackUserId": member.slack_user_id,
            "userId": user_id,
            "createdAt": self._clock(),
            **audit_log.pending_field(self._linked_entry(user_id)),
        }
        try:
            self._db.links.insert_one(link)
        except DuplicateKeyError:
            existing = self._db.links.find_one({"_id": key})
            if existing is None:  # not our key: another member has linked this account
                raise MemberRefused(ACCOUNT_TAKEN) from None
            return ObjectId(existing["userId"])
        audit_log.move_pending(self._db.links, link)
        return user_id

    def _linked_entry(self, user_id: ObjectId) -> AuditEntry:
        return AuditEntry(self._clock(), SELF, AuditAction.LINKED, user_id)


def _only_invitation(users: Sequence[User]) -> User:
    """Return the one without a password: the member may set passwords of the others by email.

    Raises `MemberRefused` if there is no such account or another one is deactivated.
    """
    invitations = [user for user in users if not user.has_password]
    if len(invitations) != 1 or not all(user.active for user in users):
        raise MemberRefused(SEVERAL_ACCOUNTS)
    return invitations[0]


def _slack_ids(links: Iterable[Document]) -> dict[ObjectId, str]:
    return {link["userId"]: link["slackUserId"] for link in links if "stopped" not in link}


def record_removal(db: Mongo, link: Document, *, by: ObjectId | str, now: datetime) -> None:
    """Record in the audit log that a link was removed, and the entries that it still held."""
    audit_log.move_pending(db.links, link)
    audit_log.record(db, AuditEntry(now, by, AuditAction.UNLINKED, link["userId"]))


def lacks_name(db: Mongo, user: User) -> bool:
    """Return whether no name is stored. A legacy account may have first and last name apart."""
    this: Document = {"_id": user.id, **_WITHOUT_NAME}
    return user.name is None and db.users.find_one(this, ["_id"]) is not None


def adopt_name(db: Mongo, user: User, member: SlackMember, *, now: datetime) -> User:
    """Give an account without a name the member's in Slack; return the account."""
    if user.name is not None or not member.name:
        return user
    change: Document = {"$set": {"name": member.name}, "$unset": {"searchKeys": ""}}
    entry = AuditEntry(now, SYSTEM, audit_log.account_field("name"), user.id)
    audit_log.add_to_update(change, [entry])
    stored = db.users.find_one_and_update(
        {"_id": user.id, **_WITHOUT_NAME}, change, return_document=ReturnDocument.AFTER
    )
    audit_log.move_pending(db.users, stored or {})
    current = stored or db.users.find_one({"_id": user.id})  # named concurrently
    return User.from_doc(current) if current else user


def referenced_user_ids(ticket: Ticket) -> set[ObjectId]:
    """Return all accounts in a ticket and its history."""
    named = [ticket.created_by, ticket.filed_by, ticket.assigned_to, *ticket.participants]
    named += [comment.by for comment in ticket.comments]
    for event in ticket.events:
        named += [event.by if isinstance(event.by, ObjectId) else None]
        named += [event.to if event.type == EventType.ASSIGNED else None]
        named += [event.from_, event.to] if event.field == "createdBy" else []
        named += [event.from_ if event.ends_assignees_work else None]
        named += [event.from_, event.to] if event.field == "participants" else []
        named += event.from_ if event.field == "private" and isinstance(event.from_, list) else []
    return {user_id for user_id in named if isinstance(user_id, ObjectId)}


_REFUSALS = {
    ExclusionReason.INACTIVE: "Only people with an active Slack account can use this app.",
    ExclusionReason.OTHER_WORKSPACE: (
        "This app is for members of this workspace, and you belong to another one. Ask your "
        "contact here to file the ticket."
    ),
    ExclusionReason.GUEST: (
        "Guests cannot use this app. Ask a full member of this workspace to file the ticket."
    ),
}


def exclusion_reason(member: SlackMember) -> ExclusionReason | None:
    """Return why the member is excluded; None for a full, active member of this workspace."""
    if member.is_bot or member.is_deleted:
        return ExclusionReason.INACTIVE
    if member.is_stranger or member.home_team_id != member.team_id:
        return ExclusionReason.OTHER_WORKSPACE
    return ExclusionReason.GUEST if member.is_guest else None


def check_member(member: SlackMember) -> None:
    """Raise `MemberRefused` for anyone who is not a full, active member of this workspace."""
    reason = exclusion_reason(member)
    if reason is ExclusionReason.INACTIVE:
        raise MemberInactive(_REFUSALS[reason])
    if reason:
        raise MemberRefused(_REFUSALS[reason])


def check_email(member: SlackMember) -> None:
    """Raise `MemberRefused` for a member without a usable address."""
    if not member.email.strip():
        raise MemberRefused(f"Slack does not tell your email address. {ASK_ADMIN}")
    if member.email_confirmed is False:
        raise MemberRefused(
            "Slack has not confirmed your email address yet. Confirm it in your Slack profile, "
            "then try again."
        )


def suspend_link(db: Mongo, link: Document, reason: ExclusionReason, *, now: datetime) -> None:
    """Suspend a link. Safe to repeat.

    The release of its tickets is requested first, so that an interruption does not leave them with
    an account that cannot work on them.
    """
    doc = db.users.find_one({"_id": link["userId"]})
    if doc and can_work_on_tickets(User.from_doc(doc)):
        request = release_request(
            by="system", now=now, reason=_REASONS[reason], member_removed=True
        )
        db.users.update_one({"_id": doc["_id"], "handBack": None}, {"$set": {"handBack": request}})
    db.links.update_one(
        {"_id": link["_id"], "userId": link["userId"]},
        {"$set": {"stopped": {"at": now, "reason": reason.value}}},
    )


def resume_link(db: Mongo, link: Document, *, now: datetime) -> None:
    """Resume a link; tickets that are not released yet stay with the account."""
    db.links.update_one({"_id": link["_id"]}, {"$unset": {"stopped": ""}})
    cancel_release(db, link, now=now)


def cancel_release(db: Mongo, link: Document, *, now: datetime) -> None:
    """Release no more tickets of the link's account, and retry those that are queued."""
    db.users.update_one(
        {"_id": link["userId"], "handBack.isGone": True}, {"$unset": {"handBack": ""}}
    )
    pending.retry_unassigned(db, now=now)
