"""An event that Slack delivers more than once."""

from typing import Any

from slack_bolt import BoltResponse

from services.core.database import Mongo
from tests.conftest import Bot, People
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack


def home_opened(people: People) -> dict[str, Any]:
    user = people.slack_id(people.add())
    return payloads.event({"type": "app_home_opened", "user": user, "tab": "home"})


def test_a_second_delivery_is_taken_but_not_handled(
    ticket_bot: Bot, slack: RecordingSlack, people: People
) -> None:
    event = home_opened(people)
    for _ in range(3):
        assert ticket_bot.answer(event) == {}
    assert len(slack.calls_to("views.publish")) == 1


def test_without_mongodb_slack_is_asked_to_try_again(
    bot_without_database: Bot, ticket_bot: Bot, slack: RecordingSlack, people: People
) -> None:
    event = home_opened(people)
    response: BoltResponse = bot_without_database.send(event)
    assert (response.status, response.body) == (503, "")
    assert ticket_bot.answer(event) == {}
    assert len(slack.calls_to("views.publish")) == 1


def test_what_is_no_event_is_not_remembered(
    ticket_bot: Bot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    command = payloads.slash_command("help", user=people.slack_id(people.add()))
    assert ticket_bot.answer(command) == ticket_bot.answer(command) != {}
    assert db.inbox.count_documents({}) == 0


def test_another_workspaces_event_is_not_remembered(
    ticket_bot: Bot, slack: RecordingSlack, db: Mongo
) -> None:
    event = payloads.event({"type": "app_home_opened", "user": "U0EVIL"}, team="T0OTHER")
    assert ticket_bot.answer(event) == {}
    assert db.inbox.count_documents({}) == 0
