"""A question to the requester and its answer: in the form, and in the threads of the ticket."""

from typing import Any

import pytest

from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from tests.conftest import People
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.comment_helpers import in_thread, said
from tests.support.escalation_day import texts

pytest_plugins = ["tests.support.scenario"]

Json = dict[str, Any]


@pytest.fixture
def question(system: BotAndWorkers, ticket: Ticket, ann: User, ben: User) -> Json:
    system.press(ben, system.card(ben), "wait")
    system.submit(ben, question="Which <office>?")
    system.work()
    return system.card(ann, 1)


def threads(system: BotAndWorkers, *users: User) -> list[list[str]]:
    return [in_thread(system.slack, user, system.card(user)) for user in users]


def test_the_form_quotes_the_question(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    system.press(ann, question, "comment")
    view = system.slack.last_view()
    assert view["title"]["text"] == "Answer ticket 1"
    assert texts(view) == ["VPN is down", "*Question*", "Which <office>?"]
    (field,) = [block for block in view["blocks"] if block["type"] == "input"]
    assert field["label"]["text"] == "Your answer"
    # Only its requester answers: others comment.
    system.press(ben, system.card(ben), "comment")
    assert system.slack.last_view()["title"]["text"] == "Comment on ticket 1"


def test_each_reads_what_the_other_wrote_once(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    assert threads(system, ann, ben) == [[], []]
    system.press(ann, question, "comment")
    for _ in range(2):  # submitted twice
        system.submit(ann, text="Bern")
    system.work()
    system.work(ticket)
    assert threads(system, ann, ben) == [[], [f"Ticket 1: {ann.name} wrote: Bern"]]
    assert texts(system.card(ann, 1))[-1] == "You answered: Bern"
    assert len([m for m in system.messages(ann) if "thread_ts" not in m]) == 2


@pytest.mark.parametrize("number", [0, 1])
def test_an_answer_below_the_card_or_the_question_is_not_repeated(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json, number: int
) -> None:
    event = said(system.slack, ann, system.card(ann, number), "Bern")
    for _ in range(2):  # Slack repeats the event
        system.bot.answer(event)
    system.work()
    assert threads(system, ann, ben) == [[], [f"Ticket 1: {ann.name} wrote: Bern"]]


def test_an_old_answer_button_opens_the_comment_form_and_is_replaced(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    system.bot.answer(said(system.slack, ann, question, "Bern"))
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"outbox": False}})
    system.publisher.asked.clear()
    system.press(ann, question, "comment")
    assert system.slack.last_view()["title"]["text"] == "Comment on ticket 1"
    system.work()
    assert buttons(system.card(ann, 1)) == ["Details"]


def test_the_reason_of_a_reopening_that_was_not_announced_is_in_the_thread(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    system.actions.reopen(**by(ann, ticket), reason="It drops again.")
    system.actions.accept(**by(ben, ticket))
    system.work(ticket)
    assert system.now(ticket).status is Status.IN_PROGRESS
    assert threads(system, ben) == [[f"Ticket 1: {ann.name} wrote: It drops again."]]


def test_a_former_moderator_gets_no_copy(
    system: BotAndWorkers, ticket: Ticket, people: People, ann: User, ben: User
) -> None:
    cara = people.add(Role.MODERATOR)
    system.runtime.services.comments.add(**by(cara, ticket), text="Seen elsewhere, too.")
    system.work(ticket)
    assert system.messages(cara) == []
    assert threads(system, ann, ben) == [[f"Ticket 1: {cara.name} wrote: Seen elsewhere, too."]] * 2
