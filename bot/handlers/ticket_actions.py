"""Actions on a ticket: buttons that apply one or open its modal, and the submitted modals.

A button carries the state its reader saw. If the ticket has changed since, nothing is done: the
user reads the current state, and the card or page is refreshed. Buttons of a question reminder
carry only the ticket's id. A modal's change is stored before the acknowledgement, so that an error
keeps the modal open with its text.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.handlers import ticket_page
from bot.handlers.secret_warning import warn_of_secrets
from bot.slack.form_origin import OriginKind
from bot.slack.request import Request
from bot.views.cards.action_buttons import parse_button_value
from bot.views.inputs import View
from bot.views.messages import settled
from bot.views.modals import ticket_actions as views
from bot.views.text import DisplayPerson
from services.core.errors import Conflict
from services.models.ticket import Status, Ticket
from services.tickets.actions import STILL_A_PROBLEM
from services.tickets.lifecycle import AlreadyAssigned, TicketAction, last_question

MODALS: dict[TicketAction, Callable[[Ticket], View]] = {
    TicketAction.DECLINE: views.decline_modal,
    TicketAction.ASK_REQUESTER: views.ask_requester_modal,
    TicketAction.RESOLVE: views.resolve_ticket_modal,
    TicketAction.CANCEL: views.cancel_ticket_modal,
}


def apply_action(req: Request) -> None:
    """Accept or take the ticket, as the pressed button says."""
    service = req.services.ticket_actions
    apply = {TicketAction.ACCEPT: service.accept, TicketAction.TAKE: service.take}[
        _pressed_action(req)
    ]
    ticket_id, expected_state = parse_button_value(req.button_value)
    try:
        with _refresh_if_stale(req, ticket_id):
            ticket = apply(actor=req.actor, ticket_id=ticket_id, expected_state=expected_state)
    except AlreadyAssigned as answer:
        if not ticket_page.post_below(req, settled.already_assigned_message(answer.ticket)):
            raise
        return
    req.bot.publisher.publish_ticket(str(ticket.id))
    ticket_page.refresh_page(req, ticket_id, is_taken=apply == service.take)


def open_modal(req: Request) -> None:
    """Open the modal of the pressed button."""
    action = _pressed_action(req)
    ticket_id, expected_state = parse_button_value(req.button_value)
    with _refresh_if_stale(req, ticket_id):
        ticket = req.services.ticket_actions.get_for_action(
            actor=req.actor, ticket_id=ticket_id, action=action, expected_state=expected_state
        )
    if action is TicketAction.REOPEN:
        form = views.reopen_ticket_modal(ticket, reader_id=req.actor.user_id)
    else:
        form = MODALS[action](ticket)
    req.open_form(form)


def open_reassign_modal(req: Request) -> None:
    ticket_id, expected_state = parse_button_value(req.button_value)
    with _refresh_if_stale(req, ticket_id):
        ticket, suggestions = req.services.reassignment.assignee_options(
            actor=req.actor,
            team_id=req.bot.team_id,
            ticket_id=ticket_id,
            expected_state=expected_state,
        )
    assignee = _accepted_colleague(req, ticket)
    req.open_form(views.reassign_ticket_modal(ticket, suggestions, assignee=assignee))


def answer_still_a_problem(req: Request) -> None:
    """Idempotent: pressed twice, it is recorded once."""
    key = f"still:{(req.body.get('container') or {}).get('message_ts', '')}"
    with _refresh_if_stale(req, req.button_value):
        ticket = req.services.ticket_actions.report_unsolved(
            actor=req.actor, ticket_id=req.button_value, request_id=key
        )
    req.bot.publisher.publish_ticket(str(ticket.id))
    if ticket.status is Status.REOPENED:
        req.replace_message(settled.reopened_message(ticket))
    else:
        question = last_question(ticket)
        asked = (question.note if question else None) or ""
        req.replace_message(
            settled.answered_message(ticket, question=asked, answer=STILL_A_PROBLEM)
        )


def answer_solved(req: Request) -> None:
    with _refresh_if_stale(req, req.button_value):
        ticket = req.services.ticket_actions.confirm_solved(
            actor=req.actor, ticket_id=req.button_value
        )
    req.bot.publisher.publish_ticket(str(ticket.id))
    req.replace_message(settled.solved_message(ticket))


def _accepted_colleague(req: Request, ticket: Ticket) -> DisplayPerson | None:
    """Return the assignee if another user has accepted the ticket."""
    if ticket.accepted_at is None or ticket.assigned_to in (None, req.actor.user_id):
        return None
    user = req.services.users.get(ticket.assigned_to)
    return DisplayPerson(user.display_name) if user else None


def resolve_ticket(req: Request) -> None:
    if warn_of_secrets(req, "resolution"):
        return
    _ack_and_publish(
        req,
        req.services.ticket_actions.resolve(
            actor=req.actor, ticket_id=req.metadata, resolution=req.field_value("resolution")
        ),
    )


def reassign_ticket(req: Request) -> None:
    if warn_of_secrets(req, "reason"):
        return
    ticket_id, expected_state = parse_button_value(req.metadata)
    # Radio buttons cannot be cleared, so the searched assignee takes precedence.
    choice = req.field_value("assignedTo") or _chosen_radio(req)
    is_returned = choice == views.BACK_TO_QUEUE
    ticket = req.services.ticket_actions.reassign(
        actor=req.actor,
        ticket_id=ticket_id,
        assignee_id=None if is_returned else choice,
        reason=req.field_value("reason"),
        expected_state=expected_state,
    )
    if is_returned:
        req.ack(response_action="update", view=views.returned_to_queue_modal())
        req.bot.publisher.publish_ticket(str(ticket.id))
        ticket_page.refresh_page(req, ticket_id)
        return
    _ack_and_publish(req, ticket)


def decline_ticket(req: Request) -> None:
    """The ticket goes to the next best assignee."""
    if warn_of_secrets(req, "reason"):
        return
    ticket_id, expected_state = parse_button_value(req.metadata)
    outcome = req.services.reassignment.decline(
        actor=req.actor,
        ticket_id=ticket_id,
        decline_reason=req.field_value("why"),
        details=req.field_value("reason"),
        expected_state=expected_state,
    )
    req.ack(response_action="update", view=views.declined_modal(outcome))
    req.bot.publisher.publish_ticket(ticket_id)
    ticket_page.refresh_page(req, ticket_id)


def ask_requester(req: Request) -> None:
    if warn_of_secrets(req, "question"):
        return
    _ack_and_publish(
        req,
        req.services.ticket_actions.ask_requester(
            actor=req.actor, ticket_id=req.metadata, question=req.field_value("question")
        ),
    )


def cancel_ticket(req: Request) -> None:
    _ack_and_publish(
        req, req.services.ticket_actions.cancel(actor=req.actor, ticket_id=req.metadata)
    )


def reopen_ticket(req: Request) -> None:
    if warn_of_secrets(req, "reason"):
        return
    _ack_and_publish(
        req,
        req.services.ticket_actions.reopen(
            actor=req.actor, ticket_id=req.metadata, reason=req.field_value("reason")
        ),
    )


def _pressed_action(req: Request) -> TicketAction:
    return TicketAction(req.body["actions"][0]["action_id"])


@contextmanager
def _refresh_if_stale(req: Request, ticket_id: str) -> Iterator[None]:
    try:
        yield
    except Conflict:
        container = req.body.get("container") or {}
        channel, ts = container.get("channel_id"), container.get("message_ts")
        if channel and ts and not container.get("is_ephemeral"):
            req.services.ticket_actions.refresh_message(
                actor=req.actor, ticket_id=ticket_id, channel=channel, ts=ts
            )
            req.bot.publisher.publish_ticket(ticket_id)
        ticket_page.refresh_page(req, ticket_id)
        raise


def _chosen_radio(req: Request) -> str:
    """The choice among the radio buttons, "" if there were none."""
    return req.field_value("nextBest") if "nextBest" in req.form else ""


def _ack_and_publish(req: Request, ticket: Ticket) -> None:
    """Also refresh the page that the form was opened from, or replace the question."""
    req.ack()
    req.bot.publisher.publish_ticket(str(ticket.id))
    if req.origin.kind is OriginKind.QUESTION:
        ticket_page.replace_message(req, settled.resolved_message(ticket))
    else:
        ticket_page.refresh_page(req, str(ticket.id))
