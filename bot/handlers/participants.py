"""Participants of a ticket: the form to add and remove people, and Leave."""

from bson import ObjectId

from bot.handlers import ticket_page
from bot.slack.client import member_lookup
from bot.slack.request import Request
from bot.views.cards.ticket_cards import former_participant_card
from bot.views.modals.participants import participants_modal
from services.core.errors import InvalidValue
from services.editing.participants import (
    ADDED,
    BECAME_PRIVATE,
    CHOOSE_SOMEONE,
    MAY_SEE_PRIVATE,
    REMOVED,
)


def open_form(req: Request) -> None:
    form = req.services.participants.get_form(actor=req.actor, ticket_id=req.button_value)
    req.open_form(participants_modal(form))


def save(req: Request) -> None:
    participants, ticket_id = req.services.participants, req.metadata
    members, removed = _chosen(req, ADDED), _chosen(req, REMOVED)
    if not members and not removed:
        raise InvalidValue(ADDED, CHOOSE_SOMEONE)
    added = participants.accounts_of_members(
        actor=req.actor,
        team_id=req.bot.team_id,
        ticket_id=ticket_id,
        slack_user_ids=members,
        look_up=member_lookup(req.bot.client),
    )
    try:
        ticket = participants.change(
            actor=req.actor,
            ticket_id=ticket_id,
            added=added,
            removed=[ObjectId(one) for one in removed if ObjectId.is_valid(one)],
            may_see_private=bool(_chosen(req, MAY_SEE_PRIVATE)),
        )
    except InvalidValue as refusal:
        if refusal.field == MAY_SEE_PRIVATE and MAY_SEE_PRIVATE not in req.form:
            raise InvalidValue(ADDED, BECAME_PRIVATE) from None
        raise
    req.ack()
    req.bot.publisher.publish_ticket(str(ticket.id))
    ticket_page.refresh_page(req, ticket_id)


def leave(req: Request) -> None:
    """Show on the card, or on the page, that the user no longer takes part: a worker updates the
    card later, and no page."""
    ticket = req.services.participants.leave(actor=req.actor, ticket_id=req.button_value)
    req.bot.publisher.publish_ticket(str(ticket.id))
    if not req.replace_message(former_participant_card(ticket)):
        ticket_page.refresh_page(req, str(ticket.id))


def _chosen(req: Request, field: str) -> list[str]:
    return list(req.form.submitted(field)) if field in req.form else []
