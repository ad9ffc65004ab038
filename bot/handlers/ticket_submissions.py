"""Submitted modals. The change is stored before the acknowledgement, so that an error keeps the
modal open with its text."""

from datetime import datetime

from bot.handlers import filing, message_intake
from bot.slack import source_messages
from bot.slack.form_state import parse_timestamp
from bot.slack.request import Request
from bot.views.cards.action_buttons import parse_button_value
from bot.views.modals import file_ticket as modal_file_ticket
from bot.views.modals.ticket_actions import declined_modal
from services.models.ticket import Ticket
from services.tickets.filing import AlreadyFiled


def file_ticket(req: Request) -> None:
    view = req.body["view"]
    try:
        filed = req.services.tickets.create(
            actor=req.actor,
            team_id=req.bot.team_id,
            request_id=view["id"],
            title=req.field_value("title"),
            description=req.field_value("description"),
            priority=req.field_value("priority") or None,
            deadline=_deadline(req),
            source=source_messages.decode_source(req.bot, view.get("private_metadata") or ""),
        )
    except AlreadyFiled as error:  # a concurrent submission filed the same message
        entered_text = req.field_value("description")
        view = filing.already_filed_view(req, error, entered_text=entered_text)
        req.ack(response_action="update", view=view)
        return
    message_intake.follow_later_changes(req, filed.ticket)
    req.ack(response_action="update", view=modal_file_ticket.filed_modal(filed.ticket))
    req.bot.publisher.publish_ticket(str(filed.ticket.id))


def resolve_ticket(req: Request) -> None:
    _ack_and_publish(
        req,
        req.services.ticket_actions.resolve(
            actor=req.actor, ticket_id=_metadata(req), resolution=req.field_value("resolution")
        ),
    )


def reassign_ticket(req: Request) -> None:
    ticket_id, expected_state = parse_button_value(_metadata(req))
    _ack_and_publish(
        req,
        req.services.ticket_actions.reassign(
            actor=req.actor,
            ticket_id=ticket_id,
            # Radio buttons cannot be cleared, so the searched assignee takes precedence.
            assignee_id=req.field_value("assignedTo") or _suggested_assignee(req) or None,
            reason=req.field_value("reason"),
            expected_state=expected_state,
        ),
    )


def decline_ticket(req: Request) -> None:
    """The ticket goes to the next best assignee."""
    ticket_id, expected_state = parse_button_value(_metadata(req))
    outcome = req.services.reassignment.decline(
        actor=req.actor,
        ticket_id=ticket_id,
        decline_reason=req.field_value("why"),
        details=req.field_value("reason"),
        expected_state=expected_state,
    )
    req.ack(response_action="update", view=declined_modal(outcome))
    req.bot.publisher.publish_ticket(ticket_id)


def ask_requester(req: Request) -> None:
    _ack_and_publish(
        req,
        req.services.ticket_actions.ask_requester(
            actor=req.actor, ticket_id=_metadata(req), question=req.field_value("question")
        ),
    )


def cancel_ticket(req: Request) -> None:
    _ack_and_publish(
        req, req.services.ticket_actions.cancel(actor=req.actor, ticket_id=_metadata(req))
    )


def _deadline(req: Request) -> datetime | None:
    form = req.form  # one opened before an update of the bot may lack the field
    seconds = form.submitted("deadline") if "deadline" in form else None
    return None if seconds is None else parse_timestamp(seconds)


def _suggested_assignee(req: Request) -> str:
    """The choice among the suggestions, "" if there were none."""
    return req.field_value("nextBest") if "nextBest" in req.form else ""


def _metadata(req: Request) -> str:
    return str(req.body["view"].get("private_metadata") or "")


def _ack_and_publish(req: Request, ticket: Ticket) -> None:
    req.ack()
    req.bot.publisher.publish_ticket(str(ticket.id))
