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


def conversation(ann: User, ben: User, answer: str) -> list[str]:
    return [
        f"Ticket 1: {ben.name} wrote: Which &lt;office&gt;?",
        f"Ticket 1: {ann.name} wrote: {answer}",
    ]


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


def test_question_and_answer_appear_in_both_threads(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    assert threads(system, ann, ben) == [[], conversation(ann, ben, "")[:1]]
    system.press(ann, question, "comment")
    for _ in range(2):  # submitted twice
        system.submit(ann, text="Bern")
    system.work()
    system.work(ticket)
    assert threads(system, ann, ben) == [conversation(ann, ben, "Bern")] * 2
    assert len([m for m in system.messages(ann) if "thread_ts" not in m]) == 2


def test_an_answer_below_the_question_appears_in_both_threads(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    event = said(system.slack, ann, question, "Bern")
    for _ in range(2):  # Slack repeats the event
        system.bot.answer(event)
    system.work()
    assert threads(system, ann, ben) == [conversation(ann, ben, "Bern")] * 2


def test_an_answer_in_the_cards_thread_is_not_repeated_there(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    system.bot.answer(said(system.slack, ann, system.card(ann), "Bern"))
    system.work()
    asked, answered = conversation(ann, ben, "Bern")
    assert threads(system, ann, ben) == [[asked], [asked, answered]]


def test_a_question_that_nobody_answered_stays_in_the_thread(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    system.actions.resolve(**by(ben, ticket), resolution="Found it.")
    system.work(ticket)
    assert threads(system, ann) == [conversation(ann, ben, "")[:1]]


def test_comments_of_an_earlier_release_are_not_sent_to_their_authors(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    system.bot.answer(said(system.slack, ann, system.card(ann), "Bern"))
    system.db.tickets.update_one({"_id": ticket.id}, {"$unset": {"comments.$[].thread": ""}})
    before = [len(system.messages(user)) for user in (ann, ben)]
    system.work()
    # Only the answer, for Ben.
    assert [len(system.messages(user)) for user in (ann, ben)] == [before[0], before[1] + 1]


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


def test_the_reason_of_a_reopening_stays_in_the_assignees_thread(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    system.actions.reopen(**by(ann, ticket), reason="It drops again.")
    system.work(ticket)
    assert threads(system, ben) == [[]]
    system.press(ben, system.card(ben, 1), "accept")
    system.work()
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
