"""The recording Slack, driven by the real slack_sdk clients and a real Bolt app."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import BOT_ID, BOT_USER_ID, GENERAL, TEAM_ID

AS_TYPED: dict[str, Any] = {"parse": "none", "link_names": False, "unfurl_links": False}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*12*", "verbatim": True}}
MODAL = {
    "type": "modal",
    "callback_id": "file_ticket",
    "title": {"type": "plain_text", "text": "File a ticket"},
    "blocks": [SECTION],
}


@pytest.fixture
def slack() -> Iterator[RecordingSlack]:
    with RecordingSlack() as server:
        server.add_member("U0EMP", email="employee@example.com", name="Employee")
        server.add_member("U0MOD", email="moderator@example.com", name="Moderator VPN")
        yield server


@pytest.fixture
def client(slack: RecordingSlack) -> WebClient:
    return WebClient(token="xoxb-test", base_url=slack.url, timeout=5)


def post(client: WebClient, text: str = "Ticket 12", **more: Any) -> Any:
    return client.chat_postMessage(**{"channel": "U0EMP", "text": text, **AS_TYPED, **more})


def error_of(call: Any, **args: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        call(**args)
    return str(refused.value.response["error"])


def test_it_says_who_the_bot_is(client: WebClient) -> None:
    answer = client.auth_test()
    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == (
        TEAM_ID,
        BOT_USER_ID,
        BOT_ID,
    )
    assert "chat:write" in answer.headers["x-oauth-scopes"]
    assert client.team_info()["team"]["id"] == TEAM_ID
    assert client.api_test(foo="bar")["args"] == {"foo": "bar"}


def test_it_refuses_a_wrong_token(slack: RecordingSlack) -> None:
    stranger = WebClient(token="xoxb-other", base_url=slack.url)
    assert error_of(stranger.auth_test) == "invalid_auth"
    assert error_of(WebClient(base_url=slack.url).auth_test) == "not_authed"
    slack.tokens.add("xoxb-other")
    assert stranger.auth_test()["ok"]


def test_it_knows_its_members(client: WebClient, slack: RecordingSlack) -> None:
    slack.add_member(
        "U0GUEST",
        email="Guest@example.com",
        name="Guest",
        is_restricted=True,
        profile={"title": "X"},
    )
    guest = client.users_info(user="U0GUEST")["user"]
    assert guest["is_restricted"]
    assert guest["profile"]["email"] == "Guest@example.com"
    assert guest["profile"]["title"] == "X"
    assert client.users_lookupByEmail(email="guest@example.com")["user"] == guest
    assert error_of(client.users_info, user="U0NOBODY") == "user_not_found"
    assert error_of(client.users_lookupByEmail, email="no@example.com") == "users_not_found"
    pages = [page["members"] for page in client.users_list(limit=2)]
    assert [[m["id"] for m in page] for page in pages] == [["U0EMP", "U0MOD"], ["U0GUEST"]]


def test_a_users_dm_is_always_the_same(client: WebClient) -> None:
    dm = client.conversations_open(users="U0EMP")["channel"]["id"]
    assert dm == post(client)["channel"] == post(client, channel=dm)["channel"]
    assert dm != client.conversations_open(users=["U0MOD"])["channel"]["id"]


@pytest.mark.parametrize("channel", ["U0NOBODY", "C0OTHER", "D0NOBODY", "U0GONE"])
def test_it_refuses_unknown_conversations(
    client: WebClient, slack: RecordingSlack, channel: str
) -> None:
    slack.add_member("U0GONE", email="gone@example.com", name="Gone", deleted=True)
    assert error_of(post, client=client, channel=channel) == "channel_not_found"
    assert error_of(client.conversations_open, users="U0GONE") == "user_disabled"
    slack.add_channel("C0OTHER")
    assert post(client, channel="C0OTHER")["ok"]


def test_it_keeps_messages_current(client: WebClient, slack: RecordingSlack) -> None:
    first, second = post(client, blocks=[SECTION]), post(client, "Ticket 13")
    assert first["ts"] < second["ts"]
    place = {"channel": first["channel"], "ts": first["ts"]}
    client.chat_update(**place, text="Ticket 12: done", parse="none", link_names=False)
    assert [(m["ts"], m["text"], m["blocks"]) for m in slack.messages("U0EMP")] == [
        (first["ts"], "Ticket 12: done", []),
        (second["ts"], "Ticket 13", []),
    ]
    assert client.chat_getPermalink(channel=place["channel"], message_ts=place["ts"])["ok"]
    client.chat_delete(**place)
    assert [m["ts"] for m in slack.messages(first["channel"])] == [second["ts"]]


def test_it_refuses_to_update_what_is_not_there(client: WebClient) -> None:
    known = post(client)
    args = {"text": "New", "parse": "none", "link_names": False}
    assert (
        error_of(client.chat_update, channel=known["channel"], ts="1.2", **args)
        == "message_not_found"
    )
    assert (
        error_of(client.chat_update, channel="U0EMP", ts=known["ts"], **args) == "channel_not_found"
    )


def test_it_adds_a_reaction_once(client: WebClient) -> None:
    sent = post(client)
    args = {"channel": sent["channel"], "timestamp": sent["ts"], "name": "ticket"}
    assert client.reactions_add(**args)["ok"]
    assert error_of(client.reactions_add, **args) == "already_reacted"


def test_an_ephemeral_needs_a_member(client: WebClient, slack: RecordingSlack) -> None:
    args: dict[str, Any] = {
        "channel": GENERAL,
        "text": "Only you",
        "parse": "none",
        "link_names": False,
    }
    assert client.chat_postEphemeral(user="U0EMP", **args)["message_ts"]
    assert error_of(client.chat_postEphemeral, user="U0NO", **args) == "user_not_in_channel"
    assert slack.messages(GENERAL) == []


def test_a_trigger_opens_one_view(client: WebClient, slack: RecordingSlack) -> None:
    opened = client.views_open(trigger_id="1.2.x", view=MODAL)["view"]
    assert opened == slack.last_view() == slack.view(opened["id"])
    assert opened["state"] == {"values": {}}
    assert error_of(client.views_open, trigger_id="1.2.x", view=MODAL) == "exchanged_trigger_id"
    assert error_of(client.views_open, trigger_id="", view=MODAL) == "invalid_arguments"
    pushed = client.views_push(trigger_id="1.2.y", view=MODAL)["view"]
    assert slack.last_view()["id"] == pushed["id"] != opened["id"]


def test_an_update_needs_the_newest_hash(client: WebClient, slack: RecordingSlack) -> None:
    opened = client.views_open(trigger_id="1.2.x", view={**MODAL, "external_id": "mine"})["view"]
    newer = {**MODAL, "private_metadata": "12"}
    updated = client.views_update(view_id=opened["id"], hash=opened["hash"], view=newer)["view"]
    assert slack.last_view()["private_metadata"] == "12"
    assert updated["hash"] != opened["hash"]
    old = {"view_id": opened["id"], "hash": opened["hash"], "view": newer}
    assert error_of(client.views_update, **old) == "hash_conflict"
    assert client.views_update(view_id=opened["id"], view=newer)["ok"]
    assert error_of(client.views_update, view_id="V0NO", view=newer) == "not_found"
    assert error_of(client.views_update, external_id="gone", view=newer) == "not_found"


def test_home_belongs_to_a_user(client: WebClient, slack: RecordingSlack) -> None:
    home = {"type": "home", "blocks": [SECTION]}
    first = client.views_publish(user_id="U0EMP", view=home)["view"]
    client.views_publish(user_id="U0EMP", view=home, hash=first["hash"])
    assert slack.home("U0EMP")["id"] == first["id"]
    stale = {"user_id": "U0EMP", "view": home, "hash": first["hash"]}
    assert error_of(client.views_publish, **stale) == "hash_conflict"
    with pytest.raises(AssertionError, match="no modal was opened"):
        slack.last_view()


def test_it_decodes_json_in_forms(client: WebClient, slack: RecordingSlack) -> None:
    form = {"channel": GENERAL, "text": "Hi", "blocks": [SECTION], **AS_TYPED}
    encoded = '[{"type": "divider"}]'
    client.api_call("chat.postMessage", data={**form, "blocks": encoded, "link_names": "0"})
    (call,) = slack.calls_to("chat.postMessage")
    assert call.args["blocks"] == [{"type": "divider"}]
    assert (call.token, call.answer["channel"], call.status) == ("xoxb-test", GENERAL, 200)
    bad = {**form, "blocks": "[{"}
    assert error_of(client.api_call, api_method="chat.postMessage", data=bad) == (
        "invalid_blocks_format"
    )


def test_it_refuses_bad_payloads_and_says_why(client: WebClient, slack: RecordingSlack) -> None:
    with pytest.raises(SlackApiError) as refused:
        post(client, blocks=[{"type": "poster"}])
    assert refused.value.response["error"] == "invalid_blocks"
    said = "unsupported type: poster [json-pointer:/blocks/0/type]"
    assert refused.value.response["response_metadata"]["messages"] == [f"[ERROR] {said}"]
    assert error_of(client.views_open, trigger_id="1.x", view={**MODAL, "title": None}) == (
        "invalid_arguments"
    )
    assert [(r.method, r.violations) for r in slack.refused] == [
        ("chat.postMessage", [said]),
        (
            "views.open",
            [
                "must provide a text object of type plain_text [json-pointer:/view/title]",
                "must not be null [json-pointer:/view/title]",
            ],
        ),
    ]
    assert slack.messages("U0EMP") == []
    slack.clear()
    assert (slack.calls, slack.refused) == ([], [])


def test_text_must_be_sent_as_typed(client: WebClient, slack: RecordingSlack) -> None:
    assert error_of(client.chat_postMessage, channel="U0EMP", text="Hi") == "invalid_arguments"
    assert slack.refused[-1].violations == [
        "must be none [json-pointer:/parse]",
        "must be False [json-pointer:/link_names]",
        "must be False [json-pointer:/unfurl_links]",
    ]
    assert error_of(post, client=client, text="<!channel>") == "invalid_arguments"


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
def test_a_message_needs_text(client: WebClient) -> None:
    assert error_of(post, client=client, text="") == "no_text"
    assert error_of(post, client=client, text="", blocks=[SECTION]) == "invalid_arguments"


def test_it_refuses_what_slack_does_not_have(client: WebClient) -> None:
    assert error_of(client.api_call, api_method="chat.shout") == "unknown_method"
    assert error_of(client.apps_connections_open, app_token="xoxb-test") == (
        "not_allowed_token_type"
    )


def test_a_response_url_has_five_uses(slack: RecordingSlack) -> None:
    url = slack.response_url()
    webhook = WebhookClient(url)
    answers = [webhook.send(text=f"Answer {number}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [404]
    assert slack.calls_to("response_url")[0].args["text"] == "Answer 0"
    assert all(url.endswith(call.path) for call in slack.calls)
    assert WebhookClient(slack.response_url()).send(text="<!here>").status_code == 400
    assert slack.refused[-1].violations == ["unescaped: <!here> [json-pointer:/text]"]


def test_it_handles_429(client: WebClient, slack: RecordingSlack) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=7)
    with pytest.raises(SlackApiError) as limited:
        post(client)
    response = limited.value.response
    assert (response.status_code, response["error"]) == (429, "ratelimited")
    assert response.headers["Retry-After"] == "7"
    assert slack.messages("U0EMP") == []
    assert post(client)["ok"]
    assert [call.status for call in slack.calls_to("chat.postMessage")] == [429, 200]


def test_it_fails_as_often_as_told(client: WebClient, slack: RecordingSlack) -> None:
    slack.fail("chat.postMessage", times=2, status=500)
    slack.fail("chat.postMessage", error="is_archived", where=lambda a: a["channel"] == GENERAL)
    assert [error_of(post, client=client) for _ in range(2)] == ["internal_error"] * 2
    assert post(client)["ok"]
    assert error_of(post, client=client, channel=GENERAL) == "is_archived"
    slack.fail("chat.postMessage", times=9, status=503)
    slack.recover()
    assert post(client)["ok"]
    with pytest.raises(ValueError, match="say which error"):
        slack.fail("chat.postMessage")


def test_a_late_answer_does_not_undo_the_call(slack: RecordingSlack) -> None:
    hasty = WebClient(token="xoxb-test", base_url=slack.url, timeout=1)
    slack.delay("chat.postMessage", 60)
    with pytest.raises(TimeoutError):
        post(hasty)
    assert len(slack.messages("U0EMP")) == 1


def test_it_waits_for_calls(client: WebClient, slack: RecordingSlack) -> None:
    posting = threading.Thread(target=lambda: [post(client, f"Ticket {n}") for n in (1, 2, 3)])
    posting.start()
    calls = slack.wait_for("chat.postMessage", 2, where=lambda c: c.args["text"] != "Ticket 1")
    posting.join()
    assert [call.args["text"] for call in calls] == ["Ticket 2", "Ticket 3"]
    assert calls[0].at <= time.monotonic()


def test_waiting_in_vain_says_what_arrived(client: WebClient, slack: RecordingSlack) -> None:
    post(client)
    with pytest.raises(AssertionError) as failed:
        slack.wait_for("chat.update", timeout=0.01)
    assert "0 of 1 calls to chat.update within 0.01 s; arrived:\n" in str(failed.value)
    assert 'chat.postMessage 200 {"channel": "U0EMP"' in str(failed.value)


def test_many_callers_at_once(client: WebClient, slack: RecordingSlack) -> None:
    threads = [threading.Thread(target=lambda n=n: post(client, f"Ticket {n}")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stamps = [message["ts"] for message in slack.messages("U0EMP")]
    assert len(set(stamps)) == 20
    assert stamps == sorted(stamps)


def test_it_comes_back_on_the_same_port(
    client: WebClient, slack: RecordingSlack, caplog: pytest.LogCaptureFixture
) -> None:
    sent = post(client)
    slack.stop()
    with caplog.at_level(logging.CRITICAL), pytest.raises(OSError, match="refused"):
        post(client)
    slack.start()
    assert post(client)["ts"] > sent["ts"]
    assert len(slack.messages("U0EMP")) == 2
