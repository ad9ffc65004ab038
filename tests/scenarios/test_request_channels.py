"""Request channels: the thread of a message is the conversation about its ticket."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from bot.slack.client import MeasuredClient
from bot.views import ids
from demo.servers import RedisServer
from services.core.metrics import InMemoryMeter
from services.core.redis_client import connect_redis
from services.core.slack_gate import SlackGate
from services.core.slack_scopes import GrantedScopes, record_granted_scopes
from services.core.ttl_cache import invalidate_caches
from services.models.escalation_track import EscalationStep, EscalationTrack
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from tasks.notifications.message_author import SCOPE
from tasks.notifications.slack_delivery import SlackRateLimited
from tests.conftest import FixedClock, People, web_client
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.block_text import read, without_facts
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.canary import FILED
from tests.support.channel_members import HR, IT_HELP, Channel
from tests.support.comment_helpers import (
    card_of,
    changed,
    deleted,
    event_of,
    in_thread,
    said,
)

Json = dict[str, Any]

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def it_help(system: BotAndWorkers) -> Channel:
    return Channel(system, IT_HELP, is_private=False)


@pytest.fixture
def hr(system: BotAndWorkers) -> Channel:
    return Channel(system, HR, is_private=True)


@pytest.fixture(autouse=True)
def custom_authors(system: BotAndWorkers) -> None:
    """The app has the scope to post under other names."""
    system.slack.scopes = ",".join({*system.slack.scopes.split(","), SCOPE})
    system.slack.refused.clear()


# The line


def test_one_line_in_the_thread_follows_the_ticket(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket = it_help.file(ann)
    (line,) = it_help.posted()
    assert ticket.source
    assert line["thread_ts"] == ticket.source.ts
    assert without_facts(line["text"]) == f"Ticket 1: assigned to {ben.name}"
    (shown,) = [block["text"]["text"] for block in line["blocks"]]
    assert shown.startswith(f"*Ticket 1* · *Assigned* to {ben.name} · due ")
    assert buttons(line) == ["Details"]
    assert system.messages(ann) == []  # no card
    assert len(system.messages(ben)) == 1
    system.actions.accept(**by(ben, ticket))
    system.work(ticket)
    system.actions.resolve(**by(ben, ticket), resolution="New key.")
    system.work(ticket)
    assert it_help.line()["text"] == f"Ticket 1: resolved by {ben.name}"
    assert system.messages(ann) == []
    assert not system.now(ticket).is_in_outbox
    assert system.slack.refused == []


def test_a_line_says_nothing_of_what_is_in_the_ticket(
    system: BotAndWorkers, hr: Channel, ann: User, ben: User
) -> None:
    system.db.users.update_one({"_id": ben.id}, {"$set": {"privateTickets": True}})
    ticket = hr.file(ann, "My salary is wrong")
    assert ticket.private
    (line,) = hr.posted()
    assert line["text"].startswith("Ticket 1: ")
    assert "salary" not in str(line)
    assert "Since Monday" not in str(line)
    assert not ticket.is_in_outbox


def test_a_killed_worker_leaves_one_line(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, clock: FixedClock
) -> None:
    """It is killed after Slack accepted the line, and before that is recorded."""
    ticket = it_help.file(ann)
    key = next(one["key"] for one in ticket.deliveries if ":line:" in str(one["key"]))
    system.db.tickets.update_one(
        {"_id": ticket.id, "notices.key": key},
        {
            "$set": {
                "outbox": True,
                "cards": [],
                "notices.$.state": "claimed",
                "notices.$.until": clock(),
                "notices.$.unansweredSince": clock(),
            },
            "$unset": {"notices.$.ts": "", "notices.$.channel": ""},
        },
    )
    clock.advance(minutes=2)
    system.work(ticket)
    assert len(it_help.posted()) == 1
    system.actions.accept(**by(ben, ticket))
    system.work(ticket)
    assert it_help.line()["text"] == f"Ticket 1: in progress, accepted by {ben.name}"


def test_a_channel_that_is_no_request_channel_any_more(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    """The bot was removed: what it cannot say there, it says in direct messages."""
    ticket = it_help.file(ann)
    system.db.channels.update_one({}, {"$set": {"state": "not_a_member"}})
    system.slack.workspace.channels[IT_HELP]["is_member"] = False
    invalidate_caches()
    system.actions.resolve(**by(ben, ticket), resolution="New key.")
    system.work(ticket)
    name = "Ticket 1 “VPN is down”"
    texts = [message["text"] for message in system.messages(ann)]
    assert texts == [f"{name}: resolved by {ben.name}"] * 2  # the card, and the message
    assert not system.now(ticket).is_in_outbox


def test_a_locked_thread(system: BotAndWorkers, it_help: Channel, ann: User, ben: User) -> None:
    """What they have not read there, the requester reads in direct messages."""
    ticket, code = it_help.file(ann), "restricted_action_thread_locked"
    it_help.answer(it_help.reply(ben, "Which version?"))
    add_comment(system, ticket, ben, "And which office?")
    system.slack.fail("chat.postMessage", error=code, where=lambda args: args["channel"] == IT_HELP)
    add_comment(system, ticket, ben, "Reboot")
    system.deliver()
    assert in_thread(system.slack, ann, card_of(system.slack, ann)) == [
        f"Ticket 1: {ben.name} wrote: Reboot"
    ]
    assert not system.now(ticket).is_in_outbox


def test_a_ticket_made_private_leaves_the_conversation(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket = it_help.file(ann)
    system.runtime.services.ticket_edits.update(
        **by(ben, ticket), expected_seq=ticket.seq, changes={"private": True}
    )
    system.deliver()
    assert it_help.line()["text"] == "Ticket 1 is private."
    assert buttons(it_help.line()) == []
    assert len(system.messages(ann)) == 1  # the card, which she had no need of before


def test_a_later_requester_has_a_card(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, people: People
) -> None:
    """They may not be in the channel."""
    ticket, dan = it_help.file(ann), people.add()
    system.runtime.services.ticket_edits.update(
        **by(ben, ticket), expected_seq=ticket.seq, changes={"createdBy": str(dan.id)}
    )
    system.deliver()
    assert (len(system.messages(ann)), len(system.messages(dan))) == (0, 1)


# Details


def test_details_shows_each_reader_what_they_may_see(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, people: People
) -> None:
    ticket, dan, eve = it_help.file(ann), people.add(), people.add()
    system.runtime.services.participants.change(
        actor=Actor.from_user(ann), ticket_id=str(ticket.id), added=[dan.id]
    )
    pages = {user.id: it_help.details(user) for user in (ann, ben, dan, eve)}
    assert {page["response_type"] for page in pages.values()} == {"ephemeral"}
    assert {page["thread_ts"] for page in pages.values()} == {it_help.line()["thread_ts"]}
    assert "Resolve" in str(pages[ben.id])
    assert "Cancel" in str(pages[ann.id])
    assert "Resolve" not in str(pages[ann.id])
    assert "Since Monday." in str(pages[dan.id])
    assert read(pages[eve.id]) == [
        f"*Ticket 1* · *Assigned* to {ben.name}",
        "Write in this thread to take part.",
    ]


def test_details_of_a_card_with_replies_is_below_the_card(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    """Slack names a first message as its own thread once it has replies."""
    it_help.file(ann)
    card = card_of(system.slack, ben)
    pressed = {**card, "thread_ts": card["ts"]}
    system.press(ben, pressed, ids.DETAILS, response_url=system.slack.response_url())
    assert "thread_ts" not in system.slack.calls_to("response_url")[-1].args


def test_details_elsewhere_shows_a_stranger_nothing(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, people: People
) -> None:
    """Another message with that button, or a ticket that left the conversation."""
    ticket, eve = it_help.file(ann), people.add()
    line = it_help.line()
    for place in ({"ts": "1700000000.000009"}, {"channel": "C0GENERAL"}):
        body = payloads.block_actions({**line, **place}, ids.DETAILS, user=People.slack_id(eve))
        system.bot.answer(body)
    system.runtime.services.ticket_edits.update(
        **by(ben, ticket), expected_seq=ticket.seq, changes={"private": True}
    )
    system.bot.answer(payloads.block_actions(line, ids.DETAILS, user=People.slack_id(eve)))
    assert [text for _, text in system.ephemeral_messages()] == [
        "There is no such ticket, or you may not see it."
    ] * 3
    assert "Write in this thread" not in str(system.slack.calls)


@pytest.mark.parametrize("tie", ["filer", "requester", "assignee", "participant", "writer"])
def test_a_filer_sees_a_private_ticket_only_by_another_tie(
    system: BotAndWorkers, hr: Channel, ann: User, cleo: User, people: People, tie: str
) -> None:
    ina = people.add(Role.ADMIN)
    message = system.slack.say(hr.id, "My salary is wrong", user=People.slack_id(ann))
    ticket = hr.make(ann, message, filed_by=cleo)
    system.work(ticket)
    if tie == "writer":
        hr.answer(hr.reply(cleo, "Mine, too"))
    elif tie == "participant":
        change = system.runtime.services.participants.change
        change(**by(ina, ticket), added=[cleo.id], may_see_private=True)
    elif tie in ("requester", "assignee"):
        field = {"requester": "createdBy", "assignee": "assignedTo"}[tie]
        changes = {field: str(cleo.id)}
        system.runtime.services.ticket_edits.update(
            **by(ina, ticket), expected_seq=system.now(ticket).seq, changes=changes
        )
    system.deliver()
    assert ("Since Monday." in str(hr.details(cleo))) is (tie != "filer")
    assert "Since Monday." in str(hr.details(ann)) or tie == "requester"


# The conversation


def add_comment(system: BotAndWorkers, ticket: Ticket, user: User, text: str) -> None:
    """As the API, a form and Home do."""
    system.runtime.services.comments.add(**by(user, ticket), text=text)
    system.deliver()


def test_replies_are_comments_and_the_assignee_answers_from_either_place(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket = it_help.file(ann)
    it_help.answer(it_help.reply(ann, "Since the update"))
    card = card_of(system.slack, ben)
    assert in_thread(system.slack, ben, card) == [f"Ticket 1: {ann.name} wrote: Since the update"]
    assert it_help.copies() == []  # it is there
    it_help.answer(it_help.reply(ben, "Which version?"))
    assert it_help.copies() == []
    it_help.answer(said(system.slack, ben, card, "And which office?"))
    add_comment(system, ticket, ann, "Berlin")
    assert it_help.copies() == [(ben.name, "And which office?"), (ann.name, "Berlin")]
    assert [one["thread_ts"] for one in it_help.posted()] == [it_help.line()["thread_ts"]] * 3
    assert system.messages(ann) == []
    stored = system.now(ticket)
    assert [comment.text for comment in stored.comments] == [
        "Since the update",
        "Which version?",
        "And which office?",
        "Berlin",
    ]
    assert stored.participants == ()
    assert not stored.is_in_outbox


def test_an_author_has_the_picture_of_their_profile(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    picture = "https://avatars.example.com/ben_72.png"
    member = system.slack.workspace.members[People.slack_id(ben)]
    member["profile"]["image_72"] = picture
    add_comment(system, it_help.file(ann), ben, "Try again")
    assert system.slack.calls_to("chat.postMessage")[-1].args["icon_url"] == picture
    member["profile"]["image_72"] = "javascript:alert(1)"
    ticket = it_help.file(ann, "The printer burns, too")
    add_comment(system, ticket, ben, "Try water")
    assert not system.slack.calls_to("chat.postMessage")[-1].args.get("icon_url")


@pytest.mark.parametrize(
    "name",
    ["Slack", "SLACKBOT", "Help desk", "Ｓｌａｃｋ bot", "help-desk", "\u200bSlack", "<!channel>"],
)
def test_no_author_passes_for_the_app_or_slack(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, name: str
) -> None:
    system.db.users.update_one({"_id": ben.id}, {"$set": {"name": name}})
    add_comment(system, it_help.file(ann), ben, "Send me your password")
    ((author, text),) = it_help.copies()
    assert author is None
    assert text.endswith(": Send me your password")


def test_without_the_scope_the_name_is_in_the_text(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    """Known from Slack's header, or from its refusal."""
    ticket = it_help.file(ann)
    system.slack.scopes = ",".join({*system.slack.scopes.split(",")} - {SCOPE})
    add_comment(system, ticket, ben, "Which <!channel> version?")
    record_granted_scopes(system.db, GrantedScopes(frozenset({"chat:write"})))
    add_comment(system, ticket, ben, "And which office?")
    assert it_help.copies() == [
        (None, f"{ben.name}: Which &lt;!channel&gt; version?"),
        (None, f"{ben.name}: And which office?"),
    ]
    it_help.answer(said(system.slack, ben, card_of(system.slack, ben), "Hello"))
    assert not system.now(ticket).is_in_outbox


def test_a_refused_name_holds_no_other_message_back(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, redis: RedisServer
) -> None:
    """Slack did not say which scopes are granted."""
    system.slack.scopes = ",".join({*system.slack.scopes.split(",")} - {SCOPE})
    gate = SlackGate(connect_redis(redis.url))
    client = MeasuredClient(
        web_client(system.slack), meter=InMemoryMeter(), process="worker", gate=gate
    )
    system.runtime = replace(system.runtime, slack=client)
    ticket = it_help.file(ann)
    for text in ("Which version?", "And which office?"):
        add_comment(system, ticket, ben, text)
    assert it_help.copies() == [
        (None, f"{ben.name}: Which version?"),
        (None, f"{ben.name}: And which office?"),
    ]


def test_changes_of_an_original_are_followed_in_every_copy(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket = it_help.file(ann)
    card = card_of(system.slack, ben)
    here, there = it_help.reply(ann, "Version 4"), said(system.slack, ben, card, "Reboot")
    it_help.answer(here)
    it_help.answer(there)
    it_help.answer(changed(here, "Version 5"))
    it_help.answer(changed(there, "Reboot it"))
    assert in_thread(system.slack, ben, card) == [f"Ticket 1: {ann.name} wrote: Version 5"]
    assert it_help.copies() == [(ben.name, "Reboot it")]
    it_help.answer(deleted(here))
    it_help.answer(deleted(there))
    assert in_thread(system.slack, ben, card) == ["Ticket 1: This comment was deleted."]
    assert it_help.copies() == [(ben.name, "This comment was deleted.")]
    assert not system.now(ticket).is_in_outbox


def test_an_edit_that_comes_before_its_message_is_the_comment(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket, dan = it_help.file(ann), ann
    event = it_help.reply(dan, "Version 4")
    it_help.answer(changed(event, "Version 5"))
    it_help.answer(event)
    assert [comment.text for comment in system.now(ticket).comments] == ["Version 5"]


def test_a_member_who_writes_takes_part_without_messages(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, cleo: User, people: People
) -> None:
    ticket, dan = it_help.file(ann), people.add()
    event = it_help.reply(dan, "Here, too")
    it_help.answer(event)
    it_help.answer(it_help.reply(cleo, "Known"))  # staff see it anyway
    add_comment(system, ticket, ben, "It is the router")
    stored = system.now(ticket)
    assert stored.participants == (dan.id,)
    assert [(e.by, e.to) for e in stored.events if e.type == "participant_added"] == [
        (dan.id, dan.id)
    ]
    assert system.messages(dan) == []
    page = it_help.details(dan)
    assert "Since Monday." in str(page)
    assert "Leave" in buttons(page)
    it_help.answer(changed(event, "Here as well"))
    assert "Here as well" in [comment.text for comment in system.now(ticket).comments]
    # Added by another, they get messages from then on.
    system.runtime.services.participants.change(**by(ann, ticket), added=[dan.id])
    system.deliver()
    assert len(system.messages(dan)) == 1
    add_comment(system, ticket, ben, "Replaced")
    assert in_thread(system.slack, dan, system.card(dan)) == [
        f"Ticket 1: {ben.name} wrote: Replaced"
    ]
    assert system.now(ticket).participants == (dan.id,)


def test_a_twenty_first_member_comments_and_does_not_take_part(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, people: People
) -> None:
    ticket, dan = it_help.file(ann), people.add()
    full = [ObjectId() for _ in range(20)]
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"participants": full}})
    event = it_help.reply(dan, "Here, too")
    it_help.answer(event)
    it_help.answer(changed(event, "Here as well"))
    stored = system.now(ticket)
    assert [comment.text for comment in stored.comments] == ["Here as well"]
    assert dan.id not in stored.participants
    assert read(it_help.details(dan))[-1] == "Write in this thread to take part."
    assert system.ephemeral_messages() == []


def test_one_who_was_removed_stays_out(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, people: People
) -> None:
    ticket, dan = it_help.file(ann), people.add()
    it_help.answer(it_help.reply(dan, "Here, too"))
    system.runtime.services.participants.change(**by(ben, ticket), removed=[dan.id])
    it_help.answer(it_help.reply(dan, "Still here"))
    stored = system.now(ticket)
    assert (len(stored.comments), stored.participants) == (2, ())


def test_one_without_an_account_is_answered_once(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket = it_help.file(ann)
    system.slack.add_member("U0GUEST", email="guest@example.org", name="Gil", is_restricted=True)
    thread = {"channel": it_help.id, "ts": it_help.line()["thread_ts"]}
    for text in ("Here, too", "Hello?"):
        message = system.slack.say(it_help.id, text, user="U0GUEST", thread_ts=thread["ts"])
        it_help.answer(event_of(message, is_im=False))
    ((user, text),) = system.ephemeral_messages()
    assert user == "U0GUEST"
    assert text.endswith("This message was not passed on.")
    assert system.now(ticket).comments == ()


def test_a_reply_that_comes_before_its_message_is_repeated(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, clock: FixedClock
) -> None:
    at = f"{clock().timestamp():.6f}"
    message = system.slack.say(it_help.id, "VPN is down", user=People.slack_id(ann), ts=at)
    event = said(system.slack, ann, message, "Since Monday", is_im=False)
    assert system.bot.send(event).status == 503
    ticket = it_help.make(ann, message)
    it_help.answer(event)
    assert [comment.text for comment in system.now(ticket).comments] == ["Since Monday"]


def test_a_reply_below_a_message_that_became_no_ticket_is_not_repeated_for_long(
    system: BotAndWorkers, it_help: Channel, ann: User, clock: FixedClock
) -> None:
    at = f"{clock().timestamp():.6f}"
    message = system.slack.say(it_help.id, "Good morning", user=People.slack_id(ann), ts=at)
    clock.advance(minutes=7)
    assert system.bot.send(said(system.slack, ann, message, "Hi", is_im=False)).status == 200
    elsewhere = system.slack.say("C0GENERAL", "Hi", user=People.slack_id(ann))
    reply = said(system.slack, ann, elsewhere, "Hi", is_im=False)
    assert system.bot.send(reply).status == 200


@pytest.mark.parametrize("fields", [{}, {"bot_id": "B0OTHER"}])
def test_a_reply_below_a_message_that_becomes_no_ticket_is_not_repeated(
    system: BotAndWorkers, it_help: Channel, ann: User, clock: FixedClock, fields: Json
) -> None:
    at = f"{clock().timestamp():.6f}"
    user = People.slack_id(ann)
    message = system.slack.say(it_help.id, "Good morning", user=user, ts=at, **fields)
    it_help.answer(event_of(message, is_im=False))
    assert system.bot.send(said(system.slack, ann, message, "Hi", is_im=False)).status == 200
    assert system.db.tickets.count_documents(FILED) == 0


def test_the_thread_of_a_reply_that_became_a_ticket_is_its_conversation(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    first = system.slack.say(it_help.id, "Good morning", user=People.slack_id(ben))
    reply = system.slack.say(
        it_help.id, "VPN is down", user=People.slack_id(ann), thread_ts=first["ts"]
    )
    ticket = it_help.make(ann, reply)
    system.work(ticket)
    assert it_help.line()["thread_ts"] == first["ts"]
    it_help.answer(it_help.reply(ann, "Since Monday"))
    assert [comment.text for comment in system.now(ticket).comments] == ["Since Monday"]


def test_a_private_conversation_stays_in_its_channel(
    system: BotAndWorkers, hr: Channel, ann: User, people: People
) -> None:
    ina, dan = people.add(Role.ADMIN), people.add()
    ticket = hr.file(ann, "My salary is wrong")
    system.actions.accept(**by(ina, ticket))
    add_comment(system, ticket, ina, "Which month?")
    assert hr.copies() == [(ina.name, "Which month?")]
    hr.answer(hr.reply(dan, "Mine, too"))
    assert system.now(ticket).participants == (dan.id,)
    add_comment(system, ticket, ina, "Both corrected")
    assert [text for _, text in hr.copies()] == ["Which month?", "Both corrected"]
    assert not system.now(ticket).is_in_outbox


def test_a_private_conversation_ends_if_its_channel_becomes_public(
    system: BotAndWorkers, hr: Channel, ann: User, people: People
) -> None:
    ina, dan, eve = people.add(Role.ADMIN), people.add(), people.add()
    ticket = hr.file(ann, "My salary is wrong")
    hr.answer(hr.reply(dan, "Mine, too"))
    system.db.channels.update_one({}, {"$set": {"private": False, "channelPrivate": False}})
    invalidate_caches()
    hr.answer(hr.reply(eve, "What is this?"))
    hr.answer(hr.reply(ann, "It was 4,000"))
    add_comment(system, ticket, ina, "Corrected to 4,500")
    stored = system.now(ticket)
    assert stored.participants == (dan.id,)
    assert [comment.by for comment in stored.comments] == [dan.id, ann.id, ina.id]
    assert hr.copies() == []
    assert "Corrected to 4,500" in str(system.messages(ann))
    assert system.ephemeral_messages() == [
        (
            People.slack_id(eve),
            "There is no such ticket, or you may not see it. This message was not passed on.",
        )
    ]
    assert not stored.is_in_outbox


def test_what_was_said_is_withdrawn_from_a_ticket_made_private(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, people: People
) -> None:
    ticket, dan = it_help.file(ann), people.add()
    add_comment(system, ticket, ben, "Which office?")
    system.actions.ask_requester(**by(ben, ticket), question="Which version?")
    system.deliver()
    assert len(it_help.copies()) == 2
    system.runtime.services.ticket_edits.update(
        **by(ben, ticket), expected_seq=system.now(ticket).seq, changes={"private": True}
    )
    system.deliver()
    assert it_help.copies() == []
    it_help.answer(it_help.reply(dan, "What about it?"))
    assert [text for _, text in system.ephemeral_messages()] == [
        "There is no such ticket, or you may not see it. This message was not passed on."
    ]
    add_comment(system, ticket, ben, "I call you")
    assert it_help.copies() == []
    assert "I call you" in str(system.messages(ann))
    assert not system.now(ticket).is_in_outbox


def test_an_erased_author_leaves_no_copy_under_their_name(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket = it_help.file(ann)
    add_comment(system, ticket, ben, "Which office?")
    system.actions.resolve(**by(ben, ticket))
    system.deliver()
    system.runtime.services.erasure.erase(actor=OPERATOR, email=ben.email)
    system.deliver()
    assert [name for name, _ in it_help.copies()] == [None]  # that it is resolved
    assert not system.now(ticket).is_in_outbox


def test_comments_keep_their_order_if_slack_fails(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, clock: FixedClock
) -> None:
    """Up to a quarter of an hour: then a comment that Slack does not accept holds back no other."""
    ticket, comments = it_help.file(ann), system.runtime.services.comments
    for text in ("Which version?", "And which office?"):
        comments.add(**by(ben, ticket), text=text)

    def is_first(args: Json) -> bool:
        return "Which version?" in str(args.get("text"))

    system.slack.fail("chat.postMessage", status=503, times=2, where=is_first)
    system.deliver()
    assert it_help.copies() == []
    clock.advance(minutes=16)
    system.deliver()
    assert it_help.copies() == [(ben.name, "And which office?")]
    clock.advance(minutes=2)
    system.deliver()
    assert [text for _, text in it_help.copies()] == ["And which office?", "Which version?"]
    assert not system.now(ticket).is_in_outbox
    comments.add(**by(ben, ticket), text="Which version? Again")
    comments.add(**by(ben, ticket), text="Thank you")
    system.slack.fail("chat.postMessage", status=503, times=1, where=is_first)
    system.deliver()
    clock.advance(minutes=2)
    system.deliver()
    texts = [text for _, text in it_help.copies()]
    assert texts[2:] == ["Which version? Again", "Thank you"]


# Question, resolution, reopening


def test_question_and_resolution_are_said_once_in_the_thread(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket, mention = it_help.file(ann), f"<@{People.slack_id(ann)}>"
    system.actions.ask_requester(**by(ben, ticket), question="Which office?")
    system.deliver()
    (question,) = it_help.posted()[1:]
    assert question["text"] == f"{mention}, {ben.name} waits for your answer: Which office?"
    assert read(question) == [
        f"{mention}, {ben.name} waits for your answer.",
        "*Question*",
        "Which office?",
        "Reply in this thread to answer.",
    ]
    it_help.answer(it_help.reply(ann, "Berlin"))
    assert system.now(ticket).status is Status.IN_PROGRESS
    system.actions.resolve(**by(ben, ticket), resolution="New key.")
    system.deliver()
    assert read(it_help.posted()[2]) == [
        f"{mention}, {ben.name} resolved ticket 1.",
        "*What was done*",
        "New key.",
        "If that did not solve it, write what is wrong in this thread.",
    ]
    assert len(it_help.posted()) == 3
    assert system.messages(ann) == []
    assert not system.now(ticket).is_in_outbox


@pytest.mark.parametrize("what", ["question", "resolution"])
def test_what_is_unanswered_for_four_hours_of_work_comes_as_a_direct_message(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, clock: FixedClock, what: str
) -> None:
    ticket = it_help.file(ann)
    if what == "question":
        system.actions.ask_requester(**by(ben, ticket), question="Which office?")
        title, button = "still waits for your answer", "Answer"
    else:
        system.actions.resolve(**by(ben, ticket), resolution="New key.")
        title, button = f"resolved by {ben.name}", "Reopen"
    system.deliver()
    step = system.now(ticket).next_step
    assert step is not None
    assert step.step is EscalationStep.ANSWER_DIRECT
    for _ in range(2):
        clock.now = max(clock.now, step.at)
        system.runtime.services.escalation_steps.take(system.now(ticket))
        system.deliver()
        clock.advance(seconds=1)
    (message,) = system.messages(ann)
    assert title in message["text"]
    assert button in buttons(message)
    source = system.now(ticket).source
    assert source
    assert f"<{source.permalink}|Open the conversation>" in str(message["blocks"])
    assert len(it_help.posted()) == 2


@pytest.mark.parametrize("change", ["createdBy", "private"])
def test_whom_the_conversation_does_not_concern_any_more_gets_no_second_message(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, people: People, change: str
) -> None:
    """The question comes as a direct message then."""
    ticket, dan = it_help.file(ann), people.add()
    system.actions.ask_requester(**by(ben, ticket), question="Which office?")
    system.deliver()
    changes = {change: True if change == "private" else str(dan.id)}
    system.runtime.services.ticket_edits.update(
        **by(ben, ticket), expected_seq=system.now(ticket).seq, changes=changes
    )
    system.deliver()
    stored = system.now(ticket)
    assert EscalationTrack.ANSWER not in stored.escalation_tracks
    reader = ann if change == "private" else dan
    assert "Which office?" in str(system.messages(reader))
    assert not stored.is_in_outbox


@pytest.mark.parametrize("text", ["Thanks a lot!", "It drops again"])
def test_a_reaction_of_the_requester_needs_no_direct_message(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, text: str
) -> None:
    ticket = it_help.file(ann)
    system.actions.resolve(**by(ben, ticket), resolution="New key.")
    system.deliver()
    it_help.answer(it_help.reply(ben, "Tell me"))
    assert system.now(ticket).next_step is not None
    it_help.answer(it_help.reply(ann, text))
    assert system.now(ticket).next_step is None
    assert system.now(ticket).status is Status.COMPLETED


def test_thanks_does_not_reopen_and_other_words_offer_to(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User, people: People
) -> None:
    ticket = it_help.file(ann)
    system.actions.resolve(**by(ben, ticket), resolution="New key.")
    system.deliver()
    for user, text in ((ann, "Thanks!"), (ann, ":+1:"), (ben, "Done"), (people.add(), "Nice")):
        it_help.answer(it_help.reply(user, text))
    assert system.ephemeral_messages() == []
    for text in ("It drops again", "Every hour"):
        it_help.answer(it_help.reply(ann, text))
    ((reader, offer),) = system.ephemeral_messages()
    assert reader == People.slack_id(ann)
    assert offer == "Ticket 1 is resolved. If it is still a problem, press Reopen."
    call = system.slack.calls_to("chat.postEphemeral")[-1]
    assert call.args["thread_ts"] == it_help.line()["thread_ts"]
    message = {**call.args, "ts": "1700000000.000009"}
    system.press(ann, message, ids.STILL_A_PROBLEM)
    system.deliver()
    assert system.now(ticket).status is Status.REOPENED
    assert it_help.line()["text"].startswith("Ticket 1: reopened")


# Load and faults


def test_thirty_messages_in_a_minute_get_thirty_lines_one_a_second(
    system: BotAndWorkers, it_help: Channel, ben: User, people: People, clock: FixedClock
) -> None:
    """Slack accepts one message a second in a channel. Workers then hold back the others."""
    system.db.users.update_one({"_id": ben.id}, {"$set": {"capacity": 100}})
    members = [people.add() for _ in range(10)]
    posted_at: list[float] = []

    def is_too_soon(args: Json) -> bool:
        if args["channel"] != IT_HELP:
            return False
        now = clock().timestamp()
        if posted_at and now < posted_at[-1] + 1:
            return True
        posted_at.append(now)
        return False

    system.slack.fail("chat.postMessage", status=429, times=10_000, where=is_too_soon)
    for number in range(30):
        member = members[number % 10]
        message = system.slack.say(it_help.id, f"Problem {number}", user=People.slack_id(member))
        it_help.make(member, message)
    for _ in range(32):
        with suppress(SlackRateLimited):
            system.deliver()
        system.publisher.asked.clear()
        clock.advance(seconds=1)
    assert len(posted_at) == 30
    assert len({line["thread_ts"] for line in it_help.posted()}) == 30
    assert len(it_help.posted()) == 30
    assert len(system.messages(ben)) == 30
    assert system.db.tickets.count_documents({"outbox": True}) == 0


def test_a_reply_of_4000_characters_is_refused_in_private(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    ticket = it_help.file(ann)
    it_help.answer(it_help.reply(ann, "x" * 4_000))
    ((user, text),) = system.ephemeral_messages()
    assert user == People.slack_id(ann)
    assert text.endswith("This message was not passed on.")
    assert system.now(ticket).comments == ()


def test_a_thread_whose_first_message_was_deleted_gets_nothing_outside_it(
    system: BotAndWorkers, it_help: Channel, ann: User, ben: User
) -> None:
    """Slack posts such replies in the channel itself."""
    message = system.slack.say(it_help.id, "VPN is down", user=People.slack_id(ann))
    ticket = it_help.make(ann, message)
    system.slack.workspace.messages[it_help.id].clear()
    for _ in range(2):
        system.work(ticket)
    assert it_help.posted() == []
    assert len(system.messages(ann)) == 1  # the card instead
    assert not system.now(ticket).is_in_outbox
