"""Tell somebody of their tickets that time has passed for: one message for all that are due."""

from datetime import timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from celery import Task

from bot.views.messages import reminder_message as views
from bot.views.messages.reminder_message import Line
from bot.views.text import Message, person
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
from tasks.celery_app import NUDGE, celery
from tasks.notifications import unassigned_alert
from tasks.notifications.reminder_rules import DueReminder, wanted
from tasks.notifications.reminders_delivery import attempt, tickets_of
from tasks.notifications.slack import LONGEST_COUNTDOWN, SlackBusy, post_message
from tasks.runtime import Runtime, current

# What is older, and was told to somebody, is no news for who has become an admin since.
NEWS = timedelta(days=1)


def post(runtime: Runtime, ticket: Ticket) -> None:
    """Post the lines that the ticket calls for. From then on it is they that wait."""
    oldest = runtime.clock() - NEWS
    for line in wanted(ticket, admins=runtime.users.active_ids_with_role(Role.ADMIN)):
        was_told = deliveries.has_finished_delivery(ticket, seq=line.seq, kind=line.kind.value)
        if line.to == TRIAGE_RECIPIENT and not runtime.triage_channel:
            continue
        if deliveries.is_finished(ticket, line.key) or (was_told and line.at < oldest):
            continue
        Reminders(runtime.db, clock=runtime.clock).queue(
            key=_key(ticket, line),
            recipient=line.to,
            ticket_id=ticket.id,
            seq=line.seq,
            kind=line.kind.value,
            is_urgent=ticket.priority is Priority.URGENT,
        )
        deliveries.mark_delegated(runtime.db, ticket.id, line.key)


@celery.task(name=NUDGE, bind=True, max_retries=None)
def nudge(self: Task[Any, Any], to: str) -> None:
    """Send what is due for that recipient. Slack's rate limit is waited for; any other fault is
    left to the sweep."""
    try:
        run(current(), to)
    except SlackBusy as wait:
        if wait.seconds > LONGEST_COUNTDOWN:
            return
        raise self.retry(countdown=wait.seconds) from wait


def run(runtime: Runtime, to: str) -> None:
    if to.startswith(UNASSIGNED_ALERT_PREFIX):
        unassigned_alert.tell(runtime, to)
        return
    box = Reminders(runtime.db, clock=runtime.clock)
    claim = box.claim(to)
    if claim is None:
        return
    claim = _not_held(runtime, box, claim)
    left = _one_a_ticket(_still_so(runtime, box, claim))
    channel = _channel(runtime, to, left) if left else None
    if not left or channel is None:  # who has no Slack account is told in no other way
        box.finish(claim, why="dropped")
        return
    _send(runtime, box, claim, channel, _message(runtime, to, left, unread=claim.unread_count))


Pair = tuple[Reminder, Ticket]


def _still_so(runtime: Runtime, box: Reminders, claim: ReminderClaim) -> list[Pair]:
    """What is to be told; the rest is dropped."""
    admins = runtime.users.active_ids_with_role(Role.ADMIN)
    called: dict[str, Ticket] = {}
    for ticket in tickets_of(runtime, claim.reminders):
        for line in wanted(ticket, admins=admins):
            called[_key(ticket, line)] = ticket
    box.discard(claim, [nudge for nudge in claim.reminders if nudge.id not in called])
    return [(nudge, called[nudge.id]) for nudge in claim.reminders if nudge.id in called]


def _one_a_ticket(pairs: list[Pair]) -> list[Pair]:
    """That it is late says the most, and has the button to accept it as well."""
    told = {ticket.id: (nudge, ticket) for nudge, ticket in sorted(pairs, key=_weight)}
    return list(told.values())


def _weight(pair: Pair) -> tuple[int, int]:
    nudge, _ = pair
    kind = EscalationStep(nudge.kind)
    if kind is EscalationStep.DUE_SOON:
        return 0, nudge.seq
    return (2 if kind.track is EscalationTrack.DUE else 1), nudge.seq


def _key(ticket: Ticket, line: DueReminder) -> str:
    return f"{ticket.id}:{line.key}"


def _not_held(runtime: Runtime, box: Reminders, claim: ReminderClaim) -> ReminderClaim:
    """Only what is urgent is told to somebody who is not at work; the rest waits for them. The
    channel's hours are the office's."""
    account: Document = {}
    if claim.recipient != TRIAGE_RECIPIENT:
        account = runtime.db.users.find_one({"_id": ObjectId(claim.recipient)}) or {}
    office = BusinessHoursStore(runtime.db).read()
    until = notifications_paused_until(account, office, now=runtime.clock())
    return box.defer(claim, until=until) if until else claim


def _channel(runtime: Runtime, to: str, pairs: list[Pair]) -> str | None:
    if to == TRIAGE_RECIPIENT:
        return runtime.triage_channel or None
    team_id, reader = pairs[0][1].team_id or "", ObjectId(to)
    user = runtime.users.get(reader)
    if user is None or not user.active:
        return None
    return runtime.links.slack_ids(team_id=team_id, user_ids={reader}).get(reader)


def _message(runtime: Runtime, to: str, pairs: list[Pair], *, unread: int) -> Message:
    """The most urgent first."""
    pairs = sorted(pairs, key=lambda pair: (pair[1].queue_key or "", pair[1].id))
    shown = pairs[: views.SHOWN]
    ids = {ticket.assigned_to for _, ticket in shown if ticket.assigned_to}
    people = resolve_people(
        runtime.users, runtime.links, team_id=shown[0][1].team_id or "", user_ids=ids
    )
    lines = [
        Line(
            ticket=ticket,
            kind=EscalationStep(nudge.kind),
            assignee=person(people, ticket.assigned_to) if ticket.assigned_to else None,
            is_own=str(ticket.assigned_to) == to,
        )
        for nudge, ticket in shown
    ]
    return views.nudges(lines, count=len(pairs) + unread, is_channel=to == TRIAGE_RECIPIENT)


def _send(
    runtime: Runtime, box: Reminders, claim: ReminderClaim, channel: str, message: Message
) -> None:
    send = partial(post_message, runtime.slack, message, channel=channel)
    if attempt(runtime, box, claim, send):
        box.finish(claim, why="sent")
