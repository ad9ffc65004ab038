"""Who is here: the form about it, the answer to an offer, and what Slack tells of a member."""

from collections.abc import Mapping
from typing import Any

from bot.handlers import app_home
from bot.slack.form_state import moment_of
from bot.slack.request import Request
from bot.views.inputs import FILLED
from bot.views.messages import handover_offer
from bot.views.modals import availability as form
from services.accounts.users import UNKNOWN_ACCOUNT
from services.availability.availability_service import AvailabilityChange
from services.availability.slack_status import parse_member_status
from services.calendar.holidays import search_countries
from services.core.errors import NotFound

OWN = "own"


def open_form(req: Request) -> None:
    """One's own, or that of the account whose button was pressed."""
    user_id = None if req.pressed == OWN else req.pressed
    held = req.desk.availability.get(actor=req.actor, user_id=user_id)
    req.open(form.availability(held, is_own=user_id is None))


def save(req: Request) -> None:
    """What was touched. Whoever goes away for long is offered to hand over, in a message."""
    view = req.body["view"]
    user_id = view.get("private_metadata") or None
    req.desk.availability.update(actor=req.actor, user_id=user_id, change=_wanted(view))
    req.ack()
    req.desk.publisher.publish_availability_check()
    app_home.show_again(req)


def offer_countries(req: Request) -> None:
    found = search_countries(str(req.body.get("value") or ""))
    req.ack(options=form.country_options(found))


def hand_over(req: Request) -> None:
    _decide(req, hand_over=True)


def keep(req: Request) -> None:
    _decide(req, hand_over=False)


def heard(req: Request, user: Mapping[str, Any]) -> None:
    """Slack tells of a member's status or zone, among other things."""
    desk = req.desk
    if desk.presences.on_status_event(
        team_id=desk.team_id, slack_user_id=req.slack_user_id, member=parse_member_status(user)
    ):
        desk.publisher.publish_availability_check()


def _decide(req: Request, *, hand_over: bool) -> None:
    user_id, key = handover_offer.read_value(req.pressed)
    decision = req.desk.hand_overs.decide(
        actor=req.actor, user_id=user_id, key=key, hand_over=hand_over
    )
    if decision is None:
        raise NotFound(UNKNOWN_ACCOUNT)
    for ticket_id in decision.released:
        req.desk.publisher.publish_ticket(str(ticket_id))
    req.replace(handover_offer.decided(decision, is_own=decision.user.id == req.actor.user_id))


def _wanted(view: Mapping[str, Any]) -> AvailabilityChange:
    """A time that was chosen alone means away until then, one that was emptied alone back."""
    touched = _touched(view)
    chosen, seconds = touched.get("presence"), touched.get("awayUntil")
    is_away = None if chosen is None else chosen == form.AWAY
    if is_away and seconds is None:
        seconds = _held(view, "awayUntil")
    if is_away is None and "awayUntil" in touched:
        is_away = seconds is not None
    return AvailabilityChange(
        is_away=is_away,
        away_until=moment_of(seconds, field="awayUntil") if seconds is not None else None,
        days=_days(touched["days"]) if "days" in touched else None,
        start=touched.get("start"),
        end=touched.get("end"),
        country=touched["country"] or "" if "country" in touched else None,
        zone=touched["zone"] or "" if "zone" in touched else None,
    )


def _touched(view: Mapping[str, Any]) -> dict[str, Any]:
    """By field, what differs from what the form showed."""
    held = {
        block["block_id"]: (_held(view, block["block_id"]), _shown(block["element"]))
        for block in view["blocks"]
        if block["type"] == "input"
    }
    return {field: now for field, (now, shown) in held.items() if not _is_same(now, shown)}


def _is_same(one: Any, other: Any) -> bool:
    """The picker of times knows no seconds."""
    if isinstance(one, int) and isinstance(other, int):
        return one // 60 == other // 60
    return bool(one == other)


def _held(view: Mapping[str, Any], field: str) -> Any:
    state = view["state"]["values"][field][field]
    elements = {b["block_id"]: b["element"] for b in view["blocks"] if b["type"] == "input"}
    return _plain(state.get(FILLED[elements[field]["type"]][0]))


def _shown(element: Mapping[str, Any]) -> Any:
    return _plain(element.get(FILLED[element["type"]][1]))


def _plain(value: Any) -> Any:
    """An option or several by their values; nothing is None, however it is said."""
    if isinstance(value, dict):
        return value["value"]
    if isinstance(value, list):
        return sorted(option["value"] for option in value) or None
    return (value.strip() or None) if isinstance(value, str) else value


def _days(chosen: list[str] | None) -> frozenset[int]:
    return frozenset(int(day) for day in chosen or () if day.isdecimal())
