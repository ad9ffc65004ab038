"""The card of a ticket in the triage channel.

Whoever is in the channel reads it, whatever their role: nothing internal stands on it, and each
press is checked like any other. People are named and not mentioned, so that nobody is pinged.
"""

from bot.views import ids, labels
from bot.views.blocks import accepted, actions, context, header, origin, title
from bot.views.cards.action_buttons import step_button
from bot.views.cards.ticket_cards import line, with_whom
from bot.views.due_text import due_on, field
from bot.views.text import Block, Message, Person, escape, mrkdwn
from services.models.permissions import Actor
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.models.user import Role
from services.tickets.lifecycle import TicketAction, allowed_actions
from services.tickets.transitions import is_queued_unassigned

NOBODY_YET = "Nobody has this yet."
NOBODY_AVAILABLE = "Nobody is available for this."
NOT_SET = "Not set"
NOT_YET = "Not yet"
TO_THE_STAFF = "What moderators write in this message's thread is kept as an internal note."


def triage_card(
    ticket: Ticket, *, requester: Person, assignee: Person | None, done_by: Person | None = None
) -> Message:
    is_open = ticket.status in OPEN_STATUSES
    is_free = is_open and assignee is None
    blocks: list[Block] = [header(labels.name(ticket)), title(ticket)]
    if is_free:
        blocks.append({"type": "section", "text": mrkdwn(_why(ticket))})
    blocks += [_facts(ticket, requester, assignee), *origin(ticket)]
    if done_by and not is_open:
        blocks.append(context(mrkdwn(f"{labels.status(ticket)} by {escape(done_by.name)}")))
    steps = (ids.TAKE, ids.REASSIGN, ids.DETAILS) if is_open else (ids.DETAILS,)
    buttons = [step_button(ticket, step, primary=is_free and step == ids.TAKE) for step in steps]
    blocks += [context(mrkdwn(TO_THE_STAFF)), actions(*buttons)]
    return Message(text=f"{line(ticket)}: {_state(ticket, assignee, is_free)}", blocks=blocks)


def _why(ticket: Ticket) -> str:
    if is_queued_unassigned(ticket):
        return f"*{NOBODY_AVAILABLE}* Take it, or assign it to somebody."
    if ticket.status is Status.TODO:
        return f"*{NOBODY_YET}* The right person is being looked for; take it if that is you."
    return f"*{NOBODY_YET}* Take it, or assign it to somebody."


def _facts(ticket: Ticket, requester: Person, assignee: Person | None) -> Block:
    listed = {
        "Status": labels.status(ticket),
        "Priority": labels.PRIORITY[ticket.priority] if ticket.priority else NOT_SET,
        "Requester": escape(requester.name),
        "Assignee": escape(assignee.name) if assignee else "Nobody",
        **_accepted(ticket),
        "Due": field(due_on(ticket)) or NOT_SET,
    }
    return {
        "type": "section",
        "fields": [mrkdwn(f"*{label}*\n{value}") for label, value in listed.items()],
    }


def _accepted(ticket: Ticket) -> dict[str, str]:
    """When its assignee did; nothing where they are not asked to, or there is none."""
    who = ticket.assigned_to
    is_asked = who is not None and TicketAction.ACCEPT in allowed_actions(
        Actor(who, Role.MODERATOR), ticket
    )
    told = accepted(ticket) or (NOT_YET if is_asked else "")
    return {"Accepted": told} if told else {}


def _state(ticket: Ticket, assignee: Person | None, is_free: bool) -> str:
    if is_free:
        return (
            "nobody is available for this"
            if is_queued_unassigned(ticket)
            else "nobody has this yet"
        )
    return with_whom(ticket, assignee)
