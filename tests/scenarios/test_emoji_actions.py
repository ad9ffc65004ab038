"""Emoji on the messages of a ticket: who may act by one, where, and what they read."""

import uuid
from typing import Any

import pytest

from bot.views import ids
from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.ttl_cache import invalidate_caches
from services.models.events import EventType
from services.models.message_source import checked_source
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.team_settings.slack_settings import SLACK_SETTINGS_ID, TRIAGE_CHANNEL
from tests.conftest import People, at_once
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.comment_helpers import card_of, said
from tests.support.slack_workspace import GENERAL, TEAM_ID, TEAM_URL, TRIAGE

pytest_plugins = ["tests.support.scenario"]
HELP = "C0ITHELP"
Json = dict[str, Any]


@pytest.fixture
def channel(system: BotAndWorkers) -> BotAndWorkers:
    """The help desk with a request channel in which emoji act."""
    system.slack.add_channel(HELP, is_member=True, members=None)
    switch_on(system)
    return system


def switch_on(system: BotAndWorkers, *, is_on: bool = True) -> None:
    stored = RequestChannel(TEAM_ID, HELP, ChannelMode.ON_REQUEST, has_emoji_actions=is_on)
    system.db.channels.replace_one({"_id": f"{TEAM_ID}:{HELP}"}, stored.to_doc(), upsert=True)
    invalidate_caches()


def filed_from_channel(
    system: BotAndWorkers, requester: User, **fields: Any
) -> tuple[Ticket, Json]:
    """Return a ticket, unassigned if no one works on tickets yet, and the message it is from."""
    message = system.slack.say(HELP, "The VPN drops.", user=People.slack_id(requester))
    source = checked_source(
        team_url=TEAM_URL, channel=HELP, ts=message["ts"], slack_user_id=message["user"]
    )
    filed = system.tickets.create(
        actor=Actor.from_user(requester),
        team_id=TEAM_ID,
        request_id=f"V{uuid.uuid4().hex}",
        title="The VPN drops",
        description="Every hour.",
        source=source,
        **fields,
    ).ticket
    system.work(filed)
    return filed, message


def react(system: BotAndWorkers, user: User, emoji: str, message: Json) -> Json:
    """Let the user add the emoji; return the event."""
    event = payloads.reaction(message, emoji, user=People.slack_id(user))
    assert system.bot.answer(event) == {}
    system.work()
    return event


def last_text(system: BotAndWorkers, user: User) -> str:
    return str(system.messages(user)[-1]["text"])


def dm_count(system: BotAndWorkers, user: User) -> int:
    return len(system.messages(user))


@pytest.mark.parametrize("emoji", ["eyes", "eyes::skin-tone-2"])
def test_eyes_on_their_card_accept_for_the_assignee(
    system: BotAndWorkers, ticket: Ticket, ben: User, emoji: str
) -> None:
    react(system, ben, emoji, system.card(ben))
    assert system.now(ticket).accepted_at
    assert system.texts(ben) == ["accepted by you"]  # the card says it, and no other message
    before = system.now(ticket)
    react(system, ben, emoji, system.card(ben))
    assert system.now(ticket) == before


def test_eyes_in_a_channel_take_what_has_no_assignee(
    channel: BotAndWorkers, people: People, ann: User
) -> None:
    ticket, message = filed_from_channel(channel, ann)
    ben, cleo = people.add(Role.MODERATOR), people.add(Role.MODERATOR)
    for outsider in (ann, people.add()):
        react(channel, outsider, "eyes", message)
    assert channel.now(ticket).assigned_to is None
    event = react(channel, ben, "eyes", message)
    taken = channel.now(ticket)
    assert (taken.assigned_to, taken.status) == (ben.id, Status.IN_PROGRESS)
    assert taken.accepted_at
    assert last_text(channel, ben) == f"Ticket {ticket.number} “The VPN drops”: you took it"
    # Slack sends it again, under another id if the first was not answered.
    channel.bot.answer(event)
    channel.bot.answer({**event, "event_id": "Ev0AGAIN"})
    channel.work()
    assigned = [e for e in channel.now(ticket).events if e.type == EventType.ASSIGNED]
    assert (len(assigned), dm_count(channel, ben)) == (1, 1)
    react(channel, cleo, "eyes", message)  # it takes nothing over
    assert (channel.now(ticket).assigned_to, dm_count(channel, cleo)) == (ben.id, 0)


def test_of_two_who_take_one_wins(channel: BotAndWorkers, people: People, ann: User) -> None:
    ticket, message = filed_from_channel(channel, ann)
    staff = [people.add(Role.MODERATOR) for _ in range(2)]
    events = [payloads.reaction(message, "eyes", user=People.slack_id(one)) for one in staff]
    answers = at_once(*(lambda event=event: channel.bot.answer(event) for event in events))
    assert answers == [{}, {}]
    channel.work()
    assigned = [e for e in channel.now(ticket).events if e.type == EventType.ASSIGNED]
    assert len(assigned) == 1
    assert [dm_count(channel, one) for one in staff] == [
        int(one.id == assigned[0].to) for one in staff
    ]


def test_emoji_in_a_channel_do_nothing_until_an_admin_switches_them_on(
    channel: BotAndWorkers, people: People, ann: User
) -> None:
    switch_on(channel, is_on=False)
    ticket, message = filed_from_channel(channel, ann)
    ben = people.add(Role.MODERATOR)
    (answer,) = (m for m in channel.slack.messages(HELP) if m.get("bot_id"))
    for emoji in ("eyes", "white_check_mark", "no_entry_sign"):
        for reacted in (message, answer):
            react(channel, ben, emoji, reacted)
    assert channel.now(ticket).assigned_to is None
    assert dm_count(channel, ben) == 0
    switch_on(channel)
    react(channel, ben, "eyes", answer)  # any message of the bot about the ticket
    assert channel.now(ticket).assigned_to == ben.id


def test_other_messages_do_nothing(
    channel: BotAndWorkers, ann: User, ben: User, cleo: User
) -> None:
    ticket, message = filed_from_channel(channel, ann)
    before, sent = channel.now(ticket), dm_count(channel, ben)
    slack, user = channel.slack, People.slack_id(ann)
    others = [
        slack.say(HELP, "Another thing", user=user),
        slack.say(HELP, "Since Monday", user=user, thread_ts=message["ts"]),
        {"channel": HELP, "ts": "1.000001", "user": user},
    ]
    card = card_of(slack, ann)
    channel.bot.answer(said(slack, ann, card, "It drops again"))
    channel.work(ticket)
    others += [m for m in channel.messages(ben) if "It drops again" in str(m["blocks"])]
    assert len(others) == 4
    commented = channel.now(ticket)
    for other in others:
        for emoji in ("eyes", "white_check_mark", "no_entry_sign"):
            react(channel, ben, emoji, other)
    file = {"type": "file", "file": "F0FILE"}
    body = {"type": "reaction_added", "user": user, "reaction": "eyes", "item": file}
    assert channel.bot.answer(payloads.event(body)) == {}
    assert (before.status, channel.now(ticket)) == (commented.status, commented)
    assert dm_count(channel, ben) == sent + 1


def test_a_card_in_the_triage_channel_takes_an_emoji(
    triage: BotAndWorkers, people: People, ann: User
) -> None:
    triage.db.settings.insert_one({"_id": SLACK_SETTINGS_ID, TRIAGE_CHANNEL: TRIAGE})
    invalidate_caches()
    ticket = triage.file(ann)
    ben = people.add(Role.MODERATOR)
    react(triage, ben, "eyes", triage.slack.messages(TRIAGE)[0])
    assert triage.now(ticket).assigned_to == ben.id


def test_a_check_mark_asks_whether_to_resolve_it(
    channel: BotAndWorkers, ann: User, ben: User
) -> None:
    ticket, message = filed_from_channel(channel, ann)
    sent = dm_count(channel, ben)
    react(channel, ann, "white_check_mark", message)
    assert len([m for m in channel.messages(ann) if "resolve" in m["text"].lower()]) == 0
    event = react(channel, ben, "white_check_mark", message)
    channel.bot.answer({**event, "event_id": "Ev0AGAIN"})
    react(channel, ben, "white_check_mark", message)  # removed and added again
    assert dm_count(channel, ben) == sent + 1
    assert channel.now(ticket).status is Status.IN_PROGRESS
    question = channel.messages(ben)[-1]
    name = f"Ticket {ticket.number}"
    assert question["text"] == f"{name} “The VPN drops”: resolve it?"
    assert f"Resolve *{name}*?" in str(question["blocks"])
    assert buttons(question) == ["Resolve", "Details"]

    channel.press(ben, question, ids.RESOLVE_ASKED, response_url=channel.slack.response_url())
    assert channel.submit(ben, resolution="Renewed the certificate.") == {}
    channel.work()
    done = channel.now(ticket)
    assert (done.status, done.resolution) == (Status.COMPLETED, "Renewed the certificate.")
    (replaced,) = channel.slack.calls_to("response_url")
    assert f"You resolved *{name}*." in str(replaced.args["blocks"])
    assert "Renewed the certificate." in str(channel.messages(ann)[-1]["blocks"])
    react(channel, ben, "white_check_mark", message)
    assert dm_count(channel, ben) == sent + 1


def test_a_stale_question_resolves_nothing(channel: BotAndWorkers, ann: User, ben: User) -> None:
    ticket, message = filed_from_channel(channel, ann)
    react(channel, ben, "white_check_mark", message)
    channel.actions.cancel(**by(ann, ticket))
    channel.press(ben, channel.messages(ben)[-1], ids.RESOLVE_ASKED)
    ((user, text),) = channel.ephemeral_messages()
    assert user == People.slack_id(ben)
    assert text.startswith(f"Ticket {ticket.number} is cancelled now, so this was not done.")


def test_no_entry_withdraws_it_as_not_a_request(
    channel: BotAndWorkers, ann: User, ben: User, cleo: User
) -> None:
    ticket, message = filed_from_channel(channel, ann)
    react(channel, ann, "no_entry_sign", message)
    assert channel.now(ticket).status is Status.IN_PROGRESS
    event = react(channel, cleo, "no_entry_sign", message)
    channel.bot.answer({**event, "event_id": "Ev0AGAIN"})
    channel.work()
    closed, name = channel.now(ticket), f"Ticket {ticket.number}"
    assert (closed.status, closed.resolution) == (Status.COMPLETED, "not_a_request")
    assert [e.type for e in closed.events].count(EventType.WITHDRAWN) == 1
    (answer,) = channel.messages(cleo)
    assert answer["text"] == f"{name} “The VPN drops”: you closed it as not a request"
    assert buttons(answer) == ["Undo", "Details"]
    reads = {
        ann: f"closed *{name}*, because it is not a request",
        ben: f"closed *{name}* as not a request",
    }
    for user, sentence in reads.items():
        assert sentence in str(channel.messages(user)[-1]["blocks"])
    assert channel.texts(ann)[0] == f"closed as not a request by {cleo.name}"

    channel.press(cleo, answer, ids.UNDO_WITHDRAWAL, response_url=channel.slack.response_url())
    channel.work(ticket)
    undone = channel.now(ticket)
    assert (undone.status, undone.assigned_to, undone.resolution) == (
        Status.REOPENED,
        ben.id,
        None,
    )
    (replaced,) = channel.slack.calls_to("response_url")
    assert f"You reopened *{name}*." in str(replaced.args["blocks"])
    assert channel.texts(ann)[-1] == f"reopened by {cleo.name}"
    channel.press(cleo, answer, ids.UNDO_WITHDRAWAL)  # pressed twice
    assert channel.now(ticket).seq == undone.seq


def test_undo_says_so_if_it_was_reopened_and_resolved_since(
    channel: BotAndWorkers, ann: User, ben: User
) -> None:
    ticket, message = filed_from_channel(channel, ann)
    react(channel, ben, "no_entry_sign", message)
    answer = channel.messages(ben)[-1]
    channel.actions.reopen(**by(ann, ticket))
    channel.actions.resolve(**by(ben, ticket))
    channel.press(ben, answer, ids.UNDO_WITHDRAWAL)
    assert channel.now(ticket).status is Status.COMPLETED
    ((_, text),) = channel.ephemeral_messages()
    assert text.startswith(f"Ticket {ticket.number} is resolved now, so this was not done.")


def test_a_private_ticket_is_acted_on_by_those_who_see_it(
    channel: BotAndWorkers, people: People, ann: User, ben: User, cleo: User
) -> None:
    ticket, message = filed_from_channel(channel, ann, private=True)
    seen_by = channel.now(ticket).assigned_to
    blind = cleo if seen_by == ben.id else ben
    before = channel.now(ticket)
    sent = dm_count(channel, blind)
    for emoji in ("eyes", "white_check_mark", "no_entry_sign"):
        react(channel, blind, emoji, message)
    assert (channel.now(ticket), dm_count(channel, blind)) == (before, sent)
    react(channel, people.add(Role.ADMIN), "no_entry_sign", message)
    assert channel.now(ticket).resolution == "not_a_request"


def test_who_is_not_to_get_a_ticket_cannot_take_it(
    channel: BotAndWorkers, people: People, ann: User
) -> None:
    ben = people.add(Role.MODERATOR)
    ticket, message = filed_from_channel(channel, ann, not_to=ben.id)
    react(channel, ben, "eyes", message)
    assert (channel.now(ticket).assigned_to, dm_count(channel, ben)) == (None, 0)


def test_members_without_an_account_get_no_answer_and_no_account(
    channel: BotAndWorkers, ann: User
) -> None:
    _, message = filed_from_channel(channel, ann)
    channel.slack.add_member("U0NEW", email="new@example.com", name="New Member")
    accounts = channel.db.users.count_documents({})
    for emoji in ("eyes", "white_check_mark", "no_entry_sign"):
        assert channel.bot.answer(payloads.reaction(message, emoji, user="U0NEW")) == {}
    channel.work()
    assert channel.slack.messages("U0NEW") == []
    assert channel.db.users.count_documents({}) == accounts


def test_an_emoji_that_files_messages_still_files_them(channel: BotAndWorkers, ben: User) -> None:
    channel.slack.add_channel(GENERAL, is_member=True)
    message = channel.slack.say(GENERAL, "The printer is on fire", user=People.slack_id(ben))
    react(channel, ben, "ticket", message)
    assert ids.FILE_REACTED_MESSAGE in str(channel.messages(ben)[-1]["blocks"])
