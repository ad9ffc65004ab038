"""One-time codes: short ones to type from a page into Slack, long ones in the links of emails.

Only an HMAC is stored, so a reader of the database can neither use nor guess a code.
"""

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from services.audit import audit_log
from services.audit.audit_log import AuditAction, AuditEntry
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.models.permissions import Actor, Operator

# Crockford's base32: without I, L, O and U. Ten of them are 50 bits.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH, CODE_GROUP_LENGTH = 10, 5
URL_CODE_BYTES = 32
# Longer input is cut before the HMAC.
MAX_CODE_LENGTH = 100
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})


class CodeKind(StrEnum):
    LINK = "link"
    RESET = "reset"
    CONFIRM = "confirm"


LIFETIMES: Mapping[CodeKind, timedelta] = {
    CodeKind.LINK: timedelta(minutes=10),
    CodeKind.RESET: timedelta(hours=1),
    CodeKind.CONFIRM: timedelta(days=3),
}


class OneTimeCodes:
    def __init__(self, db: Mongo, secret: str, clock: Clock = utcnow) -> None:
        self._db = db
        # A derived key: nothing signed elsewhere with this secret can be a code's HMAC.
        self._key = hmac.digest(secret.encode(), b"one-time codes", hashlib.sha256)
        self._clock = clock

    def issue(
        self, *, kind: CodeKind, user_id: ObjectId, handed_to: Actor | Operator | None = None
    ) -> str:
        """Return a new code for the account. A new `LINK` code revokes the previous one.

        `handed_to` gets the code in place of the account's owner; the audit log says so.
        """
        while True:
            code = _new(kind)
            doc = {
                "_id": self.code_id(kind=kind, code=code),
                "kind": kind.value,
                "userId": user_id,
                "expiresAt": self._clock() + LIFETIMES[kind],
            }
            if kind is CodeKind.LINK:
                self.revoke(kind=kind, user_id=user_id)
            try:
                self._db.codes.insert_one(doc)
            except DuplicateKeyError:  # a concurrent request issued one; the last one counts
                continue
            if handed_to:
                by = audit_log.author(handed_to, user_id)
                entry = AuditEntry(self._clock(), by, AuditAction.RESET_LINK_ISSUED, user_id)
                audit_log.record(self._db, entry)
            return code

    def peek(self, *, kind: CodeKind, code: str) -> ObjectId | None:
        """Return the code's account without using it up; None if wrong, used or expired."""
        return self.peek_by_id(kind=kind, code_id=self.code_id(kind=kind, code=code))

    def redeem(self, *, kind: CodeKind, code: str) -> ObjectId | None:
        """Return the code's account and use it up. Only one of several callers gets it."""
        return self.redeem_by_id(kind=kind, code_id=self.code_id(kind=kind, code=code))

    def code_id(self, *, kind: CodeKind, code: str) -> str:
        """Return the stored id (HMAC) of a code as typed."""
        text = _normal(code) if kind is CodeKind.LINK else code.strip()
        named = f"{kind.value}:{text[:MAX_CODE_LENGTH]}".encode("utf-8", "replace")
        return hmac.new(self._key, named, hashlib.sha256).hexdigest()

    def peek_by_id(self, *, kind: CodeKind, code_id: str) -> ObjectId | None:
        doc = self._db.codes.find_one(self._unexpired(kind, code_id))
        return doc["userId"] if doc else None

    def redeem_by_id(self, *, kind: CodeKind, code_id: str) -> ObjectId | None:
        doc = self._db.codes.find_one_and_delete(self._unexpired(kind, code_id))
        return doc["userId"] if doc else None

    def revoke(self, *, user_id: ObjectId, kind: CodeKind | None = None) -> None:
        """Delete all codes of the account, or those of one kind."""
        of_kind = {"kind": kind.value} if kind else {}
        self._db.codes.delete_many({"userId": user_id, **of_kind})

    def _unexpired(self, kind: CodeKind, code_id: str) -> dict[str, object]:
        # MongoDB's TTL monitor runs only once a minute.
        return {"_id": code_id, "kind": kind.value, "expiresAt": {"$gt": self._clock()}}


def _new(kind: CodeKind) -> str:
    if kind is not CodeKind.LINK:
        return secrets.token_urlsafe(URL_CODE_BYTES)
    text = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(
        text[start : start + CODE_GROUP_LENGTH]
        for start in range(0, CODE_LENGTH, CODE_GROUP_LENGTH)
    )


def _normal(code: str) -> str:
    """Normalise case, spaces, dashes and look-alike characters."""
    text = unicodedata.normalize("NFKC", code[:MAX_CODE_LENGTH]).upper()
    return "".join(filter(str.isalnum, text)).translate(_LOOKALIKES)
