"""What follows `/ticket`."""

from bot.request import Request
from bot.views import forms
from bot.views.help import help_text
from bot.views.text import cut, escape
from services.errors import DomainError


def open_form(req: Request) -> None:
    """The form at once, because its trigger lives three seconds; who asks is checked behind it."""
    title = " ".join(str(req.body.get("text") or "").split())
    form = forms.file_ticket(read_by_ai=req.desk.reads_with_ai, title=title)
    opened = req.desk.client.views_open(trigger_id=req.body["trigger_id"], view=form)
    req.ack()
    try:
        _ = req.actor
    except DomainError as refusal:  # better told now than after a page of typing
        req.desk.client.views_update(
            view_id=opened["view"]["id"],
            hash=opened["view"]["hash"],
            view=forms.refused(str(refusal)),
        )


def show_help(req: Request) -> None:
    answer = help_text()
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def show_help_for_unknown(req: Request) -> None:
    answer = help_text(unknown=escape(cut(str(req.body["text"]).strip(), 40)))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)
