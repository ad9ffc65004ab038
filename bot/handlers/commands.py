"""`/ticket`: the form to file a ticket, and the help text."""

from pymongo.errors import PyMongoError

from bot.slack.request import Request
from bot.views.inputs import notice_modal
from bot.views.messages.help import help_message
from bot.views.modals import file_ticket
from services.core.errors import DomainError
from services.models.user import Role


def open_filing_form(req: Request) -> None:
    """Open the form first, because a trigger_id expires after three seconds; then check the
    caller."""
    req.open_modal(
        file_ticket.file_ticket_modal(
            is_ai_enabled=req.bot.config.is_ai_enabled, title=" ".join(req.arguments)
        )
    )
    req.ack()
    refuse_if_not_allowed(req)


def refuse_if_not_allowed(req: Request) -> None:
    """Replace the open form with the reason if the caller may not file."""
    try:
        _ = req.actor
    except DomainError as refusal:  # now, before the user fills in the form
        req.update_modal(notice_modal(str(refusal)))


def show_help(req: Request) -> None:
    answer = help_message(role=_caller_role(req))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def show_help_for_unknown_command(req: Request) -> None:
    answer = help_message(role=_caller_role(req), unknown_command=" ".join(req.arguments))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def _caller_role(req: Request) -> Role:
    """Help works without an account, and without the database."""
    try:
        user = req.find_user()
    except (DomainError, PyMongoError):
        return Role.USER
    return user.role if user else Role.USER
