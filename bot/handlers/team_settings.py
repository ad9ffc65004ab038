"""Team settings, for admins: SLA targets, business hours, and what a Slack status says."""

import re
from dataclasses import fields
from typing import Any, TypeVar

from bot.handlers import app_home
from bot.slack.form_state import FormState
from bot.slack.request import Request
from bot.views.modals import status_words
from bot.views.modals import team_settings as views
from services.sla.targets import TargetFields
from services.team_settings.settings_service import BusinessHoursFields

Form = TypeVar("Form", TargetFields, BusinessHoursFields)
_SEPARATORS = re.compile(r"[,;\n]")


def open_sla_targets_form(req: Request) -> None:
    settings = req.services.team_settings.get(actor=req.actor)
    req.open_modal(views.sla_targets_modal(TargetFields.from_targets(settings.targets)))


def save_sla_targets(req: Request) -> None:
    initial, submitted = _initial_and_submitted(req.form, TargetFields)
    req.services.team_settings.set_targets(actor=req.actor, original=initial, submitted=submitted)
    req.ack()
    app_home.refresh_screen(req)


def open_business_hours_form(req: Request) -> None:
    settings = req.services.team_settings.get(actor=req.actor)
    req.open_modal(
        views.business_hours_modal(BusinessHoursFields.from_business_hours(settings.business_hours))
    )


def save_business_hours(req: Request) -> None:
    initial, submitted = _initial_and_submitted(req.form, BusinessHoursFields)
    req.services.team_settings.set_business_hours(
        actor=req.actor, original=initial, submitted=submitted
    )
    req.ack()
    app_home.refresh_screen(req)


def open_status_words_form(req: Request) -> None:
    req.open_modal(status_words.status_words_modal(req.services.status_rules.read()))


def save_status_words(req: Request) -> None:
    """Store the words and emoji; they apply from the next sync of each status."""
    away, available = (_SEPARATORS.split(req.field_value(field)) for field in ("away", "here"))
    req.services.status_rules.write(actor=req.actor, away=away, available=available)
    req.ack()
    app_home.refresh_screen(req)


def _initial_and_submitted(state: FormState, form: type[Form]) -> tuple[Form, Form]:
    """The form as it was shown, and as it was submitted."""
    names = [field.name for field in fields(form)]
    initial = {name: _as_text(state.initial(name)) for name in names}
    return form(**initial), form(**{name: _as_text(state.submitted(name)) for name in names})


def _as_text(value: Any) -> str:
    """Several options in order, with commas between them."""
    return ",".join(sorted(value)) if isinstance(value, list) else str(value or "")
