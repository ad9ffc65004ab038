"""The modals of the steps that ask for something before they are taken."""

from collections.abc import Sequence

from bot.views import ids
from bot.views.fits import next_best
from bot.views.inputs import View, field_block, modal, text_input
from bot.views.steps import value
from bot.views.text import Block, plain
from services.fits import Fit
from services.models import Status, Ticket
from services.ticket_fields import QUESTION_MAX, REASON_MAX, TITLE_MAX

TITLE = 24  # of a modal


def reassign_ticket(ticket: Ticket, others: Sequence[Fit] = ()) -> View:
    """Who is to have it: the next best at a glance (`others`), or anybody. Whoever it may be handed
    back from can leave that to assignment."""
    may_hand_back = ticket.assigned_to is not None and ticket.status is not Status.WAITING
    chosen: Block = {
        "type": "external_select",
        "action_id": "assignedTo",
        "placeholder": plain("Choose somebody"),
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


def _at_a_glance(others: Sequence[Fit]) -> list[Block]:
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
                "text": plain(
                    "Nobody will work on it any more. You can reopen it later if you need to."
                ),
            },
        ],
    )


def title(step: str, ticket: Ticket) -> str:
    return f"{step} ticket {ticket.number or ''}".strip()[:TITLE]


def about(ticket: Ticket) -> Block:
    return {"type": "section", "text": plain(ticket.title, limit=TITLE_MAX)}
