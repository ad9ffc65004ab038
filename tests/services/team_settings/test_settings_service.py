"""The team settings in App Home: the screen, and changes by admins."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.views.modals import team_settings as views
from bot.views.modals.request_channels import NO_CHANNELS
from services.account_admin.private_ticket_settings import PrivateTicketSettings
from services.availability.slack_status import StatusRules
from services.calendar.business_hours import BusinessHours
from services.core.database import Mongo
from services.core.errors import PermissionDenied
from services.models.permissions import Actor
from services.models.user import Role, User
from services.sla.policy import CountedHours, TargetFields, Targets
from services.team_settings.private_tickets import PrivateTicketState
from services.team_settings.settings_service import (
    BusinessHoursFields,
    CurrentSettings,
    TeamSettings,
)
from services.tickets.filing import TicketService
from tests.conftest import Bot, FixedClock, People, file_ticket
from tests.support import payloads
from tests.support.block_text import read
from tests.support.blockkit import check_view
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack
from tests.support.view_state import find_element

NO_ONE_NAMED = PrivateTicketSettings((), PrivateTicketState(), datetime(2026, 3, 1, tzinfo=UTC))
GERMANY = {"value": "DE", "text": {"type": "plain_text", "text": "Germany"}}


@pytest.fixture
def ada(ticket_bot: Bot, slack: RecordingSlack, admin: User) -> Visitor:
    return Visitor(ticket_bot, slack, admin)


def test_the_screen(ada: Visitor) -> None:
    assert "Settings" in ada.open()
    assert ada.press("Settings") == [
        "Settings",
        "Back",
        "---",
        "Name",
        "Help desk",
        "Change name",
        "---",
        "Due times",
        "*Urgent* · accepted within 15 min · resolved within 4 business hours\n"
        "*High* · accepted within 1 business hour · resolved within 8 business hours (1 day)\n"
        "*Medium* · accepted within 4 business hours · resolved within 24 business hours (3 days)\n"
        "*Low* · accepted within 8 business hours (1 day) · resolved within 40 business hours (5 "
        "days)",
        "In business hours. A requester who does not answer is asked again after 3 working days; "
        "4 working days later the ticket is closed.",
        "Change due times",
        "---",
        "Business hours",
        "Monday to Friday, 09:00 to 17:00, UTC (not set yet)",
        "No public holidays are set.",
        "Change business hours",
        "---",
        "Who is away",
        views.STATUS_WORDS_HELP,
        "Change words",
        "---",
        "Private tickets",
        "Only the requester, the assignee, the participants and the admins see a private ticket. "
        "New ones go to the admins.",
        "Change private tickets",
        "---",
        "Request channels",
        NO_CHANNELS,
        "Add channel",
        "---",
        "Triage channel and emoji",
        "No channel shows a card for each ticket.\n"
        "The reaction :ticket: on a message offers to file it as a ticket.",
        "Change channel or emoji",
    ]
    assert ada.press("Back")[0] == "Hello, Admin 1"


def test_an_admin_changes_the_targets(
    ada: Visitor, db: Mongo, people: People, tickets: TicketService, clock: FixedClock
) -> None:
    ada.open()
    ada.press("Settings")
    ada.press("Change due times")
    changed = {"hours_urgent": "0.5", "clock": "around", "waiting_days": "1"}
    assert ada.submit(**changed) == {}
    seen = ada.see()
    assert seen[8].startswith("*Urgent* · accepted within 15 min · resolved within 30 min\n")
    assert seen[8].endswith("accepted within 8 hours · resolved within 40 hours (about 1½ days)")
    assert seen[9].startswith(
        "Around the clock. A requester who does not answer is asked again after 1 w"
    )
    assert TeamSettings(db).targets().counted_hours is CountedHours.AROUND_THE_CLOCK
    clock.now = datetime(2026, 3, 7, 3, tzinfo=UTC)
    filed = file_ticket(tickets, people.add(), priority="urgent")
    assert filed.due_at == datetime(2026, 3, 7, 3, 30, tzinfo=UTC)


def test_an_admin_changes_the_hours(ada: Visitor, db: Mongo) -> None:
    ada.open()
    ada.press("Settings")
    ada.press("Change business hours")
    assert (
        ada.submit(
            days=["0", "1", "2"],
            start="08:30",
            zone="Europe/Berlin",
            country={"selected_option": GERMANY},
            subdivision="by",
        )
        == {}
    )
    assert TeamSettings(db).business_hours() == BusinessHours(
        "Europe/Berlin", frozenset({0, 1, 2}), "08:30", "17:00", "DE", "BY", is_configured=True
    )
    seen = ada.see()
    hours = seen.index("Business hours")
    assert seen[hours + 1 : hours + 3] == [
        "Monday to Wednesday, 08:30 to 17:00, Europe/Berlin",
        "Public holidays of Germany, BY are days off.",
    ]


@pytest.mark.parametrize(
    ("button", "values", "errors"),
    [
        (
            "Change due times",
            {"hours_high": "soon"},
            {"hours_high": "Write hours from 0.25 to 2,000, such as 8."},
        ),
        (
            "Change due times",
            {"accept_low": "1"},
            {"accept_low": "Write no less than for medium: the more urgent comes first."},
        ),
        (
            "Change business hours",
            {"zone": "Berlin"},
            {"zone": "Choose a time zone such as Europe/Berlin."},
        ),
        ("Change business hours", {"days": []}, {"days": "Choose at least one day of the week."}),
        (
            "Change business hours",
            {"subdivision": "BY"},
            {
                "subdivision": "Type the code of a state or region of that country, such as BY, or "
                "leave it empty."
            },
        ),
    ],
)
def test_what_is_refused_stands_beside_its_field(
    ada: Visitor, db: Mongo, button: str, values: dict[str, Any], errors: dict[str, str]
) -> None:
    ada.open()
    ada.press("Settings")
    ada.press(button)
    assert ada.submit(**values) == {"response_action": "errors", "errors": errors}
    assert db.settings.count_documents({"_id": {"$in": ["targets", "office"]}}) == 0


def test_two_admins_at_once(
    ada: Visitor, db: Mongo, slack: RecordingSlack, ticket_bot: Bot, people: People
) -> None:
    ada.open()
    ada.press("Settings")
    ada.press("Change due times")
    form = slack.last_view()
    bob = Actor.from_user(people.add(Role.ADMIN))
    usual = TargetFields.from_targets(Targets())
    settings = TeamSettings(db)
    settings.set_targets(
        actor=bob, original=usual, submitted=TargetFields.from_targets(Targets(waiting_days=5))
    )

    def submit(**values: str) -> dict[str, Any]:
        sent = payloads.view_submission(form, values, user=ada.slack_id)
        return ticket_bot.answer(sent)

    assert submit(waiting_days="6")["errors"] == {
        "waiting_days": "Someone has changed this to “5” since. Close this form and open it "
        "again, then decide."
    }
    assert submit(auto_complete_days="9") == {}
    held = TeamSettings(db).targets()
    assert (held.waiting_days, held.auto_complete_days) == (5, 9)
    assert submit(auto_complete_days="9") == {}  # sent twice


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_it_is_for_admins(db: Mongo, people: People, role: Role) -> None:
    actor, settings = Actor.from_user(people.add(role)), TeamSettings(db)
    targets, hours = (
        TargetFields.from_targets(Targets()),
        BusinessHoursFields.from_business_hours(BusinessHours()),
    )
    for ask in (
        lambda: settings.get(actor=actor),
        lambda: settings.set_targets(actor=actor, original=targets, submitted=targets),
        lambda: settings.set_business_hours(actor=actor, original=hours, submitted=hours),
    ):
        with pytest.raises(PermissionDenied):
            ask()


def test_others_have_no_such_button(ticket_bot: Bot, slack: RecordingSlack, people: People) -> None:
    assert "Settings" not in Visitor(ticket_bot, slack, people.add(Role.MODERATOR)).open()


@pytest.mark.parametrize(
    ("start", "end", "hours", "low"),
    [
        ("09:00", "18:00", "09:00 to 18:00", "40 business hours (about 4½ days)"),
        ("09:00", "19:00", "09:00 to 19:00", "40 business hours (4 days)"),
        ("22:00", "06:00", "22:00 to 06:00 the next day", "40 business hours (5 days)"),
        ("09:00", "08:00", "09:00 to 08:00 the next day", "40 business hours (about 1½ days)"),
        ("09:00", "09:00", "around the clock from 09:00", "40 business hours (about 1½ days)"),
        ("00:00", "00:00", "around the clock", "40 business hours (about 1½ days)"),
    ],
)
def test_settings_say_what_the_hours_mean(start: str, end: str, hours: str, low: str) -> None:
    business_hours = BusinessHours(start=start, end=end, is_configured=True)
    page = views.settings_page(
        CurrentSettings("Help desk", Targets(), business_hours), StatusRules(), NO_ONE_NAMED, ()
    )
    texts = [block["text"]["text"] for block in page["blocks"] if block["type"] == "section"]
    assert f"Friday, {hours}, UTC" in str(texts)
    assert f"resolved within {low}" in str(texts)


def test_the_form_says_what_an_end_before_the_start_means() -> None:
    form = views.business_hours_modal(BusinessHoursFields.from_business_hours(BusinessHours()))
    (end,) = (block for block in form["blocks"] if block.get("block_id") == "end")
    assert end["hint"]["text"] == (
        "A time before the start is on the next day. The same time as the start means around the "
        "clock."
    )


def test_slack_takes_all_of_it() -> None:
    hours = BusinessHours(
        "America/Argentina/Buenos_Aires", frozenset(), "08:17", "08:18", "AR", "XX"
    )
    assert (
        check_view(
            views.settings_page(
                CurrentSettings("Help desk", Targets(), hours), StatusRules(), NO_ONE_NAMED, ()
            ),
            home=True,
        )
        == []
    )
    assert check_view(views.sla_targets_modal(TargetFields.from_targets(Targets()))) == []
    form = views.business_hours_modal(BusinessHoursFields.from_business_hours(hours))
    assert check_view(form) == []
    start, _ = find_element(form, "start", None)
    assert start["initial_option"]["value"] == "08:17"
    assert views.RECALCULATION_NOTICE in read(form)


def zone_in_form(slack: RecordingSlack) -> tuple[str, str]:
    element, _ = find_element(slack.last_view(), "zone", None)
    (block,) = [b for b in slack.last_view()["blocks"] if b.get("element") == element]
    return element["initial_value"], block.get("hint", {}).get("text", "")


def test_the_first_form_has_the_time_zone_of_the_admins_slack_profile(
    ada: Visitor, slack: RecordingSlack, db: Mongo
) -> None:
    ada.open()
    ada.press("Settings")
    ada.press("Change business hours")
    assert zone_in_form(slack) == (
        "Europe/Berlin",
        "From your Slack profile. It counts once you save it.",
    )
    assert db.settings.count_documents({}) == 0
    assert ada.submit() == {}
    hours = TeamSettings(db).business_hours()
    assert (hours.zone, hours.start, hours.is_configured) == ("Europe/Berlin", "09:00", True)
    slack.workspace.members[ada.slack_id]["tz"] = "Asia/Tokyo"
    ada.press("Change business hours")
    assert zone_in_form(slack) == ("Europe/Berlin", "")


@pytest.mark.parametrize("zone", ["", None, "Mars/Olympus", 7])
def test_a_profile_without_a_known_time_zone_leaves_the_default(
    ada: Visitor, slack: RecordingSlack, zone: Any
) -> None:
    slack.workspace.members[ada.slack_id]["tz"] = zone
    ada.open()
    ada.press("Settings")
    ada.press("Change business hours")
    assert zone_in_form(slack) == ("UTC", "")


def test_the_form_opens_although_slack_does_not_tell_the_profile(
    ada: Visitor, slack: RecordingSlack
) -> None:
    ada.open()
    ada.press("Settings")
    slack.fail("users.info", error="fatal_error")
    ada.press("Change business hours")
    assert zone_in_form(slack) == ("UTC", "")


def test_a_suggested_zone_does_not_replace_one_that_another_admin_set_since(
    ada: Visitor, team_settings: TeamSettings, admin: User
) -> None:
    ada.open()
    ada.press("Settings")
    ada.press("Change business hours")
    team_settings.write_business_hours(
        actor=Actor.from_user(admin),
        zone="Asia/Tokyo",
        days=frozenset({0}),
        start="10:00",
        end="18:00",
    )
    assert ada.submit() == {}
    assert team_settings.business_hours().zone == "Asia/Tokyo"
