"""Team settings, for admins: the app's name, SLA targets, business hours, words of a Slack status,
private tickets, the triage channel and the emoji."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, TypeVar

from slack_sdk.errors import SlackApiError

from bot.handlers import app_home
from bot.handlers.request_channels import NOT_INVITED, find_channel
from bot.slack.app_watch import JOIN_SCOPE, join_channel
from bot.slack.client import missing_scope
from bot.slack.form_state import FormState
from bot.slack.request import Request
from bot.slack.source_messages import SLACK_ERRORS
from bot.views import ids
from bot.views.inputs import MAX_OPTIONS
from bot.views.modals import team_settings as views
from services.availability.slack_status import parse_member_status
from services.calendar.work_week import parse_time_zone
from services.channels.channel_settings import REFUSALS
from services.channels.slack_channel import SlackChannel
from services.core.errors import InvalidValue
from services.core.slack_scopes import granted_scopes
from services.sla.policy import TargetFields
from services.team_settings import slack_settings
from services.team_settings.settings_service import BusinessHoursFields

Form = TypeVar("Form", TargetFields, BusinessHoursFields)
_SEPARATORS = re.compile(r"[,;\n]")


def open_app_name_form(req: Request) -> None:
    settings = req.services.team_settings.get(actor=req.actor)
    req.open_modal(views.app_name_modal(settings.app_name))


def save_app_name(req: Request) -> None:
    req.services.team_settings.set_app_name(actor=req.actor, name=req.field_value("name"))
    req.ack()
    app_home.refresh_screen(req)


def open_sla_targets_form(req: Request) -> None:
    settings = req.services.team_settings.get(actor=req.actor)
    req.open_modal(views.sla_targets_modal(TargetFields.from_targets(settings.targets)))


def save_sla_targets(req: Request) -> None:
    initial, submitted = _initial_and_submitted(req.form, TargetFields)
    req.services.team_settings.set_targets(actor=req.actor, original=initial, submitted=submitted)
    req.ack()
    app_home.refresh_screen(req)


def open_slack_settings_form(req: Request) -> None:
    settings = req.services.team_settings.get(actor=req.actor)
    req.open_modal(views.slack_settings_modal(settings))


def save_slack_settings(req: Request) -> None:
    """Store what was changed, and join the chosen channel if it is public."""
    actor, changed = req.actor, req.form.changed()
    channel_id = changed.get(slack_settings.TRIAGE_CHANNEL) or ""
    channel = _usable_channel(req, channel_id) if channel_id else None
    req.services.team_settings.set_slack_settings(
        actor=actor,
        triage_channel=channel_id if slack_settings.TRIAGE_CHANNEL in changed else None,
        ticket_emoji=changed.get(slack_settings.TICKET_EMOJI),
    )
    req.ack()
    if channel and JOIN_SCOPE in granted_scopes(req.services.db):
        with suppress(*SLACK_ERRORS):  # the next attempt is in at most ten minutes
            join_channel(req.bot.client, channel)
    app_home.refresh_screen(req)


def _usable_channel(req: Request, channel_id: str) -> Mapping[str, Any] | None:
    """Return the channel, None if the app lacks the scope to read it. Raise `InvalidValue` for one
    that cannot show cards."""
    try:
        channel = find_channel(req, channel_id)
    except SlackApiError as error:
        if missing_scope(error):
            return None
        raise
    if channel is None:
        raise InvalidValue(slack_settings.TRIAGE_CHANNEL, NOT_INVITED)
    if refusal := REFUSALS.get(SlackChannel.from_slack(channel).state):
        raise InvalidValue(slack_settings.TRIAGE_CHANNEL, refusal)
    return channel


def open_business_hours_form(req: Request) -> None:
    """Until the hours are set, the form suggests the time zone of the admin's Slack profile."""
    hours = req.services.team_settings.get(actor=req.actor).business_hours
    initial, suggested = BusinessHoursFields.from_business_hours(hours), ""
    if not hours.is_configured:
        suggested = _profile_zone(req)
        initial = replace(initial, zone=suggested or initial.zone)
    req.open_modal(views.business_hours_modal(initial, is_zone_suggested=bool(suggested)))


def save_business_hours(req: Request) -> None:
    initial, submitted = _initial_and_submitted(req.form, BusinessHoursFields)
    req.services.team_settings.set_business_hours(
        actor=req.actor, original=initial, submitted=submitted
    )
    req.ack()
    app_home.refresh_screen(req)


def open_status_words_form(req: Request) -> None:
    req.open_modal(views.status_words_modal(req.services.status_rules.read()))


def save_status_words(req: Request) -> None:
    """Store the words and emoji; they apply from the next sync of each status."""
    away, available = (_SEPARATORS.split(req.field_value(field)) for field in ("away", "here"))
    req.services.status_rules.write(actor=req.actor, away=away, available=available)
    req.ack()
    app_home.refresh_screen(req)


def open_private_tickets_form(req: Request) -> None:
    settings = req.services.private_ticket_settings.get(actor=req.actor)
    req.open_modal(views.private_tickets_modal(settings))


def save_private_tickets(req: Request) -> None:
    """Store who gets private tickets. The box is in the form only while the old backend is used."""
    form = req.form
    req.services.private_ticket_settings.save(
        actor=req.actor,
        people=form.submitted(ids.PRIVATE_TICKET_PEOPLE),
        accepts_legacy=bool(form.submitted("accepted")) if "accepted" in form else None,
    )
    req.ack()
    app_home.refresh_screen(req)


def suggest_private_ticket_people(req: Request) -> None:
    found = req.services.lists.assignees(actor=req.actor, query=req.query)
    req.ack(options=[views.person_option(user) for user in found[:MAX_OPTIONS]])


def _profile_zone(req: Request) -> str:
    """Return the time zone of the caller's Slack profile, "" if there is no answer or none that is
    known."""
    try:
        user = req.bot.client.users_info(user=req.slack_user_id)["user"]
    except SLACK_ERRORS:
        return ""
    zone = parse_time_zone(parse_member_status(user).zone)
    return zone.key if zone else ""


def _initial_and_submitted(state: FormState, form: type[Form]) -> tuple[Form, Form]:
    """The form as it was shown, and as it was submitted."""
    names = [field.name for field in fields(form)]
    initial = {name: _as_text(state.initial(name)) for name in names}
    return form(**initial), form(**{name: _as_text(state.submitted(name)) for name in names})


def _as_text(value: Any) -> str:
    """Return a text, an option's value, or the sorted values of several with commas."""
    return ",".join(sorted(value)) if isinstance(value, list) else str(value or "")
