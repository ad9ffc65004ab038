"""The adapter: what local-slack receives, and what the bot receives."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_bolt import Ack, App, BoltContext, BoltRequest
from slack_sdk import WebClient

from bot.views.slack_markup import to_readable_text
from demo.adapter import (
    MIDDLEWARE,
    TranslatingAck,
    escape_message,
    register_app,
    wrap_client,
)
from demo.block_translation import ORIGINAL_KEY
from demo.servers import LocalSlack
from tests.conftest import Inline

Json = dict[str, Any]
ESCAPED: Json = {
    "type": "section",
    "text": {"type": "mrkdwn", "text": "a &amp; b", "verbatim": True},
}
DRAWN = {
    "type": "section",
    "text": {**ESCAPED["text"], "text": "a & b", ORIGINAL_KEY: ESCAPED["text"]},
}
CHANNEL = "C0GENERAL"
MODAL = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Done"},
    "close": {"type": "plain_text", "text": "Close"},
}


@pytest.fixture(scope="module")
def local_slack() -> Iterator[LocalSlack]:
    config = {"channels": [{"id": CHANNEL, "name": "general"}]}
    with LocalSlack(config) as server:
        yield server


@pytest.fixture
def plain_client(local_slack: LocalSlack) -> WebClient:
    token = "xoxb-test-token"
    return WebClient(token=token, base_url=local_slack.api_url, timeout=7, retry_handlers=[])


@pytest.fixture
def client(plain_client: WebClient) -> WebClient:
    return wrap_client(plain_client)


def last_message(client: WebClient) -> Json:
    return dict(client.conversations_history(channel=CHANNEL)["messages"][0])


class SmallBot:
    """An app with one listener, which answers with `answer` and records its arguments."""

    def __init__(self, client: WebClient, **answer: Any) -> None:
        self.app = App(client=client, listener_executor=Inline())
        self.given: Json = {}
        for layer in MIDDLEWARE:
            self.app.use(layer)

        def listener(ack: Ack, body: Json, client: WebClient) -> None:
            self.given = body
            ack(**answer)
            client.chat_postMessage(channel=CHANNEL, text="a &amp; b")

        self.app.view("form")(listener)
        self.app.action("button")(listener)

    def answer_to(self, body: Json) -> Json:
        response = self.app.dispatch(BoltRequest(body=body, mode="socket_mode"))
        assert response.status == 200
        return dict(json.loads(response.body)) if response.body else {}


def submission(element: Json, state: Json) -> Json:
    block = {"type": "input", "block_id": "field", "element": {"action_id": "field", **element}}
    view = {
        "id": "V1",
        "callback_id": "form",
        "type": "modal",
        "blocks": [block],
        "state": {"values": {"field": {"field": state}}},
    }
    user = {"id": "U1", "team_id": "T1"}
    return {"type": "view_submission", "team": {"id": "T1"}, "user": user, "view": view}


TEXT = submission(
    {"type": "plain_text_input", "initial_value": "as it was"},
    {"type": "plain_text_input", "value": None},
)


def test_the_client_keeps_the_settings_of_the_one_it_is_made_from(
    client: WebClient, plain_client: WebClient
) -> None:
    for name in ("token", "base_url", "timeout", "retry_handlers"):
        assert getattr(client, name) == getattr(plain_client, name)
    assert wrap_client(client) is client


def test_a_message_goes_out_translated(client: WebClient) -> None:
    client.chat_postMessage(channel=CHANNEL, text="c &amp; d", blocks=[ESCAPED])
    message = last_message(client)
    assert (message["text"], message["blocks"]) == ("c & d", [DRAWN])


def test_a_view_goes_out_translated(client: WebClient) -> None:
    answer = client.views_publish(user_id="U1", view={"type": "home", "blocks": [ESCAPED]})
    assert answer["view"]["blocks"] == [DRAWN]


def test_a_modal_in_an_answer_goes_out_translated(client: WebClient) -> None:
    bot = SmallBot(client, response_action="update", view={**MODAL, "blocks": [ESCAPED]})
    assert bot.answer_to(TEXT) == {
        "response_action": "update",
        "view": {**MODAL, "blocks": [DRAWN]},
    }


def test_a_search_goes_out_as_a_menu_of_what_the_bot_offers_its_reader(
    client: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = {"type": "external_select", "action_id": "who"}
    block = {"type": "input", "block_id": "who", "element": search}
    view = {**MODAL, "private_metadata": "12", "blocks": [block]}
    bot = SmallBot(client, response_action="update", view=view)
    asked: list[Json] = []

    @bot.app.options("who")
    def offer(ack: Ack, body: Json) -> None:
        asked.append(body)
        ack(options=[{"text": {"type": "plain_text", "text": "Ann"}, "value": "1"}])

    monkeypatch.setattr("demo.adapter._apps", [])
    register_app(bot.app)
    menu = bot.answer_to(TEXT)["view"]["blocks"][0]["element"]
    assert menu["type"] == "static_select"
    assert [option["value"] for option in menu["options"]] == ["1"]
    (question,) = asked
    assert (question["user"]["id"], question["team"]["id"]) == ("U1", "T1")
    assert (question["value"], question["view"]) == ("", {"private_metadata": "12"})


def test_errors_in_an_answer_are_left_alone(client: WebClient) -> None:
    bot = SmallBot(client, response_action="errors", errors={"field": "a & b"})
    assert bot.answer_to(TEXT) == {"response_action": "errors", "errors": {"field": "a & b"}}


def test_an_empty_answer_stays_empty(client: WebClient) -> None:
    assert SmallBot(client).answer_to(TEXT) == {}


def test_an_answer_in_words_is_for_its_reader_alone(client: WebClient) -> None:
    bot = SmallBot(client, text="a &amp; b")
    action = {"type": "button", "action_id": "button", "block_id": "b", "value": "1"}
    user = {"id": "U1", "team_id": "T1"}
    body = {"type": "block_actions", "team": {"id": "T1"}, "user": user, "actions": [action]}
    assert bot.answer_to(body) == {"text": "a & b", "response_type": "ephemeral"}


def test_a_listener_is_given_what_the_person_left_untouched(client: WebClient) -> None:
    bot = SmallBot(client)
    bot.answer_to(TEXT)
    assert bot.given["view"]["state"]["values"]["field"]["field"]["value"] == "as it was"


def test_a_listener_is_given_a_client_that_draws(client: WebClient) -> None:
    SmallBot(client).answer_to(TEXT)
    assert last_message(client)["text"] == "a & b"


def test_a_message_changed_through_its_response_url_is_translated(
    client: WebClient, local_slack: LocalSlack
) -> None:
    sent: list[Json] = []
    bot = SmallBot(client)

    def give_respond(context: BoltContext, next: Callable[[], None]) -> None:  # noqa: A002
        context["respond"] = sent.append
        next()

    def pressed(ack: Ack, respond: Callable[[Json], None]) -> None:
        ack()
        respond({"text": "a &amp; b", "blocks": [ESCAPED], "replace_original": True})

    app = App(client=client, listener_executor=Inline())
    for layer in (give_respond, *MIDDLEWARE):
        app.use(layer)
    app.action("again")(pressed)
    bot.app = app
    user = {"id": "U1", "team_id": "T1"}
    action = {"type": "button", "action_id": "again", "block_id": "b"}
    bot.answer_to({"type": "block_actions", "user": user, "actions": [action]})
    assert sent == [{"text": "a & b", "blocks": [DRAWN], "replace_original": True}]


def test_a_press_in_home_is_one_in_a_view(client: WebClient) -> None:
    bot = SmallBot(client)
    user = {"id": "U1", "team_id": "T1"}
    action = {"type": "button", "action_id": "button", "block_id": "b", "value": "v"}
    place = {"channel": {"id": "", "name": ""}, "container": {"type": "message", "channel_id": ""}}
    bot.answer_to(
        {"type": "block_actions", "user": user, "actions": [action], **place}
        | {"response_url": "http://127.0.0.1:9/response/1"}
    )
    assert bot.given == {
        "type": "block_actions",
        "user": user,
        "actions": [action],
        "container": {"type": "view"},
        "view": {"type": "home", "blocks": []},
    }


@pytest.mark.parametrize(
    "text",
    ["<5 or >5", "a & b", "&lt;b&gt;", "<b>bold</b>", "a <- b", "<nobody> knows"],
)
def test_it_reads_as_it_was_typed(text: str) -> None:
    event = escape_message({"type": "message", "text": text})
    assert to_readable_text(event["text"], {}) == text


@pytest.mark.parametrize(
    "text", ["<@U0NILS> look", "<#C0GENERAL>", "<!here>", "<https://example.com|this>"]
)
def test_markup_stays_what_it_is(text: str) -> None:
    assert escape_message({"text": text})["text"] == text


def test_changed_and_deleted_messages_as_well() -> None:
    event = {
        "subtype": "message_changed",
        "message": {"text": "<"},
        "previous_message": {"ts": "1"},
    }
    assert escape_message(event) == {
        "subtype": "message_changed",
        "message": {"text": "&lt;"},
        "previous_message": {"ts": "1"},
    }
    assert event["message"] == {"text": "<"}


def test_bolt_never_sees_an_answer_before_it_is_translated() -> None:
    """Bolt's listener runner polls `response` from another thread."""
    seen: list[str] = []

    class WatchedAck(TranslatingAck):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "response" and value is not None:
                seen.append(value.body)
            super().__setattr__(name, value)

    WatchedAck()(text="a", blocks=[ESCAPED])  # type: ignore[no-untyped-call]
    (body,) = seen
    assert json.loads(body)["blocks"] == [DRAWN]
