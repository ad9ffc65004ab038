"""Shortcuts: the form from anywhere, and a ticket made of a message."""

from collections.abc import Callable

from bot.handlers import commands
from bot.slack import source_messages
from bot.slack.request import Request
from bot.views.inputs import View
from bot.views.modals import file_ticket
from bot.views.modals.message_quote import MessageQuote
from bot.views.text import DisplayPerson
from services.models.message_source import MessageSource
from services.tickets.filing import AlreadyFiled


def open_form_from_shortcut(req: Request) -> None:
    """The form that `/ticket` opens."""
    req.open_modal(file_ticket.file_ticket_modal(is_ai_enabled=req.bot.config.is_ai_enabled))
    commands.refuse_if_not_allowed(req)


def file_from_message(req: Request) -> None:
    """A modal at once, because its trigger lives three seconds; then the form in it, filled in."""
    req.open_modal(file_ticket.file_ticket_loading_modal())
    source = source_messages.source_from_shortcut(req.bot, req.body)
    fill_form(
        req,
        source,
        lambda: source_messages.quote_message(req.bot, source, lambda: req.body["message"]),
    )


def fill_form(req: Request, source: MessageSource, make_quote: Callable[[], MessageQuote]) -> None:
    """The form, filled in, in the modal just opened; or the ticket there is of that message."""
    try:
        req.services.tickets.check_not_filed(
            actor=req.actor, team_id=req.bot.team_id, source=source
        )
    except AlreadyFiled as error:
        req.update_modal(already_filed_view(req, error))
        return
    req.update_modal(
        file_ticket.file_ticket_modal(
            is_ai_enabled=req.bot.config.is_ai_enabled,
            quote=make_quote(),
            metadata=source_messages.encode_source(source),
        )
    )


def already_filed_view(req: Request, error: AlreadyFiled, *, entered_text: str = "") -> View:
    """What somebody reads who wanted to make a second ticket of a message."""
    assignee: DisplayPerson | None = None
    if error.ticket and (user_id := error.ticket.assigned_to):
        linked = req.services.links.slack_ids(team_id=req.bot.team_id, user_ids={user_id})
        assignee = DisplayPerson("someone who is not in Slack", linked.get(user_id))
    return file_ticket.already_filed_modal(
        str(error), ticket=error.ticket, assignee=assignee, entered_text=entered_text
    )
