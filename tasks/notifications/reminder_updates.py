"""Which sent reminders and alerts have to say that someone has acted on their ticket."""

from collections.abc import Sequence

from services.models.escalation_track import EscalationStep
from services.models.ticket import Ticket
from services.outbox import deliveries
from services.outbox.reminders import Reminder
from services.tickets.queries import load_for_reminders
from tasks.notifications.settled_messages import last_action
from tasks.queue.celery_app import REMINDER_TASK
from tasks.runtime import Runtime

ALERT_KIND = "unassigned"
_KINDS = frozenset({*EscalationStep, ALERT_KIND})


def request_updates(runtime: Runtime, ticket: Ticket) -> None:
    """Request an update of the messages about the ticket that were sent before someone acted."""
    keys = [str(delivery["key"]) for delivery in ticket.deliveries if "ts" not in delivery]
    ids = [f"{ticket.id}:{key}" for key in keys if deliveries.parse_delivery_key(key)[1] in _KINDS]
    if ids:
        _request_updates(runtime, ticket, ids)


def request_updates_since(runtime: Runtime, sent: Sequence[Reminder]) -> None:
    """As `request_updates`, of reminders just sent, for what was done at the same time."""
    for ticket in load_for_reminders(runtime.db, (reminder.ticket_id for reminder in sent)):
        ids = [reminder.id for reminder in sent if reminder.ticket_id == ticket.id]
        _request_updates(runtime, ticket, ids)


def _request_updates(runtime: Runtime, ticket: Ticket, ids: Sequence[str]) -> None:
    action = last_action(ticket, since=0)
    changes = [action] if action else []
    changes += [event for event in ticket.events if event.field == "private"]
    if not changes:
        return
    seq = max(event.seq for event in changes)
    for recipient in runtime.services.reminders.request_updates(ids, seq=seq):
        runtime.publisher.send(REMINDER_TASK, to=recipient)
