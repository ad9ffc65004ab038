"""Triage, intake and People over signed HTTP, with real processes."""

from datetime import timedelta
from typing import Any

import pytest

from bot.manifest import SCOPES
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.slack_scopes import load_granted_scopes
from services.models.ticket import Status
from services.models.user import Role
from tests.conftest import People, at_once
from tests.support import payloads
from tests.support.block_text import read, without_facts
from tests.support.canary import FILED
from tests.support.http_bot import HttpBot, opened_by
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL, TRIAGE
from tests.support.view_state import elements

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]


@pytest.fixture
def product(product: Product, slack: RecordingSlack) -> Product:
    """With a triage channel, which the bot joins, and a custom emoji."""
    slack.add_channel(TRIAGE)
    product.settings |= {"TRIAGE_CHANNEL": TRIAGE, "TICKET_EMOJI": ":sos:"}
    return product


def last_dm(slack: RecordingSlack, user: str) -> Json:
    """Wait for a direct message of the bot and return the last one."""
    eventually(lambda: any(m.get("bot_id") for m in slack.messages(user)), what="a DM came")
    return [m for m in slack.messages(user) if m.get("bot_id")][-1]


def submit(http_bot: HttpBot, slack: RecordingSlack, press: Json, user: str, **values: Any) -> Json:
    """Press, wait for the form and submit it."""
    assert http_bot.answer(press) == {}
    view_id = opened_by(slack, press["trigger_id"])["id"]
    eventually(lambda: bool(slack.view(view_id).get("callback_id")), what="the form is there")
    return http_bot.answer(payloads.view_submission(slack.view(view_id), values, user=user))


def test_a_ticket_is_taken_from_the_triage_channel(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    product.start("worker")
    product.start("jobs")
    slack.wait_for("conversations.join")
    assert load_granted_scopes(db).names == frozenset(SCOPES)
    employee = people.slack_id(people.add())
    http_bot.answer(http_bot.filled_in(slack, employee, title="The VPN drops"))
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    (card,) = slack.messages(TRIAGE)
    assert card["text"] == (
        "Ticket 1 “The VPN drops”: medium priority, no one is available for this"
    )

    refused = payloads.block_actions(card, "take", user=employee)
    assert http_bot.answer(refused) == {}
    (told,) = slack.wait_for("chat.postEphemeral")
    assert told.args["text"] == (
        "Your role does not allow you to work on tickets. Ask an admin if it should."
    )
    moderator = people.add(Role.MODERATOR)
    taken = payloads.block_actions(card, "take", user=people.slack_id(moderator))
    assert http_bot.answer(taken) == {}
    state = f"Ticket 1 “The VPN drops”: medium priority, in progress, accepted by {moderator.name}"
    eventually(lambda: slack.messages(TRIAGE)[0]["text"] == state, what="the card follows")
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    assert len(slack.messages(TRIAGE)) == 1
    assert (db.tickets.find_one(FILED) or {})["assignedTo"] == moderator.id


def test_a_message_to_the_bot_becomes_a_ticket(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    product.start("worker")
    user = people.slack_id(people.add())
    said = slack.say(f"D{user[1:]}", "The VPN drops\nEvery hour &amp; a half.", user=user)
    event = payloads.event({**said, "channel_type": "im"})
    for retry in ({}, {"x-slack-retry-num": "1"}):
        assert http_bot.answer(event, **retry) == {}
    press = payloads.block_actions(last_dm(slack, user), "file_this", user=user)
    filed = submit(http_bot, slack, press, user)
    assert filed["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"
    doc = db.tickets.find_one(FILED) or {}
    assert doc["description"] == "The VPN drops\nEvery hour & a half."
    assert db.replies.count_documents({}) == 1


def test_a_marked_message_becomes_a_ticket(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    product.start("worker")
    user, author = (people.slack_id(people.add(role)) for role in (Role.MODERATOR, Role.USER))
    slack.add_channel(GENERAL, is_member=True)
    said = slack.say(GENERAL, "The printer is on fire.", user=author)
    item = {"type": "message", "channel": GENERAL, "ts": said["ts"]}
    mark = {"type": "reaction_added", "user": user, "reaction": "sos", "item": item}
    assert http_bot.answer(payloads.event({**mark, "item_user": author})) == {}
    press = payloads.block_actions(last_dm(slack, user), "file_marked", user=user)
    filed = submit(http_bot, slack, press, user)
    assert filed["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"
    doc = db.tickets.find_one(FILED) or {}
    assert "The printer is on fire." in doc["description"]
    assert doc["createdBy"] != doc["filedBy"]


def pressed(home: Json, label: str, user: str, number: int = 0) -> Json:
    """Return a press on the button with this label."""
    found = [
        (element, block)
        for element, block in elements(home)
        if element["type"] == "button" and element["text"]["text"] == label
    ]
    element, block = found[number]
    return payloads.block_actions(home, element["action_id"], user=user, block_id=block)


def test_an_admin_deactivates_somebody_and_their_tickets_go_on(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    product.start("worker")
    product.start("jobs")
    admin, nils = people.add(Role.ADMIN), people.add(Role.MODERATOR, "VPN")
    http_bot.answer(http_bot.filled_in(slack, people.slack_id(people.add())))
    eventually(lambda: is_outbox_empty(db), what="Nils has it")
    assert (db.tickets.find_one(FILED) or {})["assignedTo"] == nils.id
    pia = people.add(Role.MODERATOR, "VPN")

    ada = people.slack_id(admin)
    assert http_bot.answer(payloads.home_opened(ada)) == {}
    slack.wait_for("views.publish")
    assert http_bot.answer(pressed(slack.home(ada), "People", ada)) == {}
    eventually(lambda: read(slack.home(ada))[0] == "People", what="the people are there")
    submit(http_bot, slack, pressed(slack.home(ada), "Search", ada), ada, search=nils.email)
    found = f"Found for “{nils.email}”"
    eventually(lambda: found in read(slack.home(ada)), what="only Nils is left")
    edit = pressed(slack.home(ada), "Edit", ada)
    assert submit(http_bot, slack, edit, ada, active="deactivated") == {}

    def moved_on() -> bool:
        return (db.tickets.find_one(FILED) or {})["assignedTo"] == pia.id and is_outbox_empty(db)

    eventually(moved_on, what="Pia has it")
    (card,) = slack.messages(people.slack_id(pia))
    assert without_facts(card["text"]) == "Ticket 1 “VPN drops”: assigned to you"
    assert (db.tickets.find_one(FILED) or {})["status"] == Status.IN_PROGRESS
    deactivated = "Your account in this app is deactivated. Ask one of its admins."
    gone = people.slack_id(nils)
    assert http_bot.answer(payloads.home_opened(gone)) == {}
    slack.wait_for("views.publish", where=lambda call: call.args["user_id"] == gone)
    assert read(slack.home(gone)) == ["Help desk", deactivated]


def test_a_moderator_whom_an_admin_adds_is_told_once_and_gets_tickets(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    product.start("worker")
    slack.add_member("U0NORA", email="nora@example.com", name="Nora")
    ada = people.slack_id(people.add(Role.ADMIN))
    assert http_bot.answer(payloads.home_opened(ada)) == {}
    slack.wait_for("views.publish")
    press = pressed(slack.home(ada), "Add moderator", ada)
    assert http_bot.answer(press) == {}
    form = opened_by(slack, press["trigger_id"])
    sent = payloads.view_submission(form, {"member": "U0NORA", "skills": "VPN"}, user=ada)
    answers = at_once(*[lambda: http_bot.answer(sent)] * 3)  # a double click, and more
    assert {answer["view"]["title"]["text"] for answer in answers} == {"Added"}
    assert last_dm(slack, "U0NORA")["text"] == "You are a moderator of Help desk."
    (nora,) = db.users.find({"emailKey": "nora@example.com"})
    assert (nora["role"], nora["skills"], nora["name"]) == ("moderator", ["VPN"], "Nora")
    assert http_bot.answer(payloads.home_opened("U0NORA")) == {}
    slack.wait_for("views.publish", where=lambda call: call.args["user_id"] == "U0NORA")
    http_bot.answer(http_bot.filled_in(slack, people.slack_id(people.add())))
    eventually(lambda: is_outbox_empty(db), what="Nora has it")
    assert (db.tickets.find_one(FILED) or {})["assignedTo"] == nora["_id"]
    texts = [message["text"] for message in slack.messages("U0NORA")]
    assert texts.count("You are a moderator of Help desk.") == 1


def test_somebody_away_gets_nothing_until_they_are_back(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    product.start("worker")
    product.start("jobs")
    nils = people.add(Role.MODERATOR, "VPN")
    user = people.slack_id(nils)
    http_bot.answer(payloads.home_opened(user))
    slack.wait_for("views.publish")
    at = {"selected_date_time": int((utcnow() + timedelta(days=30)).timestamp())}
    form = pressed(slack.home(user), "My availability", user)
    assert submit(http_bot, slack, form, user, presence="away", awayUntil=at) == {}
    http_bot.answer(http_bot.filled_in(slack, people.slack_id(people.add())))
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    assert (db.tickets.find_one(FILED) or {})["assignedTo"] is None
    back = pressed(slack.home(user), "My availability", user)
    assert submit(http_bot, slack, back, user, presence="here") == {}
    eventually(
        lambda: (db.tickets.find_one(FILED) or {})["assignedTo"] == nils.id, what="Nils has it"
    )
