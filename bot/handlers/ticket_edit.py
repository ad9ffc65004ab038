"""The modal to update a ticket, and what its menus offer."""

from typing import Any

from bot.slack.form_state import FormState, parse_timestamp
from bot.slack.request import Request
from bot.views.assignee_options import assignee_option
from bot.views.cards.action_buttons import parse_button_value
from bot.views.inputs import MAX_OPTIONS
from bot.views.modals.edit_conflict import conflict_modal
from bot.views.modals.edit_metadata import EditMetadata, ticket_id_from_view
from bot.views.modals.edit_ticket import edit_ticket_modal, skill_select_options
from services.editing.conflicts import EditConflict


def open_edit_form(req: Request) -> None:
    """The button Update."""
    ticket_id, _ = parse_button_value(req.button_value)
    open_edit_form_for(req, ticket_id)


def open_edit_form_for(req: Request, ticket_id: str) -> None:
    draft = req.services.ticket_edits.get_form(
        actor=req.actor, team_id=req.bot.team_id, ticket_id=ticket_id
    )
    req.open_modal(edit_ticket_modal(draft))


def save_ticket(req: Request) -> None:
    form, actor = req.form, req.actor
    metadata = EditMetadata.decode(req.body["view"].get("private_metadata") or "")
    changes = changed_fields(form, metadata)
    try:
        ticket = req.services.ticket_edits.update(
            actor=actor,
            ticket_id=metadata.ticket_id,
            expected_seq=metadata.seq,
            changes=changes,
            acknowledged=metadata.acknowledged,
        )
    except EditConflict as conflict:
        conflict_view = conflict_modal(
            form.filled_inputs(),
            conflict,
            metadata=metadata,
            changed_fields=frozenset(changes),
            reader_id=actor.user_id,
        )
        req.ack(response_action="update", view=conflict_view)
        return
    req.ack()
    req.bot.publisher.publish_ticket(str(ticket.id))


def changed_fields(form: FormState, metadata: EditMetadata) -> dict[str, Any]:
    """The changes, as `TicketEdits.update` takes them. Raises `InvalidValue` for a bad date.

    Fields changed in a submission that was refused count as changed: the modal was shown again
    with those values filled in. So does a ticked box.
    """
    changed = form.changed(or_in=metadata.changed_fields)
    changed.pop("noDeadline", None)
    if "noDeadline" in form and form.submitted("noDeadline"):
        changed["deadline"] = None
    elif changed.get("deadline") is not None:
        changed["deadline"] = parse_timestamp(changed["deadline"])
    return changed


def suggest_assignees(req: Request) -> None:
    """Those whose name or skills hold what was typed, the best fit for the ticket first."""
    options = req.services.ticket_edits.assignee_options(
        actor=req.actor,
        team_id=req.bot.team_id,
        ticket_id=ticket_id_from_view(req.body.get("view") or {}),
        query=str(req.body.get("value") or ""),
    )
    req.ack(options=[assignee_option(assignee) for assignee in options[:MAX_OPTIONS]])


def suggest_skills(req: Request) -> None:
    """For teams with more skills than a menu holds."""
    skills = req.services.ticket_edits.team_skills(
        actor=req.actor, query=str(req.body.get("value") or "")
    )
    req.ack(options=skill_select_options(skills[:MAX_OPTIONS]))
