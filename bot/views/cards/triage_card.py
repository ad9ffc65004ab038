"""The card of a ticket in the triage channel.

Whoever is in the channel reads it, whatever their role: nothing internal stands on it, and each
press is checked like any other. People are named and not mentioned, so that nobody is pinged.
"""

from bot.views import ids, labels
from bot.views.blocks import accepted_time, actions, context, header, source_link, ticket_title
from bot.views.cards.action_buttons import action_button
from bot.views.cards.ticket_cards import status_with_assignee, ticket_reference
from bot.views.due_text import due_field, due_phrase_for_card
from bot.views.text import Block, DisplayPerson, Message, escape, mrkdwn
from services.models.permissions import Actor
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.models.user import Role
from services.tickets.lifecycle import TicketAction, allowed_actions
from services.tickets.transitions import is_queued_unassigned
from services.tickets.visibility import for_requester

NOBODY_YET = "Nobody has this yet."
NOBODY_AVAILABLE = "Nobody is available for this."
NOT_SET = "Not set"
NOT_YET = "Not yet"
TRIAGE_THREAD_HELP = "What moderators write in this message's thread is kept as an internal note."


def triage_card(
    ticket: Ticket,
    *,
    requester: DisplayPerson,
    assignee: DisplayPerson | None,
    done_by: DisplayPerson | None = None,
) -> Message:
    due = due_phrase_for_card(ticket)
    ticket = for_requester(ticket)
    is_open = ticket.status in OPEN_STATUSES
    is_unassigned = is_open and assignee is None
    blocks: list[Block] = [header(labels.ticket_name(ticket)), ticket_title(ticket)]
    if is_unassigned:
        blocks.append({"type": "section", "text": mrkdwn(_unassigned_text(ticket))})
    blocks += [_fields(ticket, requester, assignee, due), *source_link(ticket)]
    if done_by and not is_open:
        blocks.append(context(mrkdwn(f"{labels.status(ticket)} by {escape(done_by.name)}")))
    card_actions = (ids.TAKE, ids.REASSIGN, ids.DETAILS) if is_open else (ids.DETAILS,)
    buttons = [
        action_button(ticket, action, primary=is_unassigned and action == ids.TAKE)
        for action in card_actions
    ]
    blocks += [context(mrkdwn(TRIAGE_THREAD_HELP)), actions(*buttons)]
    return Message(
        text=f"{ticket_reference(ticket)}: {_status_phrase(ticket, assignee, is_unassigned)}",
        blocks=blocks,
    )


def _unassigned_text(ticket: Ticket) -> str:
    if is_queued_unassigned(ticket):
        return f"*{NOBODY_AVAILABLE}* Take it, or assign it to somebody."
    if ticket.status is Status.TODO:
        return f"*{NOBODY_YET}* The right person is being looked for; take it if that is you."
    return f"*{NOBODY_YET}* Take it, or assign it to somebody."


def _fields(
    ticket: Ticket, requester: DisplayPerson, assignee: DisplayPerson | None, due: str
) -> Block:
    fields = {
        "Status": labels.status(ticket),
        "Priority": labels.PRIORITY[ticket.priority] if ticket.priority else NOT_SET,
        "Requester": escape(requester.name),
        "Assignee": escape(assignee.name) if assignee else "Nobody",
        **_accepted_field(ticket),
        "Due": due_field(due) or NOT_SET,
    }
    return {
        "type": "section",
        "fields": [mrkdwn(f"*{label}*\n{value}") for label, value in fields.items()],
    }


def _accepted_field(ticket: Ticket) -> dict[str, str]:
    """When its assignee did; nothing where they are not asked to, or there is none."""
    who = ticket.assigned_to
    is_asked = who is not None and TicketAction.ACCEPT in allowed_actions(
        Actor(who, Role.MODERATOR), ticket
    )
    text = accepted_time(ticket) or (NOT_YET if is_asked else "")
    return {"Accepted": text} if text else {}


def _status_phrase(ticket: Ticket, assignee: DisplayPerson | None, is_unassigned: bool) -> str:
    if is_unassigned:
        return (
            "nobody is available for this"
            if is_queued_unassigned(ticket)
            else "nobody has this yet"
        )
    return status_with_assignee(ticket, assignee)
