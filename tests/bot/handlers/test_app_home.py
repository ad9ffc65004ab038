"""App Home for each kind of member: opening and navigation."""

from typing import Any

import pytest

from bot.views import ids
from bot.views.inputs import own_metadata
from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tests.bot.views.home.test_overview import pressed
from tests.conftest import Bot, FixedClock, People, file_ticket
from tests.support import payloads
from tests.support.block_text import read
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack

NOT_FOUND = "There is no such ticket, or you may not see it."


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def ticket(tickets: TicketService, employee: User, moderator: User, db: Mongo) -> Ticket:
    """Assigned to the moderator."""
    filed = file_ticket(tickets, employee, title="VPN drops")
    known = {"assignedTo": moderator.id, "status": "IN_PROGRESS", "summary": "No tunnel."}
    db.tickets.update_one({"_id": filed.id}, {"$set": known})
    return filed


@pytest.fixture
def ann(ticket_bot: Bot, slack: RecordingSlack, employee: User) -> Visitor:
    return Visitor(ticket_bot, slack, employee)


@pytest.fixture
def ben(ticket_bot: Bot, slack: RecordingSlack, moderator: User) -> Visitor:
    return Visitor(ticket_bot, slack, moderator)


def file_many(tickets: TicketService, user: User, clock: FixedClock, count: int) -> None:
    for number in range(1, count + 1):
        clock.advance(minutes=1)
        file_ticket(tickets, user, title=f"Trouble {number}")


def numbers(seen: list[str]) -> list[str]:
    return [text.partition(":")[0] for text in seen if text.startswith("Ticket ")]


def test_an_employee_opens_it(ann: Visitor, ticket: Ticket) -> None:
    seen = ann.open()
    assert seen[:2] == ["Hello, User 1", "File a ticket"]
    assert "Your open tickets" in seen
    assert "Ticket 1: VPN drops" in seen
    assert "Assigned to you" not in seen


def test_a_moderator_opens_it(ben: Visitor, ticket: Ticket) -> None:
    seen = ben.open()
    assert seen.index("Assigned to you") < seen.index("Ticket 1: VPN drops")


def test_a_newcomer_gets_an_account_by_opening_it(
    ticket_bot: Bot, slack: RecordingSlack, db: Mongo
) -> None:
    slack.add_member("U0NEW", email="new@example.com", name="New One")
    body = {"type": "app_home_opened", "user": "U0NEW", "channel": "D0X", "tab": "home"}
    ticket_bot.answer(payloads.event(body))
    assert read(slack.home("U0NEW"))[0] == "Hello, New One"
    assert db.users.distinct("role") == ["user"]


@pytest.mark.parametrize("tab", ["messages", "about", None])
def test_other_tabs_do_nothing(
    ticket_bot: Bot, slack: RecordingSlack, db: Mongo, tab: str | None
) -> None:
    slack.add_member("U0NEW", email="new@example.com", name="New One")
    slack.clear()
    body = {"type": "app_home_opened", "user": "U0NEW", "channel": "D0X", "tab": tab}
    ticket_bot.answer(payloads.event(body))
    assert slack.calls == []
    assert db.users.count_documents({}) == 0


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            {"is_restricted": True},
            "Guests cannot use this app. Ask a full member of this workspace to file the ticket.",
        ),
        ({"is_bot": True}, "Only people with an active Slack account can use this app."),
        (
            {"team_id": "T0OTHER"},
            "This app is for members of this workspace, and you belong to another one. Ask your "
            "contact here to file the ticket.",
        ),
    ],
    ids=["guest", "bot", "stranger"],
)
def test_who_gets_no_account_reads_why(
    ticket_bot: Bot, slack: RecordingSlack, db: Mongo, overrides: dict[str, Any], sentence: str
) -> None:
    slack.add_member("U0NO", email="no@example.com", name="No", **overrides)
    body = {"type": "app_home_opened", "user": "U0NO", "channel": "D0X", "tab": "home"}
    ticket_bot.answer(payloads.event(body))
    assert read(slack.home("U0NO")) == ["Help desk", sentence]
    assert (db.users.count_documents({}), db.links.count_documents({})) == (0, 0)


def test_a_deactivated_account_reads_why(
    ticket_bot: Bot, slack: RecordingSlack, people: People
) -> None:
    former = Visitor(ticket_bot, slack, people.add(active=False))
    assert former.open() == [
        "Help desk",
        "Your account in this app is deactivated. Ask one of its admins.",
    ]


def test_file_a_ticket_opens_the_form(ann: Visitor, slack: RecordingSlack) -> None:
    ann.open()
    ann.press("File a ticket")
    assert slack.last_view()["callback_id"] == "file_ticket"


def test_through_the_pages_and_back(
    ann: Visitor, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    file_many(tickets, employee, clock, 12)
    assert numbers(ann.open()) == [f"Ticket {n}" for n in range(12, 7, -1)]
    assert numbers(ann.press("All your tickets")) == [f"Ticket {n}" for n in range(12, 2, -1)]
    assert numbers(ann.press("Next")) == ["Ticket 2", "Ticket 1"]
    assert ann.press("Open")[:2] == ["#2 Trouble 2", "Back"]
    assert numbers(ann.press("Back")) == ["Ticket 2", "Ticket 1"]
    assert numbers(ann.press("Previous")) == [f"Ticket {n}" for n in range(12, 2, -1)]
    assert ann.press("Back")[0] == "Hello, User 1"


def test_the_queue_is_narrowed_and_gone_through(
    ben: Visitor, tickets: TicketService, employee: User, clock: FixedClock, db: Mongo
) -> None:
    file_many(tickets, employee, clock, 13)
    db.tickets.update_many({"number": {"$gt": 2}}, {"$set": {"priority": "high"}})
    ben.open()
    seen = ben.press("The queue")
    assert seen[:2] == ["The queue", "Back"]
    assert numbers(seen) == [f"Ticket {n}" for n in range(1, 11)]
    assert numbers(ben.choose(ids.LIST_PRIORITY, "high")) == [f"Ticket {n}" for n in range(3, 13)]
    assert numbers(ben.press("Next")) == ["Ticket 13"]
    assert ben.press("Open")[0] == "#13 Trouble 13"
    assert numbers(ben.press("Back")) == ["Ticket 13"]
    assert ben.open()[0] == "The queue"  # still there after the next opening
    assert "No ticket here matches these filters." in str(ben.choose(ids.LIST_STATUS, "WAITING"))
    assert numbers(ben.press("Clear filters")) == [f"Ticket {n}" for n in range(1, 11)]
    assert ben.press("Back")[0] == "Hello, Moderator 1"


def test_a_demoted_moderator_is_led_out_of_the_queue(
    ben: Visitor, moderator: User, slack: RecordingSlack, db: Mongo
) -> None:
    ben.open()
    ben.press("The queue")
    db.users.update_one({"_id": moderator.id}, {"$set": {"role": "user"}})
    ben.choose(ids.LIST_PRIORITY, "high")
    assert slack.last_view()["blocks"][0]["text"]["text"] == (
        "Your role does not allow you to see other people's tickets. Ask an admin if it should."
    )
    assert ben.open()[0] == "Hello, Moderator 1"


def test_the_requesters_page_holds_nothing_internal(ann: Visitor, ticket: Ticket) -> None:
    ann.open()
    seen = ann.press("Open")
    assert seen[:2] == ["#1 VPN drops", "Back"]
    assert "Resolve" not in seen
    assert "No tunnel." not in str(seen)


def test_the_assignee_resolves_it_from_its_page(
    ben: Visitor, ticket: Ticket, slack: RecordingSlack
) -> None:
    ben.open()
    seen = ben.press("Open")
    assert "No tunnel." in seen
    ben.press("Accept")
    ben.press("Resolve")
    view = slack.last_view()
    assert (view["title"]["text"], own_metadata(view)) == ("Resolve ticket 1", str(ticket.id))


def test_a_foreign_ticket_leaves_home_as_it_is(
    ticket_bot: Bot, slack: RecordingSlack, ann: Visitor, ticket: Ticket, people: People
) -> None:
    ann.open()
    stranger = Visitor(ticket_bot, slack, people.add())
    before = stranger.open()
    seen = stranger.press("Open", on=slack.home(ann.slack_id))
    assert seen == before
    assert slack.last_view()["blocks"][0]["text"]["text"] == NOT_FOUND


@pytest.mark.parametrize("value", ["", "nonsense", "||", '{"$gt": ""}'])
def test_a_forged_value_is_the_top_of_the_lists(ann: Visitor, ticket: Ticket, value: str) -> None:
    before = ann.open()
    assert ann.press("Open", value=value) == before


def test_a_demoted_moderator_presses_an_old_button(
    ben: Visitor, ticket: Ticket, moderator: User, slack: RecordingSlack, db: Mongo
) -> None:
    ben.open()
    db.users.update_one({"_id": moderator.id}, {"$set": {"role": "user"}})
    ben.press("Open")
    assert slack.last_view()["blocks"][0]["text"]["text"] == NOT_FOUND
    assert "Assigned to you" not in ben.open()


def test_opening_it_again_stays_on_the_ticket_for_an_hour(
    ann: Visitor,
    ticket: Ticket,
    ticket_actions: TicketActions,
    moderator: User,
    clock: FixedClock,
) -> None:
    ann.open()
    ann.press("Open")
    ticket_actions.resolve(
        actor=Actor.from_user(moderator), ticket_id=str(ticket.id), resolution="New key."
    )
    assert "New key." in ann.open()
    clock.advance(hours=1, seconds=1)
    assert ann.open()[0] == "Hello, User 1"


def test_opening_it_again_after_the_ticket_has_gone_shows_the_lists(
    ann: Visitor, ticket: Ticket, db: Mongo
) -> None:
    ann.open()
    ann.press("Open")
    db.tickets.delete_one({"_id": ticket.id})
    assert ann.open()[0] == "Hello, User 1"
    assert db.links.distinct("home.ticket") == [None]


def test_a_press_wins_over_a_refresh_in_between(
    ann: Visitor, ticket: Ticket, slack: RecordingSlack
) -> None:
    ann.open()
    seen = slack.home(ann.slack_id)
    refreshed = {"type": "home", "blocks": seen["blocks"]}
    slack.workspace.keep_view(seen["id"], refreshed)
    assert ann.press("Open", on=seen)[0] == "#1 VPN drops"
    published = [call.answer["ok"] for call in slack.calls_to("views.publish")]
    assert published == [True, False, True]


def test_a_later_press_wins_over_an_earlier_one(
    ann: Visitor, ticket: Ticket, slack: RecordingSlack, db: Mongo
) -> None:
    ann.open()

    def went_elsewhere(_: Any) -> bool:
        """A later press is answered while this one is in progress."""
        db.links.update_one({"home": {"$exists": True}}, {"$inc": {"home.turn": 1}})
        return True

    slack.fail("views.publish", error="hash_conflict", where=went_elsewhere)
    assert ann.press("Open")[0] == "Hello, User 1"
    assert len(slack.calls_to("views.publish")) == 2


def test_each_publish_says_which_view_it_replaces(
    ann: Visitor, ticket: Ticket, slack: RecordingSlack, db: Mongo
) -> None:
    ann.open()
    first = slack.home(ann.slack_id)
    ann.open(view=first)
    ann.press("Open")
    hashes = [call.answer["view"]["hash"] for call in slack.calls_to("views.publish")]
    sent = [call.args.get("hash") for call in slack.calls_to("views.publish")]
    assert sent == [None, *hashes[:2]]
    assert db.links.distinct("home.hash") == hashes[2:]


def test_slack_tries_again_while_the_database_is_away(
    bot_without_database: Bot, slack: RecordingSlack, employee: User
) -> None:
    slack.clear()
    body = {"type": "app_home_opened", "user": People.slack_id(employee), "tab": "home"}
    assert bot_without_database.send(payloads.event({**body, "channel": "D0X"})).status == 503
    assert slack.calls_to("views.publish") == []


def test_a_button_says_that_the_database_is_away(
    bot_without_database: Bot,
    ann: Visitor,
    employee: User,
    ticket: Ticket,
    slack: RecordingSlack,
) -> None:
    ann.open()
    Visitor(bot_without_database, slack, employee).press("Open")
    assert slack.last_view()["blocks"][0]["text"]["text"] == (
        "This does not work right now, because the database is away. Try again in a minute."
    )


def test_it_handles_500(ann: Visitor, ticket: Ticket, slack: RecordingSlack) -> None:
    before = ann.open()
    slack.fail("views.publish", status=500)
    assert ann.press("Open") == before
    assert slack.last_view()["blocks"][0]["text"]["text"].startswith(
        "Slack had a problem just now."
    )


def test_buttons_lead_where_the_rows_say(
    ann: Visitor, ticket: Ticket, slack: RecordingSlack
) -> None:
    ann.open()
    (screen,) = pressed(slack.home(ann.slack_id), "Open")
    assert screen.ticket_id == ticket.id


def test_an_admin_sets_the_help_desk_up_from_home(
    ticket_bot: Bot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    ada = Visitor(ticket_bot, slack, people.add(Role.ADMIN))
    seen = ada.open()
    begin = seen.index("Set up Help desk")
    assert seen[begin : begin + 10] == [
        "Set up Help desk",
        "0 of 4 steps done",
        ":white_large_square: *Business hours and time zone*\nDue dates count in them. Until you "
        "set them, they are Monday to Friday, 09:00 to 17:00 UTC.",
        "Set business hours",
        ":white_large_square: *A moderator*\nTickets go to moderators. Without one, they go to you "
        "and the other admins.",
        "Add moderator",
        ":white_large_square: *A triage channel*\nIt shows a card for each ticket.",
        "Choose channel",
        ":white_large_square: *An AI key*\nWith one, Gemini analyses each ticket; without, skills "
        "are matched by their words. Set `GEMINI_API_KEY`, and restart Help desk.",
        "Hide these steps",
    ]
    ada.press("Set business hours")
    assert ada.submit() == {}
    slack.add_member("U0NORA", email="nora@example.com", name="Nora")
    ada.press("Add moderator")
    assert "Nora is a moderator now" in str(ada.submit(member="U0NORA"))
    seen = ada.see()
    assert "2 of 4 steps done" in seen
    assert ":white_check_mark: Business hours and time zone" in seen
    assert ":white_check_mark: A moderator" in seen
    assert "Add moderator" not in seen
    assert "Set up Help desk" not in ada.press("Hide these steps")
    assert "Set up Help desk" not in ada.open()
    assert db.users.count_documents({"setupHidden": True}) == 1
