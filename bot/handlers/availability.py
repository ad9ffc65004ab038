"""Who is here: the form about it, the answer to an offer, and what Slack tells of a member."""

from collections.abc import Mapping
from typing import Any

from bot.handlers import app_home
from bot.slack.form_state import FormState, parse_timestamp
from bot.slack.request import Request
from bot.views.messages import handover_offer
from bot.views.modals import availability as form
from services.accounts.users import UNKNOWN_ACCOUNT
from services.availability.availability_service import AvailabilityChange
from services.availability.slack_status import parse_member_status
from services.calendar.holidays import search_countries
from services.core.errors import NotFound

OWN_VALUE = "own"


def open_availability_form(req: Request) -> None:
    """One's own, or that of the account whose button was pressed."""
    user_id = None if req.button_value == OWN_VALUE else req.button_value
    current = req.services.availability.get(actor=req.actor, user_id=user_id)
    req.open_modal(form.availability_modal(current, is_own=user_id is None))


def save_availability(req: Request) -> None:
    """What was touched. Whoever goes away for long is offered to hand over, in a message."""
    user_id = req.body["view"].get("private_metadata") or None
    req.services.availability.update(
        actor=req.actor, user_id=user_id, change=_requested_change(req.form)
    )
    req.ack()
    req.bot.publisher.publish_availability_check()
    app_home.refresh_screen(req)


def suggest_countries(req: Request) -> None:
    found = search_countries(str(req.body.get("value") or ""))
    req.ack(options=form.country_options(found))


def accept_handover(req: Request) -> None:
    _decide(req, hand_over=True)


def decline_handover(req: Request) -> None:
    _decide(req, hand_over=False)


def record_status(req: Request, user: Mapping[str, Any]) -> None:
    """Slack tells of a member's status or zone, among other things."""
    if req.services.status_sync.on_status_event(
        team_id=req.bot.team_id, slack_user_id=req.slack_user_id, member=parse_member_status(user)
    ):
        req.bot.publisher.publish_availability_check()


def _decide(req: Request, *, hand_over: bool) -> None:
    user_id, key = handover_offer.parse_offer_value(req.button_value)
    decision = req.services.handover_offers.decide(
        actor=req.actor, user_id=user_id, key=key, hand_over=hand_over
    )
    if decision is None:
        raise NotFound(UNKNOWN_ACCOUNT)
    for ticket_id in decision.released:
        req.bot.publisher.publish_ticket(str(ticket_id))
    req.replace_message(
        handover_offer.decision_message(decision, is_own=decision.user.id == req.actor.user_id)
    )


def _requested_change(state: FormState) -> AvailabilityChange:
    """A time that was chosen alone means away until then; one that was cleared alone, back."""
    changed = state.changed()
    chosen, seconds = changed.get("presence"), changed.get("awayUntil")
    is_away = None if chosen is None else chosen == form.AWAY_VALUE
    if is_away and seconds is None:
        seconds = state.submitted("awayUntil")
    if is_away is None and "awayUntil" in changed:
        is_away = seconds is not None
    return AvailabilityChange(
        is_away=is_away,
        away_until=parse_timestamp(seconds, field="awayUntil") if seconds is not None else None,
        days=_weekday_numbers(changed["days"]) if "days" in changed else None,
        start=changed.get("start"),
        end=changed.get("end"),
        country=changed["country"] or "" if "country" in changed else None,
        zone=changed["zone"] or "" if "zone" in changed else None,
    )


def _weekday_numbers(chosen: list[str]) -> frozenset[int]:
    return frozenset(int(day) for day in chosen if day.isdecimal())
