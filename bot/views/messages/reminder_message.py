"""Messages about tickets that time has passed for; one for several that come at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.views import ids, labels
from bot.views.blocks import actions, context
from bot.views.cards.action_buttons import step_button
from bot.views.due_text import moment
from bot.views.text import Block, Message, Person, escape, mrkdwn, plain_text, truncate
from services.models.escalation_track import EscalationStep, EscalationTrack
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role
from services.tickets.lifecycle import TicketAction, allowed_actions

# With two blocks each they stay well below what Slack takes in one message.
SHOWN = 10
TITLE_MAX = 80


@dataclass(frozen=True, slots=True)
class Line:
    """`is_own`: for whoever has the ticket; else `assignee` is who that is, None for nobody."""

    ticket: Ticket
    kind: EscalationStep
    assignee: Person | None
    is_own: bool


def nudges(lines: Sequence[Line], *, count: int, is_channel: bool = False) -> Message:
    """`lines` are the first of `count`. Whoever is in a channel reads it, so that people are named
    there and not mentioned."""
    shown = lines[:SHOWN]
    blocks: list[Block] = []
    if count > 1:
        heading = f"*{count:,} tickets need a look*"
        blocks.append({"type": "section", "text": mrkdwn(heading)})
    for line in shown:
        blocks += _blocks(line, is_channel)
    if count > len(shown):
        listed = "assigned" if all(line.is_own for line in shown) else "queue"
        more = f"and {count - len(shown):,} more: type `/ticket {listed}` to see them all"
        blocks.append(context(mrkdwn(more)))
    return Message(text=_text(shown, count), blocks=blocks)


def _text(shown: Sequence[Line], count: int) -> str:
    if count == 1:
        ticket = shown[0].ticket
        title = escape(truncate(ticket.title, TITLE_MAX))
        return f"{labels.name(ticket)} “{title}” {_state(shown[0])}"
    names = ", ".join(labels.name(line.ticket) for line in shown)
    more = f" and {count - len(shown):,} more" if count > len(shown) else ""
    return f"{count:,} tickets need a look: {names}{more}"


def _blocks(line: Line, is_channel: bool) -> list[Block]:
    ticket = line.ticket
    title = escape(truncate(" ".join(ticket.title.split()), TITLE_MAX))
    text = f"*{labels.name(ticket)}* “{title}”\n{_sentence(line, is_channel)}"
    return [{"type": "section", "text": mrkdwn(text)}, actions(*_buttons(line, is_channel))]


def _state(line: Line) -> str:
    if line.kind is EscalationStep.ACCEPT_REASSIGN:
        return "was passed on"
    if line.kind.track is EscalationTrack.ACCEPT:
        return "waits for you to accept it" if line.is_own else "has not been accepted yet"
    return "is due soon" if line.kind is EscalationStep.DUE_SOON else "is overdue"


def _sentence(line: Line, is_channel: bool) -> str:
    who = _who(line, is_channel)
    if line.kind is EscalationStep.ACCEPT_REASSIGN:
        return (
            f"It was passed on to {who}, because it was not accepted in time. "
            "There is nothing left for you to do."
        )
    if line.kind.track is EscalationTrack.ACCEPT:
        if line.is_own:
            return "It waits for you to accept it. If it is not for you, press Reassign."
        return f"It has not been accepted yet. {_holder(line, who)}"
    due = moment(line.ticket.due_at) if line.ticket.due_at else "by now"
    if line.kind is EscalationStep.DUE_SOON:
        return f"It is due {due}."
    return f"It was due {due}." if line.is_own else f"It was due {due}. {_holder(line, who)}"


def _holder(line: Line, who: str) -> str:
    return f"It is with {who}." if line.assignee else "Nobody has it."


def _who(line: Line, is_channel: bool) -> str:
    if line.assignee is None:
        return "nobody"
    return escape(line.assignee.name) if is_channel else line.assignee.mention


def _buttons(line: Line, is_channel: bool) -> list[Block]:
    ticket = line.ticket
    opener = {**step_button(ticket, ids.DETAILS), "text": plain_text("Open")}
    if line.kind is EscalationStep.ACCEPT_REASSIGN:
        return [opener]
    if is_channel:
        return [step_button(ticket, ids.TAKE), opener]
    if not line.is_own:
        return [step_button(ticket, ids.REASSIGN), opener]
    may = (
        allowed_actions(Actor(ticket.assigned_to, Role.MODERATOR), ticket)
        if ticket.assigned_to
        else ()
    )
    if TicketAction.ACCEPT in may:
        return [
            step_button(ticket, ids.ACCEPT, primary=True),
            step_button(ticket, ids.REASSIGN),
            opener,
        ]
    return [opener]
