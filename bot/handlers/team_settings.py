"""The team's settings, for admins: the targets and the hours that tickets are due by.

The words and emoji by which a Slack status means away, for admins.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from bot.handlers import app_home
from bot.slack.request import Request
from bot.views.inputs import FILLED
from bot.views.modals import status_words
from bot.views.modals import team_settings as views
from services.sla.targets import TargetFields
from services.team_settings.settings_service import BusinessHoursFields

Form = TypeVar("Form", TargetFields, BusinessHoursFields)


def open_targets(req: Request) -> None:
    held = req.desk.settings.get(actor=req.actor)
    req.open(views.edit_targets(TargetFields.from_targets(held.targets)))


def save_targets(req: Request) -> None:
    shown, wanted = _read(req.body["view"], TargetFields)
    req.desk.settings.set_targets(actor=req.actor, original=shown, submitted=wanted)
    req.ack()
    app_home.show_again(req)


def open_office(req: Request) -> None:
    held = req.desk.settings.get(actor=req.actor)
    req.open(views.edit_office(BusinessHoursFields.from_business_hours(held.business_hours)))


def save_office(req: Request) -> None:
    shown, wanted = _read(req.body["view"], BusinessHoursFields)
    req.desk.settings.set_business_hours(actor=req.actor, original=shown, submitted=wanted)
    req.ack()
    app_home.show_again(req)


def _read(view: Mapping[str, Any], form: type[Form]) -> tuple[Form, Form]:
    """What the form showed, and what it holds. Slack sends the view back with its blocks."""
    shown, wanted = {}, {}
    elements = {b["block_id"]: b["element"] for b in view["blocks"] if b["type"] == "input"}
    for name in (field.name for field in fields(form)):
        held, initial = FILLED[elements[name]["type"]]
        shown[name] = _words(elements[name].get(initial))
        wanted[name] = _words(view["state"]["values"][name][name].get(held))
    return form(**shown), form(**wanted)


def _words(value: Any) -> str:
    """A text as it is, an option by its value, several by theirs in order, with commas."""
    if isinstance(value, list):
        return ",".join(sorted(str(option["value"]) for option in value))
    return str((value["value"] if isinstance(value, dict) else value) or "").strip()


_SEPARATORS = re.compile(r"[,;\n]")


def open_form(req: Request) -> None:
    req.open(status_words.edit(req.desk.presence_rules.read()))


def save(req: Request) -> None:
    """What counts from the next look at each status on."""
    away, here = (_SEPARATORS.split(req.value(field)) for field in ("away", "here"))
    req.desk.presence_rules.write(actor=req.actor, away=away, available=here)
    req.ack()
    app_home.show_again(req)
