"""The buttons of a ticket that take a step, at once or behind a modal.

A button carries what its reader decided by. Where that is no longer so, nothing is done: they are
told how the ticket stands, and what they pressed on is shown anew.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slack_sdk.errors import SlackApiError, SlackClientError

from bot import home
from bot import ticket as ticket_page
from bot.request import Request
from bot.views import forms, not_mine, step_forms
from bot.views.inputs import View
from bot.views.steps import read_value
from services.errors import Conflict
from services.lifecycle import Step
from services.models import Ticket

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
        ticket, others = req.desk.handing_on.others(
            actor=req.actor, team_id=req.desk.team_id, ticket_id=ticket_id, seen=seen
        )
    req.open(step_forms.reassign_ticket(ticket, others))


def open_not_mine(req: Request) -> None:
    _open(req, Step.NOT_MINE, not_mine.not_mine)


def open_wait(req: Request) -> None:
    _open(req, Step.WAIT, step_forms.ask_requester)


def open_resolve(req: Request) -> None:
    _open(req, Step.RESOLVE, forms.resolve_ticket)


def open_cancel(req: Request) -> None:
    _open(req, Step.CANCEL, step_forms.cancel_ticket)


def _take(req: Request, step: Callable[..., Ticket]) -> None:
    ticket_id, seen = read_value(req.pressed)
    with _shown_anew_if_stale(req, ticket_id):
        ticket = step(actor=req.actor, ticket_id=ticket_id, seen=seen)
    req.desk.publisher.publish(str(ticket.id))
    _show_page_anew(req, ticket_id)


def _open(req: Request, step: Step, form: Callable[[Ticket], View]) -> None:
    ticket_id, seen = read_value(req.pressed)
    with _shown_anew_if_stale(req, ticket_id):
        ticket = req.desk.moves.ready(actor=req.actor, ticket_id=ticket_id, step=step, seen=seen)
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
            moves.redraw(actor=req.actor, ticket_id=ticket_id, channel=channel, ts=ts)
            req.desk.publisher.publish(ticket_id)
        _show_page_anew(req, ticket_id)
        raise


def _show_page_anew(req: Request, ticket_id: str) -> None:
    """Where the button stands on a page, which no worker brings up to date at once."""
    try:
        if (req.body.get("view") or {}).get("type") == "home":
            home.show_again(req)
        elif (req.body.get("container") or {}).get("is_ephemeral"):
            ticket_page.show_again(req, ticket_id)
    except (SlackApiError, SlackClientError, OSError):
        logger.warning("ticket %s: the page it was pressed on stays as it was", ticket_id)
