"""What each kind of payload has to have, and what may be missing."""

import json
from typing import Any

import pytest

from bot.slack.payload_shape import MalformedPayload, parse_payload
from tests.support import payloads

COMMAND = "application/x-www-form-urlencoded"
VIEW = {
    "id": "V1",
    "type": "modal",
    "callback_id": "file_ticket",
    "blocks": [
        {"type": "divider"},
        {
            "type": "input",
            "block_id": "title",
            "element": {"type": "plain_text_input", "action_id": "title"},
        },
    ],
}
EMPTY_FORM = payloads.view_submission({**VIEW, "blocks": []}, user="U0EMMA")
MESSAGE = {"type": "message", "channel": "D0EMMA", "user": "U0EMMA", "ts": "1700000000.000100"}
PRESS = {
    **payloads.shortcut("any", user="U0EMMA"),
    "type": "block_actions",
    "actions": [{"action_id": "accept", "value": "1"}],
}


def parsed(payload: dict[str, Any]) -> dict[str, Any]:
    body, headers = payloads.signed(payload, "secret")
    return parse_payload(body.decode(), is_json=headers["Content-Type"] == "application/json")


def without(payload: dict[str, Any], *path: Any, value: Any = ...) -> dict[str, Any]:
    """Return the payload without that value, or with another one."""
    changed: dict[str, Any] = json.loads(json.dumps(payload))
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    "payload",
    [
        payloads.slash_command("The payload is lost", user="U0EMMA"),
        payloads.view_submission(VIEW, {"title": "VPN"}, user="U0EMMA"),
        payloads.view_submission(VIEW, {"title": None}, user="U0EMMA") | {"team": None},
        without(EMPTY_FORM, "view", "state", "values", value=[]),
        PRESS,
        payloads.shortcut("any", user="U0EMMA"),
        payloads.message_shortcut("any", "Help", user="U0EMMA"),
        payloads.event(MESSAGE),
        payloads.event({**MESSAGE, "user": None, "bot_id": "B0BOT", "blocks": [{"type": "new"}]}),
        payloads.home_opened("U0EMMA"),
        payloads.event({"type": "user_change", "user": {"id": "U0EMMA", "profile": {}}}),
        payloads.event({"type": "of a later release"}),
        {"type": "url_verification", "challenge": "abc"},
    ],
)
def test_what_slack_sends_is_taken_as_it_is(payload: dict[str, Any]) -> None:
    assert parsed(payload) == payload


def test_slack_checks_the_certificate_with_a_form_of_its_own() -> None:
    assert parse_payload("ssl_check=1&token=t", is_json=False) == {"ssl_check": "1", "token": "t"}


SUBMITTED = payloads.view_submission(VIEW, {"title": "VPN"}, user="U0EMMA")


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (without(PRESS, "user"), "user: Field required."),
        (without(PRESS, "actions", 0, "action_id", value=7), "actions.0.action_id: Input should"),
        (without(PRESS, "actions", value=[]), "actions: List should have at least 1 item"),
        (without(SUBMITTED, "view", "state"), "view.state: Field required."),
        (without(SUBMITTED, "view", "state", "values", "title"), "view: Value error, an input has"),
        (without(payloads.event(MESSAGE), "event", "type"), "event.type: Field required."),
        (without(payloads.event(MESSAGE), "event", "channel"), "event.channel: Field required."),
        (without(payloads.event(MESSAGE), "authorizations"), "authorizations: Field required."),
        (payloads.event({**MESSAGE, "ts": "yesterday"}), "event.ts: String should match pattern"),
    ],
)
def test_the_problem_names_the_field(payload: dict[str, Any], problem: str) -> None:
    with pytest.raises(MalformedPayload) as refused:
        parsed(payload)
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "it is not JSON."),
        ('{"type": NaN}', "it is not JSON."),
        ("[]", "it is not a JSON object."),
        ("[" * 100_000, "it is nested too deeply."),
        ('{"type": "\\ud800"}', "it has a character that cannot be stored."),
        ('{"type": "\\ud83d\\ude00"}', ""),
        ("{}", "type: Field required."),
    ],
)
def test_a_body_that_is_no_payload(text: str, problem: str) -> None:
    if not problem:  # a whole pair is a character
        assert parse_payload(text, is_json=True)
        return
    with pytest.raises(MalformedPayload) as refused:
        parse_payload(text, is_json=True)
    assert str(refused.value) == problem
