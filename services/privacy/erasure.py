"""Erasure of a person: their account is made anonymous, and their tickets stay.

To continue an interrupted erasure, run it again: the email address, by which the account is found,
is removed last, and the Slack ids stay until nothing refers to them.

In tickets, only references to the person in Slack are removed. Texts are not changed, and neither
are account ids, which identify no person once the account is anonymous.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from services.accounts.users import (
    DEACTIVATED_REASON,
    UserService,
    load_account_doc,
    update_account,
)
from services.accounts.validation import email_key
from services.audit import audit_log
from services.audit.audit_log import AuditAction, AuditEntry
from services.core.clock import Clock, utcnow
from services.core.coerce import as_int, own_entries
from services.core.database import Document, Mongo
from services.models import user as model_user
from services.models.comment import comments_from_doc
from services.models.permissions import Actor, Operator, Permission, require_permission
from services.models.ticket import OPEN_STATUSES
from services.models.user import Role
from services.outbox.deliveries import COPY_KIND, DeliveryState, delivery_key, parse_delivery_key
from services.outbox.pending import outbox_fields
from services.outbox.reminders import UNASSIGNED_ALERT_PREFIX
from services.outbox.replies import delete_replies
from services.tickets import release
from services.tickets.direct_messages import delete_direct_messages
from services.tickets.queries import iter_tickets

ERASED_NAME = "a former colleague"
# A domain that cannot receive mail (RFC 2606); the legacy backend requires unique addresses.
ERASED_EMAIL_DOMAIN = "erased.invalid"
ERASED_PLACEHOLDER = "erased"  # in place of Slack's error code

# The ticket fields that `redaction_update` reads.
PERSONAL_FIELDS = ("cards", "notices", "comments", "source", "createdBy", "filedBy", "participants")
# Account fields that are kept; none identifies the person.
_RETAINED_FIELDS = ("createdAt", "handBack", "closing", "mergedInto", "__v")


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """Counts of what was released, redacted and removed for one account."""

    user_id: ObjectId
    released_tickets: int
    redacted_tickets: int
    links: int
    removed_emails: int


class Erasure:
    def __init__(self, db: Mongo, users: UserService, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._users = users
        self._clock = clock

    def erase(self, *, actor: Actor | Operator, email: str) -> list[ErasureResult]:
        """Make every account of that address anonymous, and those merged into them; return [] if
        there is none.

        Raises `Conflict` if no active admin would be left.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        ids = [doc["_id"] for doc in self._users.find_docs_of_person(email)]
        for user_id in ids:
            self._deactivate(user_id, actor)
        return [self._erase(user_id, actor) for user_id in ids]

    def _deactivate(self, user_id: ObjectId, actor: Actor | Operator) -> None:
        """Stop sign-in and assignment for the account, and request the release of its tickets."""
        now = self._clock()
        update_account(
            self._db,
            lambda: load_account_doc(self._db, user_id),
            lambda _: {"active": False},
            actor=actor,
            now=now,
        )
        # A plain user may have tickets, too, from the legacy backend.
        request = model_user.release_request(
            by=actor.event_author, now=now, reason=DEACTIVATED_REASON
        )
        unmarked = {"_id": user_id, "handBack": None}
        self._db.users.update_one(unmarked, {"$set": {"handBack": request}})

    def _erase(self, user_id: ObjectId, actor: Actor | Operator) -> ErasureResult:
        links, slack_ids = self._unlink(user_id)
        released_tickets = 0
        while released := release.release_tickets(self._db, user_id, now=self._clock()):
            released_tickets += len(released)
        found = iter_tickets(self._db, (*PERSONAL_FIELDS, "status", "events.by", "events.seq"))
        tickets = sum(self._redact_ticket(doc, user_id, slack_ids) for doc in found)
        self._forget_messages(user_id)
        self._db.channels.update_many({"by": user_id}, {"$unset": {"by": ""}})
        removed_emails = self._db.letters.delete_many({"userId": user_id}).deleted_count
        self._db.codes.delete_many({"userId": user_id})
        delete_replies(self._db, slack_ids)
        delete_direct_messages(self._db, slack_ids)
        recipients = [str(user_id), f"{UNASSIGNED_ALERT_PREFIX}{user_id}"]
        self._db.nudges.delete_many({"to": {"$in": recipients}})
        self._anonymise(user_id, actor)
        return ErasureResult(user_id, released_tickets, tickets, links, removed_emails)

    def _unlink(self, user_id: ObjectId) -> tuple[int, list[str]]:
        """Remove the links; return their number and the ids of current and former members."""
        of_account = {"userId": user_id}
        keys = [
            doc["_id"] for name in ("links", "unlinked") for doc in self._db[name].find(of_account)
        ]
        slack_ids = [key.partition(":")[2] for key in keys]
        remember = {"$addToSet": {"erasing": {"$each": slack_ids}}}
        self._db.users.update_one({"_id": user_id}, remember)
        for link in self._db.links.find(of_account):
            audit_log.move_pending(self._db.links, link)
        links = self._db.links.delete_many(of_account).deleted_count
        self._db.unlinked.delete_many(of_account)
        doc = self._db.users.find_one({"_id": user_id}) or {}
        return links, list(doc.get("erasing", ()))

    def _forget_messages(self, user_id: ObjectId) -> None:
        """Remove references to handover offers that were sent to the person as an admin."""
        recipient_query = {"_id": {"$gt": ObjectId("0" * 24)}, "handOver.to": user_id}
        gone = {"handOver.channel": "", "handOver.ts": ""}
        self._db.users.update_many(recipient_query, {"$unset": gone})

    def _redact_ticket(self, doc: Document, user_id: ObjectId, slack_ids: list[str]) -> bool:
        """Redact one ticket; return whether it referred to the person in Slack."""
        update = redaction_update(doc, user_id=user_id, slack_ids=slack_ids)
        is_redacted = bool(update)
        # Cards name the requester, the filer, and who assigned the ticket or added the reader.
        acted = [event["by"] for event in own_entries(doc.get("events"), "by")]
        is_named = user_id in (doc.get("createdBy"), doc.get("filedBy"), *acted)
        is_shown = is_named and (
            doc.get("status") in OPEN_STATUSES
            or any(str(name).endswith(".withdraw") for name in update.get("$set", {}))
        )
        if not update and not is_shown:
            return False
        if "participants" in update.get("$pull", {}):
            update["$inc"] = {"seq": 1}  # a concurrent change of the participants reads them again
        if is_shown:
            # Cards of other people show the name, so they have to be updated.
            update["$set"] = {**update.get("$set", {}), **outbox_fields(self._clock())}
            update["$inc"] = {"seq": 1}
        self._db.tickets.update_one({"_id": doc["_id"]}, update)
        return is_redacted

    def _anonymise(self, user_id: ObjectId, actor: Actor | Operator) -> None:
        """Replace the account's document, and its id in the audit log: the entries stay together
        under an id that leads to no account."""
        pseudonym, now = ObjectId(), self._clock()
        audit_log.replace_account(self._db, user_id, pseudonym, now=now)
        by = audit_log.author(actor, user_id)
        doc = self._db.users.find_one({"_id": user_id}) or {}
        address = f"{user_id}@{ERASED_EMAIL_DOMAIN}"
        anonymous = {name: doc[name] for name in _RETAINED_FIELDS if name in doc} | {
            "email": address,
            "emailKey": email_key(address),
            "name": ERASED_NAME,
            "role": Role.USER.value,
            "skills": [],
            "active": False,
            "tokenVersion": (as_int(doc.get("tokenVersion")) or 0) + 1,
            "erasedAt": now,
            **audit_log.pending_field(AuditEntry(now, by, AuditAction.ERASED, pseudonym)),
        }
        self._db.users.replace_one({"_id": user_id}, anonymous)
        audit_log.move_pending(self._db.users, {"_id": user_id, **anonymous})


def redaction_update(doc: Document, *, user_id: ObjectId, slack_ids: Collection[str]) -> Document:
    """Return the update that redacts the ticket; {} if it does not refer to the person.

    Positions in `notices` and `comments` are stable, because entries are never removed.
    """
    source: Document = doc["source"] if isinstance(doc.get("source"), dict) else {}
    # A direct message to the bot is in the conversation with it of the person who filed it.
    is_authors = (doc.get("filedBy") or doc.get("createdBy")) == user_id
    is_direct = is_authors and _is_direct(source.get("channel"))
    recipients = {str(user_id), str(source["channel"])} if is_direct else {str(user_id)}
    values, gone = _redact_deliveries(doc, recipients)
    values |= _withdraw_copies(doc, user_id)
    values |= _redact_comments(doc, user_id, slack_ids)
    if is_direct:
        gone.append("source")
    elif source.get("slackUserId") in slack_ids:
        values["source.slackUserId"] = None
    update: Document = {"$set": values} if values else {}
    if gone:
        update["$unset"] = dict.fromkeys(gone, "")
    if any(card.get("recipient") == user_id for card in own_entries(doc.get("cards"), "recipient")):
        update["$pull"] = {"cards": {"recipient": user_id}}
    listed = doc.get("participants")
    if isinstance(listed, list) and user_id in listed:
        update["$pull"] = {**update.get("$pull", {}), "participants": user_id}
    return update


def _redact_deliveries(
    doc: Document, recipients: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return what to set and to remove, so that no delivery refers to a Slack message."""
    values: dict[str, Any] = {}
    gone: list[str] = []
    listed = doc.get("notices")
    for position, delivery in enumerate(listed if isinstance(listed, list) else []):
        if not isinstance(delivery, Mapping):
            continue
        seq, kind, recipient = parse_delivery_key(str(delivery.get("key")))
        if recipient not in recipients or delivery.get("error") == ERASED_PLACEHOLDER:
            continue
        this = f"notices.{position}"
        values |= {f"{this}.state": DeliveryState.FAILED.value, f"{this}.error": ERASED_PLACEHOLDER}
        gone += [f"{this}.channel", f"{this}.ts"]
        if not ObjectId.is_valid(recipient):  # the key of a conversation with the bot
            values[f"{this}.key"] = delivery_key(
                seq=int(seq), kind=kind, recipient=ERASED_PLACEHOLDER
            )
    return values, gone


def _withdraw_copies(doc: Document, user_id: ObjectId) -> dict[str, Any]:
    """Have the copies of their comments in request channels deleted in Slack: they are under the
    person's name and picture, which Slack does not change."""
    own = {
        str(event["seq"])
        for event in own_entries(doc.get("events"), "by")
        if event["by"] == user_id and "seq" in event
    }
    listed = doc.get("notices")
    values: dict[str, Any] = {}
    for position, delivery in enumerate(listed if isinstance(listed, list) else []):
        if not isinstance(delivery, Mapping) or delivery.get("withdraw"):
            continue
        seq, kind, _ = parse_delivery_key(str(delivery.get("key")))
        if kind == COPY_KIND and seq in own and delivery.get("state") == DeliveryState.SENT:
            values[f"notices.{position}.withdraw"] = True
    return values


def _redact_comments(
    doc: Document, user_id: ObjectId, slack_ids: Collection[str]
) -> dict[str, Any]:
    """Remove the comments' references to Slack messages, and file URLs with the person's id."""
    values: dict[str, Any] = {}
    for comment in comments_from_doc(doc.get("comments")):
        path = f"comments.{comment.position}"
        if comment.by == user_id and comment.slack_message and comment.slack_message.ts:
            # Keep the channel, so that the comment is not delivered there again.
            channel = comment.slack_message.channel
            redacted = None if _is_direct(channel) else {"channel": channel, "ts": ""}
            values[f"{path}.slack"] = redacted
        remaining = [file for file in comment.files if not any(i in file.url for i in slack_ids)]
        if len(remaining) < len(comment.files):
            values[f"{path}.files"] = [file.to_doc() for file in remaining]
    return values


def _is_direct(channel: object) -> bool:
    """Slack's ids of conversations with the bot alone begin with D."""
    return str(channel).startswith("D")
