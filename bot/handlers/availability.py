"""Availability: its modal, the answer to a hand-over offer, and events about a Slack member."""

from typing import Any

from bot.handlers import app_home
from bot.slack.client import slack_member_from_user
from bot.slack.form_state import FormState, parse_timestamp
from bot.slack.request import Request, UnknownMember
from bot.views.messages import handover_offer
from bot.views.modals import availability as form
from services.accounts.users import UNKNOWN_ACCOUNT
from services.availability.availability_service import AvailabilityChange
from services.availability.slack_status import parse_member_status
from services.calendar.holidays import search_countries
from services.core.errors import NotFound
from services.models.slack_member import SlackMember

OWN_VALUE = "own"


def open_availability_form(req: Request) -> None:
    """Open it for the reader, or for the account in the button's value."""
    user_id = None if req.button_value == OWN_VALUE else req.button_value
    current = req.services.availability.get(actor=req.actor, user_id=user_id)
    req.open_modal(form.availability_modal(current, is_own=user_id is None))


def save_availability(req: Request) -> None:
    """Store the changed fields. A long absence leads to a message that offers to hand over."""
    user_id = req.metadata or None
    req.services.availability.update(
        actor=req.actor, user_id=user_id, change=_requested_change(req.form)
    )
    req.ack()
    req.bot.publisher.publish_availability_check()
    app_home.refresh_screen(req)


def suggest_countries(req: Request) -> None:
    req.ack(options=form.country_options(search_countries(req.query)))


def accept_handover(req: Request) -> None:
    _decide(req, hand_over=True)


def decline_handover(req: Request) -> None:
    _decide(req, hand_over=False)


def on_user_change(req: Request) -> None:
    """Store the member's new state and status, then acknowledge: if the database is away, Slack
    sends the event again."""
    services, user = req.services, req.body["event"]["user"]
    if services.member_sync.has_changes(
        member=slack_member_from_user(user, team_id=req.bot.team_id)
    ):
        for ticket_id in services.member_sync.sync(member=_current_member(req, user)):
            req.bot.publisher.publish_ticket(str(ticket_id))
    if services.status_sync.on_status_event(
        team_id=req.bot.team_id, slack_user_id=req.slack_user_id, member=parse_member_status(user)
    ):
        req.bot.publisher.publish_availability_check()
    req.ack()


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
    """A time chosen without a presence means away until then; a time cleared, back."""
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


def _current_member(req: Request, event_user: dict[str, Any]) -> SlackMember:
    """Fetch the member, because events arrive late, twice and out of order."""
    try:
        return req.fetch_member()
    except UnknownMember:
        return slack_member_from_user(event_user, team_id=req.bot.team_id)
