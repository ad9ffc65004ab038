"""An unconfirmed account with the address of another account's owner: their own or a stranger's.

A Slack member whose confirmed address such an account holds works with an account of their own, and
decides. "It's mine" links the old account by a code and merges the new one into it, also if the old
one was confirmed since; "It's not mine" disowns the old one. Both close an account: it is
deactivated, has neither address nor password, and `closing {at, by, into}` stays until its tickets
have moved `into` the other account, or are marked. A job continues what is interrupted.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ReturnDocument

from services.accounts.confirmation import has_proof, has_slack_address
from services.accounts.users import (
    DEACTIVATED_REASON,
    UserService,
    load_account_doc,
    update_account,
)
from services.accounts.validation import email_key
from services.audit import audit_log
from services.audit.audit_log import AuditAction, AuditEntry
from services.auth.one_time_codes import OneTimeCodes
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Conflict
from services.linking.links import record_removal
from services.models.events import EventType, NewEvent
from services.models.permissions import Actor, Permission, require_permission
from services.models.set_aside import is_set_aside, isolated
from services.models.slack_member import SlackMember
from services.models.ticket import Ticket
from services.models.user import Role, User, release_request
from services.outbox.deliveries import CLAIMED_FILTER, delivery_key, parse_delivery_key
from services.outbox.emails import EmailKind, Emails, queue_account_email
from services.outbox.pending import ANY_TIME
from services.outbox.ticket_filter import ticket_filter
from services.tickets import ticket_store
from services.tickets.transitions import Change

CLAIM_SETTLED = (
    "That account no longer has your address, or its owner has confirmed it since. Type /account "
    "to see your account."
)
# A domain that cannot receive mail (RFC 2606); the legacy backend requires unique addresses.
CLOSED_EMAIL_DOMAIN = "closed.invalid"
BATCH_SIZE = 20
# The member's request merges within seconds; after this long, its process has died.
MERGE_TIMEOUT = timedelta(minutes=1)
# A ticket whose filing had begun before the account was closed may be stored this much later.
LATE_FILING_WINDOW = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class ClosedAccount:
    """`ticket_ids` are the first tickets changed, `email_ids` emails to send."""

    user: User
    ticket_ids: tuple[ObjectId, ...]
    email_ids: tuple[str, ...] = ()


class AddressClaims:
    def __init__(
        self,
        db: Mongo,
        users: UserService,
        codes: OneTimeCodes,
        emails: Emails,
        *,
        clock: Clock = utcnow,
    ) -> None:
        self._db = db
        self._users = users
        self._codes = codes
        self._emails = emails
        self._clock = clock

    def find(self, user: User) -> User | None:
        """Return the oldest active account that holds the user's address unconfirmed."""
        others = [
            other
            for other in self._users.find_by_email(user.email)
            if other.id != user.id and other.active
        ]
        others.sort(key=lambda other: other.id)
        is_confirmed = self._users.confirmation.is_confirmed
        return next((other for other in others if not is_confirmed(other)), None)

    def get_other(self, *, actor: Actor, user_id: str) -> User:
        """Return that other active account with the actor's address. Raises `Conflict`."""
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        other, own = self._get(user_id), self._get(actor.user_id)
        if not other or not own or not other.active or other.id == own.id:
            raise Conflict(CLAIM_SETTLED)
        if email_key(other.email) != email_key(own.email):
            raise Conflict(CLAIM_SETTLED)
        return other

    def disown(self, *, actor: Actor, member: SlackMember, user_id: str) -> ClosedAccount:
        """Close the account that holds the address of the actor's member.

        Raises `Conflict` if it does not hold the address, or no longer unconfirmed.
        """
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        claim = self.get_other(actor=actor, user_id=user_id)
        now, by = self._clock(), actor.user_id
        is_members_address = has_slack_address(claim, member)
        if not is_members_address or self._users.confirmation.is_confirmed(claim):
            raise Conflict(CLAIM_SETTLED)
        closing: Document = {
            "$set": {
                "active": False,
                "disownedAt": now,
                # The legacy backend assigned tickets to plain users, too.
                "handBack": release_request(by=by, now=now, reason=DEACTIVATED_REASON),
                **_closed_fields(claim.id, by=by, now=now),
            },
            "$unset": {"password": "", "searchKeys": ""},
            "$inc": {"tokenVersion": 1},
        }
        action = audit_log.account_field("active")
        entry = AuditEntry(now, by, action, claim.id, from_=True, to=False)
        audit_log.add_to_update(closing, [entry])
        closed = self._db.users.find_one_and_update(
            {
                "_id": claim.id,
                "emailConfirmedAt": None,
                "role": {"$nin": [Role.MODERATOR, Role.ADMIN]},
                "active": {"$ne": False},
            },
            closing,
            return_document=ReturnDocument.AFTER,
        )
        if closed is None:
            raise Conflict(CLAIM_SETTLED)
        audit_log.move_pending(self._db.users, closed)
        self._codes.revoke(user_id=claim.id)
        for link in self._db.links.find({"userId": claim.id}, ["_id"]):
            own = {"_id": link["_id"], "userId": claim.id}
            if removed := self._db.links.find_one_and_delete(own):
                record_removal(self._db, removed, by=by, now=now)
        # To the address, which only the other account has now.
        email_ids = queue_account_email(
            self._emails, EmailKind.ACCOUNT_DISOWNED, user_id=by, key=str(claim.id)
        )
        return ClosedAccount(claim, tuple(self.continue_closing(claim.id)), email_ids)

    def prepare_merge(self, own: User, *, into: User) -> None:
        """Record that the member's link moves from `own` to `into`, before it does: if the process
        dies before `merge`, the job merges."""
        closing = {"at": self._clock(), "by": into.id, "into": into.id}
        self._db.users.update_one({"_id": own.id}, {"$set": {"closing": closing}})

    def cancel_merge(self, own: User, *, into: User) -> None:
        """Undo `prepare_merge`: the link does not move."""
        prepared = {"_id": own.id, "active": {"$ne": False}, "closing.into": into.id}
        self._db.users.update_one(prepared, {"$unset": {"closing": ""}})

    def merge(self, own: User, *, into: User) -> ClosedAccount:
        """Move a person's account into their older one: its tickets, and a higher role.

        Call it before the older one is recorded as confirmed. A role takes the password of an
        unconfirmed account away: a stranger may have signed up, and made the member type their
        code.
        """
        now, by = self._clock(), into.id
        if moves_role(own, into=into):
            values: Document = {
                "role": own.role.value,
                "skills": list(own.skills),
                "capacity": own.capacity,
            }
            if not has_proof(into):
                values["password"] = None
                self._codes.revoke(user_id=into.id)
            self._update(into.id, values, by=by)
        self._update(own.id, {"active": False}, by=by)
        closing: Document = {
            "$set": {
                "mergedInto": into.id,
                **_closed_fields(own.id, by=by, now=now, into=into.id),
            },
            "$unset": {"password": "", "searchKeys": ""},
            "$inc": {"tokenVersion": 1},
        }
        audit_log.add_to_update(closing, [AuditEntry(now, by, AuditAction.MERGED, own.id)])
        closed = self._db.users.find_one_and_update(
            {"_id": own.id, "active": False}, closing, return_document=ReturnDocument.AFTER
        )
        audit_log.move_pending(self._db.users, closed or {})
        self._db.channels.update_many({"by": own.id}, {"$set": {"by": into.id}})
        self._codes.revoke(user_id=own.id)
        return ClosedAccount(own, tuple(self.continue_closing(own.id)))

    def accounts_to_close(self) -> list[ObjectId]:
        """Return the accounts whose tickets are still to be moved or marked."""
        found = self._db.users.find({"closing.at": {"$gt": ANY_TIME}}, {"_id": True})
        return [doc["_id"] for doc in found]

    def continue_closing(self, user_id: ObjectId) -> list[ObjectId]:
        """Move or mark a batch of tickets of an account that is closed; return their ids.

        Safe to repeat: a ticket that another process changes concurrently is left for the next
        round.
        """
        now, doc = self._clock(), self._db.users.find_one({"_id": user_id}) or {}
        closing: Document = doc.get("closing") or {}
        if not closing:
            return []
        if closing["into"] and "mergedInto" not in doc:
            return self._continue_merge(User.from_doc(doc), closing, now=now)
        found = self._tickets_left(user_id, closing)
        changed = []
        for ticket in found:
            if is_set_aside(ticket, now):
                continue
            with isolated(self._db, ticket["_id"], now=now):
                if _close_ticket(self._db, ticket, closing, former=user_id, now=now):
                    changed.append(ticket["_id"])
        if not found and now >= closing["at"] + LATE_FILING_WINDOW:
            self._end_closing(user_id)
        return changed

    def _tickets_left(self, user_id: ObjectId, closing: Document) -> list[Document]:
        """Return a batch of the account's tickets; of a merged one, also of those that it filed for
        others, takes part in or is not to get."""
        own: Document = {"createdBy": user_id}
        if not closing["into"]:
            own["events.type"] = {"$ne": EventType.REQUESTER_DISOWNED.value}
            return list(self._db.tickets.find(own).limit(BATCH_SIZE))
        # A batch of each: one that is set aside must not keep the others from being moved.
        parts = (own, *({field: user_id} for field in ("filedBy", "participants", "notTo")))
        found = (doc for part in parts for doc in self._db.tickets.find(part).limit(BATCH_SIZE))
        return list({doc["_id"]: doc for doc in found}.values())

    def _continue_merge(self, own: User, closing: Document, *, now: datetime) -> list[ObjectId]:
        if now < closing["at"] + MERGE_TIMEOUT:
            return []
        into = self._users.get(closing["into"])
        if into is None or self._db.links.find_one({"userId": own.id}):
            self._end_closing(own.id)  # the link has not moved
            return []
        return list(self.merge(own, into=into).ticket_ids)

    def _end_closing(self, user_id: ObjectId) -> None:
        self._db.users.update_one({"_id": user_id}, {"$unset": {"closing": ""}})

    def _update(self, user_id: ObjectId, values: Document, *, by: ObjectId) -> None:
        update_account(
            self._db,
            lambda: load_account_doc(self._db, user_id),
            lambda _: values,
            actor=Actor(by, Role.USER),
            now=self._clock(),
        )

    def _get(self, user_id: ObjectId | str) -> User | None:
        return self._users.get(ObjectId(user_id)) if ObjectId.is_valid(user_id) else None


def may_merge(own: User, *, into: User, member: SlackMember) -> bool:
    """Return whether Slack has confirmed the address of both accounts for the member."""
    return own.id != into.id and all(has_slack_address(user, member) for user in (own, into))


def moves_role(own: User, *, into: User) -> bool:
    """Return whether the merged account's role is the higher one."""
    ranks = list(Role)
    return ranks.index(own.role) > ranks.index(into.role)


def _close_ticket(
    db: Mongo, doc: Document, closing: Document, *, former: ObjectId, now: datetime
) -> bool:
    ticket, by, into = Ticket.from_doc(doc), closing["by"], closing["into"]
    if into is None:
        change = Change(events=(NewEvent(EventType.REQUESTER_DISOWNED, by=by),))
        return ticket_store.apply(db, ticket, change, now=now, createdBy=former) is not None
    moved = _moved_roles(ticket, former, by=by, into=into)
    if not moved.events and ticket.not_to == former:
        return _move_not_to(db, ticket, into=into)
    values = dict(moved.values)
    conditions: Document = {
        field: former for field in ("createdBy", "filedBy") if doc.get(field) == former
    }
    for position, card in enumerate(_entries(doc, "cards")):
        if card.get("recipient") == former:
            conditions[f"cards.{position}.recipient"] = former
            values[f"cards.{position}.recipient"] = into
    for position, delivery in enumerate(_entries(doc, "notices")):
        seq, kind, recipient = parse_delivery_key(str(delivery.get("key")))
        if recipient != str(former):
            continue
        if delivery.get("state") == CLAIMED_FILTER["state"]:
            return False  # a worker is sending it, and records the result by this key
        conditions[f"notices.{position}.key"] = delivery["key"]
        values[f"notices.{position}.key"] = delivery_key(seq=int(seq), kind=kind, recipient=into)
    change = Change(values, moved.events, moved.remove)
    return ticket_store.apply(db, ticket, change, now=now, **conditions) is not None


def _move_not_to(db: Mongo, ticket: Ticket, *, into: ObjectId) -> bool:
    """Without an event: the history says nothing of whom the requester does not want. But `seq`
    rises, so that an assignment that was chosen before is not stored."""
    unchanged = ticket_filter(ticket.id, {"seq": ticket.seq or None})
    update = {"$set": {"notTo": into}, "$inc": {"seq": 1}}
    return db.tickets.update_one(unchanged, update).matched_count == 1


def _moved_roles(ticket: Ticket, former: ObjectId, *, by: ObjectId, into: ObjectId) -> Change:
    """Return the change of requester, filer and participants. A requester is no participant, too,
    and only another filer is stored."""
    values: Document = {}
    events: list[NewEvent] = []
    requester, filer = ticket.created_by, ticket.filed_by
    if requester == former:
        requester = values["createdBy"] = into
    if filer == former:
        filer = values["filedBy"] = into
    for field in values:
        moved = EventType.REQUESTER_MERGED
        events.append(NewEvent(moved, by=by, field=field, from_=former, to=into))
    is_own = filer is not None and filer == requester
    if is_own:
        values.pop("filedBy", None)
    people = [into if one == former else one for one in ticket.participants]
    people = [one for one in dict.fromkeys(people) if one != requester]
    if people != list(ticket.participants):
        values["participants"] = people
        is_requester, name = requester == into, "participants"
        moved = EventType.PARTICIPANT_REMOVED if is_requester else EventType.PARTICIPANT_ADDED
        from_, to = (into, None) if is_requester else (former, into)
        events.append(NewEvent(moved, by=by, field=name, from_=from_, to=to))
    return Change(values, tuple(events), ("filedBy",) if is_own else ())


def _entries(doc: Document, name: str) -> list[Document]:
    """Return the entries of an array with their positions; {} in place of a malformed one."""
    listed = doc.get(name)
    entries = listed if isinstance(listed, list) else []
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def _closed_fields(
    user_id: ObjectId, *, by: ObjectId, now: datetime, into: ObjectId | None = None
) -> Document:
    address = f"{user_id}@{CLOSED_EMAIL_DOMAIN}"
    return {
        "email": address,
        "emailKey": email_key(address),
        "closing": {"at": now, "by": by, "into": into},
    }
