"""Changes of the request channels: by admins in Slack, and by what Slack says about a channel.

An event of Slack about a channel only leads to the question how it is now: events come late, twice
and out of order. The newest answer counts, by the time of its question (`checkedAt`). The job
"channels" asks about each channel once an hour, because Slack withholds events of a channel that
the bot has left.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pymongo import ReturnDocument

from services.audit import audit_log
from services.audit.audit_log import SYSTEM, AuditAction, AuditEntry
from services.channels.request_channels import (
    MAX_CHANNELS,
    ChannelMode,
    ChannelState,
    RequestChannel,
    channel_key,
    load_request_channels,
)
from services.channels.slack_channel import SlackChannel
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue, NotFound
from services.core.optimistic_retry import retry_on_conflict
from services.core.ttl_cache import invalidate_caches
from services.models.permissions import Actor, Permission, require_permission
from services.team_settings import private_tickets, slack_settings

logger = logging.getLogger(__name__)

CHECK_INTERVAL = timedelta(hours=1)
CHANNEL, MODE, PRIVATE, EMOJI = "channel", "mode", "private", "emoji"  # inputs of the form
ARCHIVED = "This channel is archived. Choose another one."
SHARED = "People of other organisations read this channel. Choose one of this workspace alone."
IS_TRIAGE = (
    "This is the triage channel, where moderators read every ticket. Choose another channel."
)
IS_LISTED = "This is a request channel already. Close this form, and press Edit beside it."
NOT_LISTED = "This is no longer a request channel."
FULL = f"There are {MAX_CHANNELS} request channels already. Remove one first."
NOT_PRIVATE = (
    "Tickets can't be private now, because the old backend is in use. Allow it under “Private "
    "tickets” first."
)
REFUSALS = {ChannelState.ARCHIVED: ARCHIVED, ChannelState.SHARED: SHARED}


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """What an admin chooses for a channel. `is_private` has no effect on a public channel, whose
    tickets anyone can read there."""

    mode: ChannelMode
    is_private: bool = True
    has_emoji_actions: bool = False


class ChannelSettings:
    """`triage_channel` is the value of TRIAGE_CHANNEL."""

    def __init__(self, db: Mongo, *, triage_channel: str = "", clock: Clock = utcnow) -> None:
        self._db = db
        self._triage_channel = triage_channel
        self._clock = clock

    def list(self, *, actor: Actor) -> Sequence[RequestChannel]:
        """Return the request channels by name."""
        require_permission(actor, Permission.MANAGE_USERS)
        found = load_request_channels(self._db).values()
        return sorted(found, key=lambda one: (one.name.casefold(), one.id))

    def get(self, *, actor: Actor, team_id: str, channel: str) -> RequestChannel:
        """Raises `NotFound`."""
        require_permission(actor, Permission.MANAGE_USERS)
        return self._get(channel_key(team_id, channel))

    def add(
        self, *, actor: Actor, team_id: str, channel: SlackChannel, choice: ChannelChoice
    ) -> None:
        """Make it a request channel. Raises `InvalidValue`, naming the field.

        Safe to repeat with the same choice.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        now = self._clock()
        added = RequestChannel(
            team_id=team_id,
            id=channel.id,
            mode=choice.mode,
            is_private=channel.is_private and choice.is_private,
            has_emoji_actions=choice.has_emoji_actions,
            by=actor.user_id,
            at=now,
            state=channel.state,
            checked_at=now,
            name=channel.name,
            is_channel_private=channel.is_private,
        )
        if refusal := REFUSALS.get(channel.state):
            raise InvalidValue(CHANNEL, refusal)
        with slack_settings.choosing_channel(self._db, now=now):
            listed = load_request_channels(self._db)
            if known := listed.get((team_id, channel.id)):
                if _choice_of(known) != _choice_of(added):
                    raise InvalidValue(CHANNEL, IS_LISTED)
                return
            if len(listed) >= MAX_CHANNELS:
                raise InvalidValue(CHANNEL, FULL)
            if channel.id == self._current_triage_channel():
                raise InvalidValue(CHANNEL, IS_TRIAGE)
            if added.is_private:
                self._check_private()
            doc = added.to_doc()
            entry = AuditEntry(
                now,
                audit_log.author(actor, doc["_id"]),
                AuditAction.CHANNEL_ADDED,
                doc["_id"],
                to={name: doc[name] for name in (MODE, PRIVATE, EMOJI)},
            )
            doc |= audit_log.pending_field(entry)
            self._db.channels.insert_one(doc)
        audit_log.move_pending(self._db.channels, doc)
        invalidate_caches()

    def change(
        self,
        *,
        actor: Actor,
        team_id: str,
        channel: str,
        mode: ChannelMode | None = None,
        is_private: bool | None = None,
        has_emoji_actions: bool | None = None,
    ) -> None:
        """Store what is not None. Raises `InvalidValue`, naming the field, and `NotFound`."""
        require_permission(actor, Permission.MANAGE_USERS)
        key, now = channel_key(team_id, channel), self._clock()

        def attempt() -> Document | None:
            known = self._get(key)
            wanted = replace(
                known,
                mode=known.mode if mode is None else mode,
                is_private=known.is_private if is_private is None else is_private,
                has_emoji_actions=(
                    known.has_emoji_actions if has_emoji_actions is None else has_emoji_actions
                ),
            )
            wanted = replace(wanted, is_private=wanted.is_private and wanted.is_channel_private)
            if wanted.is_private and not known.is_private:
                self._check_private()
            before, after = known.to_doc(), wanted.to_doc()
            changed = {name: after[name] for name in (MODE, PRIVATE, EMOJI)}
            changed = {name: value for name, value in changed.items() if before[name] != value}
            if not changed:
                return before
            by = audit_log.author(actor, key)
            update: Document = {"$set": {**changed, "by": actor.user_id, "at": now}}
            audit_log.add_to_update(
                update,
                [
                    AuditEntry(now, by, audit_log.channel_field(name), key, before[name], value)
                    for name, value in changed.items()
                ],
            )
            unchanged = {"_id": key, **{name: before[name] for name in changed}}
            return self._update(unchanged, update)

        audit_log.move_pending(self._db.channels, retry_on_conflict(attempt))
        invalidate_caches()

    def remove(self, *, actor: Actor, team_id: str, channel: str) -> None:
        """Stop making tickets of its messages; its tickets stay. Safe to repeat."""
        require_permission(actor, Permission.MANAGE_USERS)
        key = channel_key(team_id, channel)
        if removed := self._db.channels.find_one_and_delete({"_id": key}):
            audit_log.move_pending(self._db.channels, removed)
            by = audit_log.author(actor, key)
            audit_log.record(
                self._db, AuditEntry(self._clock(), by, AuditAction.CHANNEL_REMOVED, key)
            )
            invalidate_caches()

    def is_listed(self, channel: str) -> bool:
        """Return whether it is a request channel, active or not."""
        return any(listed == channel for _, listed in load_request_channels(self._db))

    def due(self) -> Sequence[RequestChannel]:
        """Return the channels that Slack is to be asked about: those not asked about for an hour,
        and those that have become the triage channel, or no longer are."""
        now, triage = self._clock(), self._current_triage_channel()
        return [
            one
            for one in load_request_channels(self._db).values()
            if one.checked_at is None
            or not now - CHECK_INTERVAL < one.checked_at <= now
            or (one.id == triage) != (one.state is ChannelState.TRIAGE)
        ]

    def check(
        self,
        team_id: str,
        channel: str,
        ask: Callable[[], SlackChannel | None],
        *,
        is_deleted: bool = False,
    ) -> None:
        """Store how the channel is now, if it is a request channel. `ask` asks Slack, and returns
        None if it finds no such channel; `is_deleted`: then it was deleted.

        An answer to an earlier question than the stored one is dropped.
        """
        key, asked_at = channel_key(team_id, channel), self._clock()
        if self._db.channels.find_one({"_id": key}, ["_id"]) is None:
            return
        found = ask()

        def attempt() -> Document | None:
            doc = self._db.channels.find_one({"_id": key})
            if doc is None:
                return {}
            known = RequestChannel.from_doc(doc)
            if known.checked_at and known.checked_at > asked_at:
                return {}
            state = self._state(known, found, is_deleted=is_deleted)
            update: Document = {"$set": {"state": state.value, "checkedAt": asked_at}}
            if found:
                update["$set"] |= {"name": found.name, "channelPrivate": found.is_private}
                is_made_private = found.is_private and not known.is_channel_private
                is_private = found.is_private and (known.is_private or is_made_private)
                if is_private != known.is_private:
                    update["$set"][PRIVATE] = is_private
                    action = audit_log.channel_field(PRIVATE)
                    entry = AuditEntry(
                        asked_at, SYSTEM, action, key, from_=known.is_private, to=is_private
                    )
                    audit_log.add_to_update(update, [entry])
            if state is not known.state:
                logger.info("the request channel %s is now %s", channel, state.value)
            return self._update({"_id": key, "checkedAt": known.checked_at}, update)

        audit_log.move_pending(self._db.channels, retry_on_conflict(attempt))
        invalidate_caches()

    def change_id(self, team_id: str, before: str, after: str) -> None:
        """Follow a private channel to its new id, which it gets when it is shared. Safe to
        repeat."""
        old, new = channel_key(team_id, before), channel_key(team_id, after)
        doc = self._db.channels.find_one({"_id": old})
        if doc is None:
            return
        audit_log.move_pending(self._db.channels, doc)
        entry = AuditEntry(
            self._clock(), SYSTEM, AuditAction.CHANNEL_ID_CHANGED, new, from_=old, to=new
        )
        moved = {
            **{name: value for name, value in doc.items() if name != audit_log.PENDING_FIELD},
            **audit_log.pending_field(entry),
            "_id": new,
        }
        self._db.channels.update_one({"_id": new}, {"$setOnInsert": moved}, upsert=True)
        self._db.channels.delete_one({"_id": old})
        audit_log.move_pending(self._db.channels, self._db.channels.find_one({"_id": new}) or {})
        invalidate_caches()

    def _state(
        self, known: RequestChannel, found: SlackChannel | None, *, is_deleted: bool
    ) -> ChannelState:
        if known.id == self._current_triage_channel():
            return ChannelState.TRIAGE
        if found:
            return found.state
        # Slack finds a private channel only for those in it.
        was_found = known.state is not ChannelState.MISSING
        is_hidden = known.is_channel_private and was_found and not is_deleted
        return ChannelState.NOT_A_MEMBER if is_hidden else ChannelState.MISSING

    def _get(self, key: str) -> RequestChannel:
        doc = self._db.channels.find_one({"_id": key})
        if doc is None:
            raise NotFound(NOT_LISTED)
        return RequestChannel.from_doc(doc)

    def _update(self, unchanged: Document, update: Document) -> Document | None:
        return self._db.channels.find_one_and_update(
            unchanged, update, return_document=ReturnDocument.AFTER
        )

    def _current_triage_channel(self) -> str:
        """Not from the cache: another process may just have stored it."""
        stored = slack_settings.load_slack_settings(self._db).triage_channel
        return self._triage_channel if stored is None else stored

    def _check_private(self) -> None:
        if not private_tickets.load_state(self._db).is_available(self._clock()):
            raise InvalidValue(PRIVATE, NOT_PRIVATE)


def _choice_of(channel: RequestChannel) -> tuple[ChannelMode, bool, bool]:
    return channel.mode, channel.is_private, channel.has_emoji_actions
