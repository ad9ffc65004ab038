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
    button,
    description_section,
    facts_section,
    mrkdwn_section,
    resolution_section,
    small_print,
    source_link,
    status_line,
    text_section,
    ticket_header,
)
from bot.views.cards.action_buttons import action_button, action_buttons
from bot.views.due_text import due_phrase_for_card
from bot.views.text import (
    Block,
    DisplayPerson,
    DisplayPersonLookup,
    Message,
    escape,
    fit_to_limit,
    masked,
    plain_text,
)
from services.core.text import truncate
from services.models.events import Event, EventType
from services.models.permissions import Actor
from services.models.ticket import MANUAL_SOURCE, OPEN_STATUSES, Status, Ticket
from services.models.user import Role
from services.tickets.access import for_requester
from services.tickets.lifecycle import TicketAction, allowed_actions, is_awaiting_acceptance
from services.tickets.transitions import TAKEN_REASON
from services.tickets.validation import MAX_TITLE_LENGTH

NOBODY_YET = "No one has this yet"
NOBODY_AVAILABLE = "No one is available for this"
WRITE_TO_TAKE_PART = "Write in this thread to take part."
PARTICIPANT_HELP = "New comments come to this message's thread. Reply there to comment."


def requester_card(
    ticket: Ticket,
    *,
    assignee: DisplayPerson | None,
    filed_by: DisplayPerson | None = None,
    done_by: DisplayPerson | None = None,
    is_end_announced: bool = False,
) -> Message:
    """Return the requester's card. `filed_by` filed the ticket for them. `is_end_announced`:
    another message says what was done and has the button Reopen, so the card does not repeat them.
    """
    # The due phrase and the buttons depend on fields that the requester does not see.
    due = due_phrase_for_card(ticket)
    # A requester's actions, even for staff: the ticket's page has the others.
    left_out = frozenset({TicketAction.REOPEN}) if is_end_announced else frozenset()
    buttons = _buttons(ticket, ticket.created_by, Role.USER, left_out=left_out)
    ticket = for_requester(ticket)
    blocks = [
        ticket_header(ticket),
        status_line(
            ticket,
            assignee=assignee,
            done_by=done_by,
            due=due,
            is_for_requester=True,
        ),
        *description_section(ticket),
        *([] if is_end_announced else resolution_section(ticket)),
        *small_print(
            *([plain_text(f"Filed for you by {filed_by.name}")] if filed_by else []),
            *source_link(ticket),
        ),
        actions(*buttons),
    ]
    state = _status_phrase(ticket, assignee, done_by, is_for_requester=True)
    filed = f", filed for you by {escape(filed_by.name)}" if filed_by else ""
    text = f"{ticket_reference(ticket)}: {state}{filed}"
    return Message(text=text, blocks=fit_to_limit(blocks))


def former_requester_card(ticket: Ticket, *, is_shown_ticket: bool) -> Message:
    """Return what replaces a message to a former requester, who may no longer see the ticket.
    `is_shown_ticket`: they may, as staff."""
    text = f"{labels.ticket_name(ticket)}: you are no longer its requester."
    line = text_section(text)
    if is_shown_ticket:
        line["accessory"] = action_button(ticket, ids.DETAILS)
    return Message(text=escape(text), blocks=[line])


def _from_phrase(requester: str, filed_by: str) -> str:
    return f"Requested by {requester}, filed by {filed_by}" if filed_by else f"From {requester}"


def assignee_card(
    ticket: Ticket,
    *,
    requester: DisplayPerson,
    filed_by: DisplayPerson | None = None,
    assigned_by: DisplayPerson | None = None,
    done_by: DisplayPerson | None = None,
) -> Message:
    """Return the assignee's card, with the reason for the assignment.

    `filed_by` filed it for the requester. `assigned_by` is the person who chose the assignee; None
    after an automatic assignment or a Take.
    """
    status, due = f"*{labels.status(ticket)}*", due_phrase_for_card(ticket)
    blocks = [
        ticket_header(ticket),
        facts_section(
            ticket,
            f"{status} by {done_by.mention}" if done_by else status,
            _from_phrase(requester.noted_mention, filed_by.mention if filed_by else ""),
            due,
        ),
        *description_section(ticket),
        *resolution_section(ticket),
        *small_print(
            plain_text(f"Why you: {assignment_reason(ticket, assigned_by)}"), *source_link(ticket)
        ),
        actions(*_buttons(ticket, ticket.assigned_to, Role.MODERATOR)),
    ]
    state = f"{'accepted by' if accepted_time(ticket) else 'assigned to'} you"
    if ticket.status not in OPEN_STATUSES:
        state = _status_phrase(ticket, None, done_by)
    return Message(text=_notification(ticket, state, due), blocks=fit_to_limit(blocks))


def former_assignee_card(
    ticket: Ticket, *, former: ObjectId, lookup: DisplayPersonLookup
) -> Message:
    """Return what replaces the card of a `former` assignee: how they lost the ticket, and who has
    it now, in one line."""
    loss = _last_loss(ticket, former)
    phrase = _loss_phrase(loss, former, lookup) if loss else "You no longer have it"
    is_named = loss is not None and loss.to is not None and loss.to == ticket.assigned_to
    text = f"{_reference(ticket)}: {phrase}."
    if ticket.status is Status.COMPLETED:
        text = f"{text} It is {labels.status_in_sentence(ticket)}."
    elif not is_named:
        assignee = lookup(ticket.assigned_to) if ticket.assigned_to else None
        text = f"{text} {f'{assignee.name} has it now' if assignee else NOBODY_YET}."
    line = text_section(text)
    if lookup(former).sees_all_tickets or ticket.created_by == former:
        line["accessory"] = action_button(ticket, ids.DETAILS)
    return Message(text=escape(text), blocks=[line])


def participant_card(
    ticket: Ticket,
    *,
    requester: DisplayPerson,
    assignee: DisplayPerson | None,
    added_by: DisplayPerson,
    done_by: DisplayPerson | None = None,
) -> Message:
    """Return the card of someone whom `added_by` has added to the ticket."""
    due = due_phrase_for_card(ticket)
    ticket = for_requester(ticket)
    blocks = [
        ticket_header(ticket),
        mrkdwn_section(f"From {requester.mention}"),
        status_line(ticket, assignee=assignee, done_by=done_by, due=due),
        *description_section(ticket),
        *resolution_section(ticket),
        *small_print(plain_text(f"{added_by.name} added you. {PARTICIPANT_HELP}")),
        actions(
            action_button(ticket, ids.COMMENT),
            action_button(ticket, ids.DETAILS),
            leave_button(ticket),
        ),
    ]
    text = f"{ticket_reference(ticket)}: {escape(added_by.name)} added you"
    return Message(text=text, blocks=fit_to_limit(blocks))


def conversation_line(
    ticket: Ticket, *, assignee: DisplayPerson | None, done_by: DisplayPerson | None
) -> Message:
    """Return the line below a message in a request channel: number, state and due date. The title
    is what the message above says."""
    due = due_phrase_for_card(ticket)
    ticket = for_requester(ticket)
    name, state = labels.ticket_name(ticket), _triage_state(ticket, assignee, done_by)
    line = mrkdwn_section(" · ".join(filter(None, (f"*{name}*", state, due))))
    line["accessory"] = action_button(ticket, ids.DETAILS)
    text = f"{name}: {_status_phrase(ticket, assignee, done_by)}"
    return Message(text=text, blocks=[line])


def conversation_details(
    ticket: Ticket, *, assignee: DisplayPerson | None, done_by: DisplayPerson | None
) -> Message:
    """Return what Details shows to a reader who may not see the ticket: what its line says, and
    how to take part."""
    line = conversation_line(ticket, assignee=assignee, done_by=done_by)
    state = _triage_state(for_requester(ticket), assignee, done_by)
    return Message(
        text=line.text,
        blocks=[
            mrkdwn_section(f"*{labels.ticket_name(ticket)}* · {state}"),
            *small_print(plain_text(WRITE_TO_TAKE_PART)),
        ],
    )


def leave_button(ticket: Ticket) -> Block:
    """Return the button by which a participant leaves, which asks for confirmation."""
    confirmation = {
        "title": plain_text("Leave?"),
        "text": plain_text(
            f"You get no more comments on {_lower(labels.ticket_name(ticket))}, and others have to "
            "add you again."
        ),
        "confirm": plain_text("Leave"),
        "deny": plain_text("Cancel"),
    }
    return {**button("Leave", ids.LEAVE, str(ticket.id)), "confirm": confirmation}


def former_participant_card(ticket: Ticket) -> Message:
    """Return what replaces the card of someone who no longer takes part, and may not see it."""
    text = f"{labels.ticket_name(ticket)}: you no longer take part in it."
    return Message(text=escape(text), blocks=[text_section(text)])


def private_card(ticket: Ticket) -> Message:
    """Return the card for readers who may not see the ticket: a channel, or someone who had it."""
    text = f"{labels.ticket_name(ticket)} is private."
    return Message(text=escape(text), blocks=[text_section(text)])


def _last_loss(ticket: Ticket, former: ObjectId) -> Event | None:
    moves = (EventType.ASSIGNED, EventType.UNASSIGNED)
    losses = (event for event in reversed(ticket.events) if event.type in moves)
    return next((event for event in losses if event.from_ == former), None)


def _loss_phrase(loss: Event, former: ObjectId, lookup: DisplayPersonLookup) -> str:
    is_automatic = not isinstance(loss.by, ObjectId)
    if loss.type == EventType.ASSIGNED and is_automatic:  # only escalation takes it from a person
        return f"It was reassigned to {lookup(loss.to).name}, because it was not accepted in time"
    if loss.assignee_was_absent or is_automatic:
        return "It was handed over"
    by = "You" if loss.by == former else lookup(loss.by).name
    if loss.type == EventType.UNASSIGNED:
        return "You declined it" if loss.by == former else f"{by} returned it to the queue"
    if loss.to == loss.by:
        return f"{by} took it over"
    return f"{by} reassigned it to {lookup(loss.to).name}"


def ticket_reference(ticket: Ticket) -> str:
    """Return number and title for a notification, escaped."""
    return escape(_reference(ticket))


def _reference(ticket: Ticket) -> str:
    title = truncate(masked(ticket.title), MAX_TITLE_LENGTH)
    return f"{labels.ticket_name(ticket)} “{title}”"


def _notification(ticket: Ticket, state: str, due: str = "") -> str:
    """Return number, title, priority of an open ticket, state and due date, escaped."""
    is_open = ticket.status in OPEN_STATUSES
    priority = labels.priority_in_sentence(ticket.priority) if is_open and ticket.priority else ""
    facts = ", ".join(filter(None, (priority, state, due.replace("*", ""))))
    return f"{ticket_reference(ticket)}: {facts}"


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
        else "another program assigned it to you"
    )


def triage_card(
    ticket: Ticket,
    *,
    requester: DisplayPerson,
    assignee: DisplayPerson | None,
    filed_by: DisplayPerson | None = None,
    done_by: DisplayPerson | None = None,
) -> Message:
    due = due_phrase_for_card(ticket)
    ticket = for_requester(ticket)
    is_open = ticket.status in OPEN_STATUSES
    is_unassigned = is_open and assignee is None
    state = _triage_state(ticket, assignee, done_by)
    origin = _from_phrase(escape(requester.noted_name), escape(filed_by.name) if filed_by else "")
    card_actions = (ids.TAKE, ids.REASSIGN, ids.DETAILS) if is_open else (ids.DETAILS,)
    buttons = [
        action_button(
            ticket, action, assignee=assignee, primary=is_unassigned and action == ids.TAKE
        )
        for action in card_actions
    ]
    blocks = [
        ticket_header(ticket),
        facts_section(ticket, state, origin, due),
        *small_print(*source_link(ticket)),
        actions(*buttons),
    ]
    phrase = _triage_phrase(ticket, assignee, is_unassigned)
    return Message(text=_notification(ticket, phrase), blocks=blocks)


def _triage_state(
    ticket: Ticket, assignee: DisplayPerson | None, done_by: DisplayPerson | None
) -> str:
    """Return status and assignee as mrkdwn."""
    status = f"*{labels.status(ticket)}*"
    if ticket.status is Status.COMPLETED:
        return f"{status} by {escape(done_by.name)}" if done_by else status
    if assignee is None:
        phrase = _unassigned_phrase(ticket)
        return f"*{phrase[0].upper()}{phrase[1:]}*"
    name = escape(assignee.name)
    if is_awaiting_acceptance(ticket):
        return f"{status} to {name}"
    is_accepted = accepted_time(ticket) and ticket.status is not Status.WAITING
    return f"{status} · {'Accepted by' if is_accepted else 'Assigned to'} {name}"


def _triage_phrase(ticket: Ticket, assignee: DisplayPerson | None, is_unassigned: bool) -> str:
    if not is_unassigned:
        return status_with_assignee(ticket, assignee)
    return _unassigned_phrase(ticket)


def _unassigned_phrase(ticket: Ticket) -> str:
    if ticket.is_queued_unassigned:
        return _lower(NOBODY_AVAILABLE)
    return _lower(FINDING_SOMEONE if _is_being_assigned(ticket) else NOBODY_YET)


def _lower(phrase: str) -> str:
    return phrase[0].lower() + phrase[1:]


def _is_being_assigned(ticket: Ticket) -> bool:
    """Whether an unassigned ticket waits for assignment, and not for its requester."""
    return ticket.status in (Status.TODO, Status.REOPENED)
