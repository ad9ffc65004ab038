"""Messages in request channels become tickets, over signed HTTP: repeated, in any order, in a
burst, and of people without an account."""

from typing import Any

import pytest

from services.channels.request_channels import ChannelMode
from services.core.rate_limit import RULES, Limit
from services.models.user import User
from tests.conftest import FixedClock, People, at_once
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.canary import FILED
from tests.support.comment_helpers import changed, deleted
from tests.support.request_channel import Channel

pytest_plugins = ["tests.support.channel_story"]

Json = dict[str, Any]
VPN = "The VPN drops every hour"


# What becomes a ticket


def test_a_message_becomes_a_ticket_of_its_author_once(
    every: Channel, ann: User, ben: User
) -> None:
    event = every.write(ann, f"Hi all,\n{VPN} since <@{People.slack_id(ben)}> was here")
    every.send(event)  # Slack repeats it
    ticket = every.only_ticket()
    assert (ticket.created_by, ticket.filed_by, ticket.private) == (ann.id, None, False)
    assert ticket.title == f"{VPN} since @moderator was here"
    assert ticket.description == f"Hi all,\n{VPN} since @moderator was here"
    assert ticket.source
    assert ticket.source.is_conversation
    assert ticket.source.ts == event["event"]["ts"]
    assert ticket.assigned_to == ben.id


def test_a_ticket_of_a_private_channel_is_private(channel: Channel, ann: User) -> None:
    channel.configure(ChannelMode.EVERY_MESSAGE, is_private=True)
    channel.write(ann, VPN)
    assert channel.only_ticket().private


@pytest.mark.parametrize(
    "text", ["Hello everyone", "thanks a lot!", ":tada: :tada:", "🎉", "", "<@U0BOT> thanks"]
)
def test_small_talk_becomes_nothing(every: Channel, ann: User, text: str) -> None:
    every.write(ann, text)
    assert every.tickets() == []
    assert every.notices() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"bot_id": "B0OTHER"},
        {"subtype": "channel_join"},
        {"subtype": "bot_message"},
        {"thread_ts": "1700000000.000001"},
        {"thread_ts": "1700000000.000001", "subtype": "thread_broadcast"},
    ],
)
def test_what_no_member_writes_outside_a_thread_becomes_nothing(
    every: Channel, ann: User, fields: Json
) -> None:
    every.write(ann, VPN, **fields)
    assert every.tickets() == []


@pytest.mark.parametrize("fields", [{"subtype": "me_message"}, {"subtype": "file_share"}])
def test_other_messages_of_members_become_tickets(every: Channel, ann: User, fields: Json) -> None:
    url = "https://example.slack.com/files/U1/F1/vpn.png"
    every.write(ann, VPN, files=[{"title": "vpn.png", "permalink": url}], **fields)
    assert every.only_ticket().description == f"{VPN}\nvpn.png: {url}"


def test_messages_in_a_channel_on_request_become_nothing(channel: Channel, ann: User) -> None:
    channel.configure(ChannelMode.ON_REQUEST)
    channel.write(ann, VPN)
    assert channel.tickets() == []


def test_a_message_that_is_too_long_leads_to_its_rest(every: Channel, ann: User) -> None:
    every.write(ann, f"{VPN}. " * 160)  # 4,160 characters
    ticket = every.only_ticket()
    assert ticket.source
    assert ticket.description.endswith(
        f"…\n\nThe rest is in the message: {ticket.source.permalink}"
    )
    assert 2_990 <= len(ticket.description) <= 3_000


def test_a_short_message_is_offered_once_in_ten_minutes(
    every: Channel, ann: User, clock: FixedClock, process_time: None
) -> None:
    event = every.write(ann, "VPN broken")
    every.send(event)
    every.write(ann, "Anyone?")
    question = (People.slack_id(ann), "Shall I file your message as a ticket?")
    assert every.notices() == [question]
    clock.advance(minutes=11)
    every.write(ann, "VPN down")
    assert every.notices() == [question] * 2
    assert every.tickets() == []


def test_the_form_of_a_short_message_quotes_it_in_a_private_channel_too(
    channel: Channel, ann: User
) -> None:
    channel.configure(ChannelMode.EVERY_MESSAGE, is_private=True)
    channel.write(ann, "VPN broken")
    (call,) = channel.system.slack.calls_to("chat.postEphemeral")
    slack_id = People.slack_id(ann)
    offer = {"ts": "1700000000.000009", **call.args}
    channel.system.bot.answer(payloads.block_actions(offer, "file_marked", user=slack_id))
    view = channel.system.slack.last_view()
    assert "VPN broken" in str(view["blocks"])
    channel.system.bot.answer(payloads.view_submission(view, user=slack_id))
    ticket = channel.only_ticket()
    assert (ticket.title, ticket.private, ticket.created_by) == ("VPN broken", True, ann.id)


def test_few_words_of_a_script_without_spaces_are_a_message(every: Channel, ann: User) -> None:
    every.write(ann, "電腦壞了")
    assert every.only_ticket().title == "電腦壞了"


def test_no_ticket_over_the_limit_is_dropped_in_silence(
    every: Channel, ann: User, clock: FixedClock
) -> None:
    for _ in range(RULES[Limit.TICKETS].amount + 2):
        every.write(ann, VPN)
        clock.advance(seconds=121)
    assert len(every.tickets()) == RULES[Limit.TICKETS].amount
    sentence = (
        "You have filed 20 tickets within an hour, which is the limit. Try again later; for an "
        "emergency, speak to a moderator. Until then, what you write here does not become a ticket."
    )
    assert every.notices() == [(People.slack_id(ann), sentence)]


# People without an account


def test_a_guest_is_told_once_why_there_is_no_ticket(every: Channel) -> None:
    every.system.slack.add_member(
        "U0GUEST", email="guest@example.com", name="Gus", is_restricted=True
    )
    event = every.write("U0GUEST", VPN)
    every.send(event)
    every.write("U0GUEST", VPN)
    ((reader, sentence),) = every.notices()
    assert reader == "U0GUEST"
    assert sentence.endswith("Your message here was not filed.")
    assert every.tickets() == []


def test_a_deactivated_account_is_told_why_there_is_no_ticket(every: Channel, ann: User) -> None:
    every.system.db.users.update_one({"_id": ann.id}, {"$set": {"active": False}})
    every.write(ann, VPN)
    ((reader, sentence),) = every.notices()
    assert reader == People.slack_id(ann)
    assert "deactivated" in sentence
    assert sentence.endswith("Your message here was not filed.")
    assert every.tickets() == []


def test_a_member_without_an_account_gets_one(every: Channel) -> None:
    every.system.slack.add_member("U0NEW", email="new@example.com", name="Nina")
    every.write("U0NEW", VPN)
    owner = every.system.db.users.find_one({"email": "new@example.com"})
    assert owner
    assert every.only_ticket().created_by == owner["_id"]


def test_the_message_of_a_new_member_waits_for_slack(every: Channel) -> None:
    every.system.slack.add_member("U0NEW", email="new@example.com", name="Nina")
    event = every.written("U0NEW", VPN)
    every.system.slack.fail("users.info", status=503)
    assert every.system.bot.send(event).status == 503
    assert every.tickets() == []
    every.send(event)
    assert every.only_ticket().title == VPN


# Further messages


def test_what_the_author_adds_within_two_minutes_goes_to_the_description(
    every: Channel, ann: User, ben: User, clock: FixedClock
) -> None:
    every.write(ann, VPN)
    clock.advance(seconds=100)
    more = every.write(ann, "since Monday")
    every.send(more)
    every.write(ben, "Mine drops all day")
    clock.advance(seconds=60)
    every.write(ann, "And the printer is broken")
    texts = [(ticket.created_by, ticket.description) for ticket in every.tickets()]
    assert texts == [
        (ann.id, f"{VPN}\nsince Monday"),
        (ben.id, "Mine drops all day"),
        (ann.id, "And the printer is broken"),
    ]
    edit = changed(more, "since Sunday")
    every.send(edit)
    assert every.tickets()[0].description == f"{VPN}\nsince Sunday"
    every.send(deleted(edit))
    assert every.tickets()[0].description == VPN


def test_what_the_author_adds_to_an_accepted_ticket_is_a_comment(
    every: Channel, ann: User, ben: User
) -> None:
    every.write(ann, VPN)
    ticket = every.only_ticket()
    every.system.actions.accept(**by(ben, ticket))
    more = every.write(ann, "since Monday")
    every.send(more)
    every.send(changed(more, "since Sunday"))
    now = every.only_ticket()
    assert (now.description, [c.text for c in now.comments]) == (VPN, ["since Sunday"])
    every.send(deleted(more))
    assert [comment.deleted for comment in every.only_ticket().comments] == [True]


def test_what_does_not_fit_into_the_description_is_a_comment(every: Channel, ann: User) -> None:
    every.write(ann, VPN)
    every.write(ann, "since Monday. " * 213)
    (comment,) = every.only_ticket().comments
    assert comment.text.startswith("since Monday.")


# Order, edits and deletions


def test_an_edit_that_comes_before_its_message_is_filed(every: Channel, ann: User) -> None:
    event = every.written(ann, VPN)
    every.send(changed(event, f"{VPN} in Berlin"))
    every.send(event)
    assert every.only_ticket().description == f"{VPN} in Berlin"


def test_messages_that_come_in_the_wrong_order_are_one_ticket(every: Channel, ann: User) -> None:
    first, second = every.written(ann, VPN), every.written(ann, "Since Monday it says no")
    every.send(second)
    every.send(first)
    assert every.only_ticket().description == f"{VPN}\nSince Monday it says no"


def test_an_edit_changes_the_ticket(every: Channel, ann: User) -> None:
    event = every.write(ann, f"{VPN}. My password is hunter2!")
    edit = changed(event, f"{VPN} in Berlin")
    every.send(edit)
    every.send(edit)
    ticket = every.only_ticket()
    assert (ticket.title, ticket.description) == (f"{VPN} in Berlin",) * 2
    assert "hunter2" not in str(every.system.db.tickets.find_one(FILED))
    assert [text.partition(":")[0] for _, text in every.notices()] == [
        "Your message looks like it contains a password, a key, or a card or bank number. Delete "
        "the message if you can"
    ]


def test_a_repeated_edit_changes_the_ticket_once(every: Channel, ann: User) -> None:
    """Slack repeats it if the first answer was late."""
    event = every.write(ann, VPN)
    edit = changed(event, f"{VPN} in Berlin")
    every.send(edit)
    every.send({**edit, "event_id": "Ev0AGAIN"})
    every.send(edit)
    ticket = every.only_ticket()
    assert (ticket.title, ticket.description) == (f"{VPN} in Berlin",) * 2


def test_an_edit_of_a_greeting_is_filed(every: Channel, ann: User, clock: FixedClock) -> None:
    event = every.write(ann, "Hello")
    edit = changed(event, VPN)
    clock.advance(minutes=11)
    every.send(edit)
    assert every.tickets() == []
    clock.advance(minutes=-11)
    every.send(edit)
    assert every.only_ticket().title == VPN


def test_an_edit_is_refused_if_the_ticket_has_other_words(
    every: Channel, ann: User, ben: User
) -> None:
    event = every.write(ann, VPN)
    filed = {"title": "VPN", "description": "In Berlin."}
    every.system.db.tickets.update_one(FILED, {"$set": filed})
    every.send(changed(event, f"{VPN} again"))
    assert [text for _, text in every.notices()] == [
        "Ticket 1 does not have the words of your message any more, so it does not change with it. "
        "Write what is new in the thread of the message."
    ]


def test_a_message_deleted_at_once_cancels_its_ticket(
    every: Channel, ann: User, clock: FixedClock
) -> None:
    event = every.write(ann, VPN)
    clock.advance(seconds=60)
    gone = deleted(event)
    every.send(gone)
    every.send(gone)
    every.send(event)  # repeated late
    ticket = every.only_ticket()
    assert (ticket.status, ticket.resolution) == ("COMPLETED", "cancelled")
    assert ticket.title == "A deleted message"
    last = ticket.events[-1]
    assert (last.type, last.by, last.note) == ("cancelled", ann.id, "deleted the message")


@pytest.mark.parametrize("when", ["later", "accepted"])
def test_a_message_deleted_later_leaves_its_ticket(
    every: Channel, ann: User, ben: User, clock: FixedClock, when: str
) -> None:
    event = every.write(ann, VPN)
    if when == "later":
        clock.advance(seconds=121)
    else:
        ticket = every.only_ticket()
        every.system.actions.accept(**by(ben, ticket))
    every.send(deleted(event))
    ticket = every.only_ticket()
    assert (ticket.status, ticket.title) == ("IN_PROGRESS", "A deleted message")
    assert VPN not in ticket.description


def test_a_message_whose_deletion_comes_first_becomes_nothing(every: Channel, ann: User) -> None:
    event = every.written(ann, VPN)
    every.send(deleted(event))
    every.send(event)
    assert every.tickets() == []


def test_the_author_is_told_if_words_of_a_deleted_message_may_stay(
    every: Channel, ann: User, ben: User, clock: FixedClock
) -> None:
    """Here a mentioned member has another name since, so the words are not found."""
    slack_id = People.slack_id(ben)
    event = every.write(ann, f"Tell <@{slack_id}> that the key is lost")
    every.system.slack.workspace.members[slack_id]["profile"]["display_name"] = "Benny"
    clock.advance(minutes=5)
    for _ in range(2):
        every.send(deleted(event))
    assert every.only_ticket().description == "Tell @moderator that the key is lost"
    assert every.notices() == [
        (
            People.slack_id(ann),
            "Ticket 1 was changed since you wrote the message that you deleted. It may still have "
            "words of it. Ask a moderator to remove them.",
        )
    ]


# Faults and bursts


def test_a_message_waits_for_the_database(
    every: Channel, ann: User, bot_without_database: Any
) -> None:
    event = every.written(ann, VPN)
    assert bot_without_database.send(event).status == 503
    every.send(event)
    assert every.only_ticket().title == VPN


def test_a_ticket_is_worked_on_if_the_bot_is_killed_after_storing_it(
    every: Channel, ann: User, ben: User
) -> None:
    event = every.written(ann, VPN)
    every.system.bot.answer(event)
    every.system.publisher.asked.clear()  # the bot was killed before it published the ticket
    every.send(event)
    assert every.only_ticket().assigned_to is None
    every.system.deliver()
    assert every.only_ticket().assigned_to == ben.id


def test_no_message_of_a_burst_is_lost(every: Channel, people: People) -> None:
    """Ten people write three messages each within a minute; the events arrive in any order."""
    writers = [people.add() for _ in range(10)]
    events = [
        every.written(writer, f"{VPN} for the {number}. time")
        for number in (1, 2, 3)
        for writer in writers
    ]
    for start in range(0, 30, 10):  # at one time, messages of ten people
        at_once(
            *(
                lambda event=event: every.system.bot.answer(event)
                for event in events[start : start + 10]
            )
        )
    tickets = {ticket.created_by: ticket.description for ticket in every.tickets()}
    lines = "\n".join(f"{VPN} for the {number}. time" for number in (1, 2, 3))
    assert tickets == {writer.id: lines for writer in writers}


@pytest.mark.parametrize("is_accepted", [False, True])
def test_a_reply_below_a_message_that_was_added_is_a_comment(
    every: Channel, ann: User, ben: User, is_accepted: bool
) -> None:
    every.write(ann, VPN)
    if is_accepted:
        every.system.actions.accept(**by(ben, every.only_ticket()))
    more = every.write(ann, "since Monday")
    every.write(ann, "Since Sunday, in fact", thread_ts=more["event"]["ts"])
    comments = [comment.text for comment in every.only_ticket().comments]
    assert comments == ["since Monday"] * is_accepted + ["Since Sunday, in fact"]
