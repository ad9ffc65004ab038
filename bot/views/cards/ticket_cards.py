"""The messages that show a ticket and are kept up to date in place."""

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import (
    accepted_time,
    actions,
    context,
    header,
    resolution_section,
    source_link,
    status_line,
    ticket_fields,
    ticket_title,
    titled_section,
)
from bot.views.cards.action_buttons import action_button, action_buttons
from bot.views.due_text import due_phrase_for_card
from bot.views.text import Block, DisplayPerson, Message, escape, fit_to_limit, plain_text, truncate
from services.models.assignee_choice import MANUAL_SOURCE
from services.models.permissions import Actor
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.models.user import Role
from services.tickets.lifecycle import allowed_actions
from services.tickets.transitions import TAKEN_REASON
from services.tickets.validation import MAX_TITLE_LENGTH
from services.tickets.visibility import for_requester

# What becomes of a reply in a card's thread.
REQUESTER_THREAD_HELP = "Write in this message's thread to add a comment."
ASSIGNEE_THREAD_HELP = "The requester reads what you write in this message's thread."


def requester_card(
    ticket: Ticket, *, assignee: DisplayPerson | None, done_by: DisplayPerson | None = None
) -> Message:
    """The card of the requester: number, title, status, assignee, resolution."""
    # Due phrase and buttons depend on events that the requester does not see.
    due = due_phrase_for_card(ticket)
    # As a requester, whatever their role: actions for the staff are on the ticket's page.
    buttons = _buttons(ticket, ticket.created_by, Role.USER)
    ticket = for_requester(ticket)
    blocks = [
        *_heading(ticket),
        status_line(
            ticket,
            assignee=assignee,
            done_by=done_by,
            due=due,
            is_for_requester=True,
        ),
        *source_link(ticket),
        *resolution_section(ticket),
        context(plain_text(REQUESTER_THREAD_HELP)),
        actions(*buttons),
    ]
    state = _status_phrase(ticket, assignee, done_by, is_for_requester=True)
    return Message(text=f"{ticket_reference(ticket)}: {state}", blocks=blocks)


def assignee_card(
    ticket: Ticket,
    *,
    requester: DisplayPerson,
    assignee: DisplayPerson,
    assigned_by: DisplayPerson | None = None,
    done_by: DisplayPerson | None = None,
) -> Message:
    """What the person who has to work on it sees, with the reason why it is they.

    `assigned_by` is who chose them; None where assignment did, or they themselves.
    """
    blocks = [
        *_heading(ticket),
        ticket_fields(
            ticket,
            requester=requester,
            assignee=assignee,
            done_by=done_by,
            due=due_phrase_for_card(ticket),
        ),
    ]
    if ticket.summary:
        blocks += titled_section("Summary", ticket.summary)
    blocks += titled_section("In their words", ticket.description)
    blocks += source_link(ticket)
    if ticket.helpful_notes:
        blocks += titled_section("Notes", ticket.helpful_notes)
    blocks += resolution_section(ticket)
    blocks.append(context(plain_text(f"Why you: {assignment_reason(ticket, assigned_by)}")))
    blocks += [context(plain_text(sentence)) for sentence in labels.analysis_notes(ticket)]
    blocks.append(context(plain_text(ASSIGNEE_THREAD_HELP)))
    blocks.append(actions(*_buttons(ticket, ticket.assigned_to, Role.MODERATOR)))
    state = f"{'accepted by' if accepted_time(ticket) else 'assigned to'} you"
    if ticket.status not in OPEN_STATUSES:
        state = _status_phrase(ticket, None, done_by)
    return Message(text=f"{ticket_reference(ticket)}: {state}", blocks=fit_to_limit(blocks))


def former_assignee_card(
    ticket: Ticket, *, assignee: DisplayPerson | None, done_by: DisplayPerson | None = None
) -> Message:
    """What becomes of the card of somebody who no longer has the ticket."""
    blocks = [
        *_heading(ticket),
        status_line(ticket, assignee=assignee, done_by=done_by),
        actions(action_button(ticket, ids.DETAILS)),
    ]
    return Message(
        text=f"{ticket_reference(ticket)}: {_status_phrase(ticket, assignee, done_by)}",
        blocks=blocks,
    )


def ticket_reference(ticket: Ticket) -> str:
    """How a notification calls it."""
    return f"{labels.ticket_name(ticket)} “{escape(truncate(ticket.title, MAX_TITLE_LENGTH))}”"


def status_with_assignee(
    ticket: Ticket, assignee: DisplayPerson | None, *, is_for_requester: bool = False
) -> str:
    """How it stands and who has it, escaped, as "in progress (Nils)"."""
    state = labels.status_in_sentence(ticket, is_for_requester=is_for_requester)
    if assignee is None:
        return state
    name = escape(assignee.name)
    return f"{state}, accepted by {name}" if accepted_time(ticket) else f"{state} ({name})"


def _heading(ticket: Ticket) -> list[Block]:
    return [header(labels.ticket_name(ticket)), ticket_title(ticket)]


def _buttons(ticket: Ticket, reader: ObjectId | None, role: Role) -> list[Block]:
    """`role` is what such a card's reader has at least: a press is checked against theirs."""
    actions = allowed_actions(Actor(reader, role), ticket) if reader else frozenset()
    return action_buttons(ticket, actions)


def _status_phrase(
    ticket: Ticket,
    assignee: DisplayPerson | None,
    done_by: DisplayPerson | None,
    *,
    is_for_requester: bool = False,
) -> str:
    """Where it stands and with whom, escaped."""
    if ticket.status is not Status.COMPLETED:
        return status_with_assignee(ticket, assignee, is_for_requester=is_for_requester)
    state = labels.status_in_sentence(ticket)
    return f"{state} by {escape(done_by.name)}" if done_by else state


def assignment_reason(ticket: Ticket, assigned_by: DisplayPerson | None) -> str:
    """Why it is its assignee who got it, as a phrase."""
    reason = str(ticket.assignment.get("reason") or "")
    if assigned_by:
        return f"{assigned_by.name} gave it to you{': ' if reason else ''}{reason}"
    if reason:
        return f"you {reason}" if reason == TAKEN_REASON else reason
    return (
        "you took it"
        if ticket.assignment.get("source") == MANUAL_SOURCE
        else "given to you elsewhere"
    )
