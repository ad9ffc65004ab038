"""The modal for a person's working hours and absence."""

from collections.abc import Collection, Sequence
from itertools import product

from bot.views import ids
from bot.views.blocks import context, section
from bot.views.due_text import away_phrase
from bot.views.inputs import (
    MAX_OPTIONS,
    View,
    datetime_picker,
    input_block,
    modal,
    option,
    select,
    text_input,
)
from bot.views.messages.handover_offer import open_ticket_count
from bot.views.text import Block, mrkdwn, plain_text
from services.availability.absence import AbsenceSource
from services.availability.availability_service import Availability
from services.calendar.holidays import country_name

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HERE_VALUE, AWAY_VALUE = "here", "away"
AWAY_SOURCE_TEXT = {
    AbsenceSource.SLACK: "as the Slack status says",
    AbsenceSource.SELF: "as set here",
    AbsenceSource.ADMIN: "as an admin has set",
}
MAX_ZONE_LENGTH = 60
MIDNIGHT = "00:00"
NEXT_DAY_HINT = (
    "A time before the start is on the next day. The same time as the start means around the clock."
)


def availability_modal(current: Availability, *, is_own: bool) -> View:
    """Fields that are left alone are not changed."""
    until = current.absence.until if current.absence else None
    return modal(
        callback_id=ids.EDIT_AVAILABILITY,
        title="My availability" if is_own else "Availability",
        submit="Save",
        private_metadata="" if is_own else str(current.user.id),
        blocks=[
            *([] if is_own else [section(plain_text(current.user.display_name, limit=200))]),
            context(mrkdwn(_load_and_absence(current))),
            _presence(current, is_own=is_own),
            input_block("Away until", datetime_picker("awayUntil", until), optional=True),
            _days(current),
            *hours_inputs(current.hours.start, current.hours.end),
            _country(current),
            _zone(current, is_own=is_own),
        ],
    )


def country_options(found: Sequence[tuple[str, str]]) -> list[Block]:
    return [option(name, code) for code, name in found[:MAX_OPTIONS]]


def _load_and_absence(current: Availability) -> str:
    load = (
        f"{open_ticket_count(current.open_ticket_count)}, at most {current.user.capacity} are "
        "assigned automatically"
    )
    if current.absence is None:
        return load
    words = away_phrase(current.absence.until)
    return f"{load} · {words}, {AWAY_SOURCE_TEXT[current.absence.source]}"


def _presence(current: Availability, *, is_own: bool) -> Block:
    who = "you" if is_own else "them"
    return select(
        "presence",
        "Now",
        {HERE_VALUE: "Here", AWAY_VALUE: "Away until the time below"},
        placeholder="Here or away",
        chosen=AWAY_VALUE if current.absence else HERE_VALUE,
        hint=f"While away no new tickets are assigned to {who}. A Slack status such as "
        "“Vacationing” counts, too, until “Here” is chosen.",
    )


def _days(current: Availability) -> Block:
    options = [option(name, str(number)) for number, name in enumerate(WEEKDAYS)]
    element: Block = {"type": "checkboxes", "action_id": "days", "options": options}
    if current.hours.days:
        element["initial_options"] = [options[day] for day in sorted(current.hours.days)]
    team_hours_hint = (
        "These are the team's hours, and change with them." if not current.has_own_hours else ""
    )
    return input_block("Working days", element, optional=True, hint=team_hours_hint)


def days_text(days: Collection[int]) -> str:
    """Return "Monday to Friday", "Monday to Thursday, Saturday", or "Monday, Wednesday"."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(
        f"{WEEKDAYS[run[0]]} to {WEEKDAYS[run[-1]]}"
        if len(run) > 2
        else ", ".join(WEEKDAYS[day] for day in run)
        for run in runs
    )


def hours_text(start: str, end: str) -> str:
    """Return "09:00 to 17:00", "22:00 to 06:00 the next day" or "around the clock"."""
    if start == end:
        return "around the clock" if start == MIDNIGHT else f"around the clock from {start}"
    return f"{start} to {end}{' the next day' if end < start else ''}"


def hours_inputs(start: str, end: str) -> list[Block]:
    return [
        _time_select("start", "Work begins at", start),
        _time_select("end", "Work ends at", end, hint=NEXT_DAY_HINT),
    ]


def _time_select(field: str, label: str, chosen: str, *, hint: str = "") -> Block:
    """Offer every half hour, and the current value."""
    half_hours = (f"{hour:02}:{minute:02}" for hour, minute in product(range(24), (0, 30)))
    times = sorted({chosen, *half_hours})
    options = {text: text for text in times}
    return select(field, label, options, placeholder="Choose a time", chosen=chosen, hint=hint)


def country_select(chosen: str, *, placeholder: str, hint: str) -> Block:
    """`placeholder` is shown while none is chosen."""
    element: Block = {
        "type": "external_select",
        "action_id": ids.COUNTRY,
        "placeholder": plain_text(placeholder),
        "min_query_length": 0,
    }
    if name := country_name(chosen):
        element["initial_option"] = option(name, chosen)
    return input_block("Country", element, optional=True, hint=hint)


def _country(current: Availability) -> Block:
    team = country_name(current.business_hours.country) or "none"
    hint = f"Its public holidays are days off. Left empty, the team's count: {team}."
    return country_select(current.country, placeholder="As the team", hint=hint)


def _zone(current: Availability, *, is_own: bool) -> Block:
    return text_input(
        "zone",
        "Time zone",
        max_length=MAX_ZONE_LENGTH,
        optional=True,
        initial=current.own_zone,
        hint=f"Leave it empty to use that of {'your' if is_own else 'their'} Slack profile, now "
        f"{current.zone}.",
        placeholder=current.zone,
    )
