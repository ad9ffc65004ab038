"""The triage channel: one live card a ticket, and its buttons."""

from dataclasses import replace
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.assignment import assign_ticket
from tasks.notifications import notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.runtime import Runtime
from tests.conftest import Bot, FixedClock, People, RecordingPublisher, file_ticket, reload, work
from tests.support import payloads
from tests.support.recording_slack import TOKEN, RecordingSlack

TRIAGE = "C0TRIAGE"


@pytest.fixture
def watched(runtime: Runtime, slack: RecordingSlack) -> Runtime:
    """A worker of an installation with a triage channel, in which the bot and everyone are."""
    slack.add_channel(TRIAGE, is_member=True, members=None)
    return replace(runtime, triage_channel=TRIAGE)


@pytest.fixture
def employee(people: People) -> User:
    return people.add()


def card(slack: RecordingSlack) -> dict[str, Any]:
    (message,) = slack.messages(TRIAGE)
    return message


def test_one_card_follows_the_ticket(
    watched: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    ticket_actions: TicketActions,
    people: People,
    employee: User,
    db: Mongo,
) -> None:
    ticket = file_ticket(tickets, employee, "VPN is down")
    publisher.publish_ticket(str(ticket.id))
    work(watched, publisher)
    assert card(slack)["text"] == "Ticket 1 “VPN is down”: nobody is available for this"
    assert "*Nobody is available for this.* Take it, or assign it to somebody." in str(card(slack))
    ben = people.add(Role.MODERATOR)
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    publisher.publish_ticket(str(ticket.id))
    work(watched, publisher)
    assert card(slack)["text"] == f"Ticket 1 “VPN is down”: in progress, accepted by {ben.name}"
    ticket_actions.resolve(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution="New key."
    )
    publisher.publish_ticket(str(ticket.id))
    work(watched, publisher)
    assert card(slack)["text"] == f"Ticket 1 “VPN is down”: resolved ({ben.name})"
    assert not reload(db, ticket).is_in_outbox
    posted = [c for c in slack.calls_to("chat.postMessage") if c.args["channel"] == TRIAGE]
    assert len(posted) == 1


def test_without_a_channel_there_is_no_card(
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    employee: User,
) -> None:
    slack.add_channel(TRIAGE)
    publisher.publish_ticket(str(file_ticket(tickets, employee).id))
    work(runtime, publisher)
    assert slack.messages(TRIAGE) == []


def test_what_was_resolved_before_there_was_a_channel_is_not_announced(
    watched: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    employee: User,
    db: Mongo,
) -> None:
    ticket = file_ticket(tickets, employee)
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"status": Status.COMPLETED}})
    publisher.publish_ticket(str(ticket.id))
    work(watched, publisher)
    assert slack.messages(TRIAGE) == []
    assert not reload(db, ticket).is_in_outbox


def test_a_busy_channel_keeps_nobody_waiting(
    watched: Runtime,
    slack: RecordingSlack,
    tickets: TicketService,
    people: People,
    employee: User,
    clock: FixedClock,
) -> None:
    expert = people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, employee, "VPN is down")
    slack.fail("chat.postMessage", status=429, times=2, where=lambda a: a["channel"] == TRIAGE)
    with pytest.raises(SlackRateLimited):
        notify.run(watched, str(ticket.id))
    assign_ticket.run(watched, str(ticket.id))
    clock.advance(seconds=2)
    with pytest.raises(SlackRateLimited):
        notify.run(watched, str(ticket.id))
    theirs = slack.messages(People.slack_id(expert))[0]["text"]
    assert theirs == "Ticket 1 “VPN is down”: assigned to you"
    own = slack.messages(People.slack_id(employee))[0]["text"]
    assert own == f"Ticket 1 “VPN is down”: in progress ({expert.name})"
    assert slack.messages(TRIAGE) == []


def test_who_is_overtaken_while_posting_the_card_finishes_the_job(
    watched: Runtime,
    slack: RecordingSlack,
    tickets: TicketService,
    people: People,
    employee: User,
    db: Mongo,
) -> None:
    expert = people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, employee, "VPN is down")

    class SlowPoster(WebClient):
        """While it posts the card, others assign the ticket and find that card being sent."""

        overtaken = False

        def chat_postMessage(self, **args: Any) -> SlackResponse:  # noqa: N802  the library's name
            if args["channel"] == TRIAGE and not self.overtaken:
                self.overtaken = True
                assign_ticket.run(watched, str(ticket.id))
                notify.run(watched, str(ticket.id))
            return super().chat_postMessage(**args)

    slow = SlowPoster(token=TOKEN, base_url=slack.url, retry_handlers=[])
    notify.run(replace(watched, slack=slow), str(ticket.id))
    assert card(slack)["text"] == f"Ticket 1 “VPN is down”: in progress ({expert.name})"
    assert not reload(db, ticket).is_in_outbox


@pytest.mark.parametrize("error", ["channel_not_found", "not_in_channel", "is_archived"])
def test_a_channel_the_bot_may_not_write_to_is_given_up(
    watched: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    tickets: TicketService,
    people: People,
    employee: User,
    db: Mongo,
    error: str,
) -> None:
    people.add(Role.MODERATOR)
    slack.fail("chat.postMessage", error=error, times=9, where=lambda a: a["channel"] == TRIAGE)
    ticket = file_ticket(tickets, employee)
    publisher.publish_ticket(str(ticket.id))
    work(watched, publisher)
    assert not reload(db, ticket).is_in_outbox
    refused = [c for c in slack.calls_to("chat.postMessage") if c.args["channel"] == TRIAGE]
    assert len(refused) == 1


# Its buttons


@pytest.fixture
def posted(
    watched: Runtime,
    publisher: RecordingPublisher,
    tickets: TicketService,
    employee: User,
) -> Ticket:
    """A ticket that nobody has, with its card in the channel."""
    ticket = file_ticket(tickets, employee, "VPN is down")
    publisher.publish_ticket(str(ticket.id))
    work(watched, publisher)
    return ticket


def press(bot: Bot, slack: RecordingSlack, user: User, step: str) -> None:
    pressed = payloads.block_actions(
        card(slack), step, user=People.slack_id(user), response_url=slack.response_url()
    )
    assert bot.answer(pressed) == {}


def test_a_moderator_takes_it(
    ticket_bot: Bot,
    watched: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    posted: Ticket,
    people: People,
    db: Mongo,
) -> None:
    ben = people.add(Role.MODERATOR)
    press(ticket_bot, slack, ben, "take")
    now = reload(db, posted)
    assert (now.assigned_to, now.status) == (ben.id, Status.IN_PROGRESS)
    work(watched, publisher)
    assert card(slack)["text"] == f"Ticket 1 “VPN is down”: in progress, accepted by {ben.name}"


def test_assign_opens_the_form(
    ticket_bot: Bot, slack: RecordingSlack, posted: Ticket, people: People
) -> None:
    press(ticket_bot, slack, people.add(Role.MODERATOR), "reassign")
    view = slack.last_view()
    assert view["callback_id"] == "reassign_ticket"


@pytest.mark.parametrize("step", ["take", "reassign"])
def test_being_in_the_channel_gives_no_rights(
    ticket_bot: Bot,
    slack: RecordingSlack,
    posted: Ticket,
    people: People,
    employee: User,
    db: Mongo,
    step: str,
) -> None:
    another = people.add()
    before = db.tickets.find_one({"_id": posted.id})
    for user in (another, employee):  # also its requester
        slack.clear()
        press(ticket_bot, slack, user, step)
        (told,) = slack.calls_to("chat.postEphemeral")
        assert (told.args["channel"], told.args["user"]) == (TRIAGE, People.slack_id(user))
        assert told.args["text"] == (
            "Your role does not allow you to work on tickets. Ask an admin if it should."
        )
        assert slack.calls_to("views.open") == []
    assert db.tickets.find_one({"_id": posted.id}) == before


def test_details_of_a_foreign_ticket_are_not_for_everybody_in_the_channel(
    ticket_bot: Bot, slack: RecordingSlack, posted: Ticket, people: People
) -> None:
    slack.clear()
    press(ticket_bot, slack, people.add(), "details")
    said = str([(call.method, call.args) for call in slack.calls])
    assert "or you may not see it" in said
    assert "Smoke" not in said


def test_a_stale_card_says_so_and_is_refreshed(
    ticket_bot: Bot,
    watched: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    posted: Ticket,
    people: People,
    ticket_actions: TicketActions,
    db: Mongo,
    clock: FixedClock,
) -> None:
    ben, lara = people.add(Role.MODERATOR), people.add(Role.MODERATOR)
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(posted.id))  # its hint was lost
    press(ticket_bot, slack, lara, "take")
    assert reload(db, posted).assigned_to == ben.id
    work(watched, publisher)
    assert card(slack)["text"] == f"Ticket 1 “VPN is down”: in progress, accepted by {ben.name}"
