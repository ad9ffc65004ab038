"""The `settings` collection: each document holds settings that admins change in one form."""

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.audit import audit_log
from services.audit.audit_log import AuditEntry
from services.core.database import Document, Mongo
from services.core.optimistic_retry import retry_on_conflict
from services.models.permissions import Actor, Operator


def store_settings(
    db: Mongo,
    settings_id: str,
    values: Document,
    *,
    actor: Actor | Operator,
    now: datetime,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    typed_texts: Collection[str] = (),
) -> None:
    """Set these fields of a settings document. Every change of a setting goes through here, and has
    an entry in the audit log for each field that it changes.

    `defaults` are the values of fields that are not stored yet. `typed_texts` are fields with texts
    that a person typed: the log says that they were changed, without their values.
    """

    def attempt() -> Document | None:
        stored = db.settings.find_one({"_id": settings_id})
        before = {**defaults, **(stored or {})}
        changed = {name: value for name, value in values.items() if before.get(name) != value}
        by = audit_log.author(actor, settings_id)
        entries = [
            AuditEntry(
                now,
                by,
                audit_log.settings_field(name),
                settings_id,
                from_=None if name in typed_texts else before.get(name),
                to=None if name in typed_texts else value,
            )
            for name, value in changed.items()
        ]
        update: Document = {"$set": {**values, "at": now, "by": actor.event_author}}
        if stored is None:
            doc = {"_id": settings_id, **update["$set"], **audit_log.pending_field(*entries)}
            try:
                db.settings.insert_one(doc)
            except DuplicateKeyError:  # stored concurrently
                return None
            return doc
        audit_log.add_to_update(update, entries)
        # An absent field equals None in a filter.
        unchanged = {"_id": settings_id, **{name: stored.get(name) for name in values}}
        return db.settings.find_one_and_update(
            unchanged, update, return_document=ReturnDocument.AFTER
        )

    audit_log.move_pending(db.settings, retry_on_conflict(attempt))
