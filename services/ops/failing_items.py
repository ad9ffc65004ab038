"""What is set aside (services/core/retry.py), for whoever watches the installation."""

from datetime import UTC, datetime
from typing import Any

from services.core.database import Document, Mongo
from services.core.retry import RetryState
from services.models.user import Role, User
from services.ops.checks import Finding, State, counted, span

# Once or twice may be chance.
SOON_ENOUGH = 2
NAMED = 5
READ_MOST = 1_000
TICKET = (
    "Nobody is reminded of it meanwhile, so have a look at it yourself. The log of the jobs says "
    "why, at “set aside”."
)
DIGEST = "The log of the worker says why, at “set aside”."
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS: Document = {"alarm.aside.since": {"$gt": _ANY_TIME}}
_DIGESTS: Document = {"digestAside.since": {"$gt": _ANY_TIME}}


def count(db: Mongo) -> dict[str, int]:
    """How many of each kind."""
    return {
        "step": db.tickets.count_documents(_STEPS),
        "digest": len(_digests(db)),
    }


def what_is_stuck(db: Mongo, *, now: datetime) -> list[Finding]:
    """A finding for each, the oldest first, of at most `NAMED` a kind, and one for the others."""
    tickets = db.tickets.find(_STEPS, {"number": True, "alarm": True})
    found = [
        _finding(f"what is due by the clock for {_called(doc)}", doc["alarm"]["aside"], TICKET, now)
        for doc in tickets.sort("alarm.aside.since").limit(NAMED)
    ]
    found += [
        _finding(f"the digest of {doc.get('email')}", doc["digestAside"], DIGEST, now)
        for doc in _digests(db)[:NAMED]
    ]
    more = sum(count(db).values()) - len(found) if len(found) >= NAMED else 0
    if more > 0:
        found.append(Finding(State.WARN, f"{more} more are set aside", "See the log."))
    return found


def _digests(db: Mongo) -> list[Document]:
    """The accounts, the longest ago first. Whoever has left the help desk gets none anyway."""
    read = dict.fromkeys(("email", "role", "active", "digestAside"), True)
    found = db.users.find(_DIGESTS, read).sort("digestAside.since").limit(READ_MOST)
    users = ((doc, User.from_doc(doc)) for doc in found)
    return [doc for doc, user in users if user.active and user.role is not Role.USER]


def _finding(what: str, stored: Any, advice: str, now: datetime) -> Finding:
    aside = RetryState.from_doc(stored) or RetryState(now, 1, "")
    state = State.FAIL if aside.failure_count > SOON_ENOUGH else State.WARN
    said = (
        f"failed {counted(aside.failure_count, 'time')} within {span(now - aside.first_failed_at)}"
    )
    again = "and is tried again by itself"
    return Finding(state, f"{what} {said} ({aside.error}) {again}", advice)


def _called(doc: Document) -> str:
    return f"ticket {doc['number']}" if doc.get("number") else f"ticket {doc['_id']}"
