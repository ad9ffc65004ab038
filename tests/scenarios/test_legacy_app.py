"""A team that used the legacy app uses Slack with the same database."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from bot.views.messages.digest import DIGEST_TITLE
from services.core.database import Mongo
from services.editing.ticket_edits import TicketEdits
from services.models.permissions import Actor
from services.models.slack_member import link_id
from services.models.ticket import Status, Ticket
from services.models.user import Role
from services.tickets.queries import load_ticket
from tests.conftest import Bot, FixedClock
from tests.support import legacy_app, payloads
from tests.support.block_text import without_facts
from tests.support.blockkit import check_message
from tests.support.legacy_app import (
    ADMIN,
    ENTERING,
    LONG_NOTES,
    LONG_TEXT,
    LONG_TITLE,
    MODERATOR,
    NEW,
    TICKETS,
    USER,
    number,
)
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.product"]

BOSS, MO, JO = "U0BOSS", "U0MO", "U0JO"
LINKED = {BOSS: ADMIN, MO: MODERATOR, JO: USER}
ONE_BY_ONE = pytest.mark.parametrize("doc", TICKETS, ids=lambda doc: str(doc["_id"])[-3:])


@pytest.fixture
def shared(db: Mongo, slack: RecordingSlack, clock: FixedClock) -> Mongo:
    """The legacy database, with some accounts linked."""
    clock.now = NEW + timedelta(hours=1)
    legacy_app.load_into(db, team_id=TEAM_ID)
    for slack_id, user_id in LINKED.items():
        slack.add_member(slack_id, email=f"{slack_id}@example.com", name=slack_id.title())
        link = {"teamId": TEAM_ID, "slackUserId": slack_id, "userId": user_id}
        db.links.insert_one({"_id": link_id(TEAM_ID, slack_id), **link})
    return db


def stored(db: Mongo, ticket_id: ObjectId) -> dict[str, Any]:
    doc = db.tickets.find_one({"_id": ticket_id})
    assert doc is not None
    return doc


def texts(slack: RecordingSlack, user: str) -> list[str]:
    """Without the digest, which the jobs send on working mornings."""
    said = [message["text"] for message in slack.messages(user)]
    return [without_facts(text) for text in said if not text.startswith(DIGEST_TITLE)]


def test_jobs_and_worker_take_over_what_is_new_and_leave_the_old_alone(
    empty_product: Product, shared: Mongo, slack: RecordingSlack
) -> None:
    before = legacy_app.contents(shared)
    empty_product.start("worker")
    empty_product.start("jobs")
    eventually(
        lambda: shared.tickets.count_documents({"number": None}) == 0 and is_outbox_empty(shared),
        what="all were adopted, and everybody was told",
    )
    assert {doc["_id"] for doc in shared.tickets.find({"assignment.source": "router"})} == ENTERING
    taken = [stored(shared, ticket_id) for ticket_id in sorted(ENTERING)]
    assert {(doc["assignedTo"], doc["status"]) for doc in taken} == {(MODERATOR, "IN_PROGRESS")}
    assert sorted(text.split(" · ")[0] for text in texts(slack, MO)) == [
        f"Ticket {doc['number']} “{doc['title']}”: assigned to you" for doc in taken
    ]
    assert len(texts(slack, JO)) == len(ENTERING)
    assert texts(slack, BOSS) == []
    after = legacy_app.contents(shared)
    assert legacy_app.lost(before, after, frozenset({"status", "assignedTo"})) == [
        line
        for line in legacy_app.lost(before, after, frozenset())
        if not any(f" {field}: " in line for field in ("status", "assignedTo"))
    ]
    unmoved = {_id: doc for _id, doc in before.items() if _id not in ENTERING}
    assert legacy_app.lost(unmoved, after, frozenset()) == []
    # The legacy app files another ticket and completes one.
    late = shared.tickets.insert_one(
        {"title": "From the old page", "description": "VPN.", "status": "TODO", "createdBy": USER}
    ).inserted_id
    done = number(101)
    shared.tickets.update_one({"_id": done}, {"$set": {"status": "COMPLETED"}})
    eventually(
        lambda: "number" in stored(shared, late) and "queueKey" not in stored(shared, done),
        what="both were noticed",
    )


@ONE_BY_ONE
def test_each_ticket_has_a_page(ticket_bot: Bot, shared: Mongo, doc: dict[str, Any]) -> None:
    before = legacy_app.contents(shared)
    ticket = load_ticket(shared, str(doc["_id"]))
    assert ticket is not None
    for user in (BOSS, MO):
        page = ticket_bot.answer(payloads.slash_command(f"view {ticket.number}", user=user))
        assert check_message(page) == []
        heading = page["blocks"][0]["text"]["text"]
        assert heading.startswith((f"#{ticket.number} ", f"Ticket {ticket.number}"))
        assert "None" not in str(page["blocks"]).replace("None recognised", "")
    assert legacy_app.lost(before, legacy_app.contents(shared), frozenset()) == []


@ONE_BY_ONE
def test_each_ticket_can_be_updated_without_losing_a_word(
    ticket_bot: Bot, slack: RecordingSlack, shared: Mongo, doc: dict[str, Any]
) -> None:
    before = legacy_app.contents(shared)
    ticket = load_ticket(shared, str(doc["_id"]))
    assert ticket is not None
    ticket_bot.answer(payloads.slash_command(f"update {ticket.number}", user=BOSS))
    saved = payloads.view_submission(slack.last_view(), {"priority": "urgent"}, user=BOSS)
    answer = ticket_bot.answer(saved)
    may = {"priority"}
    if answer.get("response_action") == "errors":  # required in the form
        assert set(answer["errors"]) <= {"title", "description"}
        assert len(ticket.title) < 3 or not ticket.description
        fine = {"title": "What it was about", "description": "Words.", "priority": "urgent"}
        ticket_bot.answer(payloads.slash_command(f"update {ticket.number}", user=BOSS))
        again = payloads.view_submission(slack.last_view(), fine, user=BOSS)
        assert ticket_bot.answer(again) == {}
        may |= {"title", "description"}
    else:
        assert answer == {}
    assert stored(shared, ticket.id)["priority"] == "urgent"
    assert legacy_app.lost(before, legacy_app.contents(shared), frozenset(may)) == []


def test_a_long_text_is_changed_only_by_who_changes_it(
    ticket_edits: TicketEdits, shared: Mongo
) -> None:
    ticket_id, admin = number(114), Actor(ADMIN, Role.ADMIN)

    def change(**fields: Any) -> Ticket:
        seen = stored(shared, ticket_id).get("seq", 0)
        return ticket_edits.update(
            actor=admin, ticket_id=str(ticket_id), expected_seq=seen, changes=fields
        )

    change(priority="low")
    now = stored(shared, ticket_id)
    assert (now["title"], now["description"]) == (LONG_TITLE, LONG_TEXT)
    change(title="Short now")
    now = stored(shared, ticket_id)
    assert (now["title"], now["description"]) == ("Short now", LONG_TEXT)
    assert now["helpfulNotes"] == LONG_NOTES
    change(helpfulNotes="Restart it.", description="In short.")
    now = stored(shared, ticket_id)
    assert (now["description"], now["helpfulNotes"]) == ("In short.", "Restart it.")


@pytest.mark.parametrize("user", [BOSS, MO, JO])
@pytest.mark.parametrize("command", ["list", "assigned", "queue", "help"])
def test_lists_show_them_before_and_after_they_are_adopted(
    ticket_bot: Bot, shared: Mongo, command: str, user: str
) -> None:
    before = legacy_app.contents(shared)
    for _ in range(2):
        answer = ticket_bot.answer(payloads.slash_command(command, user=user))
        assert check_message(answer) == []
        assert "None" not in str(answer["blocks"] if "blocks" in answer else answer["text"])
        for doc in TICKETS:
            load_ticket(shared, str(doc["_id"]))
    assert legacy_app.lost(before, legacy_app.contents(shared), frozenset()) == []


def test_home_shows_them(ticket_bot: Bot, slack: RecordingSlack, shared: Mongo) -> None:
    for user in LINKED:
        ticket_bot.answer(payloads.home_opened(user))
    assert len(slack.calls_to("views.publish")) == len(LINKED)


def test_all_that_are_open_are_in_the_queue(shared: Mongo) -> None:
    for doc in TICKETS:
        load_ticket(shared, str(doc["_id"]))
    queued = {doc["_id"] for doc in shared.tickets.find({"queueKey": {"$gt": ""}})}
    closed = {number(103), number(105)}
    assert queued == {doc["_id"] for doc in TICKETS} - closed
    assert set(shared.tickets.distinct("status")) <= set(Status)
