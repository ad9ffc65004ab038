"""Modals of the ticket actions that need input."""

from collections.abc import Sequence

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import header, mrkdwn_section, quoted_section, text_section, ticket_title
from bot.views.cards.action_buttons import accepted_sentence, button_value
from bot.views.inputs import MAX_OPTION_TEXT_LENGTH, View, input_block, modal, option, text_input
from bot.views.text import Block, DisplayPerson, plain_text, utf16_length
from services.assignment.candidate import Obstacle, describe_load
from services.assignment.ranking import AssigneeOption
from services.assignment.reassign import DeclineReason, ReassignResult
from services.availability.slack_status import NO_END
from services.core.text import strip_invisible, truncate
from services.models.conversation import conversation_of
from services.models.ticket import Status, Ticket
from services.tickets.comments import MAX_COMMENT_LENGTH
from services.tickets.validation import (
    MAX_QUESTION_LENGTH,
    MAX_REASON_LENGTH,
    MAX_RESOLUTION_LENGTH,
)

MAX_MODAL_TITLE_LENGTH = 24  # Slack's limit
TITLE_LEFT_OUT = "This is the description alone, because the title has no room: “{title}”"
NOT_PRIVATE = (
    "You chose to make it private, but ticket {number} is not. The moderators can read what you "
    "send here."
)
UNWANTED_READER = "The person you don't want to have it can read what you send here."
CHANNEL_READS = "Everyone in the request channel reads this."
BACK_TO_QUEUE = "queue"  # the value of the last choice in place of an account's id
OBSTACLE_LABELS = {
    Obstacle.REQUESTER: "filed it",
    Obstacle.UNLINKED: "not in Slack",
    Obstacle.INACTIVE: "deactivated",
    Obstacle.DECLINED: "had it before",
}
# A name keeps at least this many characters when the rest is long.
MIN_NAME_LENGTH = 25


def reassign_ticket_modal(
    ticket: Ticket,
    suggestions: Sequence[AssigneeOption] = (),
    *,
    assignee: DisplayPerson | None = None,
) -> View:
    """Ask for the new assignee: one of the `suggestions`, anyone else, or the queue if the ticket
    can be unassigned. If another user is the `assignee`, say when they accepted."""
    accepted = accepted_sentence(ticket, assignee) if assignee else ""
    can_unassign = ticket.assigned_to is not None and ticket.status is not Status.WAITING
    assignee_select: Block = {
        "type": "external_select",
        "action_id": "assignedTo",
        "placeholder": plain_text("Choose someone"),
        "min_query_length": 0,
    }
    radios = _assignee_radios(suggestions, can_unassign=can_unassign)
    return _ticket_modal(
        ticket,
        ids.REASSIGN_TICKET,
        title="Assign" if ticket.assigned_to is None else "Reassign",
        submit="Assign",
        # Includes the state the reader saw, to detect a change while this is open.
        metadata=button_value(ticket, ids.REASSIGN),
        blocks=[
            *([mrkdwn_section(accepted)] if accepted else []),
            *radios,
            input_block(
                "Or someone else" if radios else "Who gets it?",
                assignee_select,
                # Slack cannot require one of two inputs; the service checks that.
                optional=bool(radios),
                hint="If you choose someone here, they get it." if radios else "",
            ),
            text_input(
                "reason",
                "Why?",
                max_length=MAX_REASON_LENGTH,
                optional=True,
                hint="The new assignee reads this; the requester does not.",
            ),
        ],
    )


def returned_to_queue_modal() -> View:
    sentence = "Back in the queue; we'll look for someone else."
    return modal(title="Reassigned", blocks=[text_section(sentence)])


def decline_modal(ticket: Ticket) -> View:
    radios: Block = {
        "type": "radio_buttons",
        "action_id": "why",
        "options": [option(reason, reason) for reason in DeclineReason],
    }
    return _ticket_modal(
        ticket,
        ids.DECLINE_TICKET,
        title="Decline",
        submit="Decline",
        metadata=button_value(ticket, ids.DECLINE),
        blocks=[
            text_section("It goes to the next best person. The requester only sees who that is."),
            input_block("Why do you decline?", radios, optional=True),
            text_input(
                "reason",
                "Anything to add?",
                max_length=MAX_REASON_LENGTH,
                optional=True,
                hint="Moderators and admins read this; the requester does not.",
            ),
        ],
    )


def declined_modal(outcome: ReassignResult) -> View:
    """Return who the ticket was reassigned to."""
    return modal(title="Declined", blocks=[text_section(_declined_text(outcome))])


def ask_requester_modal(ticket: Ticket) -> View:
    has_others = ticket.participants or conversation_of(ticket)
    who = "the requester has" if has_others else "they have"
    return _ticket_modal(
        ticket,
        ids.ASK_REQUESTER,
        title="Ask about",
        submit="Ask and wait",
        blocks=[
            text_input(
                "question",
                "What do you need to know?",
                max_length=MAX_QUESTION_LENGTH,
                multiline=True,
                hint=f"{_requester_reads(ticket)} The ticket waits until {who} answered.",
            ),
        ],
    )


def resolve_ticket_modal(ticket: Ticket) -> View:
    return _ticket_modal(
        ticket,
        ids.RESOLVE_TICKET,
        title="Resolve",
        submit="Resolve",
        blocks=[
            text_input(
                "resolution",
                "What was done?",
                max_length=MAX_RESOLUTION_LENGTH,
                multiline=True,
                optional=True,
                hint=_requester_reads(ticket),
            ),
        ],
    )


def cancel_ticket_modal(ticket: Ticket) -> View:
    """Ask for confirmation, in a modal because a `confirm` dialog can close its parent modal."""
    return _ticket_modal(
        ticket,
        ids.CANCEL_TICKET,
        title="Cancel",
        submit="Cancel the ticket",
        close="Back",  # beside this submit label, "Cancel" has two meanings
        blocks=[
            text_section(
                "No one will work on it any more. You can reopen it later if you need to."
            ),
        ],
    )


def reopen_ticket_modal(ticket: Ticket, *, reader_id: ObjectId | None = None) -> View:
    return _ticket_modal(
        ticket,
        ids.REOPEN_TICKET,
        title="Reopen",
        submit="Reopen",
        blocks=[
            text_input(
                "reason",
                "What is still wrong?",
                max_length=MAX_COMMENT_LENGTH,
                multiline=True,
                optional=True,
                hint=CHANNEL_READS
                if conversation_of(ticket)
                else f"{_readers(ticket, reader_id)} this.",
            ),
        ],
    )


def comment_modal(
    ticket: Ticket,
    *,
    reader_id: ObjectId | None = None,
    initial: str = "",
    notes: Sequence[str] = (),
) -> View:
    readers = _readers(ticket, reader_id)
    hint = f"{readers} this. They also read replies in the thread of the ticket's card."
    if conversation_of(ticket):
        hint = f"{CHANNEL_READS} It appears in the ticket's thread there."
    return _ticket_modal(
        ticket,
        ids.WRITE_COMMENT,
        title="Comment on",
        submit="Send",
        blocks=[*map(text_section, notes), _comment_input("Your comment", hint, initial)],
    )


def typed_comment(title: str, description: str) -> tuple[str, list[str]]:
    """Return a comment of what was typed to file a ticket, and a note about what has no room in
    it."""
    text = "\n\n".join(filter(None, (title, description)))
    if utf16_length(text) <= MAX_COMMENT_LENGTH:
        return text, []
    return description, [TITLE_LEFT_OUT.format(title=title)]


def commented_modal(ticket: Ticket) -> View:
    """Return what replaces the form of a comment in place of a ticket; closing it also closes the
    form to file one."""
    name = labels.ticket_name(ticket)
    return modal(
        title="Comment sent",
        clear_on_close=True,
        blocks=[
            header(f"{name} has your comment"),
            ticket_title(ticket),
            text_section("No other ticket was filed."),
        ],
    )


def answer_modal(
    ticket: Ticket, *, question: str, initial: str = "", notes: Sequence[str] = ()
) -> View:
    hint = f"{_readers(ticket, ticket.created_by)} this."
    return _ticket_modal(
        ticket,
        ids.WRITE_COMMENT,
        title="Answer",
        submit="Send",
        blocks=[
            *(quoted_section("Question", question) if question else []),
            *map(text_section, notes),
            _comment_input(
                "Your answer", CHANNEL_READS if conversation_of(ticket) else hint, initial
            ),
        ],
    )


def note_modal(ticket: Ticket) -> View:
    hint = "Only moderators and admins read this, never the requester."
    return _ticket_modal(
        ticket,
        ids.WRITE_NOTE,
        title="Note on",
        submit="Add note",
        blocks=[_comment_input("Internal note", hint)],
    )


def _readers(ticket: Ticket, reader_id: ObjectId | None) -> str:
    """Return who else reads a comment, as the beginning of a sentence."""
    if reader_id is not None and reader_id == ticket.created_by:
        others = "and its participants read" if ticket.participants else "reads"
        return f"Everyone who works on the ticket {others}"
    participants = ", the participants" if ticket.participants else ""
    return f"The requester{participants} and everyone who works on the ticket read"


def _requester_reads(ticket: Ticket) -> str:
    if conversation_of(ticket):
        return CHANNEL_READS
    with_participants = "The requester and the participants read this."
    return with_participants if ticket.participants else "The requester reads this."


def modal_title(action_label: str, ticket: Ticket) -> str:
    return f"{action_label} ticket {ticket.number or ''}".strip()[:MAX_MODAL_TITLE_LENGTH]


def _assignee_radios(suggestions: Sequence[AssigneeOption], *, can_unassign: bool) -> list[Block]:
    """Return radio buttons, each suggestion with its reason below the name, the queue last."""
    options = [
        {
            **option(_assignee_name(assignee), str(assignee.user.id)),
            "description": plain_text(assignee.reason, limit=MAX_OPTION_TEXT_LENGTH),
        }
        for assignee in suggestions
    ]
    if can_unassign:
        queue = option("Back to the queue", BACK_TO_QUEUE)
        options.append({**queue, "description": plain_text("We look for someone else.")})
    if not options:
        return []
    radios = {"type": "radio_buttons", "action_id": "nextBest", "options": options}
    return [input_block(_suggestions_label(suggestions), radios, optional=True)]


def _suggestions_label(suggestions: Sequence[AssigneeOption]) -> str:
    if not suggestions:
        return "Who gets it?"
    has_match = any(suggestion.is_match for suggestion in suggestions)
    return "Who fits best?" if has_match else "No one who fits is available. Who has room?"


def _declined_text(outcome: ReassignResult) -> str:
    name = labels.ticket_name(outcome.ticket)
    if outcome.assignee:
        return f"{name} goes to {outcome.assignee.display_name}, who is notified now."
    if outcome.is_queued:
        return (
            f"No one else is available for {name[0].lower()}{name[1:]} right now. It is at the top "
            "of the queue, the admins are notified, and it is assigned as soon as someone is free."
        )
    return f"{name} is no longer yours. We look for someone else; its card says who has it."


def _comment_input(label: str, hint: str, initial: str = "") -> Block:
    return text_input(
        "text", label, max_length=MAX_COMMENT_LENGTH, multiline=True, initial=initial, hint=hint
    )


def _ticket_modal(
    ticket: Ticket,
    callback_id: str,
    *,
    title: str,
    submit: str,
    blocks: list[Block],
    close: str = "",
    metadata: str = "",
) -> View:
    """Return a modal about the ticket, which it names. `metadata` is by default the ticket's id."""
    return modal(
        callback_id=callback_id,
        title=modal_title(title, ticket),
        submit=submit,
        close=close,
        private_metadata=metadata or str(ticket.id),
        blocks=[ticket_title(ticket), *blocks],
    )


def assignee_option(assignee: AssigneeOption) -> Block:
    """Return an option such as “Nils · knows VPN · 3 of 8 tickets with this one”; its value is the
    account's id."""
    parts = [describe_load(assignee.open_tickets, assignee.capacity)]
    if obstacle := _obstacle_text(assignee):
        parts.append(obstacle)
    name = _assignee_name(assignee)
    available_length = MAX_OPTION_TEXT_LENGTH - len(" · ".join(["", *parts]))
    if assignee.known_skills:
        skills_text = f"knows {', '.join(assignee.known_skills)}"
        parts.insert(
            0,
            truncate(skills_text, available_length - min(len(name), MIN_NAME_LENGTH) - len(" · ")),
        )
    name = truncate(name, MAX_OPTION_TEXT_LENGTH - len(" · ".join(["", *parts])))
    return option(" · ".join([name, *parts]), str(assignee.user.id))


def _obstacle_text(assignee: AssigneeOption) -> str:
    """Return why assignment would not choose them; "" if it may, or if their load says so."""
    if assignee.obstacle is not Obstacle.AWAY:
        return OBSTACLE_LABELS.get(assignee.obstacle, "") if assignee.obstacle else ""
    until = assignee.away_until
    return f"out until {until.day} {until:%b}" if until and until < NO_END else "out"


def _assignee_name(assignee: AssigneeOption) -> str:
    return " ".join(strip_invisible(assignee.user.display_name).split()) or "someone"
