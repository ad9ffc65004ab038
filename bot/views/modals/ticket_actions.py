"""The modals of the steps that ask for something before they are taken.

The modals for writing about a ticket where its thread is not at hand.

The modal of whoever was given a ticket that is not for them, and what it becomes.
"""

from collections.abc import Sequence

from bot.views import ids, labels
from bot.views.assignee_options import next_best
from bot.views.cards.action_buttons import value
from bot.views.inputs import View, field_block, modal, option, text_input
from bot.views.text import Block, plain_text
from services.assignment.assignee_options import AssigneeOption
from services.assignment.reassign import DeclineReason, ReassignResult
from services.models.ticket import Status, Ticket
from services.tickets.comments import MAX_COMMENT_LENGTH
from services.tickets.validation import QUESTION_MAX, REASON_MAX, TITLE_MAX

TITLE = 24  # of a modal


def reassign_ticket(ticket: Ticket, others: Sequence[AssigneeOption] = ()) -> View:
    """Who is to have it: the next best at a glance (`others`), or anybody. Whoever it may be handed
    back from can leave that to assignment."""
    may_hand_back = ticket.assigned_to is not None and ticket.status is not Status.WAITING
    chosen: Block = {
        "type": "external_select",
        "action_id": "assignedTo",
        "placeholder": plain_text("Choose somebody"),
        "min_query_length": 0,
    }
    first = "Whoever you choose here gets it. " if others else ""
    empty = "Choose nobody" if others else "Leave it empty"
    back = f"{empty} to hand the ticket back: then somebody else is looked for."
    hint = f"{first}{back if may_hand_back else ''}".strip()
    return modal(
        callback_id=ids.REASSIGN_TICKET,
        title=title("Assign" if ticket.assigned_to is None else "Reassign", ticket),
        submit="Assign",
        close="Close",
        # With what its reader decided by: somebody may be quicker while this is open.
        private_metadata=value(ticket, ids.REASSIGN),
        blocks=[
            about(ticket),
            *_at_a_glance(others),
            field_block(
                "Or anybody else" if others else "Who is to have it?",
                chosen,
                # With two inputs for one answer neither can be asked for: the service does.
                optional=may_hand_back or bool(others),
                hint=hint,
            ),
            text_input(
                "reason",
                "Why?",
                limit=REASON_MAX,
                optional=True,
                hint="Whoever gets it reads this; the requester does not.",
            ),
        ],
    )


def _at_a_glance(others: Sequence[AssigneeOption]) -> list[Block]:
    if not others:
        return []
    fit = any(other.is_match for other in others)
    label = "Who fits best?" if fit else "Nobody who fits is available. Who has room?"
    return [field_block(label, next_best(others), optional=True)]


def ask_requester(ticket: Ticket) -> View:
    return modal(
        callback_id=ids.ASK_REQUESTER,
        title=title("Ask about", ticket),
        submit="Ask and wait",
        close="Close",
        private_metadata=str(ticket.id),
        blocks=[
            about(ticket),
            text_input(
                "question",
                "What do you need to know?",
                limit=QUESTION_MAX,
                multiline=True,
                hint="The requester reads this. The ticket waits until they have answered.",
            ),
        ],
    )


def cancel_ticket(ticket: Ticket) -> View:
    """Asked once more. A modal of its own, because a `confirm` can make its parent vanish."""
    return modal(
        callback_id=ids.CANCEL_TICKET,
        title=title("Cancel", ticket),
        submit="Cancel the ticket",
        close="Keep it",
        private_metadata=str(ticket.id),
        blocks=[
            about(ticket),
            {
                "type": "section",
                "text": plain_text(
                    "Nobody will work on it any more. You can reopen it later if you need to."
                ),
            },
        ],
    )


def title(step: str, ticket: Ticket) -> str:
    return f"{step} ticket {ticket.number or ''}".strip()[:TITLE]


def about(ticket: Ticket) -> Block:
    return {"type": "section", "text": plain_text(ticket.title, limit=TITLE_MAX)}


def comment(ticket: Ticket) -> View:
    return _form(
        ticket,
        callback_id=ids.WRITE_COMMENT,
        title="Comment",
        submit="Send",
        label="Your comment",
        hint="The requester and whoever works on the ticket read this.",
    )


def note(ticket: Ticket) -> View:
    return _form(
        ticket,
        callback_id=ids.WRITE_NOTE,
        title="Note",
        submit="Keep",
        label="Internal note",
        hint="Only the help desk reads this. The requester never does.",
    )


def _form(
    ticket: Ticket, *, callback_id: str, title: str, submit: str, label: str, hint: str
) -> View:
    return modal(
        callback_id=callback_id,
        title=f"{title} on ticket {ticket.number or ''}".strip()[:TITLE],
        submit=submit,
        close="Close",
        private_metadata=str(ticket.id),
        blocks=[
            {"type": "section", "text": plain_text(ticket.title, limit=TITLE_MAX)},
            text_input("text", label, limit=MAX_COMMENT_LENGTH, multiline=True, hint=hint),
        ],
    )


def not_mine(ticket: Ticket) -> View:
    radios: Block = {
        "type": "radio_buttons",
        "action_id": "why",
        "options": [option(why, why) for why in DeclineReason],
    }
    return modal(
        callback_id=ids.HAND_ON,
        title=title("Not mine:", ticket),
        submit="Hand it on",
        close="Keep it",
        # With what its reader decided by: somebody may be quicker while this is open.
        private_metadata=value(ticket, ids.NOT_MINE),
        blocks=[
            about(ticket),
            _section("It goes to whoever fits next best. Its requester only sees who that is."),
            field_block("Why is it not yours?", radios, optional=True),
            text_input(
                "reason",
                "Anything to add?",
                limit=REASON_MAX,
                optional=True,
                hint="Moderators and admins read this; the requester does not.",
            ),
        ],
    )


def handed_on(outcome: ReassignResult) -> View:
    """To whom it went."""
    return modal(title="Handed on", close="Done", blocks=[_section(_told(outcome))])


def _told(outcome: ReassignResult) -> str:
    name = labels.name(outcome.ticket)
    if outcome.assignee:
        return f"{name} goes to {outcome.assignee.display_name}, who is told now."
    if outcome.is_queued:
        return (
            f"Nobody else is available for {name[0].lower()}{name[1:]} right now. It stands at the "
            "top of the queue, the admins are told, and somebody gets it as soon as they can."
        )
    return f"{name} is not yours any more. Somebody else is looked for; its card says who has it."


def _section(text: str) -> Block:
    return {"type": "section", "text": plain_text(text)}
