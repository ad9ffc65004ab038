"""The modals for writing about a ticket where its thread is not at hand."""

from bot.views import ids
from bot.views.inputs import View, modal, text_input
from bot.views.text import plain
from services.comments import COMMENT_MAX
from services.models import Ticket
from services.ticket_fields import TITLE_MAX

TITLE = 24  # of a modal


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
            {"type": "section", "text": plain(ticket.title, limit=TITLE_MAX)},
            text_input("text", label, limit=COMMENT_MAX, multiline=True, hint=hint),
        ],
    )
