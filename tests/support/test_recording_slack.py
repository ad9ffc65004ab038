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

from bot.manifest import SCOPES
from tests.support.payloads import trigger_id
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_scopes import BY_CONVERSATION, GRANTED, NEEDED
from tests.support.slack_workspace import BOT_ID, BOT_USER_ID, GENERAL, SISTER_TEAM_ID, TEAM_ID

AS_TYPED: dict[str, Any] = {"parse": "none", "link_names": False, "unfurl_links": False}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*12*", "verbatim": True}}
MODAL = {
    "type": "modal",
    "callback_id": "file_ticket",
    "title": {"type": "plain_text", "text": "File a ticket"},
    "blocks": [SECTION],
}


def with_scopes(*more: str) -> str:
    """What the manifest asks for and `more`."""
    return ",".join([*SCOPES, *more])


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


def test_it_says_who_the_bot_is(client: WebClient, slack: RecordingSlack) -> None:
    slack.scopes = with_scopes("team:read")
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


def test_it_tells_the_workspaces_of_a_grid_member(client: WebClient, slack: RecordingSlack) -> None:
    teams = [SISTER_TEAM_ID, TEAM_ID]
    who: dict[str, Any] = {"email": "gwen@example.com", "name": "Gwen", "teams": teams}
    slack.add_grid_member("W0GWEN", **who)
    gwen = client.users_info(user="W0GWEN")["user"]
    assert (gwen["team_id"], gwen["enterprise_user"]["teams"]) == (SISTER_TEAM_ID, teams)
    slack.add_grid_member("W0GWEN", **who, team_id=None)
    gwen = client.users_info(user="W0GWEN")["user"]
    assert "team_id" not in gwen
    assert gwen["teams"] == gwen["enterprise_user"]["teams"] == teams


def test_a_users_dm_is_always_the_same(client: WebClient, slack: RecordingSlack) -> None:
    slack.scopes = with_scopes("im:write")
    dm = client.conversations_open(users="U0EMP")["channel"]["id"]
    assert dm == post(client)["channel"] == post(client, channel=dm)["channel"]
    assert dm != client.conversations_open(users=["U0MOD"])["channel"]["id"]


@pytest.mark.parametrize("channel", ["U0NOBODY", "C0OTHER", "D0NOBODY", "U0GONE"])
def test_it_refuses_unknown_conversations(
    client: WebClient, slack: RecordingSlack, channel: str
) -> None:
    slack.scopes = with_scopes("im:write")
    slack.add_member("U0GONE", email="gone@example.com", name="Gone", deleted=True)
    assert error_of(post, client=client, channel=channel) == "channel_not_found"
    assert error_of(client.conversations_open, users="U0GONE") == "user_disabled"
    slack.add_channel("C0OTHER")
    assert post(client, channel="C0OTHER")["ok"]


def test_it_keeps_messages_current(client: WebClient, slack: RecordingSlack) -> None:
    first, second = post(client, blocks=[SECTION]), post(client, "Ticket 13")
    assert first["ts"] < second["ts"]
    place = {"channel": first["channel"], "ts": first["ts"]}
    update: dict[str, Any] = {
        **place,
        "text": "Ticket 12: done",
        "parse": "none",
        "link_names": False,
    }
    changes: list[dict[str, Any]] = [update, {**update, "blocks": []}]
    for change, left in zip(changes, ([SECTION], []), strict=True):
        client.chat_update(**change)
        assert [(m["ts"], m["text"], m["blocks"]) for m in slack.messages("U0EMP")] == [
            (first["ts"], "Ticket 12: done", left),
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


def test_the_bot_changes_only_its_own_messages(client: WebClient, slack: RecordingSlack) -> None:
    slack.add_channel("C0TRIAGE", is_member=True)
    theirs = slack.say("C0TRIAGE", "The VPN drops.", user="U0EMP")
    place = {"channel": "C0TRIAGE", "ts": theirs["ts"]}
    update = {**place, "text": "New", "parse": "none", "link_names": False}
    assert error_of(client.chat_update, **update) == "cant_update_message"
    assert error_of(client.chat_delete, **place) == "cant_delete_message"
    assert slack.messages("C0TRIAGE") == [theirs]
    assert [refused.method for refused in slack.refused] == ["chat.update", "chat.delete"]


def test_a_thread_has_a_first_message(client: WebClient, slack: RecordingSlack) -> None:
    first = post(client)
    place = {"channel": first["channel"], "thread_ts": first["ts"]}
    reply = post(client, **place)
    assert reply["message"]["thread_ts"] == first["ts"]
    assert error_of(post, client=client, **{**place, "thread_ts": reply["ts"]}) == (
        "invalid_arguments"
    )
    assert error_of(post, client=client, **{**place, "thread_ts": "12"}) == "invalid_thread_ts"
    client.chat_delete(channel=first["channel"], ts=first["ts"])
    # Slack refuses no reply to a message that is gone: it stands outside of any thread.
    assert "thread_ts" not in post(client, **place)["message"]
    gone = {"channel": first["channel"], "ts": first["ts"]}
    assert error_of(client.conversations_replies, **gone) == "thread_not_found"


def test_a_reply_names_the_author_of_the_first_message(
    client: WebClient, slack: RecordingSlack
) -> None:
    slack.add_channel("C0HELP", is_member=True)
    first = slack.say("C0HELP", "The VPN drops.", user="U0EMP")
    place = {"channel": "C0HELP", "thread_ts": first["ts"]}
    replies = [
        post(client, **place)["message"],
        slack.say("C0HELP", "Since Monday.", user="U0MOD", thread_ts=first["ts"]),
    ]
    assert {(m["thread_ts"], m["parent_user_id"]) for m in replies} == {(first["ts"], "U0EMP")}
    lost = slack.say("C0HELP", "Hello?", user="U0MOD", thread_ts="1.000001")
    assert "parent_user_id" not in lost


def test_a_channel_is_read_in_pages_without_replies(
    client: WebClient, slack: RecordingSlack
) -> None:
    slack.add_channel("C0HELP", is_member=True)
    said = [slack.say("C0HELP", f"Message {n}", user="U0EMP") for n in range(3)]
    thread = {"user": "U0MOD", "thread_ts": said[0]["ts"]}
    hidden = slack.say("C0HELP", "Only here", **thread)
    shown = slack.say("C0HELP", "Everywhere", subtype="thread_broadcast", **thread)
    # The client's answer is its own iterator, so each page is read as it comes.
    pages = [
        (page["messages"], page["has_more"])
        for page in client.conversations_history(channel="C0HELP", limit=2)
    ]
    assert [([m["ts"] for m in messages], has_more) for messages, has_more in pages] == [
        ([shown["ts"], said[2]["ts"]], True),
        ([said[1]["ts"], said[0]["ts"]], False),
    ]
    first = pages[1][0][-1]
    assert (first["thread_ts"], first["reply_count"]) == (said[0]["ts"], 2)
    alone = client.conversations_replies(channel="C0HELP", ts=hidden["ts"])["messages"]
    assert [m["ts"] for m in alone] == [hidden["ts"]]


def test_a_thread_is_read_in_pages_that_begin_with_its_first_message(
    client: WebClient, slack: RecordingSlack
) -> None:
    slack.add_channel("C0HELP", is_member=True)
    first = slack.say("C0HELP", "The VPN drops.", user="U0EMP")
    said = [
        slack.say("C0HELP", f"Reply {n}", user="U0MOD", thread_ts=first["ts"]) for n in range(3)
    ]
    pages = client.conversations_replies(channel="C0HELP", ts=first["ts"], limit=3)
    assert [[m["ts"] for m in page["messages"]] for page in pages] == [
        [first["ts"], said[0]["ts"], said[1]["ts"]],
        [first["ts"], said[2]["ts"]],
    ]
    since = client.conversations_replies(
        channel="C0HELP", ts=first["ts"], oldest=said[1]["ts"], inclusive=True
    )
    assert [m["text"] for m in since["messages"]] == ["The VPN drops.", "Reply 1", "Reply 2"]
    slack.change_channel("C0HELP", is_member=False)
    assert error_of(client.conversations_replies, channel="C0HELP", ts=first["ts"]) == (
        "not_in_channel"
    )


def test_members_edit_and_delete_what_they_wrote(client: WebClient, slack: RecordingSlack) -> None:
    slack.add_channel("C0HELP", is_member=True)
    first = slack.say("C0HELP", "The VPN drops.", user="U0EMP")
    reply = slack.say("C0HELP", "Mine also", user="U0MOD", thread_ts=first["ts"])
    edited = slack.edit(reply, "Mine as well")
    assert (edited["text"], edited["edited"]["user"]) == ("Mine as well", "U0MOD")
    slack.remove(first)  # its replies stay
    left = client.conversations_replies(channel="C0HELP", ts=first["ts"])["messages"]
    assert [(m.get("subtype"), m["text"]) for m in left] == [
        ("tombstone", "This message was deleted."),
        (None, "Mine as well"),
    ]
    slack.remove(reply)
    assert [m["subtype"] for m in slack.messages("C0HELP")] == ["tombstone"]


def test_the_bot_writes_under_another_name_by_a_scope_of_its_own(
    client: WebClient, slack: RecordingSlack
) -> None:
    author = {"username": "Nils (Help desk)", "icon_url": "https://example.com/nils.png"}
    slack.scopes = slack.scopes.replace("chat:write.customize", "commands")
    with pytest.raises(SlackApiError) as refused:
        post(client, **author)
    answer = refused.value.response
    assert (answer["error"], answer["needed"]) == ("missing_scope", "chat:write.customize")
    assert (slack.messages("U0EMP"), slack.refused) == ([], [])
    slack.scopes = with_scopes("chat:write.customize")
    sent = post(client, **author)
    update: dict[str, Any] = {"text": "New", "parse": "none", "link_names": False}
    client.chat_update(channel=sent["channel"], ts=sent["ts"], **update)
    (kept,) = slack.messages("U0EMP")
    assert (kept["text"], kept["subtype"], kept["username"], kept["icons"]) == (
        "New",
        "bot_message",
        "Nils (Help desk)",
        {"image_48": "https://example.com/nils.png"},
    )
    assert "user" not in kept  # no member wrote it, nor the bot's own user
    reply = slack.say(sent["channel"], "Thanks", user="U0EMP", thread_ts=sent["ts"])
    assert reply["parent_user_id"] == BOT_ID
    client.chat_delete(channel=sent["channel"], ts=sent["ts"])


def test_a_channel_changes(client: WebClient, slack: RecordingSlack) -> None:
    slack.add_channel("C0HELP", is_member=True, members=["U0EMP"])
    slack.change_channel("C0HELP", name="it-help", is_ext_shared=True, is_shared=True)
    told = client.conversations_info(channel="C0HELP")["channel"]
    assert (told["name"], told["is_ext_shared"], told["is_member"]) == ("it-help", True, True)
    slack.change_channel("C0HELP", is_archived=True)
    assert error_of(post, client=client, channel="C0HELP") == "is_archived"
    with pytest.raises(AssertionError, match="it is archived"):
        slack.say("C0HELP", "Hello?", user="U0EMP")


def test_a_public_channel_is_open_by_a_scope_of_its_own(
    client: WebClient, slack: RecordingSlack
) -> None:
    assert post(client, channel=GENERAL)["ok"]
    slack.scopes = ",".join(SCOPES.keys() - {"chat:write.public"})
    assert error_of(post, client=client, channel=GENERAL) == "not_in_channel"
    slack.add_channel(GENERAL, is_member=True)
    assert post(client, channel=GENERAL)["ok"]


def test_a_private_channel_is_there_for_its_members(
    client: WebClient, slack: RecordingSlack
) -> None:
    slack.add_channel("C0SECRET", is_private=True)
    assert error_of(post, client=client, channel="C0SECRET") == "channel_not_found"
    assert error_of(client.conversations_info, channel="C0SECRET") == "channel_not_found"
    slack.add_channel("C0SECRET", is_private=True, is_member=True)
    assert post(client, channel="C0SECRET")["ok"]


def test_an_archived_channel_takes_nothing(client: WebClient, slack: RecordingSlack) -> None:
    slack.scopes = with_scopes("reactions:write")
    slack.add_channel("C0OLD", is_member=True, members=["U0EMP"])
    sent = post(client, channel="C0OLD")
    slack.add_channel("C0OLD", is_member=True, members=["U0EMP"], is_archived=True)
    text = {"channel": "C0OLD", "text": "New", "parse": "none", "link_names": False}
    assert error_of(post, client=client, channel="C0OLD") == "is_archived"
    assert error_of(client.chat_postEphemeral, user="U0EMP", **text) == "is_archived"
    assert error_of(client.chat_update, ts=sent["ts"], **text) == "is_inactive"
    mark = {"channel": "C0OLD", "timestamp": sent["ts"], "name": "ticket"}
    assert error_of(client.reactions_add, **mark) == "is_archived"
    assert client.conversations_history(channel="C0OLD")["messages"]


def test_a_bot_gets_no_message(client: WebClient, slack: RecordingSlack) -> None:
    slack.add_member("U0ROBOT", email="", name="Robot", is_bot=True)
    assert error_of(post, client=client, channel="U0ROBOT") == "cannot_dm_bot"


def test_it_adds_a_reaction_once(client: WebClient, slack: RecordingSlack) -> None:
    slack.scopes = with_scopes("reactions:write")
    sent = post(client)
    args = {"channel": sent["channel"], "timestamp": sent["ts"], "name": "ticket"}
    assert client.reactions_add(**args)["ok"]
    assert error_of(client.reactions_add, **args) == "already_reacted"
    elsewhere = {**args, "channel": GENERAL, "timestamp": post(client, channel=GENERAL)["ts"]}
    assert error_of(client.reactions_add, **elsewhere) == "not_in_channel"


def test_an_ephemeral_needs_the_bot_and_its_reader_there(
    client: WebClient, slack: RecordingSlack
) -> None:
    args: dict[str, Any] = {"text": "Only you", "parse": "none", "link_names": False}

    def error(channel: str, user: str) -> str:
        return error_of(client.chat_postEphemeral, channel=channel, user=user, **args)

    assert error(GENERAL, "U0EMP") == "not_in_channel"
    slack.add_channel(GENERAL, is_member=True)
    assert client.chat_postEphemeral(channel=GENERAL, user="U0EMP", **args)["message_ts"]
    assert error(GENERAL, "U0NO") == "user_not_in_channel"
    slack.add_channel("C0TRIAGE", is_member=True, members=["U0MOD"])
    assert client.chat_postEphemeral(channel="C0TRIAGE", user="U0MOD", **args)["ok"]
    assert error("C0TRIAGE", "U0EMP") == "user_not_in_channel"
    slack.say("C0TRIAGE", "Hello", user="U0EMP")  # who writes there is there
    assert client.chat_postEphemeral(channel="C0TRIAGE", user="U0EMP", **args)["ok"]
    assert client.chat_postEphemeral(channel="D0EMP", user="U0EMP", **args)["ok"]
    assert error("D0EMP", "U0MOD") == "user_not_in_channel"
    assert [slack.messages(place) for place in (GENERAL, "U0EMP")] == [[], []]
    assert "members" not in client.conversations_info(channel=GENERAL)["channel"]


def test_its_token_has_the_scopes_of_the_manifest(client: WebClient) -> None:
    assert client.auth_test().headers["x-oauth-scopes"] == GRANTED == ",".join(SCOPES)


@pytest.mark.parametrize(("method", "needed"), NEEDED.items())
def test_a_method_needs_its_scope(
    client: WebClient, slack: RecordingSlack, method: str, needed: str
) -> None:
    slack.scopes = ",".join(sorted(SCOPES.keys() - {needed}))
    with pytest.raises(SlackApiError) as refused:
        client.api_call(method)
    assert refused.value.response.data == {
        "ok": False,
        "error": "missing_scope",
        "needed": needed,
        "provided": slack.scopes,
        "response_metadata": {"messages": [f"[ERROR] {method} needs the scope {needed}"]},
    }
    assert [call.method for call in slack.refused] == [method]


@pytest.mark.parametrize(
    ("channel", "kind", "about"),
    [
        (GENERAL, "channels", {}),
        ("C0SECRET", "groups", {"is_private": True}),
        ("C0GROUP", "mpim", {"is_private": True, "is_mpim": True}),
        ("D0EMP", "im", {}),
    ],
)
@pytest.mark.parametrize(("method", "what"), BY_CONVERSATION.items())
def test_reading_needs_the_scope_of_the_conversations_kind(
    client: WebClient,
    slack: RecordingSlack,
    channel: str,
    kind: str,
    about: dict[str, bool],
    method: str,
    what: str,
) -> None:
    if channel.startswith("C"):
        slack.add_channel(channel, is_member=True, **about)
    sent = post(client, channel=channel)
    slack.scopes = ",".join(f"{other}:{what}" for other in ("channels", "groups", "mpim", "im"))
    place = {"channel": channel, "ts": sent["ts"]}
    assert client.api_call(method, params=place)["ok"]
    others = slack.scopes.split(",")
    others.remove(f"{kind}:{what}")
    slack.scopes = ",".join(others)
    with pytest.raises(SlackApiError) as refused:
        client.api_call(method, params=place)
    answer = refused.value.response
    assert (answer["error"], answer["needed"]) == ("missing_scope", f"{kind}:{what}")
    assert slack.refused == []  # the caller could not know of what kind it is
    slack.scopes = "chat:write"
    assert error_of(client.api_call, api_method=method, params=place) == "missing_scope"
    assert [call.method for call in slack.refused] == [method]


def test_the_bot_joins_public_channels(client: WebClient, slack: RecordingSlack) -> None:
    for channel, about in (
        ("C0OPEN", {}),
        ("C0OLD", {"is_archived": True}),
        ("C0SECRET", {"is_private": True}),
    ):
        slack.add_channel(channel, **about)
    assert client.conversations_join(channel="C0OPEN")["channel"]["is_member"]
    assert client.conversations_join(channel="C0OPEN")["ok"]
    assert error_of(client.conversations_join, channel="C0OLD") == "is_archived"
    assert error_of(client.conversations_join, channel="C0SECRET") == "channel_not_found"


def test_an_address_needs_a_scope_of_its_own(client: WebClient, slack: RecordingSlack) -> None:
    slack.scopes = ",".join(SCOPES.keys() - {"users:read.email"})
    assert "email" not in client.users_info(user="U0EMP")["user"]["profile"]
    assert all("email" not in m["profile"] for m in client.users_list()["members"])
    slack.scopes = GRANTED
    assert client.users_info(user="U0EMP")["user"]["profile"]["email"] == "employee@example.com"


def test_a_trigger_opens_one_view(client: WebClient, slack: RecordingSlack) -> None:
    trigger = trigger_id()
    opened = client.views_open(trigger_id=trigger, view=MODAL)["view"]
    assert opened == slack.last_view() == slack.view(opened["id"])
    assert opened["state"] == {"values": {}}
    assert error_of(client.views_open, trigger_id=trigger, view=MODAL) == "exchanged_trigger_id"
    assert error_of(client.views_open, trigger_id="", view=MODAL) == "invalid_arguments"
    assert error_of(client.views_open, trigger_id="1.2.x", view=MODAL) == "invalid_trigger_id"
    assert [refused.method for refused in slack.refused] == ["views.open"] * 3


def test_a_trigger_lives_three_seconds(client: WebClient, slack: RecordingSlack) -> None:
    early, late = trigger_id(clock=slack.clock), trigger_id(clock=slack.clock)
    slack.clock.advance(3)
    assert client.views_open(trigger_id=early, view=MODAL)["ok"]
    slack.clock.advance(0.01)
    assert error_of(client.views_open, trigger_id=late, view=MODAL) == "expired_trigger_id"
    slack.seconds_per_call = 2
    slow = trigger_id()
    for _ in range(2):
        client.auth_test()
    assert error_of(client.views_open, trigger_id=slow, view=MODAL) == "expired_trigger_id"


def test_a_view_is_pushed_onto_a_modal(client: WebClient, slack: RecordingSlack) -> None:
    assert error_of(client.views_push, trigger_id=trigger_id(), view=MODAL) == "not_found"
    opened = client.views_open(trigger_id=trigger_id(), view=MODAL)["view"]
    stack = [opened]
    for _ in range(2):
        inside = trigger_id(view_id=stack[-1]["id"])
        stack.append(client.views_push(trigger_id=inside, view=MODAL)["view"])
    assert [v["previous_view_id"] for v in stack] == [None, opened["id"], stack[1]["id"]]
    assert {view["root_view_id"] for view in stack} == {opened["id"]}
    updated = client.views_update(view_id=stack[1]["id"], view=MODAL)["view"]
    assert (updated["previous_view_id"], updated["root_view_id"]) == (opened["id"], opened["id"])
    inside = trigger_id(view_id=stack[-1]["id"])
    assert error_of(client.views_push, trigger_id=inside, view=MODAL) == "push_limit_reached"
    home = client.views_publish(user_id="U0EMP", view={"type": "home", "blocks": [SECTION]})["view"]
    inside = trigger_id(view_id=home["id"])
    assert error_of(client.views_push, trigger_id=inside, view=MODAL) == "not_found"


def test_an_external_id_is_used_once(client: WebClient) -> None:
    mine = {**MODAL, "external_id": "mine"}
    assert client.views_open(trigger_id=trigger_id(), view=mine)["ok"]
    assert error_of(client.views_open, trigger_id=trigger_id(), view=mine) == (
        "duplicate_external_id"
    )
    assert client.views_update(external_id="mine", view=mine)["ok"]


def test_sizes_have_errors_of_their_own(client: WebClient) -> None:
    long = "x" * 2_900
    sections = [
        {"type": "section", "text": {"type": "plain_text", "text": long, "emoji": True}}
    ] * 5
    assert error_of(post, client=client, text="x" * 4_001) == "msg_too_long"
    assert error_of(post, client=client, blocks=sections) == "msg_blocks_too_long"
    view = {**MODAL, "blocks": sections * 20}
    assert error_of(client.views_open, trigger_id=trigger_id(), view=view) == "view_too_large"


def test_an_update_needs_the_newest_hash(client: WebClient, slack: RecordingSlack) -> None:
    opened = client.views_open(trigger_id=trigger_id(), view={**MODAL, "external_id": "mine"})[
        "view"
    ]
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


def test_it_refuses_what_slack_does_not_have(client: WebClient, slack: RecordingSlack) -> None:
    assert error_of(client.api_call, api_method="chat.shout") == "unknown_method"
    assert error_of(client.apps_connections_open, app_token="xoxb-test") == (
        "not_allowed_token_type"
    )
    slack.app_tokens.add("xapp-1")
    assert client.apps_connections_open(app_token="xapp-1")["ok"]
    assert error_of(client.auth_test, token="xapp-1") == "not_allowed_token_type"
    assert [refused.method for refused in slack.refused] == ["chat.shout"]


def test_a_response_url_has_five_uses(slack: RecordingSlack) -> None:
    url = slack.response_url()
    webhook = WebhookClient(url)
    answers = [webhook.send(text=f"Answer {number}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [404]
    assert slack.calls_to("response_url")[0].args["text"] == "Answer 0"
    assert all(url.endswith(call.path) for call in slack.calls)
    assert WebhookClient(slack.response_url()).send(text="<!here>").status_code == 400
    assert slack.refused[-1].violations == ["unescaped: <!here> [json-pointer:/text]"]


def test_a_response_url_lives_half_an_hour(slack: RecordingSlack) -> None:
    webhook = WebhookClient(slack.response_url())
    slack.clock.advance(1_800)
    assert webhook.send(text="Just in time").status_code == 200
    slack.clock.advance(1)
    answer = webhook.send(text="Too late")
    assert (answer.status_code, "expired_url" in answer.body) == (404, True)


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
