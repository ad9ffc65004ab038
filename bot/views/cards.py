"""The messages that show a ticket and are kept up to date in place."""

from bot.views import ids, words
from bot.views.text import Block, Message, Person, escape, mrkdwn, plain
from services.models import OPEN_STATUSES, Status, Ticket


def requester_card(ticket: Ticket, *, assignee: Person | None) -> Message:
    """What the person who filed it sees: number, title, status, assignee, resolution."""
    if assignee:
        who = f"Assigned to {assignee.mention}"
    elif ticket.assignment.get("next"):
        who = "Nobody is available right now; it is assigned as soon as somebody is"
    else:
        who = "Looking for the right person"
    state = words.STATUS[ticket.status]
    done = ticket.status is Status.COMPLETED
    blocks = [
        *_heading(ticket),
        _context(mrkdwn(f"*{state}*" if done and not assignee else f"*{state}* · {who}")),
    ]
    if done and ticket.resolution:
        blocks += _labelled("What was done", ticket.resolution)
    name = f" ({escape(assignee.name)})" if assignee else ""
    return Message(text=f"{_line(ticket)}: {state}{name}", blocks=blocks)


def assignee_card(ticket: Ticket, *, requester: Person, assignee: Person) -> Message:
    """What the person who has to work on it sees, with the reason why it is they."""
    is_open = ticket.status in OPEN_STATUSES
    blocks = [*_heading(ticket), _facts(ticket, requester=requester, assignee=assignee)]
    if ticket.summary:
        blocks += _labelled("Summary", ticket.summary)
    blocks += _labelled("In their words", ticket.description)
    if ticket.helpful_notes:
        blocks += _labelled("Notes", ticket.helpful_notes)
    if ticket.resolution and not is_open:
        blocks += _labelled("What was done", ticket.resolution)
    blocks.append(_context(plain(f"Why you: {ticket.assignment.get('reason') or 'asked for'}")))
    blocks.append(_context(plain(words.source(ticket))))
    if is_open:
        blocks.append(_resolve_button(ticket))
    state = "is yours" if is_open else words.STATUS[ticket.status].lower()
    return Message(text=f"{_line(ticket)}: {state}", blocks=blocks)


def resolved_notice(ticket: Ticket, *, by: Person) -> Message:
    """A changed card makes no sound; this tells the requester that the work is done."""
    blocks: list[Block] = [
        {"type": "section", "text": mrkdwn(f"{by.mention} resolved *{words.name(ticket)}*")},
        {"type": "section", "text": plain(ticket.title)},
        *_labelled("What was done", ticket.resolution or ""),
    ]
    return Message(text=f"{_line(ticket)}: resolved by {escape(by.name)}", blocks=blocks)


def unassigned_notice(ticket: Ticket, *, requester: Person) -> Message:
    """For admins: nobody can take this ticket."""
    skills = ", ".join(ticket.related_skills) or "none recognised"
    blocks = [
        *_heading(ticket),
        _context(mrkdwn(f"Filed by {requester.mention}"), plain(f"Skills: {skills}")),
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


def _line(ticket: Ticket) -> str:
    return f"{words.name(ticket)} “{escape(ticket.title)}”"


def _heading(ticket: Ticket) -> list[Block]:
    return [
        {"type": "header", "text": plain(words.name(ticket))},
        {"type": "section", "text": plain(ticket.title)},
    ]


def _facts(ticket: Ticket, *, requester: Person, assignee: Person) -> Block:
    priority = words.PRIORITY[ticket.priority] if ticket.priority else "Not set"
    facts = {
        "Status": words.STATUS[ticket.status],
        "Priority": priority,
        "Requester": requester.mention,
        "Assignee": assignee.mention,
    }
    return {
        "type": "section",
        "fields": [mrkdwn(f"*{label}*\n{value}") for label, value in facts.items()],
    }


def _labelled(label: str, text: str) -> list[Block]:
    """A label of ours over somebody's words, which stay plain text.

    Whole: the longest of all texts together are half of what a message may hold.
    """
    return [
        _context(mrkdwn(f"*{label}*")),
        {"type": "section", "text": plain(text)},
    ]


def _context(*elements: Block) -> Block:
    return {"type": "context", "elements": list(elements)}


def _resolve_button(ticket: Ticket) -> Block:
    return {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": ids.OPEN_RESOLVE,
                "value": str(ticket.id),
                "style": "primary",
                "text": plain("Resolve"),
            }
        ],
    }
