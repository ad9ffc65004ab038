"""Messages to admins about tickets that no one is available for."""

from collections.abc import Sequence

from bot.views import ids, labels
from bot.views.blocks import actions, button, context, header, section, text_section, ticket_title
from bot.views.cards.action_buttons import action_button
from bot.views.cards.ticket_cards import ticket_reference
from bot.views.text import Block, DisplayPerson, Message, mrkdwn, plain_text
from services.core.text import truncate
from services.lists.list_query import ListKind, ListQuery
from services.models.ticket import Ticket
from services.tickets.validation import MAX_TITLE_LENGTH

# The queue shows all of them, at its top.
MAX_TICKETS = 10
UNASSIGNED_REASON = (
    "whoever could take it is away, at their capacity, not linked to Slack, its requester, or has "
    "had it before. It is tried again every few minutes and as soon as somebody is available."
)
UNASSIGNED_REASON_PLURAL = (
    "Whoever could take these is away, at their capacity, not linked to Slack, their requester, "
    "or has had them before. They are tried again every few minutes and as soon as somebody is "
    "available."
)


def unassigned_message(ticket: Ticket, *, requester: DisplayPerson) -> Message:
    skills = ", ".join(ticket.related_skills) or "none recognised"
    why = plain_text(f"Nobody is available to take this ticket: {UNASSIGNED_REASON}")
    blocks = [
        header(labels.ticket_name(ticket)),
        ticket_title(ticket),
        context(mrkdwn(f"Filed by {requester.mention}"), plain_text(f"Skills: {skills}")),
        section(why),
        actions(action_button(ticket, ids.REASSIGN), action_button(ticket, ids.DETAILS)),
    ]
    return Message(
        text=f"{ticket_reference(ticket)}: nobody is available to take it", blocks=blocks
    )


def unassigned_summary(tickets: Sequence[Ticket], *, count: int) -> Message:
    """`tickets` are the first of `count`, which is more than one."""
    heading = f"Nobody is available for {count:,} tickets"
    more = count - len(tickets)
    blocks = [header(heading), text_section(UNASSIGNED_REASON_PLURAL)]
    blocks += [_ticket_section(ticket) for ticket in tickets]
    if more:
        blocks.append(context(plain_text(f"and {more:,} more")))
    queue = button("The queue", ids.SHOW_LIST, ListQuery(ListKind.QUEUE).encode())
    names = ", ".join(labels.ticket_name(ticket) for ticket in tickets)
    text = f"{heading}: {names}{f' and {more:,} more' if more else ''}"
    return Message(text=text, blocks=[*blocks, actions(queue)])


def _ticket_section(ticket: Ticket) -> Block:
    name = labels.ticket_name(ticket)
    assign = action_button(ticket, ids.REASSIGN)
    return section(
        plain_text(f"{name}: {truncate(ticket.title, MAX_TITLE_LENGTH)}"),
        accessory={**assign, "accessibility_label": f"Assign {name}"},
    )
