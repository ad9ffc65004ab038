"""The buttons of a ticket that take a step, at once or behind a modal.

A button carries what its reader decided by. Where that is no longer so, nothing is done: they are
told how the ticket stands, and what they pressed on is shown anew.

The answers to a ticket's second question: two buttons on a message to its requester.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.handlers import app_home, ticket_page
from bot.slack.request import Request
from bot.views.cards.action_buttons import read_value
from bot.views.inputs import View
from bot.views.messages import ticket_updates
from bot.views.modals import file_ticket, ticket_actions
from services.core.errors import Conflict
from services.models.ticket import Ticket
from services.tickets.lifecycle import TicketAction

logger = logging.getLogger(__name__)


def accept(req: Request) -> None:
    _take(req, req.desk.moves.accept)


def take(req: Request) -> None:
    _take(req, req.desk.moves.take)


def reopen(req: Request) -> None:
    _take(req, req.desk.moves.reopen)


def open_reassign(req: Request) -> None:
    ticket_id, seen = read_value(req.pressed)
    with _shown_anew_if_stale(req, ticket_id):
        ticket, others = req.desk.handing_on.assignee_options(
            actor=req.actor, team_id=req.desk.team_id, ticket_id=ticket_id, expected_state=seen
        )
    req.open(ticket_actions.reassign_ticket(ticket, others))


def open_not_mine(req: Request) -> None:
    _open(req, TicketAction.DECLINE, ticket_actions.not_mine)


def open_wait(req: Request) -> None:
    _open(req, TicketAction.ASK_REQUESTER, ticket_actions.ask_requester)


def open_resolve(req: Request) -> None:
    _open(req, TicketAction.RESOLVE, file_ticket.resolve_ticket)


def open_cancel(req: Request) -> None:
    _open(req, TicketAction.CANCEL, ticket_actions.cancel_ticket)


def _take(req: Request, step: Callable[..., Ticket]) -> None:
    ticket_id, seen = read_value(req.pressed)
    with _shown_anew_if_stale(req, ticket_id):
        ticket = step(actor=req.actor, ticket_id=ticket_id, seen=seen)
    req.desk.publisher.publish_ticket(str(ticket.id))
    _show_page_anew(req, ticket_id)


def _open(req: Request, step: TicketAction, form: Callable[[Ticket], View]) -> None:
    ticket_id, seen = read_value(req.pressed)
    with _shown_anew_if_stale(req, ticket_id):
        ticket = req.desk.moves.get_for_action(
            actor=req.actor, ticket_id=ticket_id, action=step, expected_state=seen
        )
    req.open(form(ticket))


@contextmanager
def _shown_anew_if_stale(req: Request, ticket_id: str) -> Iterator[None]:
    try:
        yield
    except Conflict:
        place = req.body.get("container") or {}
        channel, ts = place.get("channel_id"), place.get("message_ts")
        if channel and ts and not place.get("is_ephemeral"):
            moves = req.desk.moves
            moves.refresh_card(actor=req.actor, ticket_id=ticket_id, channel=channel, ts=ts)
            req.desk.publisher.publish_ticket(ticket_id)
        _show_page_anew(req, ticket_id)
        raise


def _show_page_anew(req: Request, ticket_id: str) -> None:
    """Where the button stands on a page, which no worker brings up to date at once."""
    try:
        if (req.body.get("view") or {}).get("type") == "home":
            app_home.show_again(req)
        elif (req.body.get("container") or {}).get("is_ephemeral"):
            ticket_page.show_again(req, ticket_id)
    except (SlackApiError, SlackClientError, OSError):
        logger.warning("ticket %s: the page it was pressed on stays as it was", ticket_id)


def still(req: Request) -> None:
    """Pressed twice, it is said once."""
    key = f"still:{(req.body.get('container') or {}).get('message_ts', '')}"
    ticket = req.desk.answering.report_unsolved(
        actor=req.actor, ticket_id=req.pressed, request_id=key
    )
    req.desk.publisher.publish_ticket(str(ticket.id))
    req.replace(ticket_updates.said_still(ticket))


def solved(req: Request) -> None:
    ticket = req.desk.answering.confirm_solved(actor=req.actor, ticket_id=req.pressed)
    req.desk.publisher.publish_ticket(str(ticket.id))
    req.replace(ticket_updates.said_solved(ticket))
