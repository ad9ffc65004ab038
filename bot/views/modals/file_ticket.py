"""The form that files a ticket, and what it becomes: filed, or already filed."""

from bot.views import ids, labels
from bot.views.blocks import context, header, status_line
from bot.views.blocks import ticket_title as title_of
from bot.views.inputs import View, input_block, modal, option, select, text_input
from bot.views.modals.message_quote import MessageQuote
from bot.views.text import Block, DisplayPerson, plain_text
from services.models.ticket import Priority, Ticket
from services.tickets.validation import MAX_DESCRIPTION_LENGTH, MAX_TITLE_LENGTH

NO_SECRETS = "No passwords or keys here, please."
PRIORITY_HINT = (
    "Leave it empty if you are not sure; it is set for you. Urgent is for what stops several "
    "people or endangers security."
)
AI_DISCLOSURE = (
    "An AI service (Google Gemini) reads the title and this text to find the right person."
)


def file_ticket_modal(
    *, is_ai_enabled: bool, title: str = "", quote: MessageQuote | None = None, metadata: str = ""
) -> View:
    """The form for a new ticket; `title`, or what a message gave, is filled in already.

    `metadata` is what the submission brings back of that message: its ids.
    """
    hint = f"{NO_SECRETS} {AI_DISCLOSURE}" if is_ai_enabled else NO_SECRETS
    return modal(
        callback_id=ids.FILE_TICKET,
        title="File a ticket",
        submit="File",
        close="Cancel",
        private_metadata=metadata,
        blocks=[
            *([context(plain_text(quote.note))] if quote else []),
            text_input(
                "title",
                "Title",
                max_length=MAX_TITLE_LENGTH,
                initial=quote.title if quote else title,
                placeholder="VPN drops every hour",
            ),
            text_input(
                "description",
                "Description",
                max_length=MAX_DESCRIPTION_LENGTH,
                multiline=True,
                initial=quote.description if quote else "",
                hint=hint,
                placeholder="What happens, since when, and what you have tried",
            ),
            _priority(),
            _deadline(),
        ],
    )


def filed_modal(ticket: Ticket) -> View:
    """What the form becomes once the ticket is stored."""
    return modal(
        title="Ticket filed",
        close="Done",
        blocks=[
            {"type": "header", "text": plain_text(f"{labels.ticket_name(ticket)} filed")},
            {"type": "section", "text": plain_text(ticket.title, limit=MAX_TITLE_LENGTH)},
            {
                "type": "context",
                "elements": [
                    plain_text("You get a direct message that shows who has it and how it stands.")
                ],
            },
        ],
    )


def file_ticket_loading_modal() -> View:
    """Open at once, while what fills the form is looked up."""
    return modal(
        title="Make a ticket",
        close="Cancel",
        blocks=[{"type": "section", "text": plain_text("One moment…")}],
    )


def already_filed_modal(
    sentence: str, *, ticket: Ticket | None, assignee: DisplayPerson | None, entered_text: str = ""
) -> View:
    """In place of a form for a message that has a ticket: the `sentence`, how that ticket stands
    (None: not for this person's eyes), and what they typed, so that it is not lost."""
    blocks: list[Block] = [{"type": "section", "text": plain_text(sentence)}]
    if ticket:
        heading = [header(labels.ticket_name(ticket)), title_of(ticket)]
        blocks += [*heading, status_line(ticket, assignee=assignee)]
    if entered_text:
        blocks += [
            context(plain_text("What you typed was not filed. Copy it if it says something new:")),
            {"type": "section", "text": plain_text(entered_text)},
        ]
    return modal(title="Already a ticket", close="Close", blocks=blocks)


def _priority() -> Block:
    return select(
        "priority",
        "Priority",
        [option(labels.PRIORITY[priority], priority.value) for priority in Priority],
        placeholder="Choose a priority",
        optional=True,
        hint=PRIORITY_HINT,
    )


def _deadline() -> Block:
    """Day and time, in the zone of whoever fills it in."""
    return input_block(
        "Deadline",
        {"type": "datetimepicker", "action_id": "deadline"},
        optional=True,
        hint="Only if it has to be done by then. Leave it empty otherwise.",
    )
