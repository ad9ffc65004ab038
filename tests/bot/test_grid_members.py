"""Members of an Enterprise Grid, whose payloads name one of their workspaces, and strangers."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.middleware import SENDER_CHECK_SECONDS, sender_check
from bot.slack.bot_process import BotProcess
from bot.slack.request import Request
from bot.views import ids
from services.core.database import Mongo
from services.core.errors import MemberRefused
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import Bot, People, file_ticket, filled_in, pressed, reload
from tests.support import payloads
from tests.support.canary import FILED
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import ENTERPRISE_ID, SISTER_TEAM_ID, TEAM_ID

FOREIGN = "This app belongs to another workspace. Ask your contact there to file the ticket."
OTHER_WORKSPACE = (
    "This app is for members of this workspace, and you belong to another one. Ask your contact "
    "here to file the ticket."
)
SLACK_FAILED = "Slack had a problem just now. Try again in a moment."
BOTH = (SISTER_TEAM_ID, TEAM_ID)

Json = dict[str, Any]


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR)


@pytest.fixture
def ticket(tickets: TicketService, people: People) -> Ticket:
    return file_ticket(tickets, people.add())


def belongs_to(slack: RecordingSlack, user: User, *teams: str, **overrides: Any) -> str:
    """Make the user's Slack member one of an Enterprise Grid, in those workspaces."""
    slack_id = People.slack_id(user)
    slack.add_grid_member(slack_id, email=user.email, name="Gwen", teams=teams, **overrides)
    return slack_id


HOMES = pytest.mark.parametrize("home", [SISTER_TEAM_ID, ENTERPRISE_ID])


@HOMES
def test_a_grid_member_presses_a_button(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, ticket: Ticket, db: Mongo, home: str
) -> None:
    belongs_to(slack, moderator, *BOTH)
    press = payloads.sent_from(pressed("take", ticket, moderator), home=home)
    assert ticket_bot.answer(press) == {}
    assert reload(db, ticket).assigned_to == moderator.id


@HOMES
@pytest.mark.parametrize("client", [TEAM_ID, SISTER_TEAM_ID], ids=["here", "in the other client"])
def test_a_grid_member_submits_a_form(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, db: Mongo, home: str, client: str
) -> None:
    """In another workspace's client, `team` names that workspace, the view names ours."""
    slack_id = belongs_to(slack, moderator, *BOTH)
    body = payloads.sent_from(filled_in(ticket_bot, slack, slack_id), home=home)
    body["team"] = {"id": client, "domain": "example", "enterprise_id": ENTERPRISE_ID}
    assert "errors" not in ticket_bot.answer(body)
    assert db.tickets.count_documents({"createdBy": moderator.id}) == 1


@HOMES
def test_a_grid_member_uses_shortcuts_and_menus(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, ticket: Ticket, home: str
) -> None:
    slack_id = belongs_to(slack, moderator, *BOTH)
    for shortcut in (
        payloads.shortcut(ids.FILE_TICKET_SHORTCUT, user=slack_id),
        payloads.message_shortcut(ids.FILE_FROM_MESSAGE, "VPN is down", user=slack_id),
    ):
        assert ticket_bot.answer(payloads.sent_from(shortcut, home=home)) == {}
        assert slack.last_view()["title"]["text"] == "File a ticket"
    update = payloads.slash_command(f"update {ticket.number}", user=slack_id)
    ticket_bot.answer(update)
    menu = payloads.block_suggestion(slack.last_view(), ids.ASSIGNED_TO, "", user=slack_id)
    assert ticket_bot.answer(payloads.sent_from(menu, home=home))["options"]


@pytest.mark.parametrize("team_id", [SISTER_TEAM_ID, ENTERPRISE_ID, None])
def test_a_grid_member_gets_an_account_at_the_first_use(
    ticket_bot: Bot, slack: RecordingSlack, db: Mongo, team_id: str | None
) -> None:
    slack.add_grid_member(
        "W0GWEN", email="gwen@example.com", name="Gwen", teams=BOTH, team_id=team_id
    )
    ticket_bot.answer(filled_in(ticket_bot, slack, "W0GWEN"))
    assert db.tickets.count_documents(FILED) == 1
    assert db.links.count_documents({"slackUserId": "W0GWEN"}) == 1


@pytest.mark.parametrize("team_id", [SISTER_TEAM_ID, ENTERPRISE_ID, None])
def test_a_colleague_of_another_workspace_gets_none(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, db: Mongo, team_id: str | None
) -> None:
    slack.add_grid_member(
        "W0GWEN",
        email="gwen@example.com",
        name="Gwen",
        teams=(SISTER_TEAM_ID,),
        team_id=team_id,
    )
    form = filled_in(ticket_bot, slack, People.slack_id(moderator)) | {"user": {"id": "W0GWEN"}}
    assert ticket_bot.answer(form)["errors"] == {"title": OTHER_WORKSPACE}
    assert db.links.count_documents({"slackUserId": "W0GWEN"}) == 0
    assert db.tickets.count_documents(FILED) == 0


# Foreign members: those of another workspace of the Grid, of another organisation, and unknown ones


def of_the_sister(slack: RecordingSlack, user: User) -> None:
    belongs_to(slack, user, SISTER_TEAM_ID)


def of_another_organisation(slack: RecordingSlack, user: User) -> None:
    slack.add_member(People.slack_id(user), email=user.email, name="Eve", team_id="T0OTHER")


def unknown(slack: RecordingSlack, user: User) -> None:
    slack.fail("users.info", error="user_not_found")


FOREIGNERS = pytest.mark.parametrize(
    "becomes_foreign", [of_the_sister, of_another_organisation, unknown]
)
Foreign = Callable[[RecordingSlack, User], None]


@FOREIGNERS
def test_a_foreign_press_is_refused_in_spite_of_a_link(
    ticket_bot: Bot,
    slack: RecordingSlack,
    moderator: User,
    ticket: Ticket,
    db: Mongo,
    becomes_foreign: Foreign,
) -> None:
    becomes_foreign(slack, moderator)
    slack.clear()
    press = pressed("take", ticket, moderator)
    assert ticket_bot.answer(payloads.sent_from(press, home=SISTER_TEAM_ID)) == {}
    assert reload(db, ticket).status is Status.TODO
    asked, told = slack.calls
    assert asked.method == "users.info"
    assert (told.method, told.args["text"]) == ("chat.postEphemeral", FOREIGN)


@FOREIGNERS
def test_a_foreign_form_is_refused(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, db: Mongo, becomes_foreign: Foreign
) -> None:
    form = filled_in(ticket_bot, slack, People.slack_id(moderator))
    becomes_foreign(slack, moderator)
    foreign = payloads.sent_from(form, home=SISTER_TEAM_ID)
    assert ticket_bot.answer(foreign)["errors"] == {"title": FOREIGN}
    assert db.tickets.count_documents(FILED) == 0


def test_foreign_shortcuts_and_menus_are_refused(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, ticket: Ticket
) -> None:
    slack_id = People.slack_id(moderator)
    ticket_bot.answer(payloads.slash_command(f"update {ticket.number}", user=slack_id))
    menu = payloads.block_suggestion(slack.last_view(), ids.ASSIGNED_TO, "", user=slack_id)
    of_the_sister(slack, moderator)
    assert ticket_bot.answer(payloads.sent_from(menu, home=SISTER_TEAM_ID)) == {"options": []}
    for shortcut in (
        payloads.shortcut(ids.FILE_TICKET_SHORTCUT, user=slack_id),
        payloads.message_shortcut(ids.FILE_FROM_MESSAGE, "VPN is down", user=slack_id),
    ):
        assert ticket_bot.answer(payloads.sent_from(shortcut, home=SISTER_TEAM_ID)) == {}
        assert slack.last_view()["blocks"][0]["text"]["text"] == FOREIGN


def test_a_press_is_refused_if_slack_does_not_answer(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, ticket: Ticket, db: Mongo
) -> None:
    belongs_to(slack, moderator, *BOTH)
    slack.fail("users.info", status=500)
    press = payloads.sent_from(pressed("take", ticket, moderator), home=SISTER_TEAM_ID)
    assert ticket_bot.answer(press) == {}
    (told,) = slack.calls_to("chat.postEphemeral")
    assert told.args["text"].startswith(SLACK_FAILED)
    assert ticket_bot.answer(press) == {}
    assert reload(db, ticket).assigned_to == moderator.id


def test_slack_is_asked_about_a_sender_once_a_minute(
    bot_process: BotProcess, slack: RecordingSlack, moderator: User
) -> None:
    now = 0.0
    check = sender_check(bot_process, timer=lambda: now)
    slack_id = belongs_to(slack, moderator, *BOTH)
    body = payloads.sent_from(
        payloads.shortcut(ids.FILE_TICKET_SHORTCUT, user=slack_id), home=SISTER_TEAM_ID
    )
    req = Request(body=body, bot=bot_process, permission=None, _ack=lambda: None)
    slack.clear()
    for _ in range(3):
        check(req)
    assert len(slack.calls_to("users.info")) == 1
    of_the_sister(slack, moderator)
    now += SENDER_CHECK_SECONDS
    with pytest.raises(MemberRefused, match=FOREIGN):
        check(req)


def test_slack_is_not_asked_about_a_sender_of_this_workspace_only(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, ticket: Ticket
) -> None:
    ticket_bot.answer(pressed("take", ticket, moderator))
    assert slack.calls_to("users.info") == []


# Events


@pytest.mark.parametrize("field", ["context_team_id", "authorizations"])
def test_an_event_in_a_channel_of_another_workspace(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, field: str
) -> None:
    """Slack's `team_id` names the workspace that shares the channel."""
    event = payloads.in_shared_channel(
        payloads.home_opened(belongs_to(slack, moderator, *BOTH)), host=SISTER_TEAM_ID
    )
    del event[{"context_team_id": "authorizations"}.get(field, "context_team_id")]
    assert ticket_bot.answer(event) == {}
    assert len(slack.calls_to("views.publish")) == 1


def test_an_event_of_another_installation(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User
) -> None:
    event = payloads.home_opened(People.slack_id(moderator), team=SISTER_TEAM_ID)
    assert ticket_bot.answer(event | {"context_team_id": SISTER_TEAM_ID}) == {}
    assert slack.calls_to("views.publish") == []


@pytest.mark.parametrize("team_id", [SISTER_TEAM_ID, ENTERPRISE_ID, None])
def test_a_change_of_workspaces_is_followed(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, db: Mongo, team_id: str | None
) -> None:
    slack_id = People.slack_id(moderator)

    def stopped_after(*teams: str) -> Any:
        belongs_to(slack, moderator, *teams, team_id=team_id)
        change = {"type": "user_change", "user": slack.workspace.members[slack_id]}
        assert ticket_bot.answer(payloads.event(change)) == {}
        return (db.links.find_one({"slackUserId": slack_id}) or {}).get("stopped")

    assert stopped_after(*BOTH) is None
    assert stopped_after(SISTER_TEAM_ID)["reason"] == "elsewhere"
    assert stopped_after(*BOTH) is None
