"""Bugs that a run must find: `make chaos PLANT=name`. Each patches the product in its process."""

from collections.abc import Callable
from threading import Timer
from typing import Any

from pymongo.collection import Collection

from services.models.events import EventType
from services.outbox import pending
from services.tickets import filing
from tasks import recipients

Patch = Callable[[Any, str, Any], None]
INSERT_DELAY_SECONDS = 3.0


def skip_outbox_mark(patch: Patch = setattr) -> None:
    """A filed ticket is not in the outbox."""
    mark = pending.outbox_fields
    patch(filing, "outbox_fields", lambda now: {**mark(now), "outbox": False})


def answer_before_insert(patch: Patch = setattr) -> None:
    """The requester is answered, and the ticket is stored later."""
    for name in ("insert_one", "insert_many"):
        patch(Collection, name, _later(getattr(Collection, name)))


def _later(insert: Callable[..., Any]) -> Callable[..., Any]:
    def insert_later(self: Any, *args: Any, **options: Any) -> Any:
        if self.name != "tickets":
            return insert(self, *args, **options)
        timer = Timer(INSERT_DELAY_SECONDS, insert, (self, *args), options)
        timer.daemon = True
        timer.start()
        return None

    return insert_later


def forget_recipient(patch: Patch = setattr) -> None:
    """An assignee is not told about a ticket."""
    rules = {**recipients.RECIPIENT_RULES, EventType.ASSIGNED: lambda *_: iter(())}
    patch(recipients, "RECIPIENT_RULES", rules)


PLANTS: dict[str, Callable[[], None]] = {
    "skip-outbox-mark": skip_outbox_mark,
    "answer-before-insert": answer_before_insert,
    "forget-recipient": forget_recipient,
}
