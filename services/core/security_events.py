"""Security events: sign-ins and refusals, each one log line and one count in `/metrics`.

    security_events.record(SecurityEvent.SIGN_IN_FAILED, account=user.id)

A line has the event's name and ids, and in a request over HTTP the client's address. It never has
a text that a caller sent: an address, a header or a path could forge a line or name a person.
`reason` tells apart the refusals of one kind; it is a metric label, so it comes from a closed list.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum

from bson import ObjectId

from services.core.logs import structured
from services.core.metrics import NOOP_METER, SECURITY_EVENTS, Meter

logger = logging.getLogger(__name__)


class SecurityEvent(StrEnum):
    """The values are logged, and labels of the metric."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    RATE_LIMITED = "rate_limited"
    FORM_REFUSED = "form_refused"  # CSRF
    SIGNATURE_REFUSED = "signature_refused"  # of a request to /slack/events
    WORKSPACE_REFUSED = "workspace_refused"  # a payload of another workspace
    CODE_REFUSED = "code_refused"  # a wrong one-time code
    TOKEN_REFUSED = "token_refused"  # noqa: S105  no token
    PERMISSION_DENIED = "permission_denied"


_find_client: ContextVar[Callable[[], str | None]] = ContextVar("client", default=lambda: None)
_meter: Meter = NOOP_METER


def count_in(meter: Meter) -> None:
    """Count the events of this process in `meter`; called once, when the process is built."""
    global _meter  # noqa: PLW0603  one per process, as the logging configuration
    _meter = meter


@contextmanager
def client_scope(find_client: Callable[[], str | None]) -> Iterator[None]:
    """Set the function that returns the address of the client whose request the block handles."""
    token = _find_client.set(find_client)
    try:
        yield
    finally:
        _find_client.reset(token)


def record(
    event: SecurityEvent,
    *,
    reason: str = "",
    account: ObjectId | None = None,
    member: str | None = None,
) -> None:
    """Log and count an event.

    `account` is the account concerned, if known, and `member` the Slack member, as TEAM:USER.
    """
    fields = {
        "event": event.value,
        "reason": reason,
        "account": str(account or ""),
        "member": member or "",
        "client": _find_client.get()() or "",
    }
    level = logging.INFO if event is SecurityEvent.SIGNED_IN else logging.WARNING
    logger.log(level, "security event", extra=structured({k: v for k, v in fields.items() if v}))
    _meter.count(SECURITY_EVENTS, event.value, reason)
