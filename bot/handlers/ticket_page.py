"""A ticket's page, the modal to edit it, and the explanation of its assignment."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from bot.handlers import app_home
from bot.handlers.requester import chosen_requester
from bot.handlers.secret_warning import warn_of_secrets
from bot.slack.form_origin import OriginKind
from bot.slack.form_state import FormState, parse_timestamp
from bot.slack.request import Request
from bot.slack.source_messages import SLACK_ERRORS
from bot.slack.ticket_command import parse_number
from bot.views.blocks import text_section
from bot.views.cards.action_buttons import parse_button_value
from bot.views.cards.ticket_cards import conversation_details
from bot.views.explain.modal import MAX_CANDIDATES, explanation_loading_modal, explanation_modal
from bot.views.home.ticket_page import (
    conversation_modal,
    ticket_from_block_id,
    ticket_message,
)
from bot.views.inputs import MAX_OPTIONS
from bot.views.modals import edit_ticket
from bot.views.modals.edit_ticket import EditMetadata
from bot.views.modals.ticket_actions import assignee_option
from bot.views.text import Message, display_person, escape, unescape
from services.core.errors import Conflict, InvalidValue, NotFound
from services.editing.ticket_edits import EditConflict
from services.models.comment import MessageRef
from services.models.ticket import Ticket
from services.tickets.lifecycle import completed_by

logger = logging.getLogger(__name__)

CHOOSE_AGAIN = "Nothing was changed. Choose again if you still want to."
CHANGED_UNSEEN = "It is changed, but this page is not. Type /ticket and its number to see it."
NO_LONGER_VISIBLE = "The ticket is private now, and you can no longer see it."
CANNOT_SHOW = "The ticket could not be shown here. Type /ticket and its number instead."


def view_ticket(req: Request) -> None:
    """`/ticket view 12`, `/ticket 12`"""
    ticket = _ticket_by_number(req)
    page = req.services.home.page_of_ticket(actor=req.actor, team_id=req.bot.team_id, ticket=ticket)
    message = ticket_message(page)
    req.ack(response_type="ephemeral", text=message.text, blocks=message.blocks)


def show_details(req: Request) -> None:
    """Show the page; below the line of a ticket in a request channel, its state to a reader who may
    not see it."""
    ticket_id, _ = parse_button_value(req.button_value)
    container = req.body.get("container") or {}
    try:
        show_ticket_below(req, ticket_id)
    except NotFound:
        line = MessageRef(str(container.get("channel_id")), str(container.get("message_ts")))
        ticket, people = req.services.home.conversation_line(
            actor=req.actor, team_id=req.bot.team_id, ticket_id=ticket_id, line=line
        )
        assignee, by = ticket.assigned_to, completed_by(ticket)
        message = conversation_details(
            ticket,
            assignee=display_person(people, assignee) if assignee else None,
            done_by=display_person(people, by) if by else None,
        )
        if not req.post_below(message):
            raise Conflict(CANNOT_SHOW) from None


def show_history(req: Request) -> None:
    """Show all of the conversation and history, which the page has shortened."""
    page = req.services.home.ticket_page(
        actor=req.actor, team_id=req.bot.team_id, ticket_id=req.button_value
    )
    req.open_modal(conversation_modal(page))


def show_ticket_below(req: Request, ticket_id: str) -> None:
    """Show the ticket's page below the message with the pressed button."""
    if not req.post_below(_page_message(req, ticket_id)):
        raise Conflict(CANNOT_SHOW)


def refresh_page(req: Request, ticket_id: str, *, notice: str = "", is_taken: bool = False) -> bool:
    """Refresh the page if the pressed element is on one, or the submitted form was opened from one,
    because no worker updates pages immediately. Return False if Slack does not show it.

    Below another message, show the page to a user who has taken the ticket: they get no card.
    """
    try:
        is_home = (req.body.get("view") or {}).get("type") == "home"
        if is_home or req.origin.kind is OriginKind.HOME:
            app_home.refresh_screen(req, notice=notice)
            return True
        is_page = (req.body.get("container") or {}).get("is_ephemeral")
        if is_page or req.origin.kind is OriginKind.PAGE:
            return req.replace_message(_page_message(req, ticket_id, notice=notice))
        if is_taken:
            return req.post_below(_page_message(req, ticket_id))
    except NotFound:  # the user has made it private, and may not see it any more
        return req.replace_message(Message(NO_LONGER_VISIBLE, [text_section(NO_LONGER_VISIBLE)]))
    except SLACK_ERRORS:
        logger.warning("ticket %s: could not refresh the page", ticket_id)
    return False


def post_below(req: Request, message: Message) -> bool:
    """As `Request.post_below`, but return False if Slack fails."""
    return _shown(req.post_below, message)


def replace_message(req: Request, message: Message) -> bool:
    """As `Request.replace_message`, but return False if Slack fails."""
    return _shown(req.replace_message, message)


def _shown(show: Callable[[Message], bool], message: Message) -> bool:
    try:
        return show(message)
    except SLACK_ERRORS as error:
        logger.warning("a message to the user was not shown: %s", type(error).__name__)
        return False


def set_priority(req: Request) -> None:
    _set_field(req, "priority")


def set_assignee(req: Request) -> None:
    _set_field(req, "assignedTo")


def _set_field(req: Request, field: str) -> None:
    """Change the field as the form does. The page shows the result, or why there is none."""
    ticket_id, seq = ticket_from_block_id(req.body["actions"][0]["block_id"])
    refusal = ""
    try:
        ticket = _update(req, ticket_id, seq=seq, changes={field: req.selected_value})
    except EditConflict as conflict:
        phrase = edit_ticket.conflict_phrase(conflict.conflicts[0], conflict, req.actor.user_id)
        refusal = f"Since you opened this page, {phrase}. {CHOOSE_AGAIN}"
    except (Conflict, InvalidValue) as error:
        refusal = escape(str(error))
    else:
        req.bot.publisher.publish_ticket(str(ticket.id))
    if not refresh_page(req, ticket_id, notice=refusal):
        raise Conflict(unescape(refusal) or CHANGED_UNSEEN)


def _update(req: Request, ticket_id: str, *, seq: int, changes: dict[str, Any]) -> Ticket:
    """Of two choices of one user on the same page, the later counts."""
    update = partial(
        req.services.ticket_edits.update, actor=req.actor, ticket_id=ticket_id, changes=changes
    )
    try:
        return update(expected_seq=seq)
    except EditConflict as conflict:
        if any(other.by != req.actor.user_id for other in conflict.conflicts):
            raise
        return update(expected_seq=conflict.ticket.seq)


def show_explanation(req: Request) -> None:
    """Open a loading modal first: the dry run of a large team may take longer than the three
    seconds a trigger_id is valid."""
    actor = req.actor
    req.open_modal(explanation_loading_modal())
    dry_run = req.services.explanations.explain(
        actor=actor, ticket_id=req.button_value, limit=MAX_CANDIDATES
    )
    req.update_modal(explanation_modal(dry_run))


def open_edit_form(req: Request) -> None:
    ticket_id, _ = parse_button_value(req.button_value)
    _open_edit_form(req, ticket_id)


def open_edit_form_by_number(req: Request) -> None:
    """`/ticket update 12`"""
    _open_edit_form(req, str(_ticket_by_number(req).id))
    req.ack()


def save_ticket(req: Request) -> None:
    form, actor = req.form, req.actor
    metadata = EditMetadata.decode(req.metadata)
    changes = changed_fields(form, metadata)
    if "createdBy" in changes:
        member = changes.pop("createdBy")
        if member:  # an emptied field changes nothing
            changes["createdBy"] = chosen_requester(req, str(member))
    if warn_of_secrets(req, *changes):
        return
    try:
        ticket = req.services.ticket_edits.update(
            actor=actor,
            ticket_id=metadata.ticket_id,
            expected_seq=metadata.seq,
            changes=changes,
            acknowledged=metadata.acknowledged,
        )
    except EditConflict as conflict:
        conflict_view = edit_ticket.conflict_modal(
            form.filled_inputs(),
            conflict,
            metadata=metadata,
            changed_fields=frozenset(changes),
            reader_id=actor.user_id,
        )
        req.ack(response_action="update", view=req.origin.attached_to(conflict_view))
        return
    req.ack()
    req.bot.publisher.publish_ticket(str(ticket.id))
    refresh_page(req, str(ticket.id))


def changed_fields(form: FormState, metadata: EditMetadata) -> dict[str, Any]:
    """The changes, as `TicketEdits.update` takes them. Raises `InvalidValue` for a bad date.

    Fields changed in a submission that was refused count as changed: the modal was shown again
    with those values filled in. So does a ticked box.
    """
    changed = form.changed(or_in=metadata.changed_fields)
    changed.pop("noDeadline", None)
    if "private" in changed:
        changed["private"] = bool(changed["private"])
    if "noDeadline" in form and form.submitted("noDeadline"):
        changed["deadline"] = None
    elif changed.get("deadline") is not None:
        changed["deadline"] = parse_timestamp(changed["deadline"])
    return changed


def suggest_assignees(req: Request) -> None:
    """Suggest people whose name or skills contain the query, the best fit first."""
    _ack_assignees(req, edit_ticket.ticket_id_from_view(req.body.get("view") or {}))


def suggest_new_assignees(req: Request) -> None:
    """As `suggest_assignees`, for the menu on the page."""
    ticket_id, _ = ticket_from_block_id(str(req.body.get("block_id") or ""))
    _ack_assignees(req, ticket_id)


def _ack_assignees(req: Request, ticket_id: str | None) -> None:
    options = req.services.ticket_edits.assignee_options(
        actor=req.actor, team_id=req.bot.team_id, ticket_id=ticket_id, query=req.query
    )
    req.ack(options=[assignee_option(assignee) for assignee in options[:MAX_OPTIONS]])


def suggest_skills(req: Request) -> None:
    """For teams with more skills than a menu may have."""
    skills = req.services.ticket_edits.team_skills(actor=req.actor, query=req.query)
    req.ack(options=edit_ticket.skill_select_options(skills[:MAX_OPTIONS]))


def _open_edit_form(req: Request, ticket_id: str) -> None:
    draft = req.services.ticket_edits.get_form(
        actor=req.actor, team_id=req.bot.team_id, ticket_id=ticket_id
    )
    req.open_form(edit_ticket.edit_ticket_modal(draft))


def _page_message(req: Request, ticket_id: str, *, notice: str = "") -> Message:
    page = req.services.home.ticket_page(
        actor=req.actor, team_id=req.bot.team_id, ticket_id=ticket_id
    )
    return ticket_message(page, notice=notice)


def _ticket_by_number(req: Request) -> Ticket:
    """Return the ticket with the number in the command."""
    number = parse_number(req.arguments)
    if number is None:
        raise InvalidValue(
            "number",
            f"Add the ticket's number, for example /ticket {req.arguments[0].lower()} 12.",
        )
    return req.services.tickets.get_by_number(
        actor=req.actor, team_id=req.bot.team_id, number=number
    )
