"""The middleware that rejects other workspaces, and Bolt's behaviour around the listeners."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import bot.app
from bot.routes import Route, RouteKind
from bot.slack.bot_process import BotProcess
from bot.slack.request import Request
from bot.views.modals import file_ticket as modal_file_ticket
from bot.views.text import plain_text
from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import User
from services.tickets.filing import TicketService
from tests.conftest import Bot, Inline, People, file_ticket, filled_in, pressed_resolve
from tests.support import payloads
from tests.support.canary import FILED
from tests.support.recording_slack import TOKEN, RecordingSlack

FOREIGN = "This app belongs to another workspace. Ask your contact there to file the ticket."


@pytest.fixture
def ticket(tickets: TicketService, employee: User) -> Ticket:
    return file_ticket(tickets, employee)


def from_elsewhere(place: str) -> dict[str, Any]:
    """The fields of an interaction that name another workspace in one place."""
    teams = {"team": ("T0OTHER", "T0TEAM"), "user": ("T0TEAM", "T0OTHER")}
    happened, home = teams.get(place, (None, "T0OTHER"))
    return {
        "team": {"id": happened, "domain": "example"} if happened else None,
        "user": {"id": "U0EVIL", "team_id": home},
    }


PLACES = pytest.mark.parametrize("place", ["team", "user", "user of an enterprise"])


@pytest.mark.parametrize("text", ["", "help", "VPN is down"])
def test_a_command_from_elsewhere(ticket_bot: Bot, slack: RecordingSlack, text: str) -> None:
    slack.clear()
    answer = ticket_bot.answer(payloads.slash_command(text, user="U0EVIL", team="T0OTHER"))
    assert answer["text"] == FOREIGN
    assert slack.calls == []


@PLACES
def test_a_form_from_elsewhere(
    ticket_bot: Bot, slack: RecordingSlack, employee: User, db: Mongo, place: str
) -> None:
    body = filled_in(ticket_bot, slack, People.slack_id(employee)) | from_elsewhere(place)
    assert ticket_bot.answer(body)["errors"] == {"title": FOREIGN}
    assert db.tickets.count_documents(FILED) == 0


@PLACES
def test_a_button_from_elsewhere(
    ticket_bot: Bot, slack: RecordingSlack, employee: User, ticket: Ticket, place: str
) -> None:
    """In a channel that two workspaces share."""
    slack.add_member("U0EVIL", email="evil@example.com", name="Evil", team_id="T0OTHER")
    slack.add_channel("C0SHARED", is_member=True, is_ext_shared=True, members=["U0EVIL"])
    slack.clear()
    shared = {"channel": {"id": "C0SHARED", "name": "shared"}}
    body = pressed_resolve(ticket, employee, **shared) | from_elsewhere(place)
    assert ticket_bot.answer(body) == {}
    call = slack.calls[-1]
    assert [call.method for call in slack.calls if call.method != "users.info"] == [call.method]
    assert (call.method, call.args["user"], call.args["text"]) == (
        "chat.postEphemeral",
        "U0EVIL",
        FOREIGN,
    )


def test_a_shortcut_from_elsewhere(ticket_bot: Bot, slack: RecordingSlack) -> None:
    slack.clear()
    body = payloads.shortcut("file_ticket", user="U0EVIL", team="T0OTHER")
    assert ticket_bot.answer(body) == {}
    assert [call.method for call in slack.calls] == ["views.open"]
    assert slack.last_view()["blocks"][0]["text"]["text"] == FOREIGN


def test_an_event_from_elsewhere(ticket_bot: Bot, slack: RecordingSlack) -> None:
    slack.clear()
    body = payloads.event({"type": "app_home_opened", "user": "U0EVIL"}, team="T0OTHER")
    assert ticket_bot.answer(body) == {}
    assert slack.calls == []


def test_bolts_oauth_stays_off(
    bot_process: BotProcess,
    slack: RecordingSlack,
    employee: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "secret")
    app = bot.app.create_app(bot_process, executor=Inline())
    assert app.oauth_flow is None
    assert "SLACK_CLIENT_ID" not in os.environ
    assert Bot(app).answer(payloads.slash_command(user=People.slack_id(employee))) == {}
    assert {call.token for call in slack.calls} == {TOKEN}


def test_middleware_stands_in_front_of_the_routes(
    bot_process: BotProcess, slack: RecordingSlack, employee: User
) -> None:
    def retitled(body: dict[str, Any], next: Any) -> None:  # noqa: A002 - Bolt's name
        body["text"] = "VPN is down"
        next()

    app = bot.app.create_app(bot_process, executor=Inline(), middleware=[retitled])
    Bot(app).answer(payloads.slash_command("help", user=People.slack_id(employee)))
    assert slack.last_view()["blocks"][0]["element"]["initial_value"] == "VPN is down"


def test_a_thread_pool_answers_as_well(
    bot_process: BotProcess, slack: RecordingSlack, employee: User
) -> None:
    with ThreadPoolExecutor(2) as threads:
        threaded = Bot(bot.app.create_app(bot_process, executor=threads))
        body = filled_in(threaded, slack, People.slack_id(employee), title="x")
        errors = threaded.answer(body)["errors"]
    assert errors == {"title": "Give it a title of at least 3 characters."}


def answer_nothing(req: Request) -> None:
    """A handler that forgets to acknowledge."""


def test_a_listener_that_forgets_its_answer(
    bot_process: BotProcess, slack: RecordingSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful = Route(RouteKind.COMMAND, "/ticket", answer_nothing, None)
    monkeypatch.setattr(bot.app, "top_level_routes", lambda: iter([forgetful]))
    app = bot.app.create_app(bot_process, executor=Inline())
    slack.clear()
    response = Bot(app).send(payloads.slash_command(user="U0ANN"))
    assert response.status == 404
    assert slack.calls == []


WORDS = "canary words"
FORM = {
    **modal_file_ticket.file_ticket_modal(is_ai_enabled=False),
    "id": "V1",
    "callback_id": "unknown",
}
CARD = {
    "channel": "D0ANN",
    "ts": "1.0",
    "text": WORDS,
    "blocks": [
        {"type": "section", "text": plain_text(WORDS)},
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "action_id": "unknown",
                    "value": WORDS,
                    "text": plain_text(WORDS),
                }
            ],
        },
    ],
}


@pytest.mark.parametrize(
    "body",
    [
        payloads.slash_command(WORDS, user="U0ANN", command="/unknown"),
        payloads.shortcut("unknown", user="U0ANN"),
        payloads.message_shortcut("unknown", WORDS, user="U0ANN"),
        payloads.event({"type": "link_shared", "user": "U0ANN", "text": WORDS}),
        payloads.view_submission(FORM, {"title": WORDS}, user="U0ANN", text=WORDS),
        payloads.block_actions(CARD, "unknown", user="U0ANN"),
    ],
    ids=["command", "shortcut", "message shortcut", "event", "submission", "button"],
)
def test_what_it_does_not_know_is_logged_without_its_words(
    ticket_bot: Bot, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert WORDS in json.dumps(body) or body["type"] == "shortcut"
    assert ticket_bot.send(body).status == 404
    assert "Unhandled request" in caplog.text
    assert "canary" not in caplog.text
