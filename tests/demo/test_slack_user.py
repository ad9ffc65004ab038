"""`SlackUser` against local-slack, with a small bot in Socket Mode."""

from collections.abc import Iterator
from typing import Any

import pytest
from slack_bolt import Ack, App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from demo.adapter import MIDDLEWARE, wrap_client
from demo.servers import LocalSlack
from demo.slack_page import NotSeenError, SlackPage
from demo.slack_user import SlackUser

Json = dict[str, Any]
CONFIG = {
    "app": {"botUserId": "U0BOT", "botName": "Help desk"},
    "users": [
        {"id": "UANNA", "name": "anna", "real_name": "Anna", "email": "anna@example.com"},
        {"id": "UBEN", "name": "ben", "real_name": "Ben", "email": "ben@example.com"},
    ],
    "channels": [{"id": "CGENERAL", "name": "general", "members": ["UANNA", "UBEN", "U0BOT"]}],
}


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": False}


def option(text: str) -> Json:
    return {"text": plain(text), "value": text.lower()}


def form(title: str) -> Json:
    low, high = option("Low"), option("High")
    elements: dict[str, Json] = {
        "title": {"type": "plain_text_input", "initial_value": title},
        "description": {"type": "plain_text_input", "multiline": True},
        "priority": {"type": "static_select", "options": [low, high], "initial_option": low},
        "due": {"type": "datepicker"},
    }
    blocks = [
        {
            "type": "input",
            "block_id": name,
            "label": plain(name),
            "element": {"action_id": name, **element},
        }
        for name, element in elements.items()
    ]
    return {
        "type": "modal",
        "callback_id": "form",
        "title": plain("A form"),
        "submit": plain("Send"),
        "close": plain("Cancel"),
        "blocks": blocks,
    }


def chosen(ack: Ack, body: Json, client: WebClient) -> None:
    ack()
    text = f"{body['actions'][0]['selected_option']['value'].title()}, then"
    client.chat_update(
        channel=body["channel"]["id"], ts=body["message"]["ts"], text=text, blocks=[]
    )


def small_bot(client: WebClient) -> App:
    """`/ask TEXT` opens the form; a submission comes back as a DM with a button."""
    app = App(client=wrap_client(client))
    for layer in MIDDLEWARE:
        app.use(layer)

    @app.command("/ask")
    def ask(ack: Ack, body: Json, client: WebClient) -> None:
        if body["text"] == "who":
            user = client.users_info(user=body["user_id"])["user"]
            ack(text=f"{user['profile']['email']} confirmed: {user['is_email_confirmed']}")
            return
        client.views_open(trigger_id=body["trigger_id"], view=form(body["text"]))
        ack()

    @app.view("form")
    def sent(ack: Ack, body: Json, client: WebClient) -> None:
        values = {k: v[k] for k, v in body["view"]["state"]["values"].items()}
        if not values["description"]["value"]:
            ack(response_action="errors", errors={"description": "Say more."})
            return
        ack(response_action="update", view={**form(""), "title": plain("Thanks"), "blocks": []})
        said = ", ".join(
            [
                values["title"]["value"],
                values["description"]["value"],
                values["priority"]["selected_option"]["value"],
            ]
        )
        button = {"type": "button", "action_id": "done", "value": "7", "text": plain("Done")}
        options = [option("Later"), option("Never")]
        menu = {"type": "overflow", "action_id": "more", "options": options}
        client.chat_postMessage(
            channel=body["user"]["id"],
            text="A form",
            blocks=[
                {"type": "section", "text": {"type": "mrkdwn", "text": "From <@UANNA>"}},
                {"type": "section", "text": plain(said)},
                {"type": "actions", "elements": [button, menu]},
            ],
        )

    @app.event("message")
    def heard() -> None:
        """Acknowledge: local-slack waits five seconds for it."""

    @app.action("done")
    def done(ack: Ack, body: Json, client: WebClient) -> None:
        ack()
        text = f"Done by <@{body['user']['id']}> with {body['actions'][0]['value']}"
        client.chat_update(
            channel=body["channel"]["id"], ts=body["message"]["ts"], text=text, blocks=[]
        )

    app.action("more")(chosen)
    return app


@pytest.fixture(scope="module")
def workspace() -> Iterator[SlackPage]:
    with LocalSlack(CONFIG) as slack:
        client = WebClient(token="xoxb-test-token", base_url=slack.api_url)
        handler = SocketModeHandler(small_bot(client), "xapp-test-token")
        handler.connect()  # type: ignore[no-untyped-call]
        with SlackPage(slack.url) as seen:
            seen.wait_for_bot()
            yield seen
        handler.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def anna(workspace: SlackPage) -> SlackUser:
    return SlackUser(workspace, "UANNA")


@pytest.fixture
def ben(workspace: SlackPage) -> SlackUser:
    return SlackUser(workspace, "UBEN")


def test_a_form_is_opened_refused_filled_in_and_answered(anna: SlackUser) -> None:
    anna.command("/ask", "A <title> & more")
    assert anna.wait_for_modal("A form").fields["title"]["initial_value"] == "A <title> & more"

    refused = anna.submit()
    assert refused.errors == {"description": "Say more."}
    assert anna.wait_for_modal().errors == {"description": "Say more."}

    taken = anna.fill(description="It hums", priority="High").submit()
    assert taken.errors == {}
    assert taken.modal is not None
    assert taken.modal.title == "Thanks"
    anna.dismiss()
    assert anna.modal is None

    [card] = anna.wait_for_dm("It hums")
    assert card.text == "From @Anna\nA <title> & more, It hums, high"
    assert card.labels == ("Done",)

    anna.click(card, "done")
    [updated] = anna.wait_for_dm("Done by")
    assert updated.text == "Done by @Anna with 7"
    assert updated.ts == card.ts
    assert updated.edited


def test_untouched_fields_are_submitted_as_they_were_shown(anna: SlackUser) -> None:
    anna.command("/ask", "Prefilled")
    anna.fill(description="As it is").submit()
    anna.dismiss()
    assert anna.wait_for_dm("As it is")[0].text == "From @Anna\nPrefilled, As it is, low"


def test_a_choice_in_a_menu_on_a_message(anna: SlackUser) -> None:
    anna.command("/ask", "Menu")
    anna.fill(description="To choose from").submit()
    anna.dismiss()
    [card] = anna.wait_for_dm("To choose from")
    with pytest.raises(NotSeenError, match="There is no menu more with Maybe on:"):
        anna.choose(card, "more", "Maybe")
    anna.choose(card, "more", "Never")
    [updated] = anna.wait_for_dm("Never, then")
    assert updated.ts == card.ts


def test_an_answer_is_seen_by_who_asked_and_by_nobody_else(anna: SlackUser, ben: SlackUser) -> None:
    ben.command("/ask", "who")
    said = "ben@example.com confirmed: True"
    assert said in [message.text for message in ben.read()]
    assert said not in [message.text for message in anna.read()]


def test_a_user_without_messages_reads_none(ben: SlackUser) -> None:
    assert ben.dm() == []


def test_what_was_waited_for_in_vain_is_told_with_what_is_there(ben: SlackUser) -> None:
    ben.say("Is anybody there?")
    with pytest.raises(NotSeenError) as caught:
        ben.wait_for_dm("Ticket 1", seconds=0)
    assert str(caught.value).startswith("Waited 0 s for 1 DM with Ticket 1.")
    assert "Here: Is anybody there?" in str(caught.value)


def test_what_is_not_on_the_page_cannot_be_used(anna: SlackUser) -> None:
    anna.command("/ask", "Another")
    with pytest.raises(NotSeenError, match=r"has no field nonsense, only \['title', "):
        anna.fill(nonsense="x")
    with pytest.raises(NotSeenError, match=r"no option Urgent, only \['Low', 'High'\]"):
        anna.fill(priority="Urgent")
    anna.dismiss()
