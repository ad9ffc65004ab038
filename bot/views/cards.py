"""The messages that show a ticket and are kept up to date in place."""

from bot.views import words
from bot.views.blocks import (
    actions,
    context,
    facts,
    header,
    labelled,
    origin,
    resolve_button,
    standing,
    title,
)
from bot.views.text import Block, Message, Person, cut, escape, fitted, mrkdwn, plain
from services.models import OPEN_STATUSES, Status, Ticket
from services.ticket_fields import TITLE_MAX


def requester_card(ticket: Ticket, *, assignee: Person | None) -> Message:
    """What the person who filed it sees: number, title, status, assignee, resolution."""
    blocks = [*_heading(ticket), standing(ticket, assignee=assignee), *origin(ticket)]
    if ticket.status is Status.COMPLETED and ticket.resolution:
        blocks += labelled("What was done", ticket.resolution)
    state = words.STATUS[ticket.status]
    name = f" ({escape(assignee.name)})" if assignee else ""
    return Message(text=f"{_line(ticket)}: {state}{name}", blocks=blocks)


def assignee_card(ticket: Ticket, *, requester: Person, assignee: Person) -> Message:
    """What the person who has to work on it sees, with the reason why it is they."""
    is_open = ticket.status in OPEN_STATUSES
    blocks = [*_heading(ticket), facts(ticket, requester=requester, assignee=assignee)]
    if ticket.summary:
        blocks += labelled("Summary", ticket.summary)
    blocks += labelled("In their words", ticket.description)
    blocks += origin(ticket)
    if ticket.helpful_notes:
        blocks += labelled("Notes", ticket.helpful_notes)
    if ticket.resolution and not is_open:
        blocks += labelled("What was done", ticket.resolution)
    blocks.append(context(plain(f"Why you: {ticket.assignment.get('reason') or 'asked for'}")))
    blocks.append(context(plain(words.source(ticket))))
    if is_open:
        blocks.append(actions(resolve_button(ticket)))
    state = "is yours" if is_open else words.STATUS[ticket.status].lower()
    return Message(text=f"{_line(ticket)}: {state}", blocks=fitted(blocks))


def resolved_notice(ticket: Ticket, *, by: Person) -> Message:
    """A changed card makes no sound; this tells the requester that the work is done."""
    blocks: list[Block] = [
        {"type": "section", "text": mrkdwn(f"{by.mention} resolved *{words.name(ticket)}*")},
        title(ticket),
        *labelled("What was done", ticket.resolution or ""),
    ]
    return Message(text=f"{_line(ticket)}: resolved by {escape(by.name)}", blocks=blocks)


def unassigned_notice(ticket: Ticket, *, requester: Person) -> Message:
    """For admins: nobody can take this ticket."""
    skills = ", ".join(ticket.related_skills) or "none recognised"
    blocks = [
        *_heading(ticket),
        context(mrkdwn(f"Filed by {requester.mention}"), plain(f"Skills: {skills}")),
        {
            "type": "section",
            "text": plain(
                "Nobody is available to take this ticket: everybody is away, at their capacity, "
                "not linked to Slack, or its requester. It is tried again every few minutes and "
                "as soon as somebody is available."
            ),
        },
    ]
    return Message(text=f"{_line(ticket)}: nobody is available to take it", blocks=blocks)


def thread_line(ticket: Ticket) -> Message:
    """All that the readers of a message learn of the ticket made of it."""
    text = f"{words.name(ticket)} was filed from this message."
    return Message(text=text, blocks=[{"type": "section", "text": plain(text)}])


def _line(ticket: Ticket) -> str:
    return f"{words.name(ticket)} “{escape(cut(ticket.title, TITLE_MAX))}”"


def _heading(ticket: Ticket) -> list[Block]:
    return [header(words.name(ticket)), title(ticket)]
