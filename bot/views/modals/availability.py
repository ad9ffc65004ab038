"""The modal in which somebody says when they work and whether they are away."""

from collections.abc import Sequence
from itertools import product

from bot.views import ids
from bot.views.blocks import context
from bot.views.due_text import away as away_words
from bot.views.inputs import OPTIONS_MAX, View, field_block, modal, option, select, text_input
from bot.views.messages.handover_offer import tickets
from bot.views.text import Block, mrkdwn, plain_text
from services.availability.absence import AbsenceSource
from services.availability.availability_service import Availability
from services.calendar.holidays import country_name

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HERE, AWAY = "here", "away"
SAID_BY = {
    AbsenceSource.SLACK: "as the Slack status says",
    AbsenceSource.SELF: "as set here",
    AbsenceSource.ADMIN: "as an admin has set",
}
ZONE_MAX = 60
# What Slack takes as an initial date: ten digits.
_LAST = 9_999_999_999


def availability(held: Availability, *, is_own: bool) -> View:
    """What was not touched in it is not changed."""
    return modal(
        callback_id=ids.EDIT_AVAILABILITY,
        title="My availability" if is_own else "Availability",
        submit="Save",
        close="Cancel",
        private_metadata="" if is_own else str(held.user.id),
        blocks=[
            *([] if is_own else [_section(held.user.display_name)]),
            context(mrkdwn(_standing(held))),
            _presence(held, is_own=is_own),
            _away_until(held),
            _days(held),
            time_of_day("start", "Work begins at", held.hours.start),
            time_of_day("end", "Work ends at", held.hours.end),
            _country(held),
            _zone(held, is_own=is_own),
        ],
    )


def country_options(found: Sequence[tuple[str, str]]) -> list[Block]:
    return [option(name, code) for code, name in found[:OPTIONS_MAX]]


def _standing(held: Availability) -> str:
    """How many tickets they have, and by whose word they are away."""
    load = (
        f"{tickets(held.open_ticket_count)}, at most {held.user.capacity} are assigned "
        "automatically"
    )
    if held.absence is None:
        return load
    words = away_words(held.absence.until)
    return f"{load} · {words}, {SAID_BY[held.absence.source]}"


def _presence(held: Availability, *, is_own: bool) -> Block:
    options = {
        HERE: option("Here", HERE),
        AWAY: option("Away until the time below", AWAY),
    }
    who = "you" if is_own else "them"
    return select(
        "presence",
        "Now",
        list(options.values()),
        placeholder="Here or away",
        initial=options[AWAY if held.absence else HERE],
        hint=f"While away no new tickets are assigned to {who}. A Slack status such as "
        "“Vacationing” counts, too, until “Here” is chosen.",
    )


def _away_until(held: Availability) -> Block:
    element: Block = {"type": "datetimepicker", "action_id": "awayUntil"}
    seconds = int(held.absence.until.timestamp()) if held.absence else 0
    if 0 < seconds <= _LAST:
        element["initial_date_time"] = seconds
    return field_block("Away until", element, optional=True)


def _days(held: Availability) -> Block:
    options = [option(name, str(number)) for number, name in enumerate(DAYS)]
    element: Block = {"type": "checkboxes", "action_id": "days", "options": options}
    if held.hours.days:
        element["initial_options"] = [options[day] for day in sorted(held.hours.days)]
    follows = "These are the team's hours, and change with them." if not held.has_own_hours else ""
    return field_block("Working days", element, optional=True, hint=follows)


def time_of_day(field: str, label: str, chosen: str) -> Block:
    """Every half hour, and whatever else it is now."""
    halves = (f"{hour:02}:{minute:02}" for hour, minute in product(range(24), (0, 30)))
    times = sorted({chosen, *halves})
    options = {text: option(text, text) for text in times}
    return select(
        field, label, list(options.values()), placeholder="Choose a time", initial=options[chosen]
    )


def country(chosen: str, *, empty: str, hint: str) -> Block:
    """`empty` is what it shows while none is chosen."""
    element: Block = {
        "type": "external_select",
        "action_id": ids.COUNTRY,
        "placeholder": plain_text(empty),
        "min_query_length": 0,
    }
    if name := country_name(chosen):
        element["initial_option"] = option(name, chosen)
    return field_block("Country", element, optional=True, hint=hint)


def _country(held: Availability) -> Block:
    team = country_name(held.business_hours.country) or "none"
    hint = f"Its public holidays are days off. Left empty, the team's count: {team}."
    return country(held.country, empty="As the team", hint=hint)


def _zone(held: Availability, *, is_own: bool) -> Block:
    return text_input(
        "zone",
        "Time zone",
        limit=ZONE_MAX,
        optional=True,
        initial=held.own_zone,
        hint=f"Leave it empty to go by {'your' if is_own else 'their'} Slack, now {held.zone}.",
        example=held.zone,
    )


def _section(text: str) -> Block:
    return {"type": "section", "text": plain_text(text, limit=200)}
