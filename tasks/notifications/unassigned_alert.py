"""Alert the admins to tickets that no one is available for: each once, several in one message.

Further tickets are added to a message sent within the last minutes, so that many tickets notify
once. An alert does not wait for working hours: an admin has to decide.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from bot.views.messages import ticket_updates as views
from bot.views.text import Message, display_person
from services.assignment.assignment_service import Unavailability
from services.core.database import record
from services.models.events import Event, EventType
from services.models.ticket import OPEN_STATUSES, Ticket
from services.models.user import Role
from services.outbox import deliveries
from services.outbox.deliveries import delivery_key
from services.outbox.reminders import UNASSIGNED_ALERT_PREFIX, Reminder, SentMessage
from services.tickets.queries import load_for_reminders
from services.tickets.transitions import is_queued_unassigned
from tasks.notifications.slack_delivery import (
    REMINDER_RETRY_DELAY,
    OutcomeKind,
    SlackOutcome,
    call_slack,
    post_message,
    record_outcome,
)
from tasks.recipients import last_event
from tasks.runtime import Runtime

ALERT_KIND = "unassigned"
# For how long further tickets are added to a message, which notifies no one.
APPEND_WINDOW = timedelta(minutes=5)


def queue_alerts(runtime: Runtime, ticket: Ticket) -> None:
    """Queue an alert for each admin with a Slack account, except the requester."""
    event = _alert_event(ticket)
    if event is None:
        return
    admins = set(runtime.services.users.active_ids_with_role(Role.ADMIN)) - {ticket.created_by}
    reached = runtime.services.links.slack_ids(team_id=ticket.team_id or "", user_ids=admins)
    for admin in sorted(reached):
        key = delivery_key(seq=event.seq, kind=ALERT_KIND, recipient=admin)
        if deliveries.is_finished(ticket, key):
            continue
        runtime.services.reminders.queue(
            key=f"{ticket.id}:{key}",
            recipient=f"{UNASSIGNED_ALERT_PREFIX}{admin}",
            ticket_id=ticket.id,
            seq=event.seq,
            kind=ALERT_KIND,
        )
        deliveries.mark_delegated(runtime.db, ticket.id, key)


def send_alerts(runtime: Runtime, recipient: str) -> None:
    """Send what is due for that recipient, or add it to the last message."""
    reminders, now = runtime.services.reminders, runtime.clock()
    claim = reminders.claim(recipient)
    if claim is None:
        return
    if not reminders.is_sole_claimer(claim):  # a moment later both go into one message
        reminders.release_claim(claim, until=now + REMINDER_RETRY_DELAY)
        return
    before = reminders.last_sent(recipient, since=now - APPEND_WINDOW)
    tickets = _still_relevant(runtime, [*(before.reminders if before else ()), *claim.reminders])
    reminders.discard(
        claim, [reminder for reminder in claim.reminders if reminder.id not in tickets]
    )
    new = [tickets[reminder.id] for reminder in claim.reminders if reminder.id in tickets]
    channel = _channel(runtime, recipient, new)
    if channel is None:
        reminders.finish(claim, why="dropped")
        return
    outcome = _append(runtime, before, _message(runtime, tickets.values())) if before else None
    if outcome is None or outcome.kind is OutcomeKind.PERMANENT:  # nothing to append to
        outcome = post_message(runtime.slack, _message(runtime, new), channel=channel)
    answer = record_outcome(reminders, claim, outcome, now=now)
    if answer:
        place = answer["channel"], answer["ts"]
        is_appended = before is not None and (before.channel, before.ts) == place
        sent_at = before.sent_at if before and is_appended else now
        record(lambda: reminders.mark_sent(claim, SentMessage(*place, sent_at=sent_at)))


def _alert_event(ticket: Ticket) -> Event | None:
    """Return the event to alert to: no one was available, and the ticket is still unassigned."""
    is_still_unassigned = (
        ticket.assigned_to is None
        and ticket.status in OPEN_STATUSES
        and is_queued_unassigned(ticket)
    )
    return last_event(ticket, EventType.NOBODY_AVAILABLE) if is_still_unassigned else None


def _still_relevant(runtime: Runtime, reminders: Sequence[Reminder]) -> dict[str, Ticket]:
    """Return the tickets that still need the alert, by the id of the reminder."""
    found = load_for_reminders(runtime.db, (reminder.ticket_id for reminder in reminders))
    alerted = {
        (ticket.id, event.seq): ticket for ticket in found if (event := _alert_event(ticket))
    }
    keys = {reminder.id: (reminder.ticket_id, reminder.seq) for reminder in reminders}
    return {reminder_id: alerted[key] for reminder_id, key in keys.items() if key in alerted}


def _channel(runtime: Runtime, recipient: str, tickets: Sequence[Ticket]) -> str | None:
    """Return None if no ticket still needs the alert, or the recipient is no longer an admin linked
    to Slack."""
    admin = ObjectId(recipient.removeprefix(UNASSIGNED_ALERT_PREFIX))
    if not tickets or admin not in runtime.services.users.active_ids_with_role(Role.ADMIN):
        return None
    team_id = tickets[0].team_id or ""
    return runtime.services.links.slack_ids(team_id=team_id, user_ids={admin}).get(admin)


def _message(runtime: Runtime, tickets: Collection[Ticket]) -> Message:
    ordered = sorted(tickets, key=lambda ticket: (ticket.queue_key or "", ticket.id))
    first, now = ordered[0], runtime.clock()
    unavailable = _unavailable(runtime, ordered, now)
    ids = {one.candidate.user_id for one in unavailable[: views.MAX_UNAVAILABLE_PEOPLE]}
    people = runtime.people(first, ids | ({first.created_by} if first.created_by else set()))
    reasons = [(display_person(people, one.candidate.user_id), one) for one in unavailable]
    if len(ordered) > 1:
        listed = ordered[: views.MAX_UNASSIGNED_TICKETS]
        return views.unassigned_summary(listed, count=len(ordered), unavailable=reasons, now=now)
    requester = display_person(people, first.created_by)
    return views.unassigned_message(first, requester=requester, unavailable=reasons, now=now)


def _unavailable(
    runtime: Runtime, tickets: Sequence[Ticket], now: datetime
) -> list[Unavailability]:
    service, (first, *others) = runtime.services.assignments, tickets
    if others:
        return service.unavailable_for_several(team_id=first.team_id or "", now=now)
    history = runtime.services.models.resolver_scores(first.text)
    return service.unavailable(first, now=now, history=history)


def _append(runtime: Runtime, before: SentMessage, message: Message) -> SlackOutcome:
    return call_slack(
        lambda: runtime.slack.chat_update(channel=before.channel, ts=before.ts, **message.as_args())
    )
