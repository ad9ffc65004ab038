"""Replies in the threads of a ticket's messages, and the comment and note modals."""

from dataclasses import replace
from typing import Any

import pytest

from bot.app import create_app
from bot.slack.bot_process import BotProcess
from bot.slack.message_events import parse_message
from demo.servers import free_port
from services.core.database import Mongo, connect
from services.models.comment import MessageRef
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from services.tickets.transitions import comment_doc
from tasks.queue.publisher import CeleryPublisher
from tasks.runtime import Runtime
from tests.conftest import (
    NOBODY_LISTENS,
    Bot,
    FixedClock,
    Inline,
    People,
    RecordingPublisher,
    at_once,
    file_ticket,
    inline_bot,
    pressed,
    reload,
    with_services,
    work,
)
from tests.support import payloads
from tests.support.comment_helpers import (
    Conversation,
    card_of,
    changed,
    deleted,
    event_of,
    in_thread,
    message_of,
    said,
)
from tests.support.processes import celery_for
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import BOT_ID, BOT_USER_ID, GENERAL


@pytest.fixture
def emma(people: People) -> User:
    return people.add()


@pytest.fixture
def conversation(
    ticket_bot: Bot,
    slack: RecordingSlack,
    runtime: Runtime,
    publisher: RecordingPublisher,
    db: Mongo,
) -> Conversation:
    def deliver() -> None:
        for doc in db.tickets.find({"outbox": True}):
            publisher.publish_ticket(str(doc["_id"]))
        work(runtime, publisher)

    return Conversation(ticket_bot, slack, deliver, send_replies=lambda: work(runtime, publisher))


@pytest.fixture
def ticket(tickets: TicketService, emma: User, nils: User, conversation: Conversation) -> Ticket:
    """Assigned to Nils; both people have their cards."""
    ticket = file_ticket(tickets, emma, "VPN is down")
    conversation.deliver()
    return ticket


def test_a_reply_of_the_requester_is_read_by_the_assignee(
    conversation: Conversation,
    slack: RecordingSlack,
    ticket: Ticket,
    emma: User,
    nils: User,
    db: Mongo,
) -> None:
    text = (
        "Since &lt;Monday&gt; &amp; on <https://vpn.example|the VPN page>, ask <@U0NOBODY|jo> "
        ":fire:"
    )
    conversation.answer(conversation.said(emma, text))
    (comment,) = reload(db, ticket).comments
    readable = "Since <Monday> & on the VPN page (https://vpn.example), ask @jo :fire:"
    assert (comment.by, comment.text, comment.internal) == (emma.id, readable, False)
    conversation.deliver()
    assert conversation.replies_to(nils) == [
        "Ticket 1: User 1 wrote: Since &lt;Monday&gt; &amp; on the VPN page "
        "(https://vpn.example), ask @jo :fire:"
    ]
    blocks = slack.messages(People.slack_id(nils))[-1]["blocks"]
    assert blocks[0]["elements"][0]["text"] == "*User 1* wrote:"
    assert blocks[1]["text"] == {"type": "plain_text", "text": readable, "emoji": True}
    assert conversation.replies_to(emma) == []
    assert conversation.ephemeral_messages() == []


def test_and_the_assignees_by_the_requester(
    conversation: Conversation, ticket: Ticket, emma: User, nils: User
) -> None:
    conversation.answer(conversation.said(nils, "Which office?"))
    conversation.deliver()
    assert conversation.replies_to(emma) == ["Ticket 1: Moderator 2 wrote: Which office?"]
    assert conversation.replies_to(nils) == []


def test_a_reply_to_a_question_moves_the_ticket_on(
    conversation: Conversation,
    slack: RecordingSlack,
    ticket_actions: TicketActions,
    ticket: Ticket,
    emma: User,
    nils: User,
    db: Mongo,
) -> None:
    ticket_actions.ask_requester(
        actor=Actor.from_user(nils), ticket_id=str(ticket.id), question="Which office?"
    )
    conversation.deliver()
    question = slack.messages(People.slack_id(emma))[-1]
    assert "waits for your answer" in question["text"]
    assert conversation.replies_to(emma) == []  # asked once
    conversation.answer(said(slack, emma, question, "Berlin"))
    assert reload(db, ticket).status is Status.IN_PROGRESS
    conversation.deliver()
    assert conversation.replies_to(nils) == ["Ticket 1: User 1 wrote: Berlin"]
    assert conversation.replies_to(emma) == []


def test_edits_and_deletions_follow(
    conversation: Conversation, slack: RecordingSlack, ticket: Ticket, emma: User, nils: User
) -> None:
    event = conversation.said(emma, "My password is hunter2")
    conversation.answer(event)
    conversation.deliver()
    edit = changed(event, "My password is none of your business")
    conversation.answer(edit)
    conversation.deliver()
    theirs = card_of(slack, nils)
    assert in_thread(slack, nils, theirs) == [
        "Ticket 1: User 1 wrote: My password is none of your business"
    ]
    conversation.answer(deleted(edit))
    conversation.deliver()
    assert in_thread(slack, nils, theirs) == ["Ticket 1: This comment was deleted."]
    shown = slack.messages(People.slack_id(nils))[-1]["blocks"]
    assert [block["elements"][0]["text"] for block in shown] == ["This comment was deleted."]
    assert len(slack.calls_to("chat.update")) >= 2


def test_what_is_deleted_before_it_was_sent_is_not_sent(
    conversation: Conversation, ticket: Ticket, emma: User, nils: User
) -> None:
    event = conversation.said(emma, "Oops")
    conversation.answer(event)
    conversation.answer(deleted(event))
    conversation.deliver()
    assert conversation.replies_to(nils) == []


def test_a_preview_or_an_unchanged_text_is_no_edit(
    conversation: Conversation, ticket: Ticket, emma: User, db: Mongo
) -> None:
    event = conversation.said(emma, "See https://vpn.example")
    conversation.answer(event)
    preview = changed(event, "See https://vpn.example", attachments=[{"title": "VPN"}])
    conversation.answer(preview)
    assert [e.type for e in reload(db, ticket).events].count("comment_edited") == 0


def test_files_are_passed_on_as_links(
    conversation: Conversation, slack: RecordingSlack, ticket: Ticket, emma: User, nils: User
) -> None:
    file = {
        "id": "F1",
        "name": "log.txt",
        "title": "The <log>",
        "permalink": "https://example.slack.com/files/U1/F1/log.txt",
        "url_private_download": "https://files.slack.com/secret",
    }
    card = card_of(slack, emma)
    conversation.answer(said(slack, emma, card, "", subtype="file_share", files=[file]))
    conversation.answer(said(slack, emma, card, "One more", subtype="file_share", files=[file]))
    conversation.deliver()
    texts = conversation.replies_to(nils)
    assert texts[0] == "Ticket 1: User 1 wrote: The &lt;log&gt;"
    shown = [m["blocks"] for m in slack.messages(People.slack_id(nils))[-2:]]
    link = "<https://example.slack.com/files/U1/F1/log.txt|The &lt;log&gt;>"
    assert [blocks[-1]["elements"][0]["text"] for blocks in shown] == [link, link]
    assert "secret" not in str(shown)
    assert conversation.ephemeral_messages() == [
        (
            People.slack_id(emma),
            "Files are passed on as links. If a person can't open one, share the file with them "
            "in Slack. You won't see this message again.",
        )
    ]


def test_another_moderators_comment_reaches_both(
    conversation: Conversation,
    slack: RecordingSlack,
    comments: CommentService,
    ticket: Ticket,
    emma: User,
    nils: User,
    people: People,
) -> None:
    other = people.add(Role.MODERATOR)
    comments.add(actor=Actor.from_user(other), ticket_id=str(ticket.id), text="I saw this, too.")
    conversation.deliver()
    told = ["Ticket 1: Moderator 3 wrote: I saw this, too."]
    assert conversation.replies_to(emma) == told
    assert conversation.replies_to(nils) == told
    assert slack.messages(People.slack_id(other)) == []


def test_the_same_message_again_is_nothing_new(
    conversation: Conversation, ticket: Ticket, emma: User, nils: User, db: Mongo
) -> None:
    event = conversation.said(emma, "Hello?")
    repeated = event_of(message_of(event))  # with another event_id
    at_once(*[lambda body=body: conversation.answer(body) for body in (event, repeated, event) * 2])
    assert len(reload(db, ticket).comments) == 1
    for _ in range(2):
        conversation.deliver()
    assert len(conversation.replies_to(nils)) == 1


def test_a_changed_message_that_was_lost_is_kept_as_it_is_now(
    conversation: Conversation, ticket: Ticket, emma: User, db: Mongo
) -> None:
    event = conversation.said(emma, "x" * 3_001)
    for _ in range(2):
        conversation.answer(event)
    assert conversation.ephemeral_messages() == [
        (
            People.slack_id(emma),
            "At most 3,000 characters; this text has 3,001. This message was not passed on.",
        )
    ]
    conversation.answer(changed(event, "Shorter"))
    assert [comment.text for comment in reload(db, ticket).comments] == ["Shorter"]
    conversation.answer(event)  # which arrives late, and twice
    assert [comment.text for comment in reload(db, ticket).comments] == ["Shorter"]


def test_an_edit_that_is_too_long_says_so(
    conversation: Conversation, ticket: Ticket, emma: User, db: Mongo
) -> None:
    event = conversation.said(emma, "Short")
    conversation.answer(event)
    conversation.answer(changed(event, "x" * 3_001))
    assert conversation.ephemeral_messages()[0][1] == (
        "At most 3,000 characters; this text has 3,001. This change was not passed on."
    )
    assert reload(db, ticket).comments[0].text == "Short"


def test_a_flood_is_told_of_once_until_it_is_over(
    conversation: Conversation,
    slack: RecordingSlack,
    ticket: Ticket,
    emma: User,
    clock: FixedClock,
    db: Mongo,
) -> None:
    card = card_of(slack, emma)
    for number in range(33):
        conversation.answer(said(slack, emma, card, f"Line {number}"))
    assert len(reload(db, ticket).comments) == 30
    (told,) = conversation.ephemeral_messages()
    assert told[1].startswith("You have written 30 comments on ticket 1 within 10 minutes")
    clock.advance(minutes=11)
    for number in range(33):
        conversation.answer(said(slack, emma, card, f"And line {number}"))
    assert len(conversation.ephemeral_messages()) == 2


def test_a_full_ticket_says_so_once(
    conversation: Conversation, slack: RecordingSlack, ticket: Ticket, emma: User, db: Mongo
) -> None:
    at = reload(db, ticket).events[0].at
    full = [comment_doc(by=emma.id, text="x", at=at) for _ in range(500)]
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"comments": full}})
    for text in ("One more", "And another"):
        conversation.answer(conversation.said(emma, text))
    assert conversation.ephemeral_messages() == [
        (
            People.slack_id(emma),
            "Ticket 1 has 500 comments, which is the limit, so this is not passed on. File a new "
            "ticket with /ticket and name this one in it.",
        )
    ]
    (call,) = slack.calls_to("chat.postEphemeral")
    assert call.args["thread_ts"] == card_of(slack, emma)["ts"]


@pytest.mark.parametrize(
    "more",
    [
        {"bot_id": BOT_ID, "user": BOT_USER_ID},
        {"bot_id": "B0OTHER"},
        {"subtype": "bot_message", "bot_id": "B0OTHER", "user": None},
        {"subtype": "channel_join"},
        {"subtype": "tombstone"},
    ],
)
def test_what_is_no_persons_reply_to_a_ticket_is_left_alone(
    conversation: Conversation,
    slack: RecordingSlack,
    ticket: Ticket,
    emma: User,
    db: Mongo,
    more: Any,
) -> None:
    slack.clear()
    event = conversation.said(emma, "Hello")
    event["event"].update(more)
    conversation.answer(event)
    conversation.answer(changed(event, "Hello again"))
    conversation.answer(deleted(event))
    assert reload(db, ticket).comments == ()
    assert slack.calls == []


def test_a_message_elsewhere_creates_no_account(
    conversation: Conversation, slack: RecordingSlack, db: Mongo, ticket: Ticket
) -> None:
    slack.add_member("U0PASSER", email="passer@example.com", name="Passer")
    message = {"channel": GENERAL, "ts": "1600000000.000001"}
    before = db.users.count_documents({})
    event = payloads.event(
        {
            "type": "message",
            "user": "U0PASSER",
            "text": "Lunch?",
            "ts": "1600000000.000002",
            "thread_ts": message["ts"],
            "channel": GENERAL,
            "channel_type": "channel",
        }
    )
    slack.clear()
    conversation.answer(event)
    assert (db.users.count_documents({}), slack.calls) == (before, [])


def test_the_line_below_a_message_is_no_conversation_of_ours(
    slack: RecordingSlack, ticket: Ticket, db: Mongo, bot_process: BotProcess
) -> None:
    delivery = {"key": f"1:thread:{GENERAL}", "state": "sent", "channel": GENERAL, "ts": "1.000001"}
    db.tickets.update_one({"_id": ticket.id}, {"$push": {"notices": delivery}})
    team = reload(db, ticket).team_id or ""
    assert (
        bot_process.services.ticket_threads.find_ticket(
            team_id=team, message=MessageRef(GENERAL, "1.000001")
        )
        is None
    )
    own = reload(db, ticket).cards[0]
    found = bot_process.services.ticket_threads.find_ticket(
        team_id=team, message=MessageRef(own.channel, own.ts)
    )
    assert found is not None
    assert (found.ticket_id, found.internal) == (str(ticket.id), False)
    assert (
        bot_process.services.ticket_threads.find_ticket(
            team_id="T0OTHER", message=MessageRef(own.channel, own.ts)
        )
        is None
    )
    assert (
        bot_process.services.ticket_threads.find_ticket(
            team_id=team, message=MessageRef("D0OTHER", own.ts)
        )
        is None
    )


def test_with_the_database_away_slack_is_asked_to_send_it_again(
    bot_without_database: Bot, slack: RecordingSlack, ticket: Ticket, emma: User
) -> None:
    response = bot_without_database.send(said(slack, emma, card_of(slack, emma), "Hello"))
    assert response.status == 503


def test_a_deactivated_member_is_told_why_nothing_happens(
    conversation: Conversation, ticket: Ticket, emma: User, db: Mongo
) -> None:
    db.users.update_one({"_id": emma.id}, {"$set": {"active": False}})
    event = conversation.said(emma, "Hello")
    conversation.answer(event)
    ((_, sentence),) = conversation.ephemeral_messages()
    assert sentence.startswith("Your account in this app is deactivated.")
    assert sentence.endswith(" This message was not passed on.")
    assert reload(db, ticket).comments == ()


def test_a_deletion_follows_its_author_to_another_account(
    conversation: Conversation, ticket: Ticket, emma: User, db: Mongo
) -> None:
    event = conversation.said(emma, "Hello")
    conversation.answer(event)
    db.users.update_one({"_id": emma.id}, {"$set": {"active": False}})
    conversation.answer(deleted(event))
    assert reload(db, ticket).comments[0].deleted


def test_what_a_new_assignee_finds_in_their_thread(
    conversation: Conversation,
    comments: CommentService,
    ticket_actions: TicketActions,
    ticket: Ticket,
    emma: User,
    nils: User,
    people: People,
) -> None:
    actor, ticket_id = Actor.from_user(emma), str(ticket.id)
    for number in range(12):
        comments.add(actor=actor, ticket_id=ticket_id, text=f"Line {number}")
    conversation.deliver()
    ina = people.add(Role.MODERATOR)
    ticket_actions.reassign(
        actor=Actor.from_user(nils), ticket_id=ticket_id, assignee_id=str(ina.id)
    )
    comments.add(actor=actor, ticket_id=ticket_id, text="And now?")
    conversation.deliver()
    assert conversation.replies_to(ina) == [
        f"Ticket 1: User 1 wrote: {text}"
        for text in (*[f"Line {number}" for number in range(2, 12)], "And now?")
    ]
    assert len(conversation.replies_to(nils)) == 12


def submitted(
    conversation: Conversation, step: str, ticket: Ticket, user: User, text: str
) -> dict[str, Any]:
    assert conversation.answer(pressed(step, ticket, user)) == {}
    view = conversation.slack.last_view()
    return payloads.view_submission(view, {"text": text}, user=People.slack_id(user))


def test_a_comment_by_its_modal(
    conversation: Conversation,
    slack: RecordingSlack,
    ticket: Ticket,
    emma: User,
    nils: User,
    db: Mongo,
) -> None:
    form = submitted(conversation, "comment", ticket, emma, "Hello <there>")
    view = slack.last_view()
    assert view["title"]["text"] == "Comment on ticket 1"
    assert view["blocks"][1]["hint"]["text"] == (
        "Everyone who works on the ticket reads this. They also read replies in "
        "the thread of the ticket's card."
    )
    for _ in range(2):
        assert conversation.answer(form) == {}
    assert [comment.text for comment in reload(db, ticket).comments] == ["Hello <there>"]
    conversation.deliver()
    assert conversation.replies_to(nils) == ["Ticket 1: User 1 wrote: Hello &lt;there&gt;"]


def test_an_internal_note_by_its_modal(
    conversation: Conversation,
    slack: RecordingSlack,
    ticket: Ticket,
    emma: User,
    nils: User,
    people: People,
) -> None:
    form = submitted(conversation, "note", ticket, people.add(Role.MODERATOR), "Hush")
    view = slack.last_view()
    assert view["title"]["text"] == "Note on ticket 1"
    assert view["blocks"][1]["hint"]["text"] == (
        "Only moderators and admins read this, never the requester."
    )
    assert conversation.answer(form) == {}
    conversation.deliver()
    assert conversation.replies_to(nils) == []
    notes = card_of(slack, nils, "Internal notes on #1")
    assert in_thread(slack, nils, notes) == ["Ticket 1: Moderator 3 wrote an internal note: Hush"]
    assert len(slack.messages(People.slack_id(emma))) == 1


def test_an_empty_comment_keeps_the_modal(
    conversation: Conversation, ticket: Ticket, emma: User
) -> None:
    form = submitted(conversation, "comment", ticket, emma, " ")
    assert conversation.answer(form) == {
        "response_action": "errors",
        "errors": {"text": "Write something first."},
    }


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message", "channel": "D1", "subtype": "message_changed"},
        {"type": "message", "channel": "D1", "subtype": "message_deleted"},
        {"type": "message", "channel": "D1", "subtype": "message_replied", "ts": "1.1"},
    ],
)
def test_what_is_no_message_of_a_person(event: dict[str, Any]) -> None:
    assert parse_message(event) is None


def test_what_could_not_be_kept_is_taken_when_slack_sends_it_again(
    conversation: Conversation, bot_process: BotProcess, ticket: Ticket, emma: User, db: Mongo
) -> None:
    away = connect(NOBODY_LISTENS)
    cut_off = Bot(
        create_app(with_services(bot_process, comments=CommentService(away)), executor=Inline())
    )
    event = conversation.said(emma, "Hello")
    assert cut_off.send(event).status == 503
    away.client.close()
    assert conversation.send(event).status == 200
    assert [comment.text for comment in reload(db, ticket).comments] == ["Hello"]


def test_redis_away_costs_no_comment(
    conversation: Conversation, bot_process: BotProcess, ticket: Ticket, emma: User, db: Mongo
) -> None:
    away = CeleryPublisher(celery_for(f"redis://127.0.0.1:{free_port()}/0"))
    cut_off = inline_bot(replace(bot_process, publisher=away))
    assert cut_off.send(conversation.said(emma, "Hello")).status == 200
    assert (len(reload(db, ticket).comments), reload(db, ticket).is_in_outbox) == (1, True)


def test_a_confirmation_that_fails_costs_nothing(
    conversation: Conversation, slack: RecordingSlack, ticket: Ticket, emma: User, db: Mongo
) -> None:
    slack.fail("chat.postEphemeral", status=500)
    file = {"name": "a.png", "permalink": "https://example.slack.com/files/U1/F1/a.png"}
    event = conversation.said(emma, "Look", subtype="file_share", files=[file])
    assert conversation.send(event).status == 200
    assert len(reload(db, ticket).comments) == 1


@pytest.mark.parametrize("text", ["", "Look:"])
def test_a_reply_passes_on_forwarded_words_and_names_other_files(
    conversation: Conversation,
    slack: RecordingSlack,
    ticket: Ticket,
    emma: User,
    db: Mongo,
    text: str,
) -> None:
    slack.add_channel("C0CLOSED", is_private=True, is_member=True)
    url = "https://example.slack.com/archives/{}/p1700000000000100"
    shared = [
        {"is_share": True, "text": words, "from_url": url.format(channel), "author_name": "Jo"}
        for channel, words in ((GENERAL, "It drops"), ("C0CLOSED", "Secret"))
    ]
    event = conversation.said(emma, text, attachments=shared, files=[{"name": "a.log"}])
    conversation.answer(event)
    (comment,) = reload(db, ticket).comments
    assert comment.text.removeprefix("Look:\n") == (
        f"Forwarded message of Jo in #general:\nIt drops\n{url.format(GENERAL)}\n"
        f"Forwarded message: {url.format('C0CLOSED')}\n"
        "a.log (not passed on)"
    )
    conversation.answer(changed(event, text, attachments=shared[1:]))
    assert "It drops" not in reload(db, ticket).comments[0].text
