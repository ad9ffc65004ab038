"""Cards: messages that show a ticket and are updated in place.

People in the triage channel may have any role, so its card shows nothing internal, and each button
checks permissions. It names people without mentioning them, so that they get no notification.
"""

from collections.abc import Set

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import (
    FINDING_SOMEONE,
    accepted_time,
    actions,
    context,
    fields_section,
    mrkdwn_section,
    quoted_section,
    resolution_section,
    source_link,
    status_line,
    ticket_fields,
    ticket_heading,
)
from bot.views.cards.action_buttons import action_button, action_buttons
from bot.views.due_text import due_field, due_phrase_for_card, format_datetime
from bot.views.text import (
    Block,
    DisplayPerson,
    Message,
    escape,
    fit_to_limit,
    masked,
    mrkdwn,
    plain_text,
)
from services.core.text import truncate
from services.models.permissions import Actor
from services.models.ticket import MANUAL_SOURCE, OPEN_STATUSES, Status, Ticket
from services.models.user import Role
from services.tickets.lifecycle import TicketAction, allowed_actions, is_awaiting_acceptance
from services.tickets.transitions import TAKEN_REASON, is_queued_unassigned
from services.tickets.validation import MAX_TITLE_LENGTH
from services.tickets.visibility import for_requester

REQUESTER_THREAD_HELP = "Write in this message's thread to add a comment."
ASSIGNEE_THREAD_HELP = "The requester reads what you write in this message's thread."
NOBODY_YET = "No one has this yet."
NOBODY_AVAILABLE = "No one is available for this."
NOT_SET = "Not set"
NOT_YET = "Not yet"
TRIAGE_THREAD_HELP = "Moderators: your replies in this message's thread are internal notes."


def requester_card(
    ticket: Ticket,
    *,
    assignee: DisplayPerson | None,
    done_by: DisplayPerson | None = None,
    is_end_announced: bool = False,
) -> Message:
    """Return the requester's card. `is_end_announced`: another message says what was done and has
    the button Reopen, so the card does not repeat them."""
    # The due phrase and the buttons depend on fields that the requester does not see.
    due = due_phrase_for_card(ticket)
    # A requester's actions, even for staff: the ticket's page has the others.
    left_out = frozenset({TicketAction.REOPEN}) if is_end_announced else frozenset()
    buttons = _buttons(ticket, ticket.created_by, Role.USER, left_out=left_out)
    ticket = for_requester(ticket)
    blocks = [
        *ticket_heading(ticket),
        status_line(
            ticket,
            assignee=assignee,
            done_by=done_by,
            due=due,
            is_for_requester=True,
        ),
        *source_link(ticket),
        *([] if is_end_announced else resolution_section(ticket)),
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
    """Return the assignee's card, with the reason for the assignment.

    `assigned_by` is the person who chose the assignee; None after an automatic assignment or a
    Take.
    """
    blocks = [
        *ticket_heading(ticket),
        ticket_fields(
            ticket,
            requester=requester,
            assignee=assignee,
            done_by=done_by,
            due=due_phrase_for_card(ticket),
        ),
    ]
    if ticket.summary:
        blocks += quoted_section("Summary", ticket.summary)
    blocks += quoted_section("In their words", ticket.description)
    blocks += source_link(ticket)
    if ticket.helpful_notes:
        blocks += quoted_section("Notes", ticket.helpful_notes)
    blocks += resolution_section(ticket)
    blocks.append(context(plain_text(f"Why you: {assignment_reason(ticket, assigned_by)}")))
    blocks += [context(plain_text(sentence)) for sentence in labels.analysis_notes(ticket)]
    blocks.append(context(plain_text(ASSIGNEE_THREAD_HELP)))
    blocks.append(actions(*_buttons(ticket, ticket.assigned_to, Role.MODERATOR)))
    state = f"{'accepted by' if accepted_time(ticket) else 'assigned to'} you"
    state = " · ".join([state, *_urgency_phrases(ticket)])
    if ticket.status not in OPEN_STATUSES:
        state = _status_phrase(ticket, None, done_by)
    return Message(text=f"{ticket_reference(ticket)}: {state}", blocks=fit_to_limit(blocks))


def _urgency_phrases(ticket: Ticket) -> list[str]:
    """Return priority and due date for a notification, without those that are not set."""
    priority = f"{labels.PRIORITY[ticket.priority].lower()} priority" if ticket.priority else ""
    due = f"due {format_datetime(ticket.due_at)}" if ticket.due_at else ""
    return [phrase for phrase in (priority, due) if phrase]


def former_assignee_card(
    ticket: Ticket, *, assignee: DisplayPerson | None, done_by: DisplayPerson | None = None
) -> Message:
    """Return what replaces the card of a former assignee."""
    blocks = [
        *ticket_heading(ticket),
        status_line(ticket, assignee=assignee, done_by=done_by),
        actions(action_button(ticket, ids.DETAILS)),
    ]
    return Message(
        text=f"{ticket_reference(ticket)}: {_status_phrase(ticket, assignee, done_by)}",
        blocks=blocks,
    )


def ticket_reference(ticket: Ticket) -> str:
    """Return number and title for a notification, escaped."""
    title = truncate(masked(ticket.title), MAX_TITLE_LENGTH)
    return f"{labels.ticket_name(ticket)} “{escape(title)}”"


def status_with_assignee(
    ticket: Ticket, assignee: DisplayPerson | None, *, is_for_requester: bool = False
) -> str:
    """Return the status and the assignee, escaped, as "assigned to Nils"."""
    state = labels.status_in_sentence(ticket, is_for_requester=is_for_requester)
    if assignee is None:
        return state
    name = escape(assignee.name)
    if is_awaiting_acceptance(ticket):
        return f"{state} to {name}"
    return f"{state}, accepted by {name}" if accepted_time(ticket) else f"{state} ({name})"


def _buttons(
    ticket: Ticket,
    reader: ObjectId | None,
    role: Role,
    *,
    left_out: Set[TicketAction] = frozenset(),
) -> list[Block]:
    """`role` is the lowest of the card's readers: permissions are checked again on a press."""
    actions = allowed_actions(Actor(reader, role), ticket) if reader else frozenset()
    return action_buttons(ticket, actions - left_out)


def _status_phrase(
    ticket: Ticket,
    assignee: DisplayPerson | None,
    done_by: DisplayPerson | None,
    *,
    is_for_requester: bool = False,
) -> str:
    if ticket.status is Status.TODO and assignee is None:
        return _unassigned_phrase(ticket)
    if ticket.status is not Status.COMPLETED:
        return status_with_assignee(ticket, assignee, is_for_requester=is_for_requester)
    state = labels.status_in_sentence(ticket)
    return f"{state} by {escape(done_by.name)}" if done_by else state


def assignment_reason(ticket: Ticket, assigned_by: DisplayPerson | None) -> str:
    """Return why the assignee got the ticket, as a phrase."""
    reason = masked(str(ticket.assignment.get("reason") or ""))
    if assigned_by:
        return f"{assigned_by.name} gave it to you{': ' if reason else ''}{reason}"
    if reason:
        return f"you {reason}" if reason == TAKEN_REASON else reason
    return (
        "you took it"
        if ticket.assignment.get("source") == MANUAL_SOURCE
        else "given to you elsewhere"
    )


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
    blocks = ticket_heading(ticket)
    if is_unassigned:
        blocks.append(mrkdwn_section(_unassigned_text(ticket)))
    blocks += [_triage_fields(ticket, requester, assignee, due), *source_link(ticket)]
    if done_by and not is_open:
        blocks.append(context(mrkdwn(f"{labels.status(ticket)} by {escape(done_by.name)}")))
    card_actions = (ids.TAKE, ids.REASSIGN, ids.DETAILS) if is_open else (ids.DETAILS,)
    buttons = [
        action_button(
            ticket, action, assignee=assignee, primary=is_unassigned and action == ids.TAKE
        )
        for action in card_actions
    ]
    blocks += [context(mrkdwn(TRIAGE_THREAD_HELP)), actions(*buttons)]
    return Message(
        text=f"{ticket_reference(ticket)}: {_triage_phrase(ticket, assignee, is_unassigned)}",
        blocks=blocks,
    )


def _unassigned_text(ticket: Ticket) -> str:
    if is_queued_unassigned(ticket):
        return f"*{NOBODY_AVAILABLE}* Take it, or assign it."
    if _is_being_assigned(ticket):
        return f"*{FINDING_SOMEONE}* Take it if you can help."
    return f"*{NOBODY_YET}* Take it, or assign it."


def _triage_fields(
    ticket: Ticket, requester: DisplayPerson, assignee: DisplayPerson | None, due: str
) -> Block:
    fields = {
        "Status": labels.status(ticket),
        "Priority": labels.PRIORITY[ticket.priority] if ticket.priority else NOT_SET,
        "Requester": escape(requester.noted_name),
        "Assignee": escape(assignee.name) if assignee else "No one",
        **_accepted_field(ticket),
        "Due": due_field(due) or NOT_SET,
    }
    return fields_section(fields)


def _accepted_field(ticket: Ticket) -> dict[str, str]:
    """Return when the assignee accepted; nothing if no one is asked to accept."""
    who = ticket.assigned_to
    is_asked = who is not None and TicketAction.ACCEPT in allowed_actions(
        Actor(who, Role.MODERATOR), ticket
    )
    text = accepted_time(ticket) or (NOT_YET if is_asked else "")
    return {"Accepted": text} if text else {}


def _triage_phrase(ticket: Ticket, assignee: DisplayPerson | None, is_unassigned: bool) -> str:
    if not is_unassigned:
        return status_with_assignee(ticket, assignee)
    return _unassigned_phrase(ticket)


def _unassigned_phrase(ticket: Ticket) -> str:
    if is_queued_unassigned(ticket):
        return "no one is available for this"
    return FINDING_SOMEONE.lower() if _is_being_assigned(ticket) else "no one has this yet"


def _is_being_assigned(ticket: Ticket) -> bool:
    """Whether an unassigned ticket waits for assignment, and not for its requester."""
    return ticket.status in (Status.TODO, Status.REOPENED)
