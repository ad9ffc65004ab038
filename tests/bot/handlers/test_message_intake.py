"""Tickets from a message to the bot, or one marked with the emoji."""

from typing import Any

import pytest

from bot.views import blocks
from bot.views.modals import file_ticket
from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import Role, User
from tests.conftest import Bot, People
from tests.support import payloads
from tests.support.canary import FILED
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import BOT_ID, GENERAL

GUEST = "Guests cannot use this app. Ask a full member of this workspace to file the ticket."
LINK = f"https://example.slack.com/archives/{GENERAL}/p"


@pytest.fixture
def ann(employee: User) -> str:
    return People.slack_id(employee)


@pytest.fixture
def mona(people: People) -> str:
    """A moderator."""
    return People.slack_id(people.add(Role.MODERATOR))


@pytest.fixture
def wilma(slack: RecordingSlack) -> str:
    slack.add_channel(GENERAL, is_member=True)
    slack.add_member("U0WRITER", email="writer@example.com", name="Wilma Writer")
    return "U0WRITER"


def written(slack: RecordingSlack, user: str, text: str, **fields: Any) -> dict[str, Any]:
    """Return the event of a message to the bot."""
    said = slack.say(f"D{user[1:]}", text, user=user, **fields)
    return payloads.event({**said, "channel_type": "im"})


def marked(message: dict[str, Any], user: str, reaction: str = "ticket") -> dict[str, Any]:
    """Return the event of a reaction to the message."""
    item = {"type": "message", "channel": message["channel"], "ts": message["ts"]}
    body = {"type": "reaction_added", "user": user, "reaction": reaction, "item": item}
    return payloads.event({**body, "item_user": message["user"]})


def offered(slack: RecordingSlack, user: str) -> list[dict[str, Any]]:
    """Return the bot's messages."""
    return [message for message in slack.messages(user) if message.get("bot_id")]


def texts(message: dict[str, Any]) -> list[str]:
    return [
        (block["elements"][0] if "elements" in block else block)["text"]["text"]
        for block in message["blocks"]
    ]


def press(bot: Bot, slack: RecordingSlack, message: dict[str, Any], user: str) -> dict[str, Any]:
    """Press "File this as a ticket"; return the last modal."""
    action_id = message["blocks"][-1]["elements"][0]["action_id"]
    assert bot.answer(payloads.block_actions(message, action_id, user=user)) == {}
    return slack.last_view()


def begun(view: dict[str, Any]) -> tuple[str, str, str]:
    """Return the note and the initial title and description."""
    assert view["callback_id"] == "file_ticket"
    fields = {block.get("block_id"): block for block in view["blocks"][1:]}
    first = [fields[name]["element"].get("initial_value", "") for name in ("title", "description")]
    return view["blocks"][0]["elements"][0]["text"], first[0], first[1]


# A message to the bot


def test_from_a_message_to_the_ticket(
    desk: Bot, slack: RecordingSlack, ann: str, employee: User, db: Mongo
) -> None:
    event = written(slack, ann, "The VPN drops\nEvery hour, with &lt;error 5&gt;.")
    assert desk.answer(event) == {}
    (offer,) = offered(slack, ann)
    assert texts(offer) == [
        "“The VPN drops Every hour, with <error 5>.”",
        "Shall I file this as a ticket? You can change everything before it is filed.",
        "File this as a ticket",
    ]
    assert offer["text"] == (
        "Shall I file this as a ticket? You can change everything before it is filed. "
        "“The VPN drops Every hour, with &lt;error 5&gt;.”"
    )
    view = press(desk, slack, offer, ann)
    words = "The VPN drops\nEvery hour, with <error 5>."
    assert begun(view) == (file_ticket.FILLED_IN, "The VPN drops", words)
    filed = desk.answer(payloads.view_submission(view, {}, user=ann))
    assert filed["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"
    doc = db.tickets.find_one(FILED) or {}
    assert (doc["title"], doc["description"]) == ("The VPN drops", words)
    assert (doc["createdBy"], doc["source"]["ts"]) == (employee.id, event["event"]["ts"])
    # No one else could open a link to it.
    assert blocks.source_link(Ticket.from_doc(doc)) == []
    again = press(desk, slack, offer, ann)
    assert again["title"]["text"] == "Already a ticket"


def test_one_offer_a_message_however_often_it_comes(
    desk: Bot, slack: RecordingSlack, ann: str
) -> None:
    event = written(slack, ann, "Help")
    for _ in range(2):
        desk.answer(event)
        desk.answer(payloads.event(event["event"]))
    assert len(offered(slack, ann)) == 1


def test_people_are_named_and_files_linked(
    desk: Bot, slack: RecordingSlack, ann: str, wilma: str
) -> None:
    files = [{"name": "screen.png", "permalink": "https://files.example.com/F1"}, {"id": "F2"}]
    event = written(slack, ann, f"Ask <@{wilma}>", subtype="file_share", files=files)
    desk.answer(event)
    view = press(desk, slack, offered(slack, ann)[0], ann)
    assert begun(view)[2] == (
        "Ask @wilma\nscreen.png: https://files.example.com/F1\na file (not passed on)"
    )


def test_a_long_message_is_cut_to_what_a_ticket_holds(
    desk: Bot, slack: RecordingSlack, ann: str
) -> None:
    desk.answer(written(slack, ann, "&amp;&lt;😀 " * 4_000))
    (offer,) = offered(slack, ann)
    _, title, description = begun(press(desk, slack, offer, ann))
    assert title.endswith("…")
    assert description.endswith("…")


def test_a_message_of_another_member_is_not_shown(
    desk: Bot, slack: RecordingSlack, ann: str, people: People
) -> None:
    desk.answer(written(slack, ann, "My password is hunter2"))
    view = press(desk, slack, offered(slack, ann)[0], people.slack_id(people.add()))
    assert begun(view) == (file_ticket.TOO_OLD, "", "")


def test_a_message_of_yesterday_is_no_longer_known(
    desk: Bot, slack: RecordingSlack, ann: str, db: Mongo
) -> None:
    desk.answer(written(slack, ann, "Help"))
    db.inbox.delete_many({})  # as MongoDB does after a day
    view = press(desk, slack, offered(slack, ann)[0], ann)
    assert begun(view) == (file_ticket.TOO_OLD, "", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"subtype": "message_changed", "message": {"text": "x"}, "user": None},
        {"subtype": "message_deleted", "user": None},
        {"subtype": "bot_message", "bot_id": "B0OTHER"},
        {"bot_id": BOT_ID},
        {"channel_type": "channel"},
        {"channel": "nonsense"},
    ],
)
def test_what_is_no_message_to_the_bot_is_not_answered(
    desk: Bot, slack: RecordingSlack, ann: str, changes: dict[str, Any]
) -> None:
    event = written(slack, ann, "Help")
    body = {name: of for name, of in {**event["event"], **changes}.items() if of is not None}
    desk.answer({**event, "event": body})
    assert offered(slack, ann) == []
    assert slack.calls_to("chat.postMessage") == []


def test_a_guest_who_writes_reads_why_not(desk: Bot, slack: RecordingSlack, db: Mongo) -> None:
    slack.add_member("U0GUEST", email="guest@example.com", name="Guest", is_restricted=True)
    desk.answer(written(slack, "U0GUEST", "Help"))
    assert [message["text"] for message in offered(slack, "U0GUEST")] == [GUEST]
    assert db.users.count_documents({}) == 0


def test_a_guest_who_presses_reads_why_not(desk: Bot, slack: RecordingSlack, ann: str) -> None:
    desk.answer(written(slack, ann, "Help"))
    slack.add_member("U0GUEST", email="guest@example.com", name="Guest", is_restricted=True)
    view = press(desk, slack, offered(slack, ann)[0], "U0GUEST")
    assert view["blocks"][0]["text"]["text"] == GUEST


# A message marked with the emoji


def test_from_a_mark_to_the_ticket(
    desk: Bot, slack: RecordingSlack, mona: str, wilma: str, db: Mongo
) -> None:
    message = slack.say(GENERAL, "The VPN drops.\nEvery hour.", user=wilma)
    slack.clear()
    desk.answer(marked(message, mona))
    (offer,) = offered(slack, mona)
    link = LINK + message["ts"].replace(".", "")
    assert texts(offer) == [
        f"You marked <{link}|a message> with :ticket:. Shall I file it as a ticket? You can "
        "change everything before it is filed.",
        "File this as a ticket",
    ]
    # Whether the author gets an account; no message was fetched.
    assert [call.method for call in slack.calls] == ["users.info", "chat.postMessage"]
    view = press(desk, slack, offer, mona)
    words = f"From a message of @wilma in #general:\n\nThe VPN drops.\nEvery hour.\n\n{link}"
    assert begun(view) == (file_ticket.FILLED_IN, "The VPN drops.", words)
    desk.answer(payloads.view_submission(view, {}, user=mona))
    assert (db.tickets.find_one(FILED) or {})["source"]["permalink"] == link


def test_a_reply_is_found_in_its_thread(
    desk: Bot, slack: RecordingSlack, mona: str, wilma: str, db: Mongo
) -> None:
    root = slack.say(GENERAL, "Lunch?", user=wilma)
    slack.say(GENERAL, "Yes", user=wilma, thread_ts=root["ts"])
    reply = slack.say(GENERAL, "By the way, the VPN drops.", user=wilma, thread_ts=root["ts"])
    desk.answer(marked(reply, mona))
    view = press(desk, slack, offered(slack, mona)[0], mona)
    assert begun(view)[1] == "By the way, the VPN drops."
    assert f"thread_ts={root['ts']}" in begun(view)[2]
    desk.answer(payloads.view_submission(view, {}, user=mona))
    assert (db.tickets.find_one(FILED) or {})["source"]["threadTs"] == root["ts"]


@pytest.mark.parametrize(
    "closed",
    [
        {"is_private": True, "is_channel": False, "is_group": True},
        {"is_ext_shared": True},
        {"is_shared": True},
        {"is_org_shared": True},
        {"is_mpim": True},
    ],
    ids=str,
)
def test_of_a_closed_channel_only_the_link_is_taken(
    desk: Bot, slack: RecordingSlack, mona: str, wilma: str, closed: dict[str, Any]
) -> None:
    slack.add_channel("C0CLOSED", is_member=True, **closed)
    message = slack.say("C0CLOSED", "The secret project's VPN", user=wilma)
    desk.answer(marked(message, mona))
    view = press(desk, slack, offered(slack, mona)[0], mona)
    link = f"https://example.slack.com/archives/C0CLOSED/p{message['ts'].replace('.', '')}"
    assert begun(view) == (file_ticket.NOT_PUBLIC, "", link)
    assert slack.calls_to("conversations.history") == []
    assert slack.calls_to("conversations.replies") == []


@pytest.mark.parametrize("error", ["not_in_channel", "missing_scope", "ratelimited"])
def test_what_slack_does_not_give_is_linked(
    desk: Bot, slack: RecordingSlack, mona: str, wilma: str, error: str
) -> None:
    message = slack.say(GENERAL, "The VPN drops.", user=wilma)
    desk.answer(marked(message, mona))
    slack.fail("conversations.history", error=error)
    slack.fail("chat.getPermalink", error=error)
    view = press(desk, slack, offered(slack, mona)[0], mona)
    assert begun(view) == (
        file_ticket.TEXT_UNAVAILABLE,
        "",
        LINK + message["ts"].replace(".", ""),
    )


def test_a_message_deleted_since_is_linked(
    desk: Bot, slack: RecordingSlack, mona: str, wilma: str
) -> None:
    message = slack.say(GENERAL, "The VPN drops.", user=wilma)
    desk.answer(marked(message, mona))
    slack.workspace.messages[GENERAL].clear()
    view = press(desk, slack, offered(slack, mona)[0], mona)
    assert begun(view)[0] == file_ticket.TEXT_UNAVAILABLE


def test_the_ticket_there_is_already_is_shown(
    desk: Bot, slack: RecordingSlack, people: People, mona: str, wilma: str
) -> None:
    message = slack.say(GENERAL, "The VPN drops.", user=wilma)
    bob, moderator = (People.slack_id(people.add(role)) for role in (Role.USER, Role.MODERATOR))
    desk.answer(marked(message, mona))
    desk.answer(marked(message, moderator))
    (offer_to_moderator,) = offered(slack, moderator)
    view = press(desk, slack, offered(slack, mona)[0], mona)
    desk.answer(payloads.view_submission(view, {}, user=mona))
    already = "Someone has already filed this as ticket 1."
    desk.answer(marked(message, bob))
    (told,) = offered(slack, bob)
    assert (told["text"], len(told["blocks"])) == (already, 1)  # Bob may not see more of it
    late = press(desk, slack, offer_to_moderator, moderator)
    assert late["blocks"][0]["text"]["text"] == already
    said = str(late["blocks"])
    assert "#1 The VPN drops." in said
    assert "*Assigned* to <@" in said
    assert "file_marked" not in said


def test_each_who_marks_it_is_asked_once(
    desk: Bot, slack: RecordingSlack, people: People, mona: str, wilma: str
) -> None:
    message = slack.say(GENERAL, "The VPN drops.", user=wilma)
    bob = People.slack_id(people.add(Role.MODERATOR))
    for user in (mona, bob, mona):
        desk.answer(marked(message, user, "ticket::skin-tone-2"))
    assert (len(offered(slack, mona)), len(offered(slack, bob))) == (1, 1)
    assert offered(slack, wilma) == []


@pytest.mark.parametrize("reaction", ["eyes", "tickets", "admission_tickets", ""])
def test_other_emojis_are_no_concern_of_ours(
    desk: Bot, slack: RecordingSlack, ann: str, wilma: str, reaction: str
) -> None:
    message = slack.say(GENERAL, "The VPN drops.", user=wilma)
    slack.clear()
    desk.answer(marked(message, ann, reaction))
    assert slack.calls == []


@pytest.mark.parametrize(
    "overrides", [{"is_restricted": True}, {"is_bot": True}, {"team_id": "T0OTHER"}], ids=str
)
def test_who_gets_no_account_hears_nothing(
    desk: Bot, slack: RecordingSlack, wilma: str, db: Mongo, overrides: dict[str, Any]
) -> None:
    slack.add_member("U0NO", email="no@example.com", name="No", **overrides)
    message = slack.say(GENERAL, "The VPN drops.", user=wilma)
    desk.answer(marked(message, "U0NO"))
    assert slack.calls_to("chat.postMessage") == []
    assert db.users.count_documents({}) == 0


def test_a_file_that_was_marked_is_no_message(desk: Bot, slack: RecordingSlack, ann: str) -> None:
    item = {"type": "file", "file": "F1"}
    body = {"type": "reaction_added", "user": ann, "reaction": "ticket", "item": item}
    desk.answer(payloads.event(body))
    assert offered(slack, ann) == []


@pytest.mark.parametrize("value", ["nonsense", "{}", '{"channel": "C1", "ts": {"$gt": ""}}', ""])
@pytest.mark.parametrize("action", ["file_this", "file_marked"])
def test_a_forged_button_says_so(
    desk: Bot, slack: RecordingSlack, ann: str, action: str, value: str
) -> None:
    offer = file_ticket.direct_message_offer("Help", value="x")
    offer.blocks[-1]["elements"][0]["action_id"] = action
    message = {"channel": f"D{ann[1:]}", "ts": "1.000001", "blocks": offer.blocks}
    desk.answer(payloads.block_actions(message, action, value, user=ann))
    said = slack.last_view()["blocks"][0]["text"]["text"]
    assert said.startswith("This form has lost the message it belongs to.")


# More than text


def forwarded(channel: str, text: str = "The VPN &amp; mail drop, <@U0WRITER>") -> dict[str, Any]:
    url = f"https://example.slack.com/archives/{channel}/p1700000000000100"
    return {"is_share": True, "text": text, "from_url": url, "author_name": "Wilma Writer"}


@pytest.mark.parametrize(
    ("text", "private", "description"),
    [
        ("", False, "{quote}"),
        ("Can you help?", False, "Can you help?\n{quote}"),
        ("", True, "Forwarded message: {url}"),
        ("Can you help?", True, "Can you help?\nForwarded message: {url}"),
    ],
)
def test_a_forwarded_message_is_quoted_if_its_channel_is_public(
    desk: Bot,
    slack: RecordingSlack,
    ann: str,
    wilma: str,
    text: str,
    private: bool,
    description: str,
) -> None:
    slack.add_channel("C0OTHER", is_private=private, is_member=True)
    attachment = forwarded("C0OTHER")
    desk.answer(written(slack, ann, text, attachments=[attachment]))
    (offer,) = offered(slack, ann)
    url = attachment["from_url"]
    quote = "Forwarded message of Wilma Writer in #other:\nThe VPN & mail drop, @wilma\n" + url
    wanted = description.format(quote=quote, url=url)
    assert begun(press(desk, slack, offer, ann))[2] == wanted


def test_words_that_stand_only_in_blocks_are_read(
    desk: Bot, slack: RecordingSlack, ann: str
) -> None:
    words = {"type": "rich_text_section", "elements": [{"type": "text", "text": "VPN <drops>"}]}
    desk.answer(written(slack, ann, "", blocks=[{"type": "rich_text", "elements": [words]}]))
    assert begun(press(desk, slack, offered(slack, ann)[0], ann))[2] == "VPN <drops>"


def test_a_file_without_a_link_is_named(desk: Bot, slack: RecordingSlack, ann: str) -> None:
    files = [{"id": "F1", "name": "screen.png"}]
    desk.answer(written(slack, ann, "", subtype="file_share", files=files))
    description = begun(press(desk, slack, offered(slack, ann)[0], ann))[2]
    assert description == "screen.png (not passed on)"


def test_a_marked_alert_of_an_app_is_quoted_from_its_blocks(
    desk: Bot, slack: RecordingSlack, mona: str, wilma: str
) -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "*Disk full* on web-1"}}
    message = slack.say(GENERAL, "", user=wilma, blocks=[section])
    desk.answer(marked(message, mona))
    view = press(desk, slack, offered(slack, mona)[0], mona)
    assert begun(view)[1] == "*Disk full* on web-1"
