"""Buttons of a ticket that take an action, directly or through a modal.

A button carries the ticket's state as its reader saw it. If that has changed, nothing is done: the
user reads the current state, and the card or page is refreshed. The answers to a reminder of a
question carry the ticket's id only.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.handlers import app_home, ticket_page
from bot.slack.request import Request
from bot.views.cards.action_buttons import parse_button_value
from bot.views.inputs import View
from bot.views.messages import ticket_updates
from bot.views.modals import ticket_actions
from services.core.errors import Conflict
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.tickets.lifecycle import TicketAction

logger = logging.getLogger(__name__)


def accept_ticket(req: Request) -> None:
    _apply_action(req, req.services.ticket_actions.accept)


def take_ticket(req: Request) -> None:
    _apply_action(req, req.services.ticket_actions.take)


def reopen_ticket(req: Request) -> None:
    _apply_action(req, req.services.ticket_actions.reopen)


def open_reassign_form(req: Request) -> None:
    ticket_id, expected_state = parse_button_value(req.button_value)
    with _refresh_if_stale(req, ticket_id):
        ticket, suggestions = req.services.reassignment.assignee_options(
            actor=req.actor,
            team_id=req.bot.team_id,
            ticket_id=ticket_id,
            expected_state=expected_state,
        )
    req.open_modal(ticket_actions.reassign_ticket_modal(ticket, suggestions))


def open_decline_form(req: Request) -> None:
    _open_form(req, TicketAction.DECLINE, ticket_actions.decline_modal)


def open_ask_requester_form(req: Request) -> None:
    _open_form(req, TicketAction.ASK_REQUESTER, ticket_actions.ask_requester_modal)


def open_resolve_form(req: Request) -> None:
    _open_form(req, TicketAction.RESOLVE, ticket_actions.resolve_ticket_modal)


def open_cancel_form(req: Request) -> None:
    _open_form(req, TicketAction.CANCEL, ticket_actions.cancel_ticket_modal)


def answer_still_a_problem(req: Request) -> None:
    """Idempotent: pressed twice, it is recorded once."""
    key = f"still:{(req.body.get('container') or {}).get('message_ts', '')}"
    ticket = req.services.ticket_actions.report_unsolved(
        actor=req.actor, ticket_id=req.button_value, request_id=key
    )
    req.bot.publisher.publish_ticket(str(ticket.id))
    req.replace_message(ticket_updates.still_a_problem_confirmation(ticket))


def answer_solved(req: Request) -> None:
    ticket = req.services.ticket_actions.confirm_solved(actor=req.actor, ticket_id=req.button_value)
    req.bot.publisher.publish_ticket(str(ticket.id))
    req.replace_message(ticket_updates.solved_confirmation(ticket))


class _Action(Protocol):
    def __call__(self, *, actor: Actor, ticket_id: str, expected_state: str) -> Ticket: ...


def _apply_action(req: Request, action: _Action) -> None:
    ticket_id, expected_state = parse_button_value(req.button_value)
    with _refresh_if_stale(req, ticket_id):
        ticket = action(actor=req.actor, ticket_id=ticket_id, expected_state=expected_state)
    req.bot.publisher.publish_ticket(str(ticket.id))
    _refresh_page(req, ticket_id)


def _open_form(req: Request, action: TicketAction, build_form: Callable[[Ticket], View]) -> None:
    ticket_id, expected_state = parse_button_value(req.button_value)
    with _refresh_if_stale(req, ticket_id):
        ticket = req.services.ticket_actions.get_for_action(
            actor=req.actor, ticket_id=ticket_id, action=action, expected_state=expected_state
        )
    req.open_modal(build_form(ticket))


@contextmanager
def _refresh_if_stale(req: Request, ticket_id: str) -> Iterator[None]:
    try:
        yield
    except Conflict:
        container = req.body.get("container") or {}
        channel, ts = container.get("channel_id"), container.get("message_ts")
        if channel and ts and not container.get("is_ephemeral"):
            ticket_actions_service = req.services.ticket_actions
            ticket_actions_service.refresh_card(
                actor=req.actor, ticket_id=ticket_id, channel=channel, ts=ts
            )
            req.bot.publisher.publish_ticket(ticket_id)
        _refresh_page(req, ticket_id)
        raise


def _refresh_page(req: Request, ticket_id: str) -> None:
    """Refresh the page, if the button is on one: no worker updates it right away."""
    try:
        if (req.body.get("view") or {}).get("type") == "home":
            app_home.refresh_screen(req)
        elif (req.body.get("container") or {}).get("is_ephemeral"):
            ticket_page.refresh_ticket(req, ticket_id)
    except (SlackApiError, SlackClientError, OSError):
        logger.warning("ticket %s: the page it was pressed on stays as it was", ticket_id)
