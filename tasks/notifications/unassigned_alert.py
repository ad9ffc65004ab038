"""Alert the admins to tickets that no one is available for: each once, several in one message.

Further tickets are added to a message sent within the last minutes, so that many tickets notify
once. Once someone has acted on a ticket, its line in the message says so. An alert does not wait
for working hours: an admin has to decide.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeGuard

from bson import ObjectId

from bot.views import labels
from bot.views.messages import ticket_updates as views
from bot.views.messages.settled import settled_message
from bot.views.text import Message, display_person
from services.assignment.assignment_service import Unavailability
from services.core.database import record
from services.models.events import Event, EventType
from services.models.ticket import OPEN_STATUSES, Ticket
from services.models.user import Role
from services.outbox import deliveries
from services.outbox.deliveries import delivery_key
from services.outbox.reminders import UNASSIGNED_ALERT_PREFIX, Reminder, SentMessage
from services.tickets.access import concealed
from services.tickets.queries import load_for_reminders
from tasks.notifications.reminder_updates import ALERT_KIND, request_updates_since
from tasks.notifications.settled_messages import action_sentence, last_action
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

# For how long further tickets are added to a message, which notifies no one.
APPEND_WINDOW = timedelta(minutes=5)


def queue_alerts(runtime: Runtime, ticket: Ticket) -> None:
    """Queue an alert for each admin with a Slack account, except the requester. That of a private
    ticket is for those whom the settings name, if there are any."""
    event = _alert_event(ticket)
    if event is None:
        return
    admins = _recipients(runtime, ticket)
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


def _recipients(runtime: Runtime, ticket: Ticket) -> set[ObjectId]:
    users = runtime.services.users
    named = users.active_ids_for_private_tickets() if ticket.private else []
    not_these = (ticket.created_by, ticket.not_to)
    return set(named or users.active_ids_with_role(Role.ADMIN)).difference(not_these)


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
    reader = ObjectId(_admin_id(recipient))
    tickets = {
        reminder_id: ticket
        for reminder_id, ticket in _still_relevant(runtime, claim.reminders).items()
        if runtime.may_show(ticket, reader)
    }
    reminders.discard(
        claim, [reminder for reminder in claim.reminders if reminder.id not in tickets]
    )
    new = [reminder for reminder in claim.reminders if reminder.id in tickets]
    channel = _channel(runtime, recipient, list(tickets.values()))
    message = build_message(runtime, new)
    if channel is None or message is None:
        reminders.finish(claim, why="dropped")
        return
    appended = build_message(runtime, [*before.reminders, *new]) if before else None
    outcome = _append(runtime, before, appended) if before and appended else None
    if outcome is None or outcome.kind is OutcomeKind.PERMANENT:  # nothing to append to
        outcome = post_message(runtime.slack, message, channel=channel)
    answer = record_outcome(reminders, claim, outcome, now=now)
    if answer:
        place = answer["channel"], answer["ts"]
        is_appended = before is not None and (before.channel, before.ts) == place
        sent_at = before.sent_at if before and is_appended else now
        seqs = {ticket.id: ticket.seq for ticket in tickets.values()}
        sent = SentMessage(*place, sent_at=sent_at, shown_seqs=seqs)
        record(lambda: reminders.mark_sent(claim, sent))
        request_updates_since(runtime, new)


def _alert_event(ticket: Ticket) -> Event | None:
    """Return the event to alert to: no one was available, and the ticket is still unassigned."""
    is_still_unassigned = (
        ticket.assigned_to is None
        and ticket.status in OPEN_STATUSES
        and ticket.is_queued_unassigned
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
    """Return None if no ticket still needs the alert, or the recipient is no longer one of those
    who get it, or not linked to Slack."""
    admin = ObjectId(_admin_id(recipient))
    if not any(admin in _recipients(runtime, ticket) for ticket in tickets):
        return None
    team_id = tickets[0].team_id or ""
    return runtime.services.links.slack_ids(team_id=team_id, user_ids={admin}).get(admin)


def build_message(runtime: Runtime, reminders: Sequence[Reminder]) -> Message | None:
    """Return the alert about these tickets, sent or not, as they are now: those that need someone,
    and what was done about the others. None if there is none of either."""
    waiting, settled = _waiting_and_settled(runtime, reminders)
    tickets = [*waiting, *(ticket for ticket, _ in settled)]
    if not tickets:
        return None
    first, now = tickets[0], runtime.clock()
    unavailable = _unavailable(runtime, waiting, now) if waiting else []
    ids = {one.candidate.user_id for one in unavailable[: views.MAX_UNAVAILABLE_PEOPLE]}
    ids |= {who for _, action in settled for who in (action.by, action.to) if _is_user(who)}
    people = runtime.people([first], ids | ({first.created_by} if first.created_by else set()))
    person, recipient = partial(display_person, people), _admin_id(reminders[0].recipient)
    outcomes = [
        (ticket, action_sentence(ticket, action, person, recipient=recipient))
        for ticket, action in settled
    ]
    reasons = [(person(one.candidate.user_id), one) for one in unavailable]
    if len(tickets) > 1:
        listed = waiting[: views.MAX_UNASSIGNED_TICKETS]
        return views.unassigned_summary(
            listed, count=len(waiting), unavailable=reasons, now=now, settled=outcomes
        )
    if outcomes:
        ((_, outcome),) = outcomes
        name = f"*{labels.ticket_name(first)}*"
        return settled_message(first, f"{name}: {outcome}", short=outcome)
    requester = person(first.created_by)
    return views.unassigned_message(first, requester=requester, unavailable=reasons, now=now)


def _waiting_and_settled(
    runtime: Runtime, reminders: Sequence[Reminder]
) -> tuple[list[Ticket], list[tuple[Ticket, Event]]]:
    """Return the tickets that still need the alert, the most urgent first, and of the others those
    that were acted on since it was sent, with the last action."""
    found = load_for_reminders(runtime.db, (reminder.ticket_id for reminder in reminders))
    reader = ObjectId(_admin_id(reminders[0].recipient)) if reminders else ObjectId()
    found = [one if runtime.may_show(one, reader) else concealed(one) for one in found]
    last = {reminder.ticket_id: reminder for reminder in sorted(reminders, key=lambda r: r.seq)}
    waiting, acted_on = [], []
    for ticket in sorted(found, key=lambda ticket: (ticket.queue_key or "", ticket.id)):
        reminder, event = last[ticket.id], _alert_event(ticket)
        since = reminder.shown_seq
        action = last_action(ticket, since=since) if since is not None else None
        if action and action.type != EventType.EDITED:
            acted_on.append((ticket, action))
        elif event and event.seq == reminder.seq:
            waiting.append(ticket)
    return waiting, acted_on[: views.MAX_UNASSIGNED_TICKETS]


def _is_user(who: object) -> TypeGuard[ObjectId]:
    return isinstance(who, ObjectId)


def _admin_id(recipient: str) -> str:
    return recipient.removeprefix(UNASSIGNED_ALERT_PREFIX)


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
