"""Direct messages to the bot: each is answered, and its edits and its deletion are followed."""

from typing import Any

import pytest

from bot.views.modals import file_ticket as views
from services.models.ticket import Ticket
from services.models.user import User
from tasks import escalation
from tests.conftest import FixedClock, People
from tests.support import payloads
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.bot_and_workers import said as shown
from tests.support.canary import FILED
from tests.support.comment_helpers import changed, deleted, event_of, message_of, said
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]

Json = dict[str, Any]


def written(system: BotAndWorkers, user: User, text: str, **fields: Any) -> Json:
    slack_id = People.slack_id(user)
    return event_of(system.slack.say(f"D{slack_id[1:]}", text, user=slack_id, **fields))


def happens(system: BotAndWorkers, event: Json) -> None:
    assert system.bot.answer(event) == {}
    system.work()


def sent(system: BotAndWorkers, user: User) -> list[Json]:
    return [message for message in system.messages(user) if "bot_id" in message]


def press_offer(system: BotAndWorkers, user: User, offer: Json) -> Json:
    slack_id = People.slack_id(user)
    action = offer["blocks"][-1]["elements"][0]["action_id"]
    system.bot.answer(payloads.block_actions(offer, action, user=slack_id))
    return system.slack.last_view()


def submit(system: BotAndWorkers, user: User, view: Json, **values: str) -> Ticket:
    """Submit the form, again if it warns of a secret."""
    slack_id = People.slack_id(user)
    for _ in range(2):
        answer = system.bot.answer(payloads.view_submission(view, values, user=slack_id))
        if "errors" not in answer:
            break
    system.work()
    return Ticket.from_doc(system.db.tickets.find_one(FILED, sort=[("number", -1)]) or {})


def begun(view: Json) -> tuple[str, str]:
    fields = {block.get("block_id"): block for block in view["blocks"]}
    title, text = (
        fields[name]["element"].get("initial_value", "") for name in ("title", "description")
    )
    return title, text


# Nothing ends in silence


def test_a_message_without_words_is_answered(system: BotAndWorkers, ann: User) -> None:
    for text in ("", " \u200b "):
        happens(system, written(system, ann, text))
    assert [message["text"] for message in sent(system, ann)] == [
        "I can't read anything in this message. Write in words what you need, or type /ticket."
    ] * 2


def test_a_reply_below_the_offer_is_offered_too(system: BotAndWorkers, ann: User) -> None:
    happens(system, written(system, ann, "The VPN drops"))
    (offer,) = sent(system, ann)
    reply = said(system.slack, ann, offer, "It is urgent")
    for _ in range(2):
        happens(system, reply)
    (_, answer) = sent(system, ann)
    assert answer["thread_ts"] == offer["ts"]
    assert "“It is urgent”" in shown(answer)
    assert views.NO_TICKET_THREAD in shown(answer)
    assert begun(press_offer(system, ann, answer)) == ("It is urgent", "It is urgent")


@pytest.mark.parametrize("below", ["message", "offer"])
def test_a_reply_below_a_filed_message_or_its_offer_is_a_comment(
    system: BotAndWorkers, ann: User, ben: User, below: str
) -> None:
    event = written(system, ann, "The VPN drops")
    happens(system, event)
    (offer,) = sent(system, ann)
    ticket = submit(system, ann, press_offer(system, ann, offer))
    reply = said(system.slack, ann, {"message": message_of(event), "offer": offer}[below], "Now!")
    happens(system, reply)
    assert [(c.text, c.internal) for c in system.now(ticket).comments] == [("Now!", False)]


def overdue(system: BotAndWorkers, clock: FixedClock) -> None:
    """Let time pass until the ticket's reminders are sent."""
    system.runtime.services.has_triage = True
    steps = system.runtime.services.escalation_steps
    for _ in range(60):
        clock.advance(hours=4)
        escalation.take_due_steps(steps, system.publisher, should_continue=lambda: True)
        system.deliver()
        system.send_due_reminders()


@pytest.mark.parametrize("place", ["DM", "channel"])
def test_a_reply_below_a_reminder_of_one_ticket_is_a_note(
    triage: BotAndWorkers, ann: User, ben: User, clock: FixedClock, place: str
) -> None:
    ticket = triage.file(ann)
    overdue(triage, clock)
    reminders = triage.db.nudges.find({"shown.ts": {"$exists": True}})
    channel = {"DM": f"D{People.slack_id(ben)[1:]}", "channel": TRIAGE}[place]
    nudge = next(doc["shown"] for doc in reminders if doc["shown"]["channel"] == channel)
    thread = {"channel": nudge["channel"], "ts": nudge["ts"]}
    reply = said(triage.slack, ben, thread, "Waiting for a part", is_im=place == "DM")
    happens(triage, reply)
    (note,) = triage.now(ticket).comments
    assert (note.text, note.internal) == ("Waiting for a part", True)
    ((_, notice),) = triage.ephemeral_messages()
    assert notice.startswith("Saved as an internal note")
    assert ("everyone in this channel" in notice) == (place == "channel")


def test_a_reply_below_a_message_about_several_tickets_is_answered(
    system: BotAndWorkers, ann: User, ben: User
) -> None:
    tickets = [system.file(ann), system.file(ann)]
    message = system.runtime.slack.chat_postMessage(
        channel=People.slack_id(ben),
        text="2 tickets",
        parse="none",
        link_names=False,
        unfurl_links=False,
    )
    place = {"channel": message["channel"], "ts": message["ts"]}
    for ticket in tickets:
        system.db.nudges.insert_one({"ticketId": ticket.id, "shown": place})
    happens(system, said(system.slack, ben, place, "On it"))
    assert "“On it”" in shown(sent(system, ben)[-1])
    assert [system.now(ticket).comments for ticket in tickets] == [(), ()]


# Edits and deletions


def test_an_edit_before_the_press_changes_offer_form_and_stored_message(
    system: BotAndWorkers, ann: User
) -> None:
    event = written(system, ann, "The VPN drops. My password is hunter2!")
    happens(system, event)
    happens(system, changed(event, "The VPN drops."))
    happens(system, event)  # repeated late
    (offer,) = sent(system, ann)
    assert "“The VPN drops.”" in shown(offer)
    assert begun(press_offer(system, ann, offer)) == ("The VPN drops.", "The VPN drops.")
    assert "hunter2" not in str([list(system.db[n].find()) for n in ("inbox", "replies")])


def test_an_edit_before_the_offer_is_sent_changes_it(system: BotAndWorkers, ann: User) -> None:
    event = written(system, ann, "My password is hunter2!")
    system.bot.answer(event)
    happens(system, changed(event, "The VPN drops."))
    assert ["“The VPN drops.”" in shown(offer) for offer in sent(system, ann)] == [True]


def test_a_message_edited_while_its_offer_is_sent_is_updated_afterwards(
    system: BotAndWorkers, ann: User
) -> None:
    event = written(system, ann, "My password is hunter2!")
    system.bot.answer(event)
    replies = system.runtime.services.replies
    reply = replies.claim()
    assert reply is not None
    answer = system.runtime.slack.chat_postMessage(
        channel=reply.recipient, unfurl_links=False, **reply.message
    )
    system.bot.answer(changed(event, "The VPN drops."))
    replies.mark_sent(reply, channel=answer["channel"], ts=answer["ts"])
    system.work()
    assert ["“The VPN drops.”" in shown(offer) for offer in sent(system, ann)] == [True]


@pytest.mark.parametrize("tombstone", [False, True])
def test_a_deletion_before_the_press_withdraws_the_offer(
    system: BotAndWorkers, ann: User, tombstone: bool
) -> None:
    event = written(system, ann, "My password is hunter2!")
    happens(system, event)
    (old_offer,) = sent(system, ann)
    gone = deleted(event)
    if tombstone:  # as Slack says it if there are replies below
        gone = changed(event, "This message was deleted.")
        gone["event"]["message"]["subtype"] = "tombstone"
    happens(system, gone)
    (offer,) = sent(system, ann)
    assert offer["text"] == "You deleted this message, so there is nothing to file."
    assert begun(press_offer(system, ann, old_offer)) == ("", "")
    assert "hunter2" not in str([list(system.db[n].find()) for n in ("inbox", "replies")])


def test_an_offer_that_was_not_sent_is_forgotten_with_its_message(
    system: BotAndWorkers, ann: User
) -> None:
    event = written(system, ann, "Oops")
    system.bot.answer(event)
    happens(system, deleted(event))
    assert sent(system, ann) == []


@pytest.mark.parametrize("when", ["filed", "form open"])
@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_filed_ticket_follows_its_message(
    system: BotAndWorkers, ann: User, ben: User, when: str, is_deleted: bool
) -> None:
    event = written(system, ann, "The VPN drops. My password is hunter2!")
    happens(system, event)
    view = press_offer(system, ann, sent(system, ann)[0])
    change = deleted(event) if is_deleted else changed(event, "The VPN drops.\nIn Berlin.")
    if when == "form open":
        happens(system, change)
    ticket = submit(system, ann, view)
    if when == "filed":
        happens(system, change)
    now = system.now(ticket)
    assert (now.title, now.description) == (
        (views.DELETED_QUOTE.title, views.DELETED_QUOTE.description)
        if is_deleted
        else ("The VPN drops.", "The VPN drops.\nIn Berlin.")
    )
    assert [event.type for event in now.events].count("edited") == 2
    system.deliver()
    assert "hunter2" not in str(system.db.tickets.find_one(FILED))
    assert "hunter2" not in str([sent(system, user) for user in (ann, ben)])


def test_words_of_the_message_within_a_longer_description_are_replaced(
    system: BotAndWorkers, ann: User
) -> None:
    event = written(system, ann, "The VPN drops.")
    happens(system, event)
    view = press_offer(system, ann, sent(system, ann)[0])
    ticket = submit(system, ann, view, title="VPN", description="Since Monday: The VPN drops.")
    happens(system, changed(event, "Mail is down."))
    now = system.now(ticket)
    assert (now.title, now.description) == ("VPN", "Since Monday: Mail is down.")


def test_a_ticket_in_other_words_stays_and_the_author_is_told(
    system: BotAndWorkers, ann: User
) -> None:
    event = written(system, ann, "The VPN drops.")
    happens(system, event)
    view = press_offer(system, ann, sent(system, ann)[0])
    ticket = submit(system, ann, view, title="Mail", description="Mail is down.")
    happens(system, changed(event, "The VPN drops again."))
    assert system.now(ticket).description == "Mail is down."
    assert sent(system, ann)[-1]["text"] == (
        "Ticket 1 was filed from this message in other words, so it does not change with the "
        "message. Write what is new in the thread of the ticket's card."
    )
