"""Team settings, for admins: SLA targets, business hours, and words of a Slack status."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from bot.handlers import app_home
from bot.slack.request import Request
from bot.views.inputs import INPUT_VALUE_KEYS
from bot.views.modals import team_settings as views
from services.sla.targets import TargetFields
from services.team_settings.settings_service import BusinessHoursFields

Form = TypeVar("Form", TargetFields, BusinessHoursFields)
_SEPARATORS = re.compile(r"[,;\n]")


def open_sla_targets_form(req: Request) -> None:
    settings = req.services.team_settings.get(actor=req.actor)
    req.open_modal(views.sla_targets_modal(TargetFields.from_targets(settings.targets)))


def save_sla_targets(req: Request) -> None:
    initial, submitted = _initial_and_submitted(req.body["view"], TargetFields)
    req.services.team_settings.set_targets(actor=req.actor, original=initial, submitted=submitted)
    req.ack()
    app_home.refresh_screen(req)


def open_business_hours_form(req: Request) -> None:
    settings = req.services.team_settings.get(actor=req.actor)
    req.open_modal(
        views.business_hours_modal(BusinessHoursFields.from_business_hours(settings.business_hours))
    )


def save_business_hours(req: Request) -> None:
    initial, submitted = _initial_and_submitted(req.body["view"], BusinessHoursFields)
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


def _initial_and_submitted(view: Mapping[str, Any], form: type[Form]) -> tuple[Form, Form]:
    """What the form showed, and what was submitted. Slack sends the view back with its blocks."""
    initial, submitted = {}, {}
    elements = {b["block_id"]: b["element"] for b in view["blocks"] if b["type"] == "input"}
    for name in (field.name for field in fields(form)):
        value_key, initial_key = INPUT_VALUE_KEYS[elements[name]["type"]]
        initial[name] = _as_text(elements[name].get(initial_key))
        submitted[name] = _as_text(view["state"]["values"][name][name].get(value_key))
    return form(**initial), form(**submitted)


def _as_text(value: Any) -> str:
    """Return a text, an option's value, or the sorted values of several with commas."""
    if isinstance(value, list):
        return ",".join(sorted(str(option["value"]) for option in value))
    return str((value["value"] if isinstance(value, dict) else value) or "").strip()
