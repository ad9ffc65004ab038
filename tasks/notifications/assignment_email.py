"""Queues an email to the assignee of a ticket, in addition to the card in Slack."""

from datetime import datetime

from bson import ObjectId

from services.models.events import Event, EventType
from services.models.ticket import OPEN_STATUSES, Ticket
from services.outbox import deliveries
from services.outbox.deliveries import delivery_key
from services.outbox.emails import MAX_AGE_BY_KIND, EmailKind
from tasks.recipients import last_event
from tasks.runtime import Runtime

EMAIL_KIND = "mail"


def queue_assignment_email(runtime: Runtime, ticket: Ticket) -> None:
    """Once per assignment. The email then waits for the mail server by itself, so that neither the
    ticket nor any message in Slack does."""
    event = assignment_to_announce(ticket, now=runtime.clock()) if runtime.email else None
    if event is None:
        return
    key = delivery_key(seq=event.seq, kind=EMAIL_KIND, recipient=event.to)
    if deliveries.is_finished(ticket, key):
        return
    email_id = runtime.services.emails.queue(
        EmailKind.ASSIGNED,
        user_id=event.to,
        key=f"{ticket.id}:{key}",
        facts={"ticket": ticket.id, "seq": event.seq},
    )
    deliveries.mark_delegated(runtime.db, ticket.id, key)
    runtime.publisher.publish_email(email_id)


def assignment_to_announce(ticket: Ticket, *, now: datetime) -> Event | None:
    """The assignment to announce: by another user, current, and recent."""
    event = last_event(ticket, EventType.ASSIGNED)
    if event is None or not isinstance(event.to, ObjectId) or event.by == event.to:
        return None
    # What is older was made while mail was off.
    is_recent = now < event.at + MAX_AGE_BY_KIND[EmailKind.ASSIGNED]
    is_current = ticket.assigned_to == event.to and ticket.status in OPEN_STATUSES
    return event if is_current and is_recent else None
