"""Shortcuts: the form from anywhere, and a ticket made of a message."""

from collections.abc import Callable

from bot.handlers import commands
from bot.slack import messages
from bot.slack.request import Request
from bot.views.inputs import View
from bot.views.modals import file_ticket
from bot.views.modals.message_quote import Quote
from bot.views.text import Person
from services.models.message_source import MessageSource
from services.tickets.filing import AlreadyFiled


def open_form(req: Request) -> None:
    """The form that `/ticket` opens."""
    req.open(file_ticket.file_ticket(read_by_ai=req.desk.reads_with_ai))
    commands.check_who_asks(req)


def make_ticket(req: Request) -> None:
    """A modal at once, because its trigger lives three seconds; then the form in it, filled in."""
    req.open(file_ticket.one_moment())
    source = messages.source_of(req.desk, req.body)
    fill_in(req, source, lambda: messages.quote_of(req.desk, source, lambda: req.body["message"]))


def fill_in(req: Request, source: MessageSource, quote: Callable[[], Quote]) -> None:
    """The form, filled in, in the modal just opened; or the ticket there is of that message."""
    try:
        req.desk.tickets.check_not_filed(actor=req.actor, team_id=req.desk.team_id, source=source)
    except AlreadyFiled as found:
        req.update(already_filed(req, found))
        return
    req.update(
        file_ticket.file_ticket(
            read_by_ai=req.desk.reads_with_ai,
            quote=quote(),
            metadata=messages.metadata(source),
        )
    )


def already_filed(req: Request, found: AlreadyFiled, *, typed: str = "") -> View:
    """What somebody reads who wanted to make a second ticket of a message."""
    assignee: Person | None = None
    if found.ticket and (user_id := found.ticket.assigned_to):
        linked = req.desk.links.slack_ids(team_id=req.desk.team_id, user_ids={user_id})
        assignee = Person("someone who is not in Slack", linked.get(user_id))
    return file_ticket.already_filed(
        str(found), ticket=found.ticket, assignee=assignee, typed=typed
    )
