"""The emoji and the mention, over signed HTTP: a worker reads the message or the thread, and makes
a ticket of it."""

from typing import Any

import pytest

from bot.slack.client import member_lookup
from services.channels.request_channels import ChannelMode
from services.models.comment import MessageRef
from services.models.user import User
from tests.conftest import FixedClock, People, web_client
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.block_text import read
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import changed, deleted, message_of
from tests.support.request_channel import IT_HELP, Channel
from tests.support.slack_workspace import BOT_USER_ID, GENERAL

pytest_plugins = ["tests.support.channel_story"]

Json = dict[str, Any]
VPN = "The VPN drops every hour"
MENTION = f"<@{BOT_USER_ID}>"


@pytest.fixture
def on_request(channel: Channel) -> Channel:
    services = channel.system.runtime.services
    services.look_up_member = member_lookup(web_client(channel.system.slack))
    channel.configure(ChannelMode.ON_REQUEST)
    return channel


@pytest.fixture
def eva(people: People) -> User:
    """A member who is neither the author of a message nor staff."""
    return people.add()


def reaction(event: Json, user: User) -> Json:
    message = message_of(event)
    item = {"type": "message", "channel": message["channel"], "ts": message["ts"]}
    body = {"type": "reaction_added", "user": People.slack_id(user), "reaction": "ticket"}
    return payloads.event({**body, "item": item, "item_user": message["user"]})


def mention_of(event: Json) -> Json:
    """Return the `app_mention` event that Slack sends beside the `message` event."""
    inner = {name: value for name, value in event["event"].items() if name != "channel_type"}
    return payloads.event({**inner, "type": "app_mention"})


def accept_offer(channel: Channel, user: User, offer: Json) -> Json:
    """Press the button of the offer, and return the form."""
    body = payloads.block_actions(offer, "file_marked", user=People.slack_id(user))
    assert channel.system.bot.answer(body) == {}
    return channel.system.slack.last_view()


def offers(system: BotAndWorkers, user: User) -> list[str]:
    return [message["text"] for message in system.messages(user)]


# The emoji


@pytest.mark.parametrize("mode", ChannelMode)
def test_the_emoji_files_a_message_at_once(
    channel: Channel, ann: User, ben: User, mode: ChannelMode
) -> None:
    channel.configure(mode)
    event = channel.written(ann, f"{VPN}, <@{People.slack_id(ben)}>")
    marked = reaction(event, ann)
    channel.send(marked)
    channel.send(marked)
    ticket = channel.only_ticket()
    assert (ticket.created_by, ticket.filed_by) == (ann.id, None)
    assert ticket.title == f"{VPN}, @moderator"
    assert ticket.source
    assert ticket.source.is_conversation


def test_the_emoji_of_staff_makes_a_ticket_of_the_author(
    on_request: Channel, ann: User, ben: User
) -> None:
    on_request.send(reaction(on_request.written(ann, VPN), ben))
    ticket = on_request.only_ticket()
    assert (ticket.created_by, ticket.filed_by) == (ann.id, ben.id)


def test_the_emoji_of_another_member_is_an_offer_to_the_author(
    on_request: Channel, ann: User, eva: User
) -> None:
    on_request.send(reaction(on_request.written(ann, VPN), eva))
    assert on_request.tickets() == []
    question = "A colleague marked your message. Shall I file it as your ticket?"
    assert on_request.notices() == [(People.slack_id(ann), question)]


def test_a_message_of_a_private_channel_is_read_and_filed_as_private(
    channel: Channel, ann: User
) -> None:
    channel.configure(ChannelMode.ON_REQUEST, is_private=True)
    channel.send(reaction(channel.written(ann, VPN), ann))
    assert channel.only_ticket().private


def test_a_reply_that_is_marked_becomes_a_ticket(on_request: Channel, ann: User) -> None:
    first = on_request.written(ann, "Lunch?")
    reply = on_request.written(ann, VPN, thread_ts=first["event"]["ts"])
    on_request.send(reaction(reply, ann))
    ticket = on_request.only_ticket()
    assert ticket.source
    assert (ticket.title, ticket.source.thread_ts) == (VPN, first["event"]["ts"])


def test_the_replies_below_a_marked_message_are_comments(
    channel: Channel, ann: User, ben: User
) -> None:
    """The greeting became no ticket when it was written."""
    channel.configure(ChannelMode.EVERY_MESSAGE)
    greeting = channel.write(ann, "Good morning")
    channel.write(ben, "How can I help?", thread_ts=greeting["event"]["ts"])
    channel.write(ann, VPN, thread_ts=greeting["event"]["ts"])
    channel.send(reaction(greeting, ben))
    ticket = channel.only_ticket()
    assert [comment.text for comment in ticket.comments] == ["How can I help?", VPN]
    assert "commented" not in {event.type for event in ticket.events}


def test_a_reply_waits_for_the_ticket_that_was_asked_for(on_request: Channel, ann: User) -> None:
    """The worker may have read the thread already."""
    first = on_request.written(ann, VPN)
    bot = on_request.system.bot
    assert bot.answer(reaction(first, ann)) == {}
    reply = on_request.written(ann, "Since Monday", thread_ts=first["event"]["ts"])
    on_request.system.slack.remove(message_of(reply))  # it comes after the worker has read
    assert bot.send(reply).status == 503
    on_request.system.work()
    on_request.send(reply)
    assert [comment.text for comment in on_request.only_ticket().comments] == ["Since Monday"]


def test_a_marked_reply_is_followed(on_request: Channel, ann: User) -> None:
    first = on_request.written(ann, "Lunch?")
    reply = on_request.written(ann, f"{VPN}, hunter2", thread_ts=first["event"]["ts"])
    on_request.send(reaction(reply, ann))
    edit = changed(reply, VPN)
    on_request.send(edit)
    ticket = on_request.only_ticket()
    assert (ticket.title, ticket.description, ticket.comments) == (VPN, VPN, ())
    on_request.send(deleted(edit))
    assert on_request.only_ticket().title == "A deleted message"


@pytest.mark.parametrize("is_root_first", [True, False])
def test_a_thread_is_the_conversation_about_its_first_ticket(
    on_request: Channel, ann: User, ben: User, eva: User, is_root_first: bool
) -> None:
    """Its replies would be comments on one of two. The people of the other have its cards."""
    first = on_request.written(ann, VPN)
    reply = on_request.written(eva, "My phone is broken", thread_ts=first["event"]["ts"])
    marked = [reaction(first, ann), reaction(reply, eva)]
    for one in marked if is_root_first else marked[::-1]:
        on_request.send(one)
    talked_about, other = on_request.tickets()
    assert other.comments == ()
    assert talked_about.source
    assert other.source
    assert (talked_about.source.is_conversation, other.source.is_conversation) == (True, False)
    requester = ann if other.created_by == ann.id else eva
    assert len(on_request.system.messages(requester)) == 1  # the card
    on_request.system.actions.ask_requester(**by(ben, other), question="Which one?")
    on_request.system.deliver()
    assert "Which one?" in str(on_request.system.messages(requester))
    assert "Which one?" not in str(on_request.system.slack.messages(IT_HELP))


def test_a_reply_that_is_a_comment_and_a_ticket_is_followed_in_both(
    every: Channel, ann: User
) -> None:
    first = every.write(ann, VPN)
    reply = every.write(ann, "My phone is broken", thread_ts=first["event"]["ts"])
    every.send(reaction(reply, ann))
    edit = changed(reply, "My blue phone is broken")
    every.send(edit)
    about_vpn, about_phone = every.tickets()
    assert [comment.text for comment in about_vpn.comments] == ["My blue phone is broken"]
    assert about_phone.title == "My blue phone is broken"
    every.send(deleted(edit))
    about_vpn, about_phone = every.tickets()
    assert [comment.deleted for comment in about_vpn.comments] == [True]
    assert about_phone.title == "A deleted message"


@pytest.mark.parametrize("how", ["emoji", "mention"])
def test_what_cannot_be_read_is_offered_with_its_link(
    on_request: Channel, ann: User, how: str
) -> None:
    """The bot is removed between the event and the work."""
    event = on_request.written(ann, VPN)
    if how == "emoji":
        asked = reaction(event, ann)
    else:
        asked = mention_of(on_request.written(ann, MENTION, thread_ts=event["event"]["ts"]))
    assert on_request.system.bot.answer(asked) == {}
    on_request.system.slack.workspace.channels[IT_HELP]["is_member"] = False
    on_request.system.work()
    assert on_request.tickets() == []
    (offer,) = on_request.system.messages(ann)
    assert offer["text"] == "You asked me to file a message. Shall I file it as a ticket?"
    assert "I can't read it." in str(offer["blocks"])


def test_a_request_waits_for_slack_and_for_a_worker(
    on_request: Channel, ann: User, clock: FixedClock
) -> None:
    marked = reaction(on_request.written(ann, VPN), ann)
    on_request.system.slack.fail("conversations.history", status=503)
    on_request.send(marked)
    assert on_request.tickets() == []
    clock.advance(seconds=10)
    replies = on_request.system.runtime.services.replies
    on_request.system.publisher.publish_reply(str(replies.next_due_id()))  # as the sweep does
    on_request.system.work()
    assert on_request.only_ticket().title == VPN


# The shortcut


@pytest.mark.parametrize("chosen", ["author", "self", "other"])
def test_a_requester_who_neither_wrote_nor_filed_has_a_card(
    on_request: Channel, ann: User, ben: User, eva: User, chosen: str
) -> None:
    """They may not be in the channel, so its thread is not their conversation."""
    requester = {"author": ann, "self": ben, "other": eva}[chosen]
    message, slack_id = message_of(on_request.written(ann, VPN)), People.slack_id(ben)
    on_request.system.bot.answer(
        payloads.message_shortcut("make_ticket", message, user=slack_id, channel=IT_HELP)
    )
    view = on_request.system.slack.last_view()
    values = {"createdBy": People.slack_id(requester)}
    on_request.system.bot.answer(payloads.view_submission(view, values, user=slack_id))
    on_request.system.work()
    ticket = on_request.only_ticket()
    assert ticket.source
    assert (ticket.created_by, ticket.source.is_conversation) == (
        requester.id,
        chosen != "other",
    )
    assert bool(offers(on_request.system, requester)) is (chosen == "other")


# A mention outside a thread


@pytest.mark.parametrize("mode", ChannelMode)
@pytest.mark.parametrize("first", ["mention", "message"])
def test_a_message_with_a_mention_is_one_ticket(
    channel: Channel, ann: User, mode: ChannelMode, first: str
) -> None:
    channel.configure(mode)
    event = channel.written(ann, f"{MENTION} VPN broken")
    both = [mention_of(event), event]
    for one in both if first == "mention" else both[::-1]:
        channel.send(one)
        channel.send(one)
    ticket = channel.only_ticket()
    assert (ticket.title, ticket.description) == ("VPN broken", "VPN broken")
    assert channel.notices() == []


@pytest.mark.parametrize("text", [MENTION, f"{MENTION} hello", f"thanks {MENTION}"])
def test_a_mention_without_a_request_is_nothing(on_request: Channel, ann: User, text: str) -> None:
    on_request.send(mention_of(on_request.written(ann, text)))
    assert on_request.tickets() == []


# A mention in a thread


def thread_of(channel: Channel, author: User | str, *replies: tuple[User | str, str]) -> Json:
    first = channel.written(author, VPN)
    for writer, text in replies:
        channel.written(writer, text, thread_ts=first["event"]["ts"])
    return first


def mention_below(channel: Channel, first: Json, user: User, text: str = MENTION) -> Json:
    mention = mention_of(channel.written(user, text, thread_ts=first["event"]["ts"]))
    channel.send(mention)
    return mention


def test_a_mention_makes_a_ticket_of_the_thread(
    on_request: Channel, ann: User, ben: User, eva: User, people: People
) -> None:
    on_request.system.slack.add_member("U0NEW", email="new@example.com", name="Nina")
    first = thread_of(
        on_request, ann, (eva, "Mine, too"), ("U0NEW", "Try a cable"), (ann, "No luck")
    )
    mention = mention_below(on_request, first, ben, f"{MENTION} please help")
    on_request.send(mention)  # repeated
    ticket = on_request.only_ticket()
    assert (ticket.created_by, ticket.filed_by) == (ann.id, ben.id)
    assert (ticket.title, ticket.description) == (VPN, VPN)
    new = on_request.system.db.users.find_one({"email": "new@example.com"})
    assert new
    assert [(comment.by, comment.text) for comment in ticket.comments] == [
        (eva.id, "Mine, too"),
        (new["_id"], "Try a cable"),
        (ann.id, "No luck"),
        (ben.id, "please help"),
    ]
    said = on_request.system.slack.messages(IT_HELP)[1]
    assert ticket.comments[0].slack_message == MessageRef(IT_HELP, said["ts"])
    assert f"{ticket.comments[0].at.timestamp():.0f}" == f"{float(said['ts']):.0f}"
    assert not ticket.comments[0].internal


def test_the_messages_of_a_thread_notify_no_one(on_request: Channel, ann: User, ben: User) -> None:
    """No event: they count for no figure, either."""
    mention_below(on_request, thread_of(on_request, ann, (ben, "Since when?")), ann)
    ticket = on_request.only_ticket()
    assert len(ticket.comments) == 1
    assert "commented" not in {event.type for event in ticket.events}
    texts = [text for user in (ann, ben) for text in offers(on_request.system, user)]
    said = on_request.system.slack.messages(IT_HELP)
    texts += [message["text"] for message in said if "bot_id" in message]
    assert not any("Since when?" in text for text in texts)


def test_a_ticket_of_a_thread_says_what_it_leaves_out(
    on_request: Channel, ann: User, ben: User
) -> None:
    slack = on_request.system.slack
    slack.add_member("U0GUEST", email="guest@example.com", name="Gus", is_restricted=True)
    slack.add_member("U0APP", email="", name="App", is_bot=True)
    slack.add_member("U0ELSE", email="e@other.example", name="Else", team_id="T0OTHER")
    others = [("U0GUEST", "Me, too"), ("U0APP", "Beep"), ("U0ELSE", "Same here")]
    first = thread_of(on_request, ann, *((ben, f"Try {number}") for number in range(40)), *others)
    mention_below(on_request, first, ann)
    ticket = on_request.only_ticket()
    assert ticket.source
    assert ticket.description == (
        f"{VPN}\n\n3 messages by others are not included. 14 earlier messages are not included. "
        f"The whole thread: {ticket.source.permalink}"
    )
    texts = [comment.text for comment in ticket.comments]
    assert texts == [f"Try {number}" for number in range(14, 40)]
    assert on_request.system.db.users.count_documents({"email": "guest@example.com"}) == 0


def test_a_thread_with_a_long_reply_is_filed(on_request: Channel, ann: User) -> None:
    mention_below(on_request, thread_of(on_request, ann, (ann, "It fails. " * 400)), ann)
    ticket = on_request.only_ticket()
    (comment,) = ticket.comments
    assert 2_980 <= len(comment.text) <= 3_000
    assert ticket.source is not None
    assert comment.text.endswith(f"…\n\nThe rest is in the message: {ticket.source.permalink}")


def test_the_mention_of_another_member_is_an_offer_to_the_author(
    on_request: Channel, ann: User, eva: User, clock: FixedClock
) -> None:
    first = thread_of(on_request, ann, (eva, "Mine, too"))
    clock.advance(minutes=5)
    mention_below(on_request, first, eva)
    assert on_request.tickets() == []
    assert offers(on_request.system, ann) == [
        "A colleague mentioned me below your message. Shall I file it as your ticket?"
    ]
    assert offers(on_request.system, eva) == []
    assert on_request.system.slack.calls_to("conversations.replies") == []
    (offer,) = on_request.system.messages(ann)
    view = accept_offer(on_request, ann, offer)
    note, *_ = read(view)
    assert note.startswith("Filled in from the message.")


def test_the_thread_of_a_guest_is_offered_to_who_asks(on_request: Channel, ann: User) -> None:
    on_request.system.slack.add_member(
        "U0GUEST", email="guest@example.com", name="Gus", is_restricted=True
    )
    mention_below(on_request, thread_of(on_request, "U0GUEST"), ann)
    (offer,) = on_request.system.messages(ann)
    assert offer["text"] == "You asked me to file a message. Shall I file it as your ticket?"
    assert "Gus is a guest, and guests get no account." in str(offer["blocks"])


def test_a_mention_in_a_thread_that_is_a_ticket_files_nothing(
    on_request: Channel, ann: User
) -> None:
    first = thread_of(on_request, ann)
    mention_below(on_request, first, ann)
    mention_below(on_request, first, ann, f"{MENTION} any news?")
    on_request.only_ticket()
    assert on_request.notices() == []


# Elsewhere


def elsewhere(channel: Channel, user: User, *flags: str, author: User | None = None) -> Json:
    """Mention the bot below a message in another channel, by default the user's own."""
    slack = channel.system.slack
    slack.add_channel(GENERAL, is_member=True, members=[], **dict.fromkeys(flags, True))
    first = slack.say(GENERAL, VPN, user=People.slack_id(author or user))
    reply = slack.say(GENERAL, MENTION, user=People.slack_id(user), thread_ts=first["ts"])
    mention = payloads.event({**reply, "type": "app_mention"})
    channel.send(mention)
    return mention


def test_a_thread_of_a_public_channel_becomes_a_ticket(channel: Channel, ann: User) -> None:
    mention = elsewhere(channel, ann)
    ticket = channel.only_ticket()
    assert ticket.source
    assert (ticket.title, ticket.source.is_conversation) == (VPN, False)
    channel.send(payloads.event(mention["event"]))
    assert channel.notices() == [(People.slack_id(ann), "You have already filed this as ticket 1.")]


@pytest.mark.parametrize("flag", ["is_private", "is_ext_shared"])
def test_a_thread_that_others_may_not_read_is_offered_with_its_link(
    channel: Channel, ann: User, flag: str
) -> None:
    elsewhere(channel, ann, flag)
    assert channel.tickets() == []
    assert channel.system.slack.calls_to("conversations.replies") == []
    (offer,) = channel.system.messages(ann)
    assert "It is in no public channel of this workspace, so I have not read it." in str(offer)
    view = accept_offer(channel, ann, offer)
    fields = {block.get("block_id"): block for block in view["blocks"]}
    assert "/archives/C0GENERAL/" in fields["description"]["element"]["initial_value"]
    assert read(view)[0].startswith("Only a link to the message is filled in")


def test_a_mention_below_the_message_of_another_makes_no_ticket_of_it(
    channel: Channel, ann: User, eva: User
) -> None:
    """Where it is not read, either: the form files a ticket of their own, with its link."""
    elsewhere(channel, eva, "is_private", author=ann)
    assert offers(channel.system, ann) == []
    (offer,) = channel.system.messages(eva)
    view = accept_offer(channel, eva, offer)
    assert "because only its author and moderators can make a ticket of it" in read(view)[0]
    assert view["private_metadata"] == ""
