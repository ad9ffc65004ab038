"""Reminders of escalation steps: which a ticket calls for, and one message per recipient.

A reminder that no longer applies is not sent, even if it was queued while it did. Once someone has
acted on a ticket, the messages about it say so, without its buttons.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from bson import ObjectId
from celery import Task

from bot.views.messages import reminder_message as views
from bot.views.messages.reminder_message import ReminderLine
from bot.views.text import Message, display_person
from services.availability.absence import notifications_paused_until
from services.core.database import Document, record
from services.models.escalation_track import Audience, EscalationStep, EscalationTrack
from services.models.events import Event, EventType
from services.models.ticket import Priority, Ticket
from services.models.user import Role
from services.outbox import deliveries
from services.outbox.deliveries import delivery_key
from services.outbox.reminders import (
    TRIAGE_RECIPIENT,
    UNASSIGNED_ALERT_PREFIX,
    Reminder,
    ReminderClaim,
    Reminders,
    SentMessage,
)
from services.sla.escalation_schedule import NEXT_STEP_FIELD, is_current_step
from services.team_settings.settings_service import TeamSettings
from services.tickets.access import concealed
from services.tickets.queries import load_for_reminders, load_ticket
from tasks.notifications import unassigned_alert
from tasks.notifications.reminder_updates import ALERT_KIND, request_updates_since
from tasks.notifications.settled_messages import action_sentence, last_action
from tasks.notifications.slack_delivery import (
    REMINDER_RETRY_DELAY,
    SlackOutcome,
    SlackRateLimited,
    call_slack,
    post_message,
    record_outcome,
    update_message,
)
from tasks.queue.celery_app import REMINDER_TASK, celery
from tasks.recipients import TRIAGE, last_event
from tasks.runtime import Runtime, current_runtime

# A new admin gets no older reminder that was sent to others already.
NEW_ADMIN_WINDOW = timedelta(days=1)
# Of more tickets, the triage channel gets one message: Slack accepts one a second there.
MAX_THREADS = 5


@dataclass(frozen=True, slots=True)
class DueReminder:
    """A reminder for a recipient; `key` identifies it."""

    seq: int
    at: datetime
    kind: EscalationStep
    recipient: ObjectId | str

    @property
    def key(self) -> str:
        return delivery_key(seq=self.seq, kind=self.kind.value, recipient=self.recipient)


def queue_reminders(runtime: Runtime, ticket: Ticket) -> None:
    """Queue the reminders that the ticket calls for, so that the ticket itself need not wait for
    them."""
    if not _current_steps(ticket):
        return
    oldest = runtime.clock() - NEW_ADMIN_WINDOW
    for due in due_reminders(
        ticket, admins=runtime.services.users.active_ids_with_role(Role.ADMIN)
    ):
        was_sent = deliveries.has_finished_delivery(ticket, seq=due.seq, kind=due.kind.value)
        if due.recipient == TRIAGE_RECIPIENT and not runtime.current_triage_channel():
            continue
        if not _may_get(runtime, ticket, due.recipient):
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
    """Send what is due for that recipient. Wait for Slack's rate limit; leave any other failure to
    the sweep."""
    try:
        run(current_runtime(), to)
    except SlackRateLimited as limit:
        limit.retry(self)


def run(runtime: Runtime, recipient: str) -> None:
    """Update the messages that are out of date. Send nothing if no reminder is due and still
    applies, or the recipient is not in Slack."""
    _update_messages(runtime, recipient)
    if recipient.startswith(UNASSIGNED_ALERT_PREFIX):
        unassigned_alert.send_alerts(runtime, recipient)
        return
    reminders = runtime.services.reminders
    claim = reminders.claim(recipient)
    if claim is None:
        return
    claim = _defer_until_at_work(runtime, reminders, claim)
    pairs = _one_per_ticket(_still_relevant(runtime, reminders, claim))
    threads = _triage_threads(runtime, pairs) if recipient == TRIAGE_RECIPIENT else {}
    for pair in pairs:
        if thread_ts := threads.get(pair.ticket.id):
            own = reminders.split(claim, ticket_id=pair.ticket.id)
            _send(runtime, own, [pair], thread_ts=thread_ts)
    _send(runtime, claim, [pair for pair in pairs if pair.ticket.id not in threads])


def _send(
    runtime: Runtime,
    claim: ReminderClaim,
    pairs: list["ReminderPair"],
    *,
    thread_ts: str | None = None,
) -> None:
    """Send one message about these tickets, if there are any, and finish the claim."""
    reminders, recipient = runtime.services.reminders, claim.recipient
    channel = _channel(runtime, recipient, pairs) if pairs else None
    if channel is None:
        reminders.finish(claim, why="dropped")
        return
    message = _message(runtime, recipient, pairs, count=len(pairs) + claim.unread_count)
    outcome = post_message(runtime.slack, message, channel=channel, thread_ts=thread_ts)
    if answer := record_outcome(reminders, claim, outcome, now=runtime.clock()):
        seqs = {ticket.id: ticket.seq for _, ticket in pairs}
        sent = SentMessage(
            answer["channel"], answer["ts"], sent_at=runtime.clock(), shown_seqs=seqs
        )
        record(lambda: reminders.mark_sent(claim, sent))
        request_updates_since(runtime, claim.reminders)


def _update_messages(runtime: Runtime, recipient: str) -> None:
    """Show in the recipient's messages what was done since. Slack notifies no one of that."""
    reminders, now = runtime.services.reminders, runtime.clock()
    claim = reminders.claim_updates(recipient)
    if claim is None:
        return
    if not reminders.is_sole_claimer(claim):  # of two workers, one would show an older state
        reminders.release_claim(claim, until=now + REMINDER_RETRY_DELAY)
        return
    for first in {reminder.place: reminder for reminder in claim.reminders}.values():
        if first.place is None:
            continue
        outcome = _update(runtime, first, *first.place)
        if outcome is None:
            continue
        if not outcome.is_final:
            record_outcome(reminders, claim, outcome, now=now)
            return
    reminders.finish(claim, why="sent")


def _update(runtime: Runtime, reminder: Reminder, channel: str, ts: str) -> SlackOutcome | None:
    """Update the message of a sent reminder to what it shows now, or delete it in a channel if its
    tickets are all private now. None if its tickets are gone."""
    together = runtime.services.reminders.sent_with(reminder)
    if reminder.kind == ALERT_KIND:
        message = unassigned_alert.build_message(runtime, together)
    else:
        pairs = _shown(runtime, reminder.recipient, _pairs(runtime, together))
        if pairs is not None and not pairs:
            return call_slack(lambda: runtime.slack.chat_delete(channel=channel, ts=ts))
        message = _message(runtime, reminder.recipient, pairs, count=len(pairs)) if pairs else None
    if message is None:
        return None
    return update_message(
        runtime.slack, message, channel=channel, ts=ts, about=f"reminder to {reminder.recipient}"
    )


def _shown(
    runtime: Runtime, recipient: str, pairs: list["ReminderPair"]
) -> list["ReminderPair"] | None:
    """Return what the recipient may read of these tickets: a channel nothing of private ones, a
    user who lost sight of one its number. None if there is no ticket."""
    if not pairs:
        return None
    if recipient == TRIAGE_RECIPIENT:
        return [pair for pair in pairs if not pair.ticket.private]
    reader = ObjectId(recipient)

    def shown(pair: ReminderPair) -> ReminderPair:
        is_shown = runtime.may_show(pair.ticket, reader)
        return pair if is_shown else pair._replace(ticket=concealed(pair.ticket))

    return [shown(pair) for pair in pairs]


def _pairs(runtime: Runtime, together: Sequence[Reminder]) -> list["ReminderPair"]:
    """Return the reminders that were sent in one message, with their tickets."""
    found = load_for_reminders(runtime.db, (each.ticket_id for each in together))
    tickets = {ticket.id: ticket for ticket in found}
    return _one_per_ticket(
        [
            ReminderPair(each, tickets[each.ticket_id])
            for each in together
            if each.ticket_id in tickets
        ]
    )


class ReminderPair(NamedTuple):
    reminder: Reminder
    ticket: Ticket


def _still_relevant(
    runtime: Runtime, reminders: Reminders, claim: ReminderClaim
) -> list[ReminderPair]:
    """Return the reminders that still apply, with their tickets; discard the others."""
    admins = runtime.services.users.active_ids_with_role(Role.ADMIN)
    tickets: dict[str, Ticket] = {}
    ids = (reminder.ticket_id for reminder in claim.reminders)
    for ticket in load_for_reminders(runtime.db, ids):
        for due in due_reminders(ticket, admins=admins):
            if _may_get(runtime, ticket, due.recipient):
                tickets[_key(ticket, due)] = ticket
    reminders.discard(
        claim, [reminder for reminder in claim.reminders if reminder.id not in tickets]
    )
    return [
        ReminderPair(reminder, tickets[reminder.id])
        for reminder in claim.reminders
        if reminder.id in tickets
    ]


def _one_per_ticket(pairs: list[ReminderPair]) -> list[ReminderPair]:
    """Keep the most relevant reminder of each ticket: an overdue one, which also has the Accept
    button."""
    return list({pair.ticket.id: pair for pair in sorted(pairs, key=_relevance)}.values())


def _relevance(pair: ReminderPair) -> tuple[int, int]:
    step, seq = EscalationStep(pair.reminder.kind), pair.reminder.seq
    if step.rule.is_late:
        return 2, seq
    return (0 if step.track is EscalationTrack.DUE else 1), seq


def _may_get(runtime: Runtime, ticket: Ticket, recipient: ObjectId | str) -> bool:
    """Return whether the recipient may see the ticket, and its requester wants them to get it."""
    return runtime.may_show(ticket, recipient) and recipient != ticket.not_to


def _key(ticket: Ticket, due: DueReminder) -> str:
    return f"{ticket.id}:{due.key}"


def _triage_threads(runtime: Runtime, pairs: Sequence[ReminderPair]) -> dict[ObjectId, str]:
    """Return the threads of the cards in the triage channel, by ticket, for tickets whose assignee
    works on them.

    A ticket that no one has accepted needs someone in the channel, and many tickets are one
    message.
    """
    accepted = [
        pair.ticket for pair in pairs if pair.ticket.assigned_to and pair.ticket.accepted_at
    ]
    if len(accepted) > MAX_THREADS:
        return {}
    channel = runtime.current_triage_channel()
    loaded = (load_ticket(runtime.db, str(ticket.id)) for ticket in accepted)  # with their cards
    return {
        ticket.id: card.ts
        for ticket in loaded
        if ticket
        for card in ticket.cards
        if (card.kind, card.channel) == (TRIAGE, channel)
    }


def _defer_until_at_work(
    runtime: Runtime, reminders: Reminders, claim: ReminderClaim
) -> ReminderClaim:
    """Defer what is not urgent while the recipient's notifications are paused. The business hours
    apply to the triage channel."""
    account: Document = {}
    if claim.recipient != TRIAGE_RECIPIENT:
        account = runtime.db.users.find_one({"_id": ObjectId(claim.recipient)}) or {}
    business_hours = TeamSettings(runtime.db).business_hours()
    until = notifications_paused_until(account, business_hours, now=runtime.clock())
    return reminders.defer(claim, until=until) if until else claim


def _channel(runtime: Runtime, recipient: str, pairs: list[ReminderPair]) -> str | None:
    if recipient == TRIAGE_RECIPIENT:
        return runtime.current_triage_channel() or None
    team_id, reader = pairs[0].ticket.team_id or "", ObjectId(recipient)
    user = runtime.services.users.get(reader)
    if user is None or not user.active:
        return None
    return runtime.services.links.slack_ids(team_id=team_id, user_ids={reader}).get(reader)


def _message(runtime: Runtime, recipient: str, pairs: list[ReminderPair], *, count: int) -> Message:
    """List the most urgent tickets first, and last those that were acted on since."""
    actions = {pair.ticket.id: _action_since(pair) for pair in pairs}
    pairs = sorted(
        pairs,
        key=lambda pair: (
            actions[pair.ticket.id] is not None,
            pair.ticket.queue_key or "",
            pair.ticket.id,
        ),
    )
    shown = pairs[: views.MAX_TICKETS]
    ids = {who for _, ticket in shown for who in (ticket.assigned_to, ticket.created_by) if who}
    ids |= {
        who
        for _, ticket in shown
        if (action := actions[ticket.id])
        for who in (action.by, action.to)
        if isinstance(who, ObjectId)
    }
    people, now = runtime.people([shown[0].ticket], ids), runtime.clock()
    person = partial(display_person, people)
    lines = [
        ReminderLine(
            ticket=ticket,
            step=EscalationStep(reminder.kind),
            now=now,
            requester=display_person(people, ticket.created_by),
            assignee=display_person(people, ticket.assigned_to) if ticket.assigned_to else None,
            is_for_assignee=str(ticket.assigned_to) == recipient,
            outcome=action_sentence(ticket, action, person, recipient=recipient)
            if (action := actions[ticket.id])
            else "",
        )
        for reminder, ticket in shown
    ]
    return views.reminder_message(lines, count=count, is_channel=recipient == TRIAGE_RECIPIENT)


def _action_since(pair: ReminderPair) -> Event | None:
    """Return how the ticket was acted on since the reminder was sent. One that says who has the
    ticket now asks for nothing."""
    since, ticket = pair.reminder.shown_seq, pair.ticket
    if since is None or pair.reminder.kind == EscalationStep.ACCEPT_REASSIGN:
        return None
    return last_action(ticket, since=since)


def due_reminders(ticket: Ticket, *, admins: Sequence[ObjectId]) -> list[DueReminder]:
    """Return every reminder that the ticket calls for in its present state, whether sent or not:
    one per recipient and escalation track, for the last step with that recipient in its audience.
    Later steps for others do not replace it: it may still wait for a worker, for Slack, or for the
    recipient's working hours."""
    found: dict[tuple[ObjectId | str, EscalationTrack], DueReminder] = {}
    for event in _current_steps(ticket):
        kind = EscalationStep(event.to)
        for recipient in _recipients(event, kind, ticket, admins):
            found[recipient, kind.track] = DueReminder(event.seq, event.at, kind, recipient)
    return list(found.values())


def _current_steps(ticket: Ticket) -> list[Event]:
    """The events of each escalation track since its last restart, oldest first, without tracks that
    have ended."""
    runs: dict[EscalationTrack, list[Event]] = {}
    for event in ticket.events:
        if event.field == NEXT_STEP_FIELD and event.to in set(EscalationStep):
            track = EscalationStep(event.to).track
            continues = event.from_ in track.steps
            runs[track] = [*(runs.get(track, ()) if continues else ()), event]
    current = (run for run in runs.values() if is_current_step(ticket, EscalationStep(run[-1].to)))
    return sorted(chain.from_iterable(current), key=lambda event: event.seq)


def _recipients(
    event: Event, step: EscalationStep, ticket: Ticket, admins: Sequence[ObjectId]
) -> Iterator[ObjectId | str]:
    audience = _audience(event, step)
    if Audience.FORMER_ASSIGNEE in audience and isinstance(event.from_, ObjectId):
        yield event.from_  # the new assignee gets the card
        return
    if Audience.TRIAGE_CHANNEL in audience:
        yield TRIAGE_RECIPIENT
    if Audience.ADMINS in audience:
        yield from admins
    if Audience.ASSIGNEE in audience and ticket.assigned_to and _was_assignee_then(ticket, event):
        yield ticket.assigned_to


def _audience(event: Event, step: EscalationStep) -> frozenset[Audience]:
    """The audience of the step, and of the steps that were skipped: after a pause of the jobs, or
    because there was no triage channel."""
    # The step before; None if it was the first, or the ticket had another assignee then.
    previous = EscalationStep(event.from_) if event.from_ in tuple(EscalationStep) else None
    skipped = step.steps_after(previous)[:-1]
    missed = frozenset(reader for step in skipped for reader in step.rule.audience)
    if step.track.is_sequential:  # it skips the channel only if there is none
        missed -= {Audience.TRIAGE_CHANNEL}
    return step.rule.audience | missed


def _was_assignee_then(ticket: Ticket, event: Event) -> bool:
    """A later assignee sees the state on the card."""
    assigned = last_event(ticket, EventType.ASSIGNED)
    return assigned is None or assigned.seq < event.seq
