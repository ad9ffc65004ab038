"""The modal to update a ticket, and what its menus offer."""

from bot.slack.form_state import changes_in
from bot.slack.request import Request
from bot.views.assignee_options import fit_option
from bot.views.cards.action_buttons import read_value
from bot.views.inputs import OPTIONS_MAX
from bot.views.modals.edit_conflict import clashing
from bot.views.modals.edit_metadata import Metadata, ticket_of
from bot.views.modals.edit_ticket import edit_ticket, skill_options
from services.editing.conflicts import EditConflict


def open_form(req: Request) -> None:
    """The button Update."""
    ticket_id, _ = read_value(req.pressed)
    open_for(req, ticket_id)


def open_for(req: Request, ticket_id: str) -> None:
    desk = req.desk
    draft = desk.edits.get_form(actor=req.actor, team_id=desk.team_id, ticket_id=ticket_id)
    req.open(edit_ticket(draft))


def save(req: Request) -> None:
    view, actor = req.body["view"], req.actor
    metadata = Metadata.decode(view.get("private_metadata") or "")
    changes = changes_in(view, metadata)
    try:
        ticket = req.desk.edits.update(
            actor=actor,
            ticket_id=metadata.ticket_id,
            expected_seq=metadata.seq,
            changes=changes,
            acknowledged=metadata.told,
        )
    except EditConflict as found:
        touched = frozenset(changes)
        again = clashing(view, found, metadata=metadata, touched=touched, reader=actor.user_id)
        req.ack(response_action="update", view=again)
        return
    req.ack()
    req.desk.publisher.publish_ticket(str(ticket.id))


def offer_assignees(req: Request) -> None:
    """Those whose name or skills hold what was typed, the best fit for the ticket first."""
    fits = req.desk.edits.assignee_options(
        actor=req.actor,
        team_id=req.desk.team_id,
        ticket_id=ticket_of(req.body.get("view") or {}),
        query=str(req.body.get("value") or ""),
    )
    req.ack(options=[fit_option(fit) for fit in fits[:OPTIONS_MAX]])


def offer_skills(req: Request) -> None:
    """For teams with more skills than a menu holds."""
    skills = req.desk.edits.team_skills(actor=req.actor, query=str(req.body.get("value") or ""))
    req.ack(options=skill_options(skills[:OPTIONS_MAX]))
