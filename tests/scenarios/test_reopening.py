"""Reopening asks what is still wrong, and the assignee accepts from the message about it."""

import pytest

from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from tests.conftest import People, pressed
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers, buttons, message_counts
from tests.support.comment_helpers import in_thread
from tests.support.escalation_day import texts

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def resolved(system: BotAndWorkers, ticket: Ticket, ben: User) -> Ticket:
    system.actions.resolve(**by(ben, ticket), resolution="New certificate.")
    system.work(ticket)
    return system.now(ticket)


def test_the_assignee_reads_what_is_still_wrong_and_accepts(
    system: BotAndWorkers, resolved: Ticket, ann: User, ben: User
) -> None:
    system.press(ann, system.card(ann, 1), "reopen")
    view = system.slack.last_view()
    assert view["title"]["text"] == "Reopen ticket 1"
    (field,) = [block for block in view["blocks"] if block["type"] == "input"]
    assert (field["label"]["text"], field["optional"]) == ("What is still wrong?", True)
    assert system.now(resolved).status is Status.COMPLETED
    for _ in range(2):  # submitted twice
        assert system.submit(ann, reason="It drops <again>.") == {}
    system.work()
    assert [event.type for event in system.now(resolved).events].count("reopened") == 1
    assert message_counts(system, ben) == [2]
    notice = system.card(ben, 1)
    assert texts(notice) == [
        f"<@{People.slack_id(ann)}> reopened *Ticket 1*",
        "VPN is down",
        "*What is still wrong*",
        "It drops <again>.",
        "It is yours again.",
    ]
    assert buttons(notice) == ["Accept", "Details"]
    (comment,) = system.now(resolved).comments
    assert (comment.text, comment.by, comment.internal) == ("It drops <again>.", ann.id, False)
    system.press(ben, notice, "accept")
    system.work()
    assert system.now(resolved).status is Status.IN_PROGRESS
    assert texts(system.card(ben, 1)) == [
        "You accepted *Ticket 1*.",
        "VPN is down",
        "*What is still wrong*",
        "It drops <again>.",
    ]
    assert buttons(system.card(ben, 1)) == ["Details"]


def test_it_may_be_left_empty(
    system: BotAndWorkers, resolved: Ticket, ann: User, ben: User
) -> None:
    system.press(ann, system.card(ann, 1), "reopen")
    assert system.submit(ann) == {}
    system.work()
    assert system.now(resolved).comments == ()
    assert texts(system.card(ben, 1)) == [
        f"<@{People.slack_id(ann)}> reopened *Ticket 1*",
        "VPN is down",
        "It is yours again.",
    ]


def test_another_assignee_reads_it_in_the_thread(
    system: BotAndWorkers, resolved: Ticket, people: People, ann: User, ben: User, cleo: User
) -> None:
    system.db.users.update_one({"_id": ben.id}, {"$set": {"active": False}})
    other = people.add(Role.MODERATOR, "VPN")
    system.press(ann, system.card(ann, 1), "reopen")
    system.submit(ann, reason="It drops again.")
    system.work()
    assert system.now(resolved).assigned_to == other.id
    assert in_thread(system.slack, other, system.card(other)) == [
        f"Ticket 1: {ann.name} wrote: It drops again."
    ]


def test_the_requester_reads_why_a_colleague_reopened_it(
    system: BotAndWorkers, resolved: Ticket, ann: User, cleo: User
) -> None:
    system.actions.reopen(**by(cleo, resolved), reason="The tests fail.")
    system.work(resolved)
    assert in_thread(system.slack, ann, system.card(ann)) == [
        f"Ticket 1: {cleo.name} wrote: The tests fail."
    ]


def test_a_form_left_open_while_another_user_reopened_it(
    system: BotAndWorkers, resolved: Ticket, ann: User, ben: User, cleo: User
) -> None:
    system.press(ann, system.card(ann, 1), "reopen")
    system.actions.reopen(**by(cleo, resolved))
    assert system.submit(ann, reason="It drops again.")["errors"] == {
        "reason": f"Ticket 1 is reopened and {ben.name} has it now, so this was not done. Look at "
        "it again, then decide."
    }


def test_a_text_that_is_too_long_stays_in_the_form(
    system: BotAndWorkers, resolved: Ticket, ann: User
) -> None:
    system.press(ann, system.card(ann, 1), "reopen")
    refused = system.submit(ann, reason="x" * 3_001)
    assert list(refused["errors"]) == ["reason"]
    assert system.now(resolved).status is Status.COMPLETED


def test_a_strangers_ticket_is_not_reopened(
    system: BotAndWorkers, resolved: Ticket, people: People, ann: User
) -> None:
    stranger = people.add()
    system.bot.answer(pressed("reopen", resolved, stranger))
    system.press(ann, system.card(ann, 1), "reopen")
    view = system.slack.last_view()
    body = payloads.view_submission(view, {"reason": "x"}, user=People.slack_id(stranger))
    assert "There is no such ticket" in str(system.bot.answer(body))
    assert system.now(resolved).status is Status.COMPLETED
