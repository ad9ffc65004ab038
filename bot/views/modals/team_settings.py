"""Home's screen of settings, for admins, and the modals they are changed in."""

from bot.views import ids, labels
from bot.views.blocks import actions, button, context, header
from bot.views.inputs import View, field_block, modal, option, select, text_input
from bot.views.modals import status_words
from bot.views.modals.availability import DAYS, country, time_of_day
from bot.views.text import Block, mrkdwn, plain_text
from services.calendar.business_hours import BusinessHours
from services.calendar.holidays import country_name
from services.home.sessions import Screen
from services.models.ticket import Priority
from services.sla.targets import PRIORITIES_BY_URGENCY, CountedHours, TargetFields, Targets
from services.team_settings.settings_service import BusinessHoursFields, CurrentSettings

CLOCKS = {
    CountedHours.BUSINESS: "In office hours",
    CountedHours.AROUND_THE_CLOCK: "Around the clock",
}
FOLLOWS = (
    "Tickets that are open get their new due time within minutes; a card in a conversation shows "
    "it with the ticket's next change."
)


def settings_page(held: CurrentSettings) -> View:
    return {
        "type": "home",
        "blocks": [
            header("Settings"),
            actions(button("Back", ids.HOME_BACK, Screen().encode())),
            {"type": "divider"},
            header("Due times"),
            *_targets(held.targets),
            actions(button("Change due times", ids.OPEN_TARGETS, "all")),
            {"type": "divider"},
            header("Office hours"),
            {"type": "section", "text": plain_text(_hours(held.business_hours))},
            context(plain_text(_holidays(held.business_hours))),
            actions(button("Change office hours", ids.OPEN_OFFICE, "all")),
            {"type": "divider"},
            *status_words.section(),
        ],
    }


def edit_targets(shown: TargetFields) -> View:
    """A number each, as text: what is no number is refused beside its field."""
    return modal(
        callback_id=ids.EDIT_TARGETS,
        title="Due times",
        submit="Save",
        close="Cancel",
        blocks=[
            context(plain_text(FOLLOWS)),
            _clock(shown.clock),
            *(_hours_of(shown, priority) for priority in PRIORITIES_BY_URGENCY),
            *(_minutes_of(shown, priority) for priority in PRIORITIES_BY_URGENCY),
            text_input(
                "waiting_days",
                "Ask a silent requester again after (working days)",
                limit=3,
                initial=shown.waiting_days,
            ),
            text_input(
                "auto_complete_days",
                "Close the ticket after further (working days)",
                limit=3,
                initial=shown.auto_complete_days,
                hint="The requester is told, and can reopen it.",
            ),
        ],
    )


def edit_office(shown: BusinessHoursFields) -> View:
    return modal(
        callback_id=ids.EDIT_OFFICE,
        title="Office hours",
        submit="Save",
        close="Cancel",
        blocks=[
            context(plain_text(FOLLOWS)),
            _days(shown.days),
            time_of_day("start", "Work begins at", shown.start),
            time_of_day("end", "Work ends at", shown.end),
            text_input("zone", "Time zone", limit=60, initial=shown.zone, example="Europe/Berlin"),
            country(
                shown.country,
                empty="None",
                hint="Its public holidays are days off. Without one, none are.",
            ),
            text_input(
                "subdivision",
                "Part of that country",
                limit=3,
                optional=True,
                initial=shown.subdivision,
                hint="Its short name, such as BY for Bavaria, where it has holidays of its own.",
            ),
        ],
    )


def _targets(targets: Targets) -> list[Block]:
    lines = [
        f"*{labels.PRIORITY[of]}* · "
        f"accepted within {_lasting(targets.acceptance_minutes[of])} · "
        f"done within {_lasting(targets.resolution_hours[of] * 60)}"
        for of in PRIORITIES_BY_URGENCY
    ]
    waiting = (
        f"A requester who does not answer is asked again after {_days_of(targets.waiting_days)}; "
        f"{_days_of(targets.auto_complete_days)} later the ticket is closed."
    )
    return [
        {"type": "section", "text": mrkdwn("\n".join(lines))},
        context(plain_text(f"{CLOCKS[targets.counted_hours]}. {waiting}")),
    ]


def _lasting(minutes: float) -> str:
    whole, rest = divmod(round(minutes), 60)
    told = [f"{whole} h"] if whole else []
    return " ".join([*told, *([f"{rest} min"] if rest or not whole else [])])


def _days_of(count: int) -> str:
    return f"{count} working day{'' if count == 1 else 's'}"


def _hours(office: BusinessHours) -> str:
    days = ", ".join(DAYS[day] for day in sorted(office.days))
    guessed = "" if office.is_configured else " (nobody has set this yet)"
    return f"{days}, {office.start} to {office.end}, {office.zone}{guessed}"


def _holidays(office: BusinessHours) -> str:
    name = country_name(office.country)
    if not name:
        return "No public holidays are kept."
    part = f", {office.subdivision}" if office.subdivision else ""
    return f"Public holidays of {name}{part} are days off."


def _clock(chosen: str) -> Block:
    options = {clock.value: option(label, clock.value) for clock, label in CLOCKS.items()}
    return select(
        "clock",
        "Which hours count?",
        list(options.values()),
        placeholder="Choose the hours",
        initial=options[chosen],
        hint="The clock stops while a ticket waits for its requester.",
    )


def _hours_of(shown: TargetFields, priority: Priority) -> Block:
    name = f"hours_{priority.value}"
    return text_input(
        name,
        f"{labels.PRIORITY[priority]}: done within (hours)",
        limit=8,
        initial=getattr(shown, name),
        hint="Also for tickets without a priority." if priority is Priority.MEDIUM else "",
    )


def _minutes_of(shown: TargetFields, priority: Priority) -> Block:
    name = f"accept_{priority.value}"
    label = f"{labels.PRIORITY[priority]}: accepted within (minutes)"
    return text_input(name, label, limit=8, initial=getattr(shown, name))


def _days(chosen: str) -> Block:
    options = [option(name, str(number)) for number, name in enumerate(DAYS)]
    element: Block = {
        "type": "multi_static_select",
        "action_id": "days",
        "placeholder": plain_text("Choose the days"),
        "options": options,
    }
    if chosen:
        element["initial_options"] = [options[int(day)] for day in chosen.split(",")]
    return field_block("Working days", element)
