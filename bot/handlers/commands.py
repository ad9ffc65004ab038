"""Handlers of `/ticket`: the filing form, and help."""

from collections.abc import Sequence

from pymongo.errors import PyMongoError

from bot.slack.request import Request
from bot.views.messages.help import HelpEntry, help_message
from bot.views.modals import file_ticket, notice
from services.core.errors import DomainError
from services.models.user import Role


def open_filing_form(req: Request) -> None:
    """Open the form before checking the caller, because its trigger expires after three seconds."""
    req.open_modal(
        file_ticket.file_ticket_modal(
            is_ai_enabled=req.bot.config.is_ai_enabled, title=" ".join(req.arguments)
        )
    )
    req.ack()
    refuse_if_not_allowed(req)


def refuse_if_not_allowed(req: Request) -> None:
    """Replace the form that is already open by the refusal, if the caller may not file."""
    try:
        _ = req.actor
    except DomainError as refusal:  # better now than after the form is filled in
        req.update_modal(notice.notice_modal(str(refusal)))


def show_help(req: Request, entries: Sequence[HelpEntry], *, unknown_command: str = "") -> None:
    answer = help_message(entries, role=_caller_role(req), unknown_command=unknown_command)
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def _caller_role(req: Request) -> Role:
    """The caller's role. Help is shown even without an account, or if MongoDB is unreachable."""
    try:
        user = req.find_user()
    except (DomainError, PyMongoError):
        return Role.USER
    return user.role if user else Role.USER
