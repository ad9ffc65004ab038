"""The payload builders against slack_sdk's verifier and a real Bolt app."""

import json
import logging
from typing import Any
from urllib.parse import parse_qs

import pytest
from slack_bolt import App, BoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient
from slack_sdk.signature import SignatureVerifier

from tests.support import payloads
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import BOT_ID, BOT_USER_ID, TEAM_ID

SECRET = "signing-secret"
LOW, HIGH = [
    {"text": {"type": "plain_text", "text": text}, "value": text.lower()}
    for text in ("Low", "High")
]


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": True}


def field(name: str, element: dict[str, Any]) -> dict[str, Any]:
    element = {"action_id": name, **element}
    return {"type": "input", "block_id": name, "label": plain(name), "element": element}


FORM: dict[str, Any] = {
    "type": "modal",
    "callback_id": "file_ticket",
    "private_metadata": "12",
    "title": plain("File a ticket"),
    "submit": plain("File"),
    "blocks": [
        field("title", {"type": "plain_text_input", "initial_value": "VPN"}),
        field("description", {"type": "plain_text_input"}),
        field("priority", {"type": "static_select", "options": [LOW, HIGH], "initial_option": LOW}),
        field("skills", {"type": "multi_static_select", "options": [LOW, HIGH]}),
        field("deadline", {"type": "datepicker", "initial_date": "2026-01-31"}),
        field("person", {"type": "users_select"}),
        field("team", {"type": "external_select"}),
    ],
}
OVERFLOW = {"type": "overflow", "action_id": "more", "options": [LOW, HIGH]}
RESOLVE = {"type": "button", "action_id": "resolve", "text": plain("Resolve"), "value": "12"}
CARD = {
    "channel": "D0MOD",
    "ts": "1700000000.000001",
    "text": "Ticket 12",
    "blocks": [
        {"type": "section", "text": plain("Ticket 12"), "accessory": OVERFLOW},
        {"type": "actions", "block_id": "buttons", "elements": [RESOLVE]},
    ],
}


def test_a_signature_is_valid_for_its_body_and_time() -> None:
    verifier = SignatureVerifier(SECRET)
    headers = payloads.sign(b"body", SECRET)
    assert verifier.is_valid_request(b"body", headers)
    assert not verifier.is_valid_request(b"other", headers)
    assert not verifier.is_valid_request(b"body", payloads.sign(b"body", "other-secret"))
    assert not verifier.is_valid_request(b"body", payloads.sign(b"body", SECRET, 1700000000))


def test_each_payload_travels_in_its_own_form() -> None:
    command, headers = payloads.signed(payloads.slash_command("help", user="U0EMP"), SECRET)
    assert parse_qs(command.decode())["text"] == ["help"]
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    pressed, _ = payloads.signed(payloads.block_actions(CARD, "resolve", user="U0MOD"), SECRET)
    assert json.loads(parse_qs(pressed.decode())["payload"][0])["type"] == "block_actions"
    sent, headers = payloads.signed(payloads.event({"type": "app_home_opened"}), SECRET)
    assert json.loads(sent)["event"]["type"] == "app_home_opened"
    assert headers["Content-Type"] == "application/json"


def test_triggers_and_events_are_fresh() -> None:
    one, two = (payloads.slash_command(user="U0EMP")["trigger_id"] for _ in range(2))
    assert one != two
    one, two = (payloads.event({"type": "user_change"})["event_id"] for _ in range(2))
    assert one != two


def test_an_untouched_form_keeps_its_initial_values() -> None:
    body = payloads.view_submission({**FORM, "id": "V1", "hash": "1.x"}, user="U0EMP")
    assert body["view"]["private_metadata"] == "12"
    assert body["view"]["state"]["values"] == {
        "title": {"title": {"type": "plain_text_input", "value": "VPN"}},
        "description": {"description": {"type": "plain_text_input", "value": None}},
        "priority": {"priority": {"type": "static_select", "selected_option": LOW}},
        "skills": {"skills": {"type": "multi_static_select", "selected_options": []}},
        "deadline": {"deadline": {"type": "datepicker", "selected_date": "2026-01-31"}},
        "person": {"person": {"type": "users_select", "selected_user": None}},
        "team": {"team": {"type": "external_select", "selected_option": None}},
    }


def test_a_form_is_filled_in_by_field() -> None:
    values = {
        "title": "  ",
        "priority": "high",
        "skills": ["low", "high"],
        "deadline": None,
        "person": "U0MOD",
        "team": "it",
    }
    view = payloads.view_submission({**FORM, "id": "V1"}, values, user="U0EMP")["view"]
    state = view["state"]["values"]
    assert state["title"]["title"]["value"] == "  "
    assert state["priority"]["priority"]["selected_option"] == HIGH
    assert state["skills"]["skills"]["selected_options"] == [LOW, HIGH]
    assert state["deadline"]["deadline"]["selected_date"] is None
    assert state["person"]["person"]["selected_user"] == "U0MOD"
    assert state["team"]["team"]["selected_option"]["value"] == "it"


def test_a_person_can_only_touch_what_is_there() -> None:
    with pytest.raises(LookupError, match=r"no input \['colour'\] in the view"):
        payloads.view_submission(FORM, {"colour": "red"}, user="U0EMP")
    with pytest.raises(LookupError, match=r"no option 'urgent'; there are \['low', 'high'\]"):
        payloads.view_submission(FORM, {"priority": "urgent"}, user="U0EMP")
    with pytest.raises(LookupError, match="no element 'close' to press"):
        payloads.block_actions(CARD, "close", user="U0MOD")


def test_a_press_tells_where_and_what() -> None:
    body = payloads.block_actions(CARD, "resolve", user="U0MOD")
    (action,) = body["actions"]
    assert (action["value"], action["block_id"], action["type"]) == ("12", "buttons", "button")
    assert body["container"]["message_ts"] == body["message"]["ts"] == CARD["ts"]
    assert body["channel"] == {"id": "D0MOD", "name": "directmessage"}
    (chosen,) = payloads.block_actions(CARD, "more", "high", user="U0MOD")["actions"]
    assert (chosen["selected_option"], chosen["block_id"]) == (HIGH, "block0")
    in_view = payloads.block_actions({**FORM, "id": "V1"}, "priority", "high", user="U0EMP")
    assert in_view["container"] == {"type": "view", "view_id": "V1"}
    assert "message" not in in_view


@pytest.fixture
def app() -> App:
    app = App(
        signing_secret=SECRET,
        authorize=lambda: AuthorizeResult(  # without auth.test, which other tests cover
            enterprise_id=None,
            team_id=TEAM_ID,
            bot_id=BOT_ID,
            bot_user_id=BOT_USER_ID,
            bot_token="xoxb-test",
        ),
    )
    app.logger.setLevel(logging.ERROR)
    return app


def test_bolt_takes_every_payload(app: App) -> None:
    seen: list[str] = []

    def listener(name: str) -> Any:
        def listen(ack: Any) -> None:
            ack()
            seen.append(name)

        return listen

    app.command("/ticket")(listener("command"))
    app.view_submission("file_ticket")(listener("submission"))
    app.view_closed("file_ticket")(listener("closed"))
    app.block_action("resolve")(listener("action"))
    app.global_shortcut("file")(listener("shortcut"))
    app.message_shortcut("make")(listener("message shortcut"))
    app.event("app_home_opened")(listener("event"))
    for payload in (
        payloads.slash_command(user="U0EMP"),
        payloads.view_submission(FORM, user="U0EMP"),
        payloads.view_closed(FORM, user="U0EMP"),
        payloads.block_actions(CARD, "resolve", user="U0MOD"),
        payloads.shortcut("file", user="U0EMP"),
        payloads.message_shortcut("make", "Printer is on fire", user="U0EMP"),
        payloads.event({"type": "app_home_opened", "user": "U0EMP", "tab": "home"}),
    ):
        body, headers = payloads.signed(payload, SECRET)
        answer = app.dispatch(BoltRequest(body=body.decode(), headers=dict(headers)))
        assert answer.status == 200, payload["type"]
    app.listener_runner.listener_executor.shutdown(wait=True)
    assert sorted(seen) == sorted(
        ["command", "submission", "closed", "action", "shortcut", "message shortcut", "event"]
    )


def test_a_modal_goes_from_command_to_submission() -> None:
    with RecordingSlack() as slack:
        client = WebClient(token="xoxb-test", base_url=slack.url)
        app = App(client=client, signing_secret=SECRET, process_before_response=True)

        @app.command("/ticket")
        def open_form(ack: Any, body: Any, client: WebClient) -> None:
            client.views_open(trigger_id=body["trigger_id"], view=FORM)
            ack()

        @app.view("file_ticket")
        def filed(ack: Any, view: Any) -> None:
            ack(
                {
                    "response_action": "errors",
                    "errors": {"title": view["state"]["values"]["title"]["title"]["value"]},
                }
            )

        app.dispatch(BoltRequest(body=payloads.slash_command(user="U0EMP"), mode="socket_mode"))
        submission = payloads.view_submission(slack.last_view(), {"title": "Mouse"}, user="U0EMP")
        answer = app.dispatch(BoltRequest(body=submission, mode="socket_mode"))
        assert json.loads(answer.body)["errors"] == {"title": "Mouse"}
        assert [call.method for call in slack.calls] == ["auth.test", "views.open"]
        assert slack.refused == []
