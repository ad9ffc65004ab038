"""Scheduled work that fails and is being retried (services/core/retry.py), for operators."""

from datetime import UTC, datetime
from typing import Any

from services.core.database import Document, Mongo
from services.core.retry import RetryState
from services.models.user import User, can_work_on_tickets
from services.ops.check_runner import CheckStatus, Finding, format_duration, pluralize

# A failure or two may be temporary.
MAX_FAILURES_FOR_WARNING = 2
MAX_LISTED = 5
MAX_DIGEST_ACCOUNTS = 1_000
TICKET_ADVICE = (
    "Nobody is reminded of it meanwhile, so have a look at it yourself. The log of the jobs says "
    "why, at “set aside”."
)
DIGEST_ADVICE = "The log of the worker says why, at “set aside”."
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS: Document = {"alarm.aside.since": {"$gt": _ANY_TIME}}
_DIGESTS: Document = {"digestAside.since": {"$gt": _ANY_TIME}}


def count_failing(db: Mongo) -> dict[str, int]:
    """The number of failing items by kind."""
    return {
        "step": db.tickets.count_documents(_STEPS),
        "digest": len(_digests(db)),
    }


def find_failing(db: Mongo, *, now: datetime) -> list[Finding]:
    """Findings for the oldest items, at most `MAX_LISTED` of each kind, and one for the rest."""
    tickets = db.tickets.find(_STEPS, {"number": True, "alarm": True})
    found = [
        _finding(
            f"what is due by the clock for {_called(doc)}",
            doc["alarm"]["aside"],
            TICKET_ADVICE,
            now,
        )
        for doc in tickets.sort("alarm.aside.since").limit(MAX_LISTED)
    ]
    found += [
        _finding(f"the digest of {doc.get('email')}", doc["digestAside"], DIGEST_ADVICE, now)
        for doc in _digests(db)[:MAX_LISTED]
    ]
    more = sum(count_failing(db).values()) - len(found) if len(found) >= MAX_LISTED else 0
    if more > 0:
        found.append(Finding(CheckStatus.WARN, f"{more} more are set aside", "See the log."))
    return found


def _digests(db: Mongo) -> list[Document]:
    """The accounts whose digest fails, the oldest failure first, without those that get none."""
    read = dict.fromkeys(("email", "role", "active", "digestAside"), True)
    found = db.users.find(_DIGESTS, read).sort("digestAside.since").limit(MAX_DIGEST_ACCOUNTS)
    users = ((doc, User.from_doc(doc)) for doc in found)
    return [doc for doc, user in users if can_work_on_tickets(user)]


def _finding(what: str, stored: Any, advice: str, now: datetime) -> Finding:
    retry = RetryState.from_doc(stored) or RetryState(now, 1, "")
    state = CheckStatus.FAIL if retry.failure_count > MAX_FAILURES_FOR_WARNING else CheckStatus.WARN
    failure = (
        f"failed {pluralize(retry.failure_count, 'time')} within "
        f"{format_duration(now - retry.first_failed_at)}"
    )
    again = "and is tried again by itself"
    return Finding(state, f"{what} {failure} ({retry.error}) {again}", advice)


def _called(doc: Document) -> str:
    return f"ticket {doc['number']}" if doc.get("number") else f"ticket {doc['_id']}"
