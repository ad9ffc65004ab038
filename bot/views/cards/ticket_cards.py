"""The messages that show a ticket and are kept up to date in place."""

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import (
    accepted,
    actions,
    context,
    facts,
    header,
    origin,
    outcome,
    standing,
    title,
    titled_section,
)
from bot.views.cards.action_buttons import step_button, step_buttons
from bot.views.due_text import due_on
from bot.views.text import Block, Message, Person, escape, fit_to_limit, plain_text, truncate
from services.models.assignee_choice import MANUAL_SOURCE
from services.models.permissions import Actor
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.models.user import Role
from services.tickets.lifecycle import allowed_actions
from services.tickets.transitions import TAKEN_REASON
from services.tickets.validation import TITLE_MAX

# What becomes of a reply in a card's thread.
TO_THE_HELP_DESK = "Write in this message's thread to add a comment."
TO_THE_REQUESTER = "The requester reads what you write in this message's thread."


def requester_card(
    ticket: Ticket, *, assignee: Person | None, done_by: Person | None = None
) -> Message:
    """What the person who filed it sees: number, title, status, assignee, resolution."""
    blocks = [
        *_heading(ticket),
        standing(ticket, assignee=assignee, done_by=done_by, due=due_on(ticket), is_own=True),
        *origin(ticket),
        *outcome(ticket),
        context(plain_text(TO_THE_HELP_DESK)),
        # Whatever their role: what they may do as staff they find on its page.
        actions(*_buttons(ticket, ticket.created_by, Role.USER)),
    ]
    state = _state(ticket, assignee, done_by, is_own=True)
    return Message(text=f"{line(ticket)}: {state}", blocks=blocks)


def assignee_card(
    ticket: Ticket,
    *,
    requester: Person,
    assignee: Person,
    given_by: Person | None = None,
    done_by: Person | None = None,
) -> Message:
    """What the person who has to work on it sees, with the reason why it is they.

    `given_by` is who chose them; None where assignment did, or they themselves.
    """
    blocks = [
        *_heading(ticket),
        facts(
            ticket,
            requester=requester,
            assignee=assignee,
            done_by=done_by,
            due=due_on(ticket),
        ),
    ]
    if ticket.summary:
        blocks += titled_section("Summary", ticket.summary)
    blocks += titled_section("In their words", ticket.description)
    blocks += origin(ticket)
    if ticket.helpful_notes:
        blocks += titled_section("Notes", ticket.helpful_notes)
    blocks += outcome(ticket)
    blocks.append(context(plain_text(f"Why you: {why(ticket, given_by)}")))
    blocks += [context(plain_text(sentence)) for sentence in labels.analysis(ticket)]
    blocks.append(context(plain_text(TO_THE_REQUESTER)))
    blocks.append(actions(*_buttons(ticket, ticket.assigned_to, Role.MODERATOR)))
    state = f"{'accepted by' if accepted(ticket) else 'assigned to'} you"
    if ticket.status not in OPEN_STATUSES:
        state = _state(ticket, None, done_by)
    return Message(text=f"{line(ticket)}: {state}", blocks=fit_to_limit(blocks))


def former_card(
    ticket: Ticket, *, assignee: Person | None, done_by: Person | None = None
) -> Message:
    """What becomes of the card of somebody who no longer has the ticket."""
    blocks = [
        *_heading(ticket),
        standing(ticket, assignee=assignee, done_by=done_by),
        actions(step_button(ticket, ids.DETAILS)),
    ]
    return Message(text=f"{line(ticket)}: {_state(ticket, assignee, done_by)}", blocks=blocks)


def line(ticket: Ticket) -> str:
    """How a notification calls it."""
    return f"{labels.name(ticket)} “{escape(truncate(ticket.title, TITLE_MAX))}”"


def with_whom(ticket: Ticket, assignee: Person | None, *, is_own: bool = False) -> str:
    """How it stands and who has it, escaped, as "in progress (Nils)"."""
    state = labels.state(ticket, is_own=is_own)
    if assignee is None:
        return state
    name = escape(assignee.name)
    return f"{state}, accepted by {name}" if accepted(ticket) else f"{state} ({name})"


def _heading(ticket: Ticket) -> list[Block]:
    return [header(labels.name(ticket)), title(ticket)]


def _buttons(ticket: Ticket, reader: ObjectId | None, role: Role) -> list[Block]:
    """`role` is what such a card's reader has at least: a press is checked against theirs."""
    steps = allowed_actions(Actor(reader, role), ticket) if reader else frozenset()
    return step_buttons(ticket, steps)


def _state(
    ticket: Ticket, assignee: Person | None, done_by: Person | None, *, is_own: bool = False
) -> str:
    """Where it stands and with whom, escaped."""
    if ticket.status is not Status.COMPLETED:
        return with_whom(ticket, assignee, is_own=is_own)
    state = labels.state(ticket)
    return f"{state} by {escape(done_by.name)}" if done_by else state


def why(ticket: Ticket, given_by: Person | None) -> str:
    """Why it is its assignee who got it, as a phrase."""
    reason = str(ticket.assignment.get("reason") or "")
    if given_by:
        return f"{given_by.name} gave it to you{': ' if reason else ''}{reason}"
    if reason:
        return f"you {reason}" if reason == TAKEN_REASON else reason
    return (
        "you took it"
        if ticket.assignment.get("source") == MANUAL_SOURCE
        else "given to you elsewhere"
    )
