"""Messages with buttons become what happened, and a press on an old one is answered."""

from typing import Any

import pytest

from services.models.ticket import Ticket
from services.models.user import Role, User
from tests.conftest import FixedClock, People, pressed
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.comment_helpers import changed, deleted, event_of, said
from tests.support.escalation_day import texts
from tests.support.slack_workspace import GENERAL

pytest_plugins = ["tests.support.scenario"]

Json = dict[str, Any]


@pytest.fixture
def question(system: BotAndWorkers, ticket: Ticket, ann: User, ben: User) -> Json:
    """Ben's question to Ann, as she sees it."""
    system.actions.ask_requester(**by(ben, ticket), question="Which <office>?")
    system.work(ticket)
    return system.card(ann, 1)


def test_an_answered_question_shows_the_answer(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    assert buttons(question) == ["Answer"]
    system.bot.answer(said(system.slack, ann, question, "The one in &lt;Bern&gt;."))
    system.work()
    shown = system.card(ann, 1)
    assert texts(shown) == [
        "*Ticket 1*",
        "VPN is down",
        "*Question*",
        "Which <office>?",
        "You answered: The one in <Bern>.",
    ]
    assert shown["text"] == ("Ticket 1 “VPN is down”: you answered: The one in &lt;Bern&gt;.")
    assert buttons(shown) == ["Details"]


def test_it_follows_the_answer(
    system: BotAndWorkers, ticket: Ticket, ann: User, question: Json
) -> None:
    event = said(system.slack, ann, question, "Basel")
    system.bot.answer(event)
    system.work()
    system.bot.answer(changed(event, "Bern"))
    system.work()
    assert texts(system.card(ann, 1))[-1] == "You answered: Bern"
    system.bot.answer(deleted(event))
    system.work()
    assert texts(system.card(ann, 1))[-1] == "You answered."
    assert "Bern" not in str(system.card(ann, 1))


def test_a_question_that_needs_no_answer_any_more(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, question: Json
) -> None:
    system.actions.resolve(**by(ben, ticket), resolution="Found it.")
    system.work(ticket)
    assert texts(system.card(ann, 1)) == [
        f"{ben.name} resolved *Ticket 1*.",
        "VPN is down",
        "*Question*",
        "Which <office>?",
    ]
    assert buttons(system.card(ann, 1)) == ["Details"]


def test_a_reopened_ticket_has_no_other_reopen_button(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    system.work(ticket)
    old = system.card(ann, 1)
    assert buttons(old) == ["Reopen"]
    system.actions.reopen(**by(ann, ticket))
    system.work(ticket)
    assert texts(system.card(ann, 1)) == ["You reopened *Ticket 1*.", "VPN is down"]
    assert buttons(system.card(ann, 1)) == ["Details"]
    # Slack still shows the old message to her.
    system.press(ann, old, "reopen")
    assert system.ephemeral_messages() == [
        (People.slack_id(ann), "You have already reopened ticket 1.")
    ]


def test_a_message_of_an_earlier_release_changes_at_the_press(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    system.work(ticket)
    old = system.card(ann, 1)
    system.actions.reopen(**by(ann, ticket))
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"outbox": False}})
    system.press(ann, old, "reopen")
    system.work()
    assert buttons(system.card(ann, 1)) == ["Details"]


def test_an_update_that_slack_refuses_is_repeated(
    system: BotAndWorkers, ticket: Ticket, ann: User, question: Json
) -> None:
    system.bot.answer(said(system.slack, ann, question, "Bern"))
    system.slack.fail("chat.update", status=500, times=20)
    system.work()
    system.slack.recover()
    system.deliver()
    assert texts(system.card(ann, 1))[-1] == "You answered: Bern"
    assert not system.now(ticket).is_in_outbox
    system.slack.calls.clear()
    system.work(ticket)
    assert system.slack.calls_to("chat.update") == []


def test_a_second_press_is_answered(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    card = system.card(ben)
    for step in ("accept", "accept"):
        system.press(ben, card, step)
    system.bot.answer(pressed("take", system.now(ticket), ben))
    assert [text for _, text in system.ephemeral_messages()] == [
        "You have already accepted ticket 1.",
        "You already have ticket 1.",
    ]
    assert [event.type for event in system.now(ticket).events].count("accepted") == 1


@pytest.mark.parametrize("step", ["accept", "wait", "resolve", "cancel", "reassign", "take"])
def test_who_resolved_it_reads_so(
    system: BotAndWorkers, ticket: Ticket, ben: User, step: str
) -> None:
    before = system.now(ticket)
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    system.bot.answer(pressed(step, before, ben))
    assert system.ephemeral_messages() == [
        (People.slack_id(ben), "You have already resolved ticket 1.")
    ]


# Offers to file a message


def offer_to(system: BotAndWorkers, user: User, event: Json) -> Json:
    system.bot.answer(event)
    system.work()
    (offer,) = [m for m in system.messages(user) if "File this as a ticket" in str(m.get("blocks"))]
    return offer


def press_offer(system: BotAndWorkers, user: User, offer: Json) -> Json:
    action = offer["blocks"][-1]["elements"][0]["action_id"]
    url = system.slack.response_url()
    slack_id = People.slack_id(user)
    system.bot.answer(payloads.block_actions(offer, action, user=slack_id, response_url=url))
    return system.slack.last_view()


def shown_at(system: BotAndWorkers, user: User, message: Json) -> Json:
    (found,) = [m for m in system.messages(user) if m["ts"] == message["ts"]]
    return found


def written(system: BotAndWorkers, user: User, text: str) -> Json:
    slack_id = People.slack_id(user)
    return event_of(system.slack.say(f"D{slack_id[1:]}", text, user=slack_id))


def marked(message: Json, user: User) -> Json:
    slack_id = People.slack_id(user)
    item = {"type": "message", "channel": GENERAL, "ts": message["ts"]}
    reaction = {"reaction": "ticket", "user": slack_id, "item": item, "item_user": slack_id}
    return payloads.event({"type": "reaction_added", **reaction, "event_ts": message["ts"]})


def test_an_offer_says_what_was_filed(system: BotAndWorkers, ann: User) -> None:
    event = written(system, ann, "The VPN drops")
    offer = offer_to(system, ann, event)
    press_offer(system, ann, offer)
    system.submit(ann)
    system.work()
    assert texts(shown_at(system, ann, offer)) == ["Filed as ticket 1."]
    assert buttons(shown_at(system, ann, offer)) == []
    # The message changes, and its offer stays what it is.
    system.bot.answer(changed(event, "The VPN drops daily"))
    system.work()
    assert texts(shown_at(system, ann, offer)) == ["Filed as ticket 1."]
    system.bot.answer(deleted(event))
    system.work()
    assert texts(shown_at(system, ann, offer)) == ["Filed as ticket 1."]
    again = press_offer(system, ann, offer)
    assert again["blocks"][0]["text"]["text"] == "You have already filed this as ticket 1."


def test_everyone_who_was_offered_a_message_sees_that_it_is_filed(
    system: BotAndWorkers, people: People, ann: User
) -> None:
    bob = people.add(Role.MODERATOR)
    message = system.slack.say(GENERAL, "The VPN drops", user=People.slack_id(ann))
    offers = {user.id: offer_to(system, user, marked(message, user)) for user in (ann, bob)}
    press_offer(system, ann, offers[ann.id])
    system.submit(ann, title="VPN drops")
    system.work()
    for user in (ann, bob):
        assert texts(shown_at(system, user, offers[user.id])) == ["Filed as ticket 1."]
    late = press_offer(system, bob, offers[bob.id])
    sentence, *_ = late["blocks"]
    assert sentence["text"]["text"] == "Someone has already filed this as ticket 1."


def test_an_old_offer_becomes_what_happened_at_the_press(system: BotAndWorkers, ann: User) -> None:
    """Its record has expired, or an earlier release has sent it."""
    offer = offer_to(system, ann, written(system, ann, "The VPN drops"))
    press_offer(system, ann, offer)
    system.db.replies.delete_many({})
    system.submit(ann)
    system.work()
    assert buttons(shown_at(system, ann, offer)) == ["File this as a ticket"]
    system.slack.calls.clear()
    press_offer(system, ann, offer)
    (replaced,) = system.slack.calls_to("response_url")
    assert replaced.args["replace_original"] is True
    assert texts(replaced.args) == ["Filed as ticket 1."]


def test_an_offer_whose_update_slack_refuses_is_updated_later(
    system: BotAndWorkers, clock: FixedClock, ann: User
) -> None:
    offer = offer_to(system, ann, written(system, ann, "The VPN drops"))
    press_offer(system, ann, offer)
    system.submit(ann)
    system.slack.fail("chat.update", status=500, times=20)
    system.work()
    system.slack.recover()
    clock.advance(minutes=20)
    system.publisher.publish_reply(system.runtime.services.replies.next_due_id() or "")
    system.work()
    assert texts(shown_at(system, ann, offer)) == ["Filed as ticket 1."]
