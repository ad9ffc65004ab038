"""Reminders of tickets that are overdue, due soon or not accepted, several in one message."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.views import ids, labels
from bot.views.blocks import actions, context, mrkdwn_section
from bot.views.cards.action_buttons import action_button
from bot.views.due_text import format_datetime, lateness
from bot.views.text import Block, DisplayPerson, Message, escape, masked, mrkdwn
from services.core.text import truncate
from services.models.escalation_track import EscalationStep, EscalationTrack
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role
from services.tickets.lifecycle import TicketAction, allowed_actions

# With two blocks each, well below the 50 blocks of a message.
MAX_TICKETS = 10
MAX_TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class ReminderLine:
    """A ticket in a reminder, and when it is sent. `is_for_assignee`: the reader is the assignee;
    otherwise `assignee` names them, or is None. `outcome` says, as mrkdwn, what happened since it
    was sent; "" if nothing has."""

    ticket: Ticket
    step: EscalationStep
    now: datetime
    requester: DisplayPerson
    assignee: DisplayPerson | None
    is_for_assignee: bool
    outcome: str = ""


def reminder_message(
    lines: Sequence[ReminderLine], *, count: int, is_channel: bool = False
) -> Message:
    """`lines` are the first of `count`, those with an outcome last. In a channel, people are named
    but not mentioned."""
    shown = lines[:MAX_TICKETS]
    blocks: list[Block] = []
    if count > 1 and (open_count := _open_count(shown, count)):
        blocks.append(mrkdwn_section(f"*{_heading(open_count)}*"))
    for line in shown:
        blocks += _blocks(line, is_channel)
    if count > len(shown):
        listed = "assigned" if all(line.is_for_assignee for line in shown) else "queue"
        more = f"and {count - len(shown):,} more: type `/ticket {listed}` to see them all"
        blocks.append(context(mrkdwn(more)))
    return Message(text=_text(shown, count), blocks=blocks)


def _open_count(shown: Sequence[ReminderLine], count: int) -> int:
    return count - sum(1 for line in shown if line.outcome)


def _heading(open_count: int) -> str:
    return "1 ticket needs a look" if open_count == 1 else f"{open_count:,} tickets need a look"


def _text(shown: Sequence[ReminderLine], count: int) -> str:
    if count == 1:
        (line,) = shown
        title = escape(truncate(masked(line.ticket.title), MAX_TITLE_LENGTH))
        state = f": {line.outcome}" if line.outcome else f" {_status_phrase(line)}"
        return f"{labels.ticket_name(line.ticket)} “{title}”{state}"
    open_count = _open_count(shown, count)
    listed = [line for line in shown if not line.outcome] if open_count else shown
    names = ", ".join(labels.ticket_name(line.ticket) for line in listed)
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    if not open_count:
        return f"{names}: nothing is left to do"
    return f"{_heading(open_count)}: {names}{more}"


def _blocks(line: ReminderLine, is_channel: bool) -> list[Block]:
    ticket = line.ticket
    title = escape(truncate(" ".join(masked(ticket.title).split()), MAX_TITLE_LENGTH))
    text = f"*{labels.ticket_name(ticket)}* “{title}”\n{_sentence(line, is_channel)}"
    return [mrkdwn_section(text), actions(*_buttons(line, is_channel))]


def _status_phrase(line: ReminderLine) -> str:
    if line.step is EscalationStep.ACCEPT_REASSIGN:
        return "was reassigned"
    if line.step.track is EscalationTrack.ACCEPT:
        return "waits for you to accept it" if line.is_for_assignee else "has not been accepted yet"
    if line.step is EscalationStep.DUE_SOON:
        return "is due soon"
    return f"is {lateness(line.ticket, now=line.now) or 'overdue'}"


def _sentence(line: ReminderLine, is_channel: bool) -> str:
    if line.outcome:
        return line.outcome
    if line.step is EscalationStep.ACCEPT_REASSIGN:
        return (
            f"It was reassigned to {_assignee_name(line, is_channel)}, because it was not accepted "
            "in time. You have nothing left to do."
        )
    if line.step.track is EscalationTrack.ACCEPT:
        if line.is_for_assignee:
            return (
                f"It waits for you to accept it. {_people(line, is_channel)} If it is not for you, "
                "press Reassign."
            )
        return f"It has not been accepted yet. {_people(line, is_channel)}"
    return f"{_due_sentence(line)} {_people(line, is_channel)}"


def _due_sentence(line: ReminderLine) -> str:
    at = line.ticket.due_at
    due = format_datetime(at) if at else "now"
    if line.step is EscalationStep.DUE_SOON:
        return f"It is due {due}."
    late = lateness(line.ticket, now=line.now)
    return f"It was due {due} and is *{late}*." if late else f"It was due {due}."


def _people(line: ReminderLine, is_channel: bool) -> str:
    """Return who requested the ticket and, unless that is the reader, who has it."""
    requester = line.requester
    name = escape(requester.noted_name) if is_channel else requester.noted_mention
    requested = f"Requested by {name}"
    if line.is_for_assignee:
        return f"{requested}."
    if line.assignee is None:
        return f"{requested}. No one has it."
    return f"{requested}, assigned to {_assignee_name(line, is_channel)}."


def _assignee_name(line: ReminderLine, is_channel: bool) -> str:
    if line.assignee is None:
        return "no one"
    return escape(line.assignee.name) if is_channel else line.assignee.mention


def _buttons(line: ReminderLine, is_channel: bool) -> list[Block]:
    ticket = line.ticket
    details = action_button(ticket, ids.DETAILS)
    if line.outcome or line.step is EscalationStep.ACCEPT_REASSIGN:
        return [details]
    if is_channel:
        return [action_button(ticket, ids.TAKE, assignee=line.assignee), details]
    if not line.is_for_assignee:
        return [action_button(ticket, ids.REASSIGN), details]
    actions = (
        allowed_actions(Actor(ticket.assigned_to, Role.MODERATOR), ticket)
        if ticket.assigned_to
        else ()
    )
    if TicketAction.ACCEPT in actions:
        return [
            action_button(ticket, ids.ACCEPT, primary=True),
            action_button(ticket, ids.REASSIGN),
            details,
        ]
    return [action_button(ticket, ids.RESOLVE, primary=True), details]
