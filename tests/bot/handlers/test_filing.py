"""The shortcuts: the form to file a ticket, and a ticket from a message."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bot.views.modals import file_ticket as form_views
from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tests.conftest import Bot, People, RecordingPublisher, file_ticket
from tests.support import payloads
from tests.support.canary import FILED
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL, TEAM_ID

TS = "1700000000.000001"
LINK = f"https://example.slack.com/archives/{GENERAL}/p1700000000000001"
PRIVATE = {"is_private": True, "is_channel": False, "is_group": True, "is_member": True}
GUEST = "Guests cannot use this app. Ask a full member of this workspace to file the ticket."


@pytest.fixture
def author(slack: RecordingSlack) -> str:
    slack.add_member("U0WRITER", email="writer@example.com", name="Wilma Writer")
    return "U0WRITER"


def written(text: str = "The VPN drops.", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "user": "U0WRITER", "text": text, "ts": TS, **fields}


def use(
    bot: Bot, slack: RecordingSlack, user: User, message: dict[str, Any], channel: str = GENERAL
) -> dict[str, Any]:
    """Use the message shortcut; return the last modal."""
    body = payloads.message_shortcut(
        "make_ticket", message, user=People.slack_id(user), channel=channel
    )
    assert bot.answer(body) == {}
    return slack.last_view()


def initial(view: dict[str, Any]) -> tuple[str, str]:
    """Return the initial title and description."""
    assert view["callback_id"] == "file_ticket"
    fields = {block["block_id"]: block["element"] for block in view["blocks"][1:]}
    return tuple(fields[name].get("initial_value", "") for name in ("title", "description"))


def note(view: dict[str, Any]) -> str:
    text: str = view["blocks"][0]["elements"][0]["text"]
    return text


def texts(view: dict[str, Any]) -> list[str]:
    """Return the texts of a modal without inputs."""
    assert view["submit"] is None
    blocks = view["blocks"]
    return [(b["elements"][0] if b["type"] == "context" else b["text"])["text"] for b in blocks]


def submitted(view: dict[str, Any], user: User, **values: str) -> dict[str, Any]:
    return payloads.view_submission(view, values, user=People.slack_id(user))


# File a ticket


def test_the_global_shortcut_opens_the_form(
    ticket_bot: Bot, slack: RecordingSlack, employee: User, db: Mongo
) -> None:
    body = payloads.shortcut("file_ticket_shortcut", user=People.slack_id(employee))
    assert ticket_bot.answer(body) == {}
    form = slack.last_view()
    assert form["callback_id"] == "file_ticket"
    fields = [block["block_id"] for block in form["blocks"]]
    assert fields == ["title", "description", "priority", "deadline", "private", "notTo"]
    answer = ticket_bot.answer(submitted(form, employee, title="VPN drops", description="Hourly."))
    assert answer["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"
    assert "source" not in (db.tickets.find_one(FILED) or {})


def typed(user: User, text: str) -> dict[str, Any]:
    return payloads.slash_command(text, user=People.slack_id(user))


@pytest.mark.parametrize("text", ["printer", "close the window in room 3"])
def test_words_become_the_title(
    ticket_bot: Bot, slack: RecordingSlack, employee: User, text: str
) -> None:
    assert ticket_bot.answer(typed(employee, text)) == {}
    assert slack.last_view()["blocks"][0]["element"]["initial_value"] == text


@pytest.mark.parametrize("text", ["1", "#1", "view #1"])
def test_a_number_opens_the_ticket(
    ticket_bot: Bot, tickets: TicketService, employee: User, text: str
) -> None:
    file_ticket(tickets, employee, "The VPN drops")
    answer = ticket_bot.answer(typed(employee, text))
    assert answer["response_type"] == "ephemeral"
    assert "The VPN drops" in answer["text"]


def test_a_word_that_looks_like_a_command_may_be_a_title_all_the_same(
    ticket_bot: Bot, slack: RecordingSlack, employee: User
) -> None:
    answer = ticket_bot.answer(typed(employee, "resolve 1"))
    assert answer["text"] == "Did you mean `/ticket 1`? The ticket's buttons are there."
    assert slack.calls_to("views.open") == []
    message = {"ts": "1.000001", "channel": GENERAL, "blocks": answer["blocks"]}
    body = payloads.block_actions(message, "file_with_title", user=People.slack_id(employee))
    assert ticket_bot.answer(body) == {}
    assert slack.last_view()["blocks"][0]["element"]["initial_value"] == "resolve 1"


@pytest.mark.parametrize("pressed", ["file_ticket_shortcut", "make_ticket"])
def test_a_guest_reads_why_not(
    ticket_bot: Bot, slack: RecordingSlack, db: Mongo, pressed: str
) -> None:
    slack.add_member("U0GUEST", email="guest@example.com", name="Guest", is_restricted=True)
    body = (
        payloads.shortcut(pressed, user="U0GUEST")
        if pressed == "file_ticket_shortcut"
        else payloads.message_shortcut(pressed, "The VPN drops.", user="U0GUEST")
    )
    assert ticket_bot.answer(body) == {}
    assert texts(slack.last_view()) == [GUEST]
    assert slack.calls_to("conversations.info") == []
    assert (db.users.count_documents({}), db.links.count_documents({})) == (0, 0)


@pytest.mark.parametrize("pressed", ["file_ticket_shortcut", "make_ticket"])
def test_it_says_that_the_database_is_away(
    bot_without_database: Bot, slack: RecordingSlack, employee: User, pressed: str
) -> None:
    user = People.slack_id(employee)
    body = (
        payloads.shortcut(pressed, user=user)
        if pressed == "file_ticket_shortcut"
        else payloads.message_shortcut(pressed, "The VPN drops.", user=user)
    )
    assert bot_without_database.answer(body) == {}
    assert texts(slack.last_view()) == [
        "This does not work right now, because the database is away. Try again in a minute."
    ]


# File as a ticket: the initial form


def test_a_public_message_is_filled_in(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str
) -> None:
    slack.clear()
    view = use(ticket_bot, slack, moderator, written("The VPN drops.\nEvery hour."))
    assert initial(view) == (
        "The VPN drops.",
        f"From a message of @wilma in #general:\n\nThe VPN drops.\nEvery hour.\n\n{LINK}",
    )
    assert note(view) == form_views.FILLED_IN
    opened = slack.calls_to("views.open")[0].args["view"]
    assert [block["text"]["text"] for block in opened["blocks"]] == ["One moment…"]
    assert [call.method for call in slack.calls] == [
        "views.open",
        "users.info",  # whether the author gets an account
        "conversations.info",
        "users.info",
        "views.update",
    ]


def test_a_reply_is_linked_in_its_thread(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str
) -> None:
    view = use(ticket_bot, slack, moderator, written(thread_ts="1690000000.000009"))
    assert initial(view)[1].endswith(f"\n\n{LINK}?thread_ts=1690000000.000009&cid={GENERAL}")


def test_an_archived_public_channel_is_public(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str
) -> None:
    slack.add_channel("C0OLD", is_archived=True)
    assert note(use(ticket_bot, slack, moderator, written(), "C0OLD")) == form_views.FILLED_IN


@pytest.mark.parametrize(
    ("channel", "info"),
    [
        ("C0SECRET", PRIVATE),  # private, with the id of a public one
        ("G0SECRET", PRIVATE),
        ("C0UNSEEN", {**PRIVATE, "is_member": False}),
        ("C0GROUP", {**PRIVATE, "is_mpim": True}),
        ("C0MPIM", {"is_mpim": True}),
        ("C0EXT", {"is_ext_shared": True, "is_shared": True}),
        ("C0SHARED", {"is_shared": True}),
        ("C0ORG", {"is_org_shared": True}),
        ("C0IM", {"is_im": True}),
        ("C0SILENT", {"is_private": None}),
        ("C0GONE", None),
        ("D0OTHERS", None),
    ],
)
def test_elsewhere_only_the_link_is_taken(
    ticket_bot: Bot,
    slack: RecordingSlack,
    moderator: User,
    author: str,
    channel: str,
    info: dict[str, Any] | None,
) -> None:
    if info is not None:
        slack.add_channel(channel, **info)
    slack.clear()
    view = use(ticket_bot, slack, moderator, written("canary"), channel)
    assert initial(view) == ("", f"https://example.slack.com/archives/{channel}/p1700000000000001")
    assert note(view) == form_views.NOT_PUBLIC
    assert "canary" not in str([call.args for call in slack.calls])
    asked = [call.args["user"] for call in slack.calls_to("users.info")]
    assert asked == ["U0WRITER"]  # whether the author gets an account


def test_a_conversation_with_the_bot_is_private_too(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str
) -> None:
    channel = f"D{People.slack_id(moderator)[1:]}"
    assert note(use(ticket_bot, slack, moderator, written(), channel)) == form_views.NOT_PUBLIC


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"error": "missing_scope"}])
def test_what_slack_does_not_tell_counts_as_private(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str, fault: dict[str, Any]
) -> None:
    slack.fail("conversations.info", **fault)
    view = use(ticket_bot, slack, moderator, written("canary"))
    assert (initial(view), note(view)) == (("", LINK), form_views.NOT_PUBLIC)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "", "files": [{"id": "F1"}]},
        {"text": "", "blocks": [{"type": "divider"}]},
        {"text": None, "attachments": [{"text": "canary"}]},
    ],
    ids=["file", "blocks", "attachment"],
)
def test_a_message_without_text_gives_the_link(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str, fields: dict[str, Any]
) -> None:
    view = use(ticket_bot, slack, moderator, written(**fields))
    assert (initial(view), note(view)) == (("", LINK), form_views.WITHOUT_TEXT)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"user": None, "bot_id": "B1", "username": "Monitoring"}, "Monitoring"),
        ({"user": None, "bot_id": "B1", "bot_profile": {"name": "Alarms"}}, "Alarms"),
        ({"user": None, "subtype": "bot_message"}, "an app"),
        ({"user": "U0GONE"}, "someone"),
    ],
)
def test_its_author_is_named(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, fields: dict[str, Any], name: str
) -> None:
    view = use(ticket_bot, slack, moderator, written(**fields))
    assert initial(view)[1].startswith(f"From a message of {name} in #general:\n\n")


def test_markup_is_made_readable(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str
) -> None:
    slack.add_member("U0BEN", email="ben@example.com", name="Ben Builder")
    text = (
        "<!channel> <@U0BEN> and <@U0GONE|zoe>: <https://x.example|the page> in <#C1|it> "
        "is &lt;slow&gt;"
    )
    title, description = initial(use(ticket_bot, slack, moderator, written(text)))
    assert title == "@channel @ben and @zoe: the page (https://x.example) in #it is <slow>"
    assert f"\n\n{title}\n\n" in description


def test_of_many_mentioned_a_few_are_asked_for(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str
) -> None:
    slack.clear()
    text = " ".join(f"<@U{number}>" for number in range(100))
    view = use(ticket_bot, slack, moderator, written(text))
    assert len(slack.calls_to("users.info")) == 1 + 5  # the author's account
    assert "@someone @someone" in initial(view)[1]


def test_the_longest_message_fits(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str, db: Mongo
) -> None:
    view = use(ticket_bot, slack, moderator, written("😀 &amp; <@U0WRITER> " * 1_900))
    answer = ticket_bot.answer(submitted(view, moderator))
    assert answer["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"
    assert (db.tickets.find_one(FILED) or {})["description"].endswith(f"…\n\n{LINK}")


# File as a ticket: the ticket


@pytest.mark.parametrize("thread_ts", [None, TS, "1690000000.000009"])
def test_the_ticket_knows_its_message(
    ticket_bot: Bot,
    slack: RecordingSlack,
    moderator: User,
    author: str,
    db: Mongo,
    publisher: RecordingPublisher,
    thread_ts: str | None,
) -> None:
    view = use(ticket_bot, slack, moderator, written(thread_ts=thread_ts))
    answer = ticket_bot.answer(submitted(view, moderator, title="VPN", description="My words."))
    assert answer["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"
    (doc,) = db.tickets.find(FILED)
    is_reply = thread_ts not in (None, TS)
    assert (doc["title"], doc["description"]) == ("VPN", "My words.")
    assert doc["source"] == {
        "channel": GENERAL,
        "ts": TS,
        "permalink": f"{LINK}?thread_ts={thread_ts}&cid={GENERAL}" if is_reply else LINK,
        "threadTs": thread_ts if is_reply else None,
        "slackUserId": "U0WRITER",
    }
    assert len(publisher.asked) == 1


def test_a_form_carries_ids_only(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str
) -> None:
    view = use(ticket_bot, slack, moderator, written("canary"))
    assert json.loads(view["private_metadata"]) == {
        "channel": GENERAL,
        "ts": TS,
        "threadTs": None,
        "slackUserId": "U0WRITER",
    }


@pytest.mark.parametrize(
    "metadata",
    [
        "no json",
        "[]",
        "{}",
        '"C0GENERAL"',
        json.dumps({"channel": "C0GENERAL"}),
        json.dumps({"channel": "C0|x>", "ts": TS}),
        json.dumps({"channel": {"$gt": ""}, "ts": TS}),
        json.dumps({"channel": "C0GENERAL", "ts": "https://evil.example"}),
        json.dumps({"channel": "C0GENERAL", "ts": TS, "threadTs": "1|<!channel>"}),
        json.dumps({"channel": "C0GENERAL", "ts": TS, "slackUserId": "<@U1>"}),
        "[" * 3_000,
    ],
)
def test_a_forged_message_files_nothing(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str, db: Mongo, metadata: str
) -> None:
    view = use(ticket_bot, slack, moderator, written())
    answer = ticket_bot.answer(submitted({**view, "private_metadata": metadata}, moderator))
    assert answer["errors"] == {
        "title": "This form has lost the message it belongs to. Close it, then use “File as a "
        "ticket” again."
    }
    assert db.tickets.count_documents(FILED) == 0


def test_no_form_leads_into_another_workspace(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str, db: Mongo
) -> None:
    view = use(ticket_bot, slack, moderator, written())
    forged = {
        **json.loads(view["private_metadata"]),
        "permalink": "https://evil.example/archives/C0GENERAL/p1",
        "team_url": "https://evil.example/",
        "teamId": "T0OTHER",
    }
    ticket_bot.answer(submitted({**view, "private_metadata": json.dumps(forged)}, moderator))
    (doc,) = db.tickets.find(FILED)
    assert (doc["teamId"], doc["source"]["permalink"]) == ("T0TEAM", LINK)


# A second use of the message


@pytest.fixture
def taken(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str, db: Mongo
) -> dict[str, Any]:
    """The moderator has filed a ticket from the message; it is unassigned."""
    view = use(ticket_bot, slack, moderator, written())
    ticket_bot.answer(submitted(view, moderator, title="<!channel> VPN"))
    return db.tickets.find_one(FILED) or {}


ALREADY_FILED = "Someone has already filed this as ticket 1."


@pytest.mark.parametrize("asker", ["filer", "moderator", "admin"])
def test_who_may_see_the_ticket_is_shown_it(
    ticket_bot: Bot,
    slack: RecordingSlack,
    moderator: User,
    people: People,
    taken: dict[str, Any],
    db: Mongo,
    asker: str,
) -> None:
    person = moderator if asker == "filer" else people.add(Role(asker))
    who = "You have" if asker == "filer" else "Someone has"
    heading = [f"{who} already filed this as ticket 1.", "#1 <!channel> VPN"]
    looking = "*Open* · Finding someone…"
    assert texts(use(ticket_bot, slack, person, written())) == [*heading, looking]
    expert = people.add(Role.MODERATOR)
    db.tickets.update_one(FILED, {"$set": {"assignedTo": expert.id, "status": "IN_PROGRESS"}})
    assigned = f"*Assigned* to <@{People.slack_id(expert)}>"
    assert texts(use(ticket_bot, slack, person, written())) == [*heading, assigned]
    db.links.delete_one({"userId": expert.id})
    gone = "*Assigned* to someone who is not in Slack"
    assert texts(use(ticket_bot, slack, person, written())) == [*heading, gone]


def test_a_stranger_learns_the_number(
    ticket_bot: Bot, slack: RecordingSlack, people: People, taken: dict[str, Any]
) -> None:
    view = use(ticket_bot, slack, people.add(), written())
    assert texts(view) == [ALREADY_FILED]
    assert "VPN" not in str(view)


def test_a_closed_ticket_is_shown_as_well(
    ticket_bot: Bot,
    slack: RecordingSlack,
    moderator: User,
    ticket_actions: TicketActions,
    people: People,
    taken: dict[str, Any],
) -> None:
    expert = Actor.from_user(people.add(Role.MODERATOR))
    ticket_actions.resolve(actor=expert, ticket_id=str(taken["_id"]), resolution="Done.")
    assert texts(use(ticket_bot, slack, moderator, written()))[-1] == "*Resolved*"


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN])
def test_the_slower_of_two_is_told_in_the_modal(
    ticket_bot: Bot,
    slack: RecordingSlack,
    moderator: User,
    people: People,
    author: str,
    db: Mongo,
    publisher: RecordingPublisher,
    role: Role,
) -> None:
    slower = people.add(role)
    first = use(ticket_bot, slack, moderator, written())
    second = use(ticket_bot, slack, slower, written())
    ticket_bot.answer(submitted(first, moderator, title="First"))
    answer = ticket_bot.answer(submitted(second, slower, description="Also since Monday."))
    assert answer["response_action"] == "update"
    shown = texts({"submit": None, **answer["view"]})
    ticket = ["#1 First", "*Open* · Finding someone…"]
    assert shown == [
        ALREADY_FILED,
        *ticket,
        "What you typed was not filed. Copy it if it says something new:",
        "Also since Monday.",
    ]
    assert db.tickets.count_documents(FILED) == 1
    assert len(publisher.asked) == 1


def test_of_two_at_once_one_files(
    ticket_bot: Bot, slack: RecordingSlack, people: People, author: str, db: Mongo
) -> None:
    bodies = []
    for _ in range(4):
        person = people.add(Role.MODERATOR)
        bodies.append(submitted(use(ticket_bot, slack, person, written()), person))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ticket_bot.answer, bodies))
    (doc,) = db.tickets.find(FILED)
    said = sorted(answer["view"]["blocks"][0]["text"]["text"] for answer in answers)
    told = f"Someone has already filed this as ticket {doc['number']}."
    assert said == [told] * 3 + [f"Ticket {doc['number']} is filed"]


def test_the_same_form_twice_is_no_race(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, author: str, db: Mongo
) -> None:
    body = submitted(use(ticket_bot, slack, moderator, written()), moderator)
    answers = [ticket_bot.answer(body) for _ in range(2)]
    said = [answer["view"]["blocks"][0]["text"]["text"] for answer in answers]
    assert said == ["Ticket 1 is filed"] * 2
    assert db.tickets.count_documents(FILED) == 1


def test_a_modal_closed_too_soon_is_only_logged(
    ticket_bot: Bot,
    slack: RecordingSlack,
    employee: User,
    author: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    slack.fail("views.update", error="not_found", times=2)
    use(ticket_bot, slack, employee, written("canary"))
    assert "the error of a message_action was not shown" in caplog.text
    assert "canary" not in caplog.text


def test_a_ticket_from_a_request_channel_says_so_and_is_as_private_as_the_channel(
    ticket_bot: Bot, slack: RecordingSlack, db: Mongo, employee: User, author: str
) -> None:
    slack.add_channel("C0HR", **PRIVATE)
    channel = RequestChannel(TEAM_ID, "C0HR", ChannelMode.ON_REQUEST, is_private=True)
    db.channels.insert_one(channel.to_doc())
    own = {**written(), "user": People.slack_id(employee)}
    view = use(ticket_bot, slack, employee, own, channel="C0HR")
    values = {"title": "Parental leave", "description": "From May"}
    ticket_bot.answer(submitted(view, employee, **values))
    ticket = db.tickets.find_one(FILED)
    assert ticket
    assert ticket["source"]["conversation"] is True
    assert ticket["private"] is True
