"""What follows `/ticket`."""

from pymongo.errors import PyMongoError

from bot.slack.request import Request
from bot.views.messages.help import help_text
from bot.views.modals import file_ticket
from services.core.errors import DomainError
from services.models.user import Role


def open_form(req: Request) -> None:
    """The form at once, because its trigger lives three seconds; who asks is checked behind it."""
    req.open(file_ticket.file_ticket(read_by_ai=req.desk.reads_with_ai, title=" ".join(req.words)))
    req.ack()
    check_who_asks(req)


def check_who_asks(req: Request) -> None:
    """Behind an open form: turn it into the refusal for whoever may not file."""
    try:
        _ = req.actor
    except DomainError as refusal:  # better told now than after a page of typing
        req.update(file_ticket.notice(str(refusal)))


def show_help(req: Request) -> None:
    answer = help_text(role=_role(req))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def show_help_for_unknown(req: Request) -> None:
    answer = help_text(role=_role(req), unknown=" ".join(req.words))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def _role(req: Request) -> Role:
    """The role of whoever asks. Help is for everybody: also without an account, or a database."""
    desk = req.desk
    try:
        known = desk.links.find_user(team_id=desk.team_id, slack_user_id=req.slack_user_id)
    except (DomainError, PyMongoError):
        return Role.USER
    return known.role if known else Role.USER
