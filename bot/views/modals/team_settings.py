"""The settings screen in Home, for admins, and its modals."""

from collections.abc import Sequence

from bot.views import ids, labels
from bot.views.blocks import actions, button, context, header, mrkdwn_section, text_section
from bot.views.due_text import format_date
from bot.views.inputs import View, channel_select, input_block, modal, option, select, text_input
from bot.views.modals import request_channels
from bot.views.modals.availability import (
    WEEKDAYS,
    country_select,
    days_text,
    hours_inputs,
    hours_text,
)
from bot.views.text import Block, plain_text
from services.account_admin.private_ticket_settings import MAX_PEOPLE, PrivateTicketSettings
from services.availability.slack_status import MAX_TEXT_LENGTH, StatusRules, format_entries
from services.calendar.business_hours import BusinessHours
from services.calendar.holidays import country_name
from services.channels.request_channels import RequestChannel
from services.core.text import join_words
from services.home.sessions import Screen
from services.models.ticket import Priority
from services.models.user import User
from services.sla.policy import PRIORITIES_BY_URGENCY, CountedHours, TargetFields
from services.team_settings.app_name import MAX_APP_NAME_LENGTH
from services.team_settings.private_tickets import LEGACY_WARNING
from services.team_settings.settings_service import BusinessHoursFields, CurrentSettings
from services.team_settings.slack_settings import TICKET_EMOJI, TRIAGE_CHANNEL

CLOCK_LABELS = {
    CountedHours.BUSINESS: "In business hours",
    CountedHours.AROUND_THE_CLOCK: "Around the clock",
}
RECALCULATION_NOTICE = (
    "Open tickets get new due times within minutes. Cards show them after the ticket's next change."
)
SCOPE_ADVICE = (
    "Add them at api.slack.com/apps under “OAuth & Permissions”, and install the app again. It "
    "notices within ten minutes."
)
SUGGESTED_ZONE_HINT = "From your Slack profile. It counts once you save it."
ALSO_AWAY, NOT_AWAY = "Also away", "Not away"
STATUS_WORDS_HELP = (
    "Words such as “out of office”, “sick” or “on leave”, in many languages, and emoji such as "
    ":palm_tree: in a Slack status mean away; “working from home” or “in a meeting” do not. Add "
    "your own here."
)


def settings_page(
    settings: CurrentSettings,
    status_rules: StatusRules,
    private_tickets: PrivateTicketSettings,
    channels: Sequence[RequestChannel],
) -> View:
    return {
        "type": "home",
        "blocks": [
            header("Settings"),
            actions(button("Back", ids.HOME_BACK, Screen().encode())),
            {"type": "divider"},
            header("Name"),
            text_section(settings.app_name),
            actions(button("Change name", ids.OPEN_APP_NAME, "all")),
            {"type": "divider"},
            header("Due times"),
            *_targets(settings),
            actions(button("Change due times", ids.OPEN_SLA_TARGETS, "all")),
            {"type": "divider"},
            header("Business hours"),
            text_section(_business_hours_text(settings.business_hours)),
            context(plain_text(_holidays_text(settings.business_hours))),
            actions(button("Change business hours", ids.OPEN_BUSINESS_HOURS, "all")),
            {"type": "divider"},
            header("Who is away"),
            text_section(STATUS_WORDS_HELP),
            *_own_words(status_rules),
            actions(button("Change words", ids.OPEN_STATUS_WORDS, "all")),
            {"type": "divider"},
            header("Private tickets"),
            text_section(_private_tickets_text(private_tickets)),
            *_legacy_notice(private_tickets),
            actions(button("Change private tickets", ids.OPEN_PRIVATE_TICKETS, "all")),
            {"type": "divider"},
            *request_channels.channels_section(
                channels, app_name=settings.app_name, ticket_emoji=settings.ticket_emoji
            ),
            {"type": "divider"},
            header("Triage channel and emoji"),
            mrkdwn_section(_slack_settings_text(settings)),
            actions(button("Change channel or emoji", ids.OPEN_SLACK_SETTINGS, "all")),
            *_missing_scopes(settings),
        ],
    }


def _slack_settings_text(settings: CurrentSettings) -> str:
    channel = (
        f"<#{settings.triage_channel}> shows a card for each ticket."
        if settings.triage_channel
        else "No channel shows a card for each ticket."
    )
    reaction = f"The reaction :{settings.ticket_emoji}: on a message offers to file it as a ticket."
    return f"{channel}\n{reaction}"


def _missing_scopes(settings: CurrentSettings) -> list[Block]:
    missing = settings.granted_scopes.missing(labels.SCOPE_EFFECTS)
    if not missing:
        return []
    lines = [f"`{scope}`: {labels.SCOPE_EFFECTS[scope]}" for scope in missing]
    return [
        {"type": "divider"},
        header("Missing permissions"),
        mrkdwn_section("\n".join(lines)),
        context(plain_text(SCOPE_ADVICE)),
    ]


def _private_tickets_text(settings: PrivateTicketSettings) -> str:
    names = join_words([user.display_name for user in settings.people]) or "the admins"
    return (
        "Only the requester, the assignee, the participants and the admins see a private ticket. "
        f"New ones go to {names}."
    )


def _legacy_notice(settings: PrivateTicketSettings) -> list[Block]:
    if not settings.is_legacy_in_use or settings.state.legacy_wrote_at is None:
        return []
    if settings.state.is_accepted:
        return [text_section(LEGACY_WARNING)]
    last = format_date(settings.state.legacy_wrote_at)
    return [
        mrkdwn_section(
            f"Off, because the old backend does not know private tickets. It last wrote to this "
            f"database: {last}."
        )
    ]


def private_tickets_modal(settings: PrivateTicketSettings) -> View:
    people: Block = {
        "type": "multi_external_select",
        "action_id": ids.PRIVATE_TICKET_PEOPLE,
        "placeholder": plain_text("The admins"),
        "min_query_length": 0,
        "max_selected_items": MAX_PEOPLE,
    }
    if settings.people:
        people["initial_options"] = [person_option(user) for user in settings.people]
    blocks = [
        input_block(
            "New private tickets go to",
            people,
            optional=True,
            hint="They see private tickets that no one has. Moderators and admins only.",
        )
    ]
    if settings.is_legacy_in_use:
        accept = option("Allow private tickets all the same", "accepted")
        box: Block = {"type": "checkboxes", "action_id": "accepted", "options": [accept]}
        if settings.state.is_accepted:
            box["initial_options"] = [accept]
        blocks.append(input_block("Old backend", box, optional=True, hint=LEGACY_WARNING))
    return modal(
        callback_id=ids.EDIT_PRIVATE_TICKETS,
        title="Private tickets",
        submit="Save",
        blocks=blocks,
    )


def person_option(user: User) -> Block:
    return option(user.display_name, str(user.id))


def app_name_modal(name: str) -> View:
    return modal(
        callback_id=ids.EDIT_APP_NAME,
        title="Name",
        submit="Save",
        blocks=[
            text_input(
                "name",
                "Name of this app",
                max_length=2 * MAX_APP_NAME_LENGTH,  # more, so that a longer one gets the error
                initial=name,
                hint="In messages, on the web pages and in emails. The name above the messages is "
                "set at api.slack.com/apps.",
            ),
        ],
    )


def slack_settings_modal(settings: CurrentSettings) -> View:
    return modal(
        callback_id=ids.EDIT_SLACK_SETTINGS,
        title="Channel and emoji",
        submit="Save",
        blocks=[
            channel_select(
                TRIAGE_CHANNEL,
                "Triage channel",
                placeholder="No channel",
                chosen=settings.triage_channel,
                hint="It shows a card for each ticket, and everyone in it reads them. After a "
                "change, new tickets go to the new channel; cards in the old one stay there.",
            ),
            text_input(
                TICKET_EMOJI,
                "Emoji",
                max_length=100,
                initial=settings.ticket_emoji,
                hint="This reaction to a message offers to file it as a ticket.",
            ),
        ],
    )


def sla_targets_modal(initial: TargetFields) -> View:
    """Numbers are text inputs, so that an error appears beside its field."""
    return modal(
        callback_id=ids.EDIT_SLA_TARGETS,
        title="Due times",
        submit="Save",
        blocks=[
            context(plain_text(RECALCULATION_NOTICE)),
            _clock(initial.clock),
            *(_resolution_input(initial, priority) for priority in PRIORITIES_BY_URGENCY),
            *(_acceptance_input(initial, priority) for priority in PRIORITIES_BY_URGENCY),
            text_input(
                "waiting_days",
                "Ask the requester again after (working days)",
                max_length=3,
                initial=initial.waiting_days,
            ),
            text_input(
                "auto_complete_days",
                "Then close the ticket after (working days)",
                max_length=3,
                initial=initial.auto_complete_days,
                hint="The requester is notified, and can reopen it.",
            ),
        ],
    )


def business_hours_modal(initial: BusinessHoursFields, *, is_zone_suggested: bool = False) -> View:
    return modal(
        callback_id=ids.EDIT_BUSINESS_HOURS,
        title="Business hours",
        submit="Save",
        blocks=[
            context(plain_text(RECALCULATION_NOTICE)),
            _days(initial.days),
            *hours_inputs(initial.start, initial.end),
            text_input(
                "zone",
                "Time zone",
                max_length=60,
                initial=initial.zone,
                placeholder="Europe/Berlin",
                hint=SUGGESTED_ZONE_HINT if is_zone_suggested else "",
            ),
            country_select(
                initial.country,
                placeholder="None",
                hint="Its public holidays are days off.",
            ),
            text_input(
                "subdivision",
                "State or region",
                max_length=3,
                optional=True,
                initial=initial.subdivision,
                hint="Its code, such as BY for Bavaria, if it has public holidays of its own.",
            ),
        ],
    )


def _targets(settings: CurrentSettings) -> list[Block]:
    targets = settings.targets
    lines = [
        f"*{labels.PRIORITY[priority]}* · "
        f"accepted within {_target(targets.acceptance_minutes[priority], settings)} · "
        f"resolved within {_target(targets.resolution_hours[priority] * 60, settings)}"
        for priority in PRIORITIES_BY_URGENCY
    ]
    waiting = (
        "A requester who does not answer is asked again after "
        f"{_working_days(targets.waiting_days)}; "
        f"{_working_days(targets.auto_complete_days)} later the ticket is closed."
    )
    return [
        mrkdwn_section("\n".join(lines)),
        context(plain_text(f"{CLOCK_LABELS[targets.counted_hours]}. {waiting}")),
    ]


def _target(minutes: float, settings: CurrentSettings) -> str:
    """From one day on also in days: 24 business hours are three working days of eight hours."""
    is_business = settings.targets.counted_hours is CountedHours.BUSINESS
    hours = settings.business_hours.work_week.hours_a_day if is_business else 24
    unit = "business hour" if is_business else "hour"
    if minutes < 60:
        return f"{round(minutes)} min"
    length = _count(minutes / 60, unit)
    return f"{length} ({_days_text(minutes / 60 / hours)})" if minutes >= hours * 60 else length


def _days_text(days: float) -> str:
    """Return the number rounded to half a day, such as "3 days" or "about 4½ days"."""
    halves = round(days * 2)
    whole, half = divmod(halves, 2)
    about = "" if abs(days * 2 - halves) < 0.01 else "about "
    return f"{about}{whole}{'½' if half else ''} day{'' if halves == 2 else 's'}"


def _count(number: float, unit: str) -> str:
    rounded = round(number, 1)
    return f"{rounded:g} {unit}{'' if rounded == 1 else 's'}"


def _working_days(count: int) -> str:
    return f"{count} working day{'' if count == 1 else 's'}"


def _business_hours_text(business_hours: BusinessHours) -> str:
    days = days_text(business_hours.days)
    default_note = "" if business_hours.is_configured else " (not set yet)"
    return (
        f"{days}, {hours_text(business_hours.start, business_hours.end)}, "
        f"{business_hours.zone}{default_note}"
    )


def _holidays_text(business_hours: BusinessHours) -> str:
    name = country_name(business_hours.country)
    if not name:
        return "No public holidays are set."
    part = f", {business_hours.subdivision}" if business_hours.subdivision else ""
    return f"Public holidays of {name}{part} are days off."


def _clock(chosen: str) -> Block:
    return select(
        "clock",
        "Which hours count?",
        {clock.value: label for clock, label in CLOCK_LABELS.items()},
        placeholder="Choose the hours",
        chosen=chosen,
        hint="The clock stops while a ticket waits for its requester.",
    )


def _resolution_input(initial: TargetFields, priority: Priority) -> Block:
    name = f"hours_{priority.value}"
    return text_input(
        name,
        f"{labels.PRIORITY[priority]}: resolved within (hours)",
        max_length=8,
        initial=getattr(initial, name),
        hint="Also for tickets without a priority." if priority is Priority.MEDIUM else "",
    )


def _acceptance_input(initial: TargetFields, priority: Priority) -> Block:
    name = f"accept_{priority.value}"
    label = f"{labels.PRIORITY[priority]}: accepted within (minutes)"
    return text_input(name, label, max_length=8, initial=getattr(initial, name))


def _days(chosen: str) -> Block:
    options = [option(name, str(number)) for number, name in enumerate(WEEKDAYS)]
    element: Block = {
        "type": "multi_static_select",
        "action_id": "days",
        "placeholder": plain_text("Choose the days"),
        "options": options,
    }
    if chosen:
        element["initial_options"] = [options[int(day)] for day in chosen.split(",")]
    return input_block("Working days", element)


def status_words_modal(rules: StatusRules) -> View:
    return modal(
        callback_id=ids.EDIT_STATUS_WORDS,
        title="Who is away",
        submit="Save",
        blocks=[
            _words_input(
                "away",
                ALSO_AWAY,
                rules.away,
                hint="Words and emoji, separated by commas. A status with one of them means away.",
                example="at the spa, :sailboat:",
            ),
            _words_input(
                "here",
                NOT_AWAY,
                rules.available,
                hint="With one of these in it, a status never means away.",
                example="holiday season, :palm_tree:",
            ),
        ],
    )


def _own_words(rules: StatusRules) -> list[Block]:
    """Return the team's own words and emoji, a line for each form field that is not empty."""
    return [
        text_section(f"{label}: {format_entries(words)}")
        for label, words in ((ALSO_AWAY, rules.away), (NOT_AWAY, rules.available))
        if words
    ]


def _words_input(
    field: str, label: str, words: tuple[str, ...], *, hint: str, example: str
) -> Block:
    return text_input(
        field,
        label,
        max_length=MAX_TEXT_LENGTH,
        multiline=True,
        optional=True,
        initial=format_entries(words),
        hint=hint,
        placeholder=example,
    )
