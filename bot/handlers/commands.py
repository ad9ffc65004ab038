"""What follows `/ticket`."""

from pymongo.errors import PyMongoError

from bot.slack.request import Request
from bot.views.messages.help import help_message
from bot.views.modals import file_ticket, notice
from services.core.errors import DomainError
from services.models.user import Role


def open_filing_form(req: Request) -> None:
    """The form at once, because its trigger lives three seconds; who asks is checked behind it."""
    req.open_modal(
        file_ticket.file_ticket_modal(
            is_ai_enabled=req.bot.config.is_ai_enabled, title=" ".join(req.arguments)
        )
    )
    req.ack()
    refuse_if_not_allowed(req)


def refuse_if_not_allowed(req: Request) -> None:
    """Behind an open form: turn it into the refusal for whoever may not file."""
    try:
        _ = req.actor
    except DomainError as refusal:  # better told now than after a page of typing
        req.update_modal(notice.notice_modal(str(refusal)))


def show_help(req: Request) -> None:
    answer = help_message(role=_caller_role(req))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def show_help_for_unknown_command(req: Request) -> None:
    answer = help_message(role=_caller_role(req), unknown_command=" ".join(req.arguments))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def _caller_role(req: Request) -> Role:
    """The role of whoever asks. Help is for everybody: also without an account, or a database."""
    try:
        user = req.find_user()
    except (DomainError, PyMongoError):
        return Role.USER
    return user.role if user else Role.USER
