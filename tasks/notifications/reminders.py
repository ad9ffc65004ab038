"""Send reminders of escalation steps: one message to a recipient for all that are due."""

from datetime import timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from celery import Task

from bot.views.messages import reminder_message as views
from bot.views.messages.reminder_message import ReminderLine
from bot.views.text import Message, display_person
from services.availability.quiet_hours import notifications_paused_until
from services.core.database import Document
from services.linking.directory import resolve_people
from services.models.escalation_track import EscalationStep, EscalationTrack
from services.models.ticket import Priority, Ticket
from services.models.user import Role
from services.outbox import deliveries
from services.outbox.reminders import (
    TRIAGE_RECIPIENT,
    UNASSIGNED_ALERT_PREFIX,
    Reminder,
    ReminderClaim,
    Reminders,
)
from services.team_settings.settings_service import BusinessHoursStore
from tasks.notifications import unassigned_alert
from tasks.notifications.reminder_rules import DueReminder, due_reminders
from tasks.notifications.reminders_delivery import load_tickets, send_claimed
from tasks.notifications.slack_delivery import MAX_COUNTDOWN_SECONDS, SlackRateLimited, post_message
from tasks.queue.celery_app import REMINDER_TASK, celery
from tasks.runtime import Runtime, current_runtime

# A new admin gets no older reminder that was sent to others already.
NEW_ADMIN_WINDOW = timedelta(days=1)


def queue_reminders(runtime: Runtime, ticket: Ticket) -> None:
    """Queue the reminders that the ticket calls for; from then on they wait, not the ticket."""
    oldest = runtime.clock() - NEW_ADMIN_WINDOW
    for due in due_reminders(
        ticket, admins=runtime.services.users.active_ids_with_role(Role.ADMIN)
    ):
        was_sent = deliveries.has_finished_delivery(ticket, seq=due.seq, kind=due.kind.value)
        if due.recipient == TRIAGE_RECIPIENT and not runtime.triage_channel:
            continue
        if deliveries.is_finished(ticket, due.key) or (was_sent and due.at < oldest):
            continue
        runtime.services.reminders.queue(
            key=_key(ticket, due),
            recipient=due.recipient,
            ticket_id=ticket.id,
            seq=due.seq,
            kind=due.kind.value,
            is_urgent=ticket.priority is Priority.URGENT,
        )
        deliveries.mark_delegated(runtime.db, ticket.id, due.key)


@celery.task(name=REMINDER_TASK, bind=True, max_retries=None)
def send_reminders(self: Task[Any, Any], to: str) -> None:
    """Send what is due for that recipient. Slack's rate limit is waited for; any other fault is
    left to the sweep."""
    try:
        run(current_runtime(), to)
    except SlackRateLimited as wait:
        if wait.seconds > MAX_COUNTDOWN_SECONDS:
            return
        raise self.retry(countdown=wait.seconds) from wait


def run(runtime: Runtime, recipient: str) -> None:
    if recipient.startswith(UNASSIGNED_ALERT_PREFIX):
        unassigned_alert.send_alerts(runtime, recipient)
        return
    reminders = runtime.services.reminders
    claim = reminders.claim(recipient)
    if claim is None:
        return
    claim = _defer_until_at_work(runtime, reminders, claim)
    pairs = _one_per_ticket(_still_relevant(runtime, reminders, claim))
    channel = _channel(runtime, recipient, pairs) if pairs else None
    if not pairs or channel is None:  # a user without a Slack account gets no reminder
        reminders.finish(claim, why="dropped")
        return
    _send(
        runtime,
        reminders,
        claim,
        channel,
        _message(runtime, recipient, pairs, unread=claim.unread_count),
    )


ReminderPair = tuple[Reminder, Ticket]


def _still_relevant(
    runtime: Runtime, reminders: Reminders, claim: ReminderClaim
) -> list[ReminderPair]:
    """The reminders that still apply, with their tickets; the others are discarded."""
    admins = runtime.services.users.active_ids_with_role(Role.ADMIN)
    tickets: dict[str, Ticket] = {}
    for ticket in load_tickets(runtime, claim.reminders):
        for due in due_reminders(ticket, admins=admins):
            tickets[_key(ticket, due)] = ticket
    reminders.discard(
        claim, [reminder for reminder in claim.reminders if reminder.id not in tickets]
    )
    return [
        (reminder, tickets[reminder.id]) for reminder in claim.reminders if reminder.id in tickets
    ]


def _one_per_ticket(pairs: list[ReminderPair]) -> list[ReminderPair]:
    """Keep the most relevant reminder of each ticket: an overdue one, which also has the Accept
    button."""
    by_ticket = {
        ticket.id: (reminder, ticket) for reminder, ticket in sorted(pairs, key=_relevance)
    }
    return list(by_ticket.values())


def _relevance(pair: ReminderPair) -> tuple[int, int]:
    reminder, _ = pair
    step = EscalationStep(reminder.kind)
    if step.rule.is_late:
        return 2, reminder.seq
    return (0 if step.track is EscalationTrack.DUE else 1), reminder.seq


def _key(ticket: Ticket, due: DueReminder) -> str:
    return f"{ticket.id}:{due.key}"


def _defer_until_at_work(
    runtime: Runtime, reminders: Reminders, claim: ReminderClaim
) -> ReminderClaim:
    """Defer what is not urgent while the recipient's notifications are paused. The triage channel
    goes by the business hours."""
    account: Document = {}
    if claim.recipient != TRIAGE_RECIPIENT:
        account = runtime.db.users.find_one({"_id": ObjectId(claim.recipient)}) or {}
    business_hours = BusinessHoursStore(runtime.db).read()
    until = notifications_paused_until(account, business_hours, now=runtime.clock())
    return reminders.defer(claim, until=until) if until else claim


def _channel(runtime: Runtime, recipient: str, pairs: list[ReminderPair]) -> str | None:
    if recipient == TRIAGE_RECIPIENT:
        return runtime.triage_channel or None
    team_id, reader = pairs[0][1].team_id or "", ObjectId(recipient)
    user = runtime.services.users.get(reader)
    if user is None or not user.active:
        return None
    return runtime.services.links.slack_ids(team_id=team_id, user_ids={reader}).get(reader)


def _message(
    runtime: Runtime, recipient: str, pairs: list[ReminderPair], *, unread: int
) -> Message:
    """The most urgent first."""
    pairs = sorted(pairs, key=lambda pair: (pair[1].queue_key or "", pair[1].id))
    shown = pairs[: views.MAX_TICKETS]
    ids = {ticket.assigned_to for _, ticket in shown if ticket.assigned_to}
    people = resolve_people(
        runtime.services.users,
        runtime.services.links,
        team_id=shown[0][1].team_id or "",
        user_ids=ids,
    )
    lines = [
        ReminderLine(
            ticket=ticket,
            step=EscalationStep(reminder.kind),
            assignee=display_person(people, ticket.assigned_to) if ticket.assigned_to else None,
            is_for_assignee=str(ticket.assigned_to) == recipient,
        )
        for reminder, ticket in shown
    ]
    return views.reminder_message(
        lines, count=len(pairs) + unread, is_channel=recipient == TRIAGE_RECIPIENT
    )


def _send(
    runtime: Runtime, reminders: Reminders, claim: ReminderClaim, channel: str, message: Message
) -> None:
    send = partial(post_message, runtime.slack, message, channel=channel)
    if send_claimed(runtime, reminders, claim, send):
        reminders.finish(claim, why="sent")
