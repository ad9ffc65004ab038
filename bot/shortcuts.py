"""Shortcuts: the form from anywhere, and a ticket made of a message."""

from bot import commands, messages
from bot.request import Request
from bot.views import forms
from bot.views.text import Person
from services.message_tickets import AlreadyFiled


def open_form(req: Request) -> None:
    """The form that `/ticket` opens."""
    req.open(forms.file_ticket(read_by_ai=req.desk.reads_with_ai))
    commands.check_who_asks(req)


def make_ticket(req: Request) -> None:
    """A modal at once, because its trigger lives three seconds; then the form in it, filled in."""
    req.open(forms.one_moment())
    source = messages.source_of(req.desk, req.body)
    try:
        req.desk.tickets.check_unused(actor=req.actor, team_id=req.desk.team_id, source=source)
    except AlreadyFiled as found:
        req.update(already_filed(req, found))
        return
    req.update(
        forms.file_ticket(
            read_by_ai=req.desk.reads_with_ai,
            quote=messages.quote_of(req.desk, req.body["message"], source),
            metadata=messages.metadata(source),
        )
    )


def already_filed(req: Request, found: AlreadyFiled, *, typed: str = "") -> forms.View:
    """What somebody reads who wanted to make a second ticket of a message."""
    assignee: Person | None = None
    if found.ticket and (user_id := found.ticket.assigned_to):
        linked = req.desk.links.slack_ids(team_id=req.desk.team_id, user_ids={user_id})
        assignee = Person("someone who is not in Slack", linked.get(user_id))
    return forms.already_filed(str(found), ticket=found.ticket, assignee=assignee, typed=typed)
