"""Modals sent in. Stored first, then answered, so that a failure keeps the modal and its text."""

from datetime import datetime
from typing import Any

from bot.handlers import filing
from bot.slack import messages
from bot.slack.form_state import moment_of
from bot.slack.request import Request
from bot.views.cards.action_buttons import read_value
from bot.views.modals import file_ticket as modal_file_ticket
from bot.views.modals.ticket_actions import handed_on
from services.models.ticket import Ticket
from services.tickets.filing import AlreadyFiled


def file_ticket(req: Request) -> None:
    view = req.body["view"]
    try:
        filed = req.desk.tickets.create(
            actor=req.actor,
            team_id=req.desk.team_id,
            request_id=view["id"],
            title=req.value("title"),
            description=req.value("description"),
            priority=req.value("priority") or None,
            deadline=_deadline(view),
            source=messages.source_from(req.desk, view.get("private_metadata") or ""),
        )
    except AlreadyFiled as found:  # of the same message, and quicker
        typed = req.value("description")
        view = filing.already_filed(req, found, typed=typed)
        req.ack(response_action="update", view=view)
        return
    req.ack(response_action="update", view=modal_file_ticket.filed(filed.ticket))
    req.desk.publisher.publish_ticket(str(filed.ticket.id))


def resolve_ticket(req: Request) -> None:
    _moved(
        req,
        req.desk.moves.resolve(
            actor=req.actor, ticket_id=_about(req), resolution=req.value("resolution")
        ),
    )


def reassign_ticket(req: Request) -> None:
    ticket_id, seen = read_value(_about(req))
    _moved(
        req,
        req.desk.moves.reassign(
            actor=req.actor,
            ticket_id=ticket_id,
            # Radio buttons cannot be cleared again, so whoever is searched for counts.
            assignee_id=req.value("assignedTo") or _next_best(req) or None,
            reason=req.value("reason"),
            expected_state=seen,
        ),
    )


def hand_on(req: Request) -> None:
    """Not mine."""
    ticket_id, seen = read_value(_about(req))
    outcome = req.desk.handing_on.decline(
        actor=req.actor,
        ticket_id=ticket_id,
        decline_reason=req.value("why"),
        details=req.value("reason"),
        expected_state=seen,
    )
    req.ack(response_action="update", view=handed_on(outcome))
    req.desk.publisher.publish_ticket(ticket_id)


def ask_requester(req: Request) -> None:
    _moved(
        req,
        req.desk.moves.ask_requester(
            actor=req.actor, ticket_id=_about(req), question=req.value("question")
        ),
    )


def cancel_ticket(req: Request) -> None:
    _moved(req, req.desk.moves.cancel(actor=req.actor, ticket_id=_about(req)))


def _deadline(view: dict[str, Any]) -> datetime | None:
    """A form that was opened before there was the field comes without."""
    state = view["state"]["values"].get("deadline", {}).get("deadline", {})
    seconds = state.get("selected_date_time")
    return None if seconds is None else moment_of(seconds)


def _next_best(req: Request) -> str:
    """Nobody is offered where nobody else is available."""
    return req.value("nextBest") if "nextBest" in req.body["view"]["state"]["values"] else ""


def _about(req: Request) -> str:
    return str(req.body["view"].get("private_metadata") or "")


def _moved(req: Request, ticket: Ticket) -> None:
    req.ack()
    req.desk.publisher.publish_ticket(str(ticket.id))
