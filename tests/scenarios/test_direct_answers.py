"""What a requester writes to the bot: an answer to a question, more for a ticket, or a new one."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bot.slack.bot_process import BotProcess
from services.core.database import Mongo, connect
from services.models.permissions import OPERATOR
from services.models.ticket import Status, Ticket
from services.models.user import User
from services.tickets.comments import CommentService
from tests.conftest import (
    NOBODY_LISTENS,
    FixedClock,
    People,
    inline_bot,
    reload,
    with_services,
)
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.block_text import read
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.canary import FILED
from tests.support.comment_helpers import card_of, changed, deleted, event_of, in_thread, said

pytest_plugins = ["tests.support.scenario"]

Json = dict[str, Any]
MINUTE = 60


@pytest.fixture
def asked(system: BotAndWorkers, ticket: Ticket, ben: User) -> Ticket:
    """The ticket waits for Ann's answer."""
    system.actions.ask_requester(**by(ben, ticket), question="Which office?")
    system.deliver()
    return ticket


def written(system: BotAndWorkers, user: User, text: str, *, later: int = 2 * MINUTE) -> Json:
    """Return the event of a message that the user writes so many seconds after the last."""
    channel = f"D{People.slack_id(user)[1:]}"
    own = [float(m["ts"]) for m in system.messages(user) if "bot_id" not in m]
    last = max(own, default=1_700_000_000.0)
    ts = f"{int(last) + later}.000100"
    return event_of(system.slack.say(channel, text, user=People.slack_id(user), ts=ts))


def happens(system: BotAndWorkers, event: Json) -> None:
    assert system.bot.answer(event) == {}
    system.work()


def offers(system: BotAndWorkers, user: User) -> list[Json]:
    return [m for m in system.messages(user) if "bot_id" in m and "“" in m["text"] and is_offer(m)]


def is_offer(message: Json) -> bool:
    return "file_this" in str(message["blocks"])


def press(system: BotAndWorkers, user: User, message: Json, action: str) -> None:
    system.press(user, message, action)
    system.work()


def told(system: BotAndWorkers) -> list[str]:
    """Return what presses were answered with, for their user only."""
    return [text for _, text in system.ephemeral_messages()]


def test_a_question_is_answered_in_the_composer(
    system: BotAndWorkers, asked: Ticket, ann: User, ben: User
) -> None:
    event = written(system, ann, "Berlin &amp; &lt;Bonn&gt;")
    for _ in range(2):
        happens(system, event)
    (offer,) = offers(system, ann)
    assert read(offer) == [
        "“Berlin & <Bonn>”",
        "Ticket 1 “VPN is down” waits for your answer. Is this it?",
        "Answer ticket 1",
        "New ticket",
    ]
    assert offer["text"] == (
        "Ticket 1 “VPN is down” waits for your answer. Is this it? “Berlin &amp; &lt;Bonn&gt;”"
    )
    press(system, ann, offer, "answer_ticket")
    now = system.now(asked)
    assert now.status is Status.IN_PROGRESS
    assert [(c.by, c.text) for c in now.comments[1:]] == [(ann.id, "Berlin & <Bonn>")]
    assert now.events[-1].type == "answered"
    assert in_thread(system.slack, ben, card_of(system.slack, ben)) == [
        "Ticket 1: User 1 wrote: Berlin &amp; &lt;Bonn&gt;",
    ]
    (became,) = [m for m in system.messages(ann) if m["ts"] == offer["ts"]]
    assert read(became) == ["Added to ticket 1: “Berlin &amp; &lt;Bonn&gt;”", "Details"]
    assert offers(system, ann) == []


def test_the_ticket_that_waits_comes_first_and_the_last_changed_beside_it(
    system: BotAndWorkers, asked: Ticket, ann: User
) -> None:
    for title in ("Printer", "Chair <squeaks>"):
        system.file(ann, title)
    happens(system, written(system, ann, "It is broken again"))
    (offer,) = offers(system, ann)
    assert buttons(offer) == ["Answer ticket 1", "Add to ticket 3", "New ticket"]
    assert "Or is it about Ticket 3 “Chair &lt;squeaks&gt;”?" in read(offer)
    press(system, ann, offer, "add_to_ticket")
    third = Ticket.from_doc(system.db.tickets.find_one(FILED, sort=[("number", -1)]) or {})
    assert [c.text for c in third.comments] == ["It is broken again"]
    assert system.now(asked).status is Status.WAITING


def test_without_a_question_an_open_ticket_is_offered_after_a_new_one(
    system: BotAndWorkers, ticket: Ticket, ann: User
) -> None:
    happens(system, written(system, ann, "Any news?"))
    (offer,) = offers(system, ann)
    assert buttons(offer) == ["File this as a ticket", "Add to ticket 1"]
    system.actions.cancel(**by(ann, ticket))
    happens(system, written(system, ann, "My chair squeaks"))
    assert buttons(offers(system, ann)[-1]) == ["File this as a ticket"]


def test_nobody_is_offered_a_ticket_of_another_person(
    system: BotAndWorkers, asked: Ticket, ben: User
) -> None:
    happens(system, written(system, ben, "Berlin"))
    assert buttons(offers(system, ben)[0]) == ["File this as a ticket"]


# Pressing


def test_the_permission_is_checked_when_it_is_pressed(
    system: BotAndWorkers, asked: Ticket, ann: User, ben: User, people: People
) -> None:
    happens(system, written(system, ann, "Berlin"))
    (offer,) = offers(system, ann)
    stranger = people.add()
    press(system, stranger, offer, "answer_ticket")  # a forged press: only Ann sees the message
    happens(system, written(system, stranger, "Let me in"))
    own = offers(system, stranger)[0]["blocks"][-1]["elements"][0]["value"]
    (element, *_) = offer["blocks"][-1]["elements"]
    forged = {**offer["blocks"][-1], "elements": [{**element, "value": f"{asked.id}:{own}"}]}
    press(system, stranger, {**offer, "blocks": [forged]}, "answer_ticket")
    assert told(system) == ["There is no such ticket, or you may not see it."] * 2
    assert len(system.now(asked).comments) == 1
    press(system, ben, offer, "answer_ticket")  # may see the ticket, but not her message
    assert told(system)[2:] == ["Your message is too old to be added. Write it again."]
    assert len(system.now(asked).comments) == 1


def test_a_second_press_adds_nothing(system: BotAndWorkers, asked: Ticket, ann: User) -> None:
    happens(system, written(system, ann, "Berlin"))
    (offer,) = offers(system, ann)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: press(system, ann, offer, "answer_ticket"), range(2)))
    press(system, ann, offer, "answer_ticket")
    assert len(system.now(asked).comments) == 2
    assert told(system) == []


def test_a_stale_press_says_where_the_message_went(
    system: BotAndWorkers, asked: Ticket, ann: User
) -> None:
    system.file(ann, "Printer")
    happens(system, written(system, ann, "Berlin"))
    (offer,) = offers(system, ann)
    press(system, ann, offer, "answer_ticket")
    press(system, ann, offer, "add_to_ticket")
    already = "This message is in ticket 1 already. For something new, write a new message."
    assert told(system) == [already]
    press(system, ann, offer, "file_this")
    assert read(system.slack.last_view())[-1] == already
    assert system.db.tickets.count_documents(FILED) == 2
    happens(system, written(system, ann, "My chair squeaks"))
    second = offers(system, ann)[0]
    press(system, ann, second, "file_this")
    system.submit(ann, title="Chair", description="It squeaks.")
    press(system, ann, second, "add_to_ticket")
    assert told(system)[1:] == [already.replace("ticket 1", "ticket 3")]


def test_a_message_that_is_no_longer_stored_is_asked_for_again(
    system: BotAndWorkers, asked: Ticket, ann: User
) -> None:
    happens(system, written(system, ann, "Berlin"))
    system.db.inbox.delete_many({})  # as MongoDB does after a day
    press(system, ann, offers(system, ann)[0], "answer_ticket")
    assert told(system) == ["Your message is too old to be added. Write it again."]


def test_a_refused_comment_leaves_the_offer(
    system: BotAndWorkers, asked: Ticket, ann: User
) -> None:
    happens(system, written(system, ann, "x" * 3_001))
    press(system, ann, offers(system, ann)[0], "answer_ticket")
    assert told(system) == ["At most 3,000 characters; this text has 3,001."]
    assert buttons(offers(system, ann)[0]) == ["Answer ticket 1", "New ticket"]


def test_the_answer_is_stored_although_slack_and_redis_fail(
    system: BotAndWorkers, asked: Ticket, ann: User, clock: FixedClock
) -> None:
    happens(system, written(system, ann, "Berlin"))
    (offer,) = offers(system, ann)
    system.slack.fail("chat.update", status=500, times=1, where=lambda a: a["ts"] == offer["ts"])
    system.press(ann, offer, "answer_ticket")
    system.publisher.asked.clear()  # Redis loses what was published
    assert len(system.now(asked).comments) == 2
    for _ in range(3):
        clock.advance(minutes=1)
        for doc in system.db.replies.find({"state": "waiting"}):
            system.publisher.publish_reply(doc["_id"])
        system.deliver()
    assert offers(system, ann) == []


def test_mongodb_away_at_the_press_is_said_and_the_press_works_later(
    system: BotAndWorkers, bot_process: BotProcess, asked: Ticket, ann: User
) -> None:
    happens(system, written(system, ann, "Berlin"))
    (offer,) = offers(system, ann)
    away = connect(NOBODY_LISTENS)
    cut_off = inline_bot(with_services(bot_process, comments=CommentService(away)))
    body = payloads.block_actions(offer, "answer_ticket", user=People.slack_id(ann))
    cut_off.answer(body)
    away.client.close()
    assert len(system.now(asked).comments) == 1
    press(system, ann, offer, "answer_ticket")
    assert len(system.now(asked).comments) == 2


# What comes after the answer


@pytest.fixture
def answer(system: BotAndWorkers, asked: Ticket, ann: User) -> Json:
    """Return the event of the message that Ann added as her answer."""
    event = written(system, ann, "My password is hunter2")
    happens(system, event)
    press(system, ann, offers(system, ann)[0], "answer_ticket")
    return event


def test_an_edit_and_a_deletion_change_the_comment(
    system: BotAndWorkers, asked: Ticket, ann: User, ben: User, answer: Json
) -> None:
    edit = changed(answer, "Berlin")
    happens(system, edit)
    assert system.now(asked).comments[-1].text == "Berlin"
    assert "hunter2" not in str(system.messages(ben))
    by_bot = [m for m in system.messages(ann) if "bot_id" in m and "thread_ts" not in m]
    assert by_bot[-1]["text"] == "Added to ticket 1: “Berlin”"
    stored = [list(system.db[name].find()) for name in ("inbox", "replies")]
    assert "hunter2" not in str(stored)
    happens(system, deleted(edit))
    assert system.now(asked).comments[-1].deleted
    assert in_thread(system.slack, ben, card_of(system.slack, ben)) == [
        "Ticket 1: This comment was deleted.",
    ]
    by_bot = [m for m in system.messages(ann) if "bot_id" in m and "thread_ts" not in m]
    assert by_bot[-1]["text"] == "You deleted this message, so there is nothing to file."


@pytest.mark.parametrize("below", ["message", "offer"])
def test_a_reply_below_it_is_a_comment(
    system: BotAndWorkers, asked: Ticket, ann: User, answer: Json, below: str
) -> None:
    by_bot = [m for m in system.messages(ann) if "bot_id" in m]
    thread = {"message": answer["event"], "offer": by_bot[-1]}[below]
    happens(system, said(system.slack, ann, thread, "Second floor"))
    assert system.now(asked).comments[-1].text == "Second floor"


def test_an_edit_of_one_line_keeps_the_others_even_after_a_day(
    system: BotAndWorkers, asked: Ticket, ann: User
) -> None:
    first = written(system, ann, "Berlin")
    happens(system, first)
    second = written(system, ann, "Second floor", later=5)
    happens(system, second)
    press(system, ann, offers(system, ann)[0], "answer_ticket")
    happens(system, changed(second, "Third floor"))
    assert system.now(asked).comments[-1].text == "Berlin\nThird floor"
    system.db.inbox.delete_many({})
    happens(system, changed(first, "Bonn"))
    assert system.now(asked).comments[-1].text == "Bonn\nThird floor"


def test_an_edit_that_makes_it_too_long_is_refused(
    system: BotAndWorkers, asked: Ticket, ann: User, answer: Json
) -> None:
    happens(system, changed(answer, "x" * 3_001))
    by_bot = [m["text"] for m in system.messages(ann) if "bot_id" in m]
    assert by_bot[-1] == (
        "At most 3,000 characters; this text has 3,001. This change was not passed on."
    )


def test_export_and_erasure_know_the_answer(
    system: BotAndWorkers, asked: Ticket, ann: User, answer: Json
) -> None:
    services = system.runtime.services
    (account,) = services.data_export.export(actor=OPERATOR, email=ann.email)["accounts"]
    assert [c["text"] for c in account["comments"]] == ["My password is hunter2"]
    assert [m["text"] for m in account["directMessages"]] == ["My password is hunter2"]
    services.erasure.erase(actor=OPERATOR, email=ann.email)
    assert answer["event"]["ts"] not in str(reload(system.db, asked))
    assert (system.db.inbox.count_documents({"text": {"$exists": True}}), offers(system, ann)) == (
        0,
        [],
    )


# Further lines


def test_further_lines_change_the_first_lines_offer(
    system: BotAndWorkers, ann: User, db: Mongo
) -> None:
    happens(system, written(system, ann, "The VPN drops"))
    for text in ("Every hour", "Thanks!"):
        event = written(system, ann, text, later=5)
        for _ in range(2):
            happens(system, event)
    (offer,) = offers(system, ann)
    assert read(offer)[0] == "“The VPN drops Every hour Thanks!”"
    press(system, ann, offer, "file_this")
    fields = {b.get("block_id"): b for b in system.slack.last_view()["blocks"]}
    description = fields["description"]["element"]["initial_value"]
    assert description == "The VPN drops\nEvery hour\nThanks!"
    happens(system, written(system, ann, "Since Monday", later=5))  # while the form is open
    system.submit(ann, title="The VPN drops", description=description)
    (doc,) = db.tickets.find(FILED)
    assert doc["description"] == "The VPN drops\nEvery hour\nThanks!\nSince Monday"
    happens(system, written(system, ann, "My chair squeaks", later=5))
    assert read(offers(system, ann)[-1])[0] == "“My chair squeaks”"


def test_a_line_after_a_minute_or_after_the_press_is_offered_for_itself(
    system: BotAndWorkers, asked: Ticket, ann: User
) -> None:
    happens(system, written(system, ann, "Berlin"))
    press(system, ann, offers(system, ann)[0], "answer_ticket")
    happens(system, written(system, ann, "Second floor", later=1))
    happens(system, written(system, ann, "My chair squeaks", later=MINUTE + 1))
    assert [read(offer)[0] for offer in offers(system, ann)] == [
        "“Second floor”",
        "“My chair squeaks”",
    ]
    assert len(system.now(asked).comments) == 2


def test_a_line_before_the_offer_is_sent_is_in_it(system: BotAndWorkers, ann: User) -> None:
    system.slack.fail("chat.postMessage", status=500)
    happens(system, written(system, ann, "The VPN drops"))
    happens(system, written(system, ann, "Every hour", later=5))
    for doc in system.db.replies.find():
        system.db.replies.update_one(
            {"_id": doc["_id"]}, {"$set": {"nextTryAt": system.runtime.clock()}}
        )
        system.publisher.publish_reply(doc["_id"])
    system.work()
    (offer,) = offers(system, ann)
    assert read(offer)[0] == "“The VPN drops Every hour”"


# Greetings and thanks


def test_greetings_and_thanks_are_answered_in_one_line(
    system: BotAndWorkers, asked: Ticket, ann: User
) -> None:
    before = len(system.messages(ann))
    for text in ("Hi there!", "Thank you :tada:"):
        event = written(system, ann, text)
        for _ in range(2):
            happens(system, event)
    by_bot = [m for m in system.messages(ann)[before:] if "bot_id" in m]
    assert [m["text"] for m in by_bot] == [
        "Hello! Write here what you need, and I'll offer to file it as a ticket.",
        "You're welcome! If you need something else, write it here.",
    ]
    assert system.db.inbox.count_documents({"text": {"$exists": True}}) == 0
    happens(system, written(system, ann, "Berlin", later=5))
    assert read(offers(system, ann)[0])[0] == "“Berlin”"


def test_a_greeting_that_becomes_a_request_is_offered(system: BotAndWorkers, ann: User) -> None:
    event = written(system, ann, "Hello")
    happens(system, event)
    happens(system, changed(event, "Hello, the VPN drops"))
    assert read(offers(system, ann)[0])[0] == "“Hello, the VPN drops”"
