"""Buttons of a ticket: what each opens, its ephemeral messages, and the modal to resolve one."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.slack.error_responses import DATABASE_UNAVAILABLE, NOT_SAVED_DATABASE_UNAVAILABLE
from bot.views.inputs import own_metadata
from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.queue.celery_app import NOTIFY_TASK
from tests.conftest import Bot, People, RecordingPublisher, file_ticket, pressed_resolve, reload
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack

FilledIn = Callable[..., dict[str, Any]]


@pytest.fixture
def ticket(tickets: TicketService, requester: User, moderator: User, db: Mongo) -> Ticket:
    """Assigned to the moderator."""
    filed = file_ticket(tickets, requester, title="VPN drops")
    assigned = {"assignedTo": moderator.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": filed.id}, {"$set": assigned})
    return reload(db, filed)


def ephemeral_messages(slack: RecordingSlack) -> list[tuple[str, str]]:
    """Return the ephemeral messages, by user."""
    calls = slack.calls_to("chat.postEphemeral")
    assert {call.args["channel"] for call in calls} <= {f"D{c.args['user'][1:]}" for c in calls}
    return [(call.args["user"], call.args["text"]) for call in calls]


def test_the_assignee_is_asked_what_was_done(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, moderator: User
) -> None:
    assert ticket_bot.answer(pressed_resolve(ticket, moderator)) == {}
    view = slack.last_view()
    assert (view["title"]["text"], own_metadata(view)) == ("Resolve ticket 1", str(ticket.id))
    assert ephemeral_messages(slack) == []


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN])
def test_other_staff_may_resolve_it(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, people: People, role: Role
) -> None:
    ticket_bot.answer(pressed_resolve(ticket, people.add(role)))
    assert own_metadata(slack.last_view()) == str(ticket.id)


def test_a_user_who_presses_it_is_denied(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, requester: User
) -> None:
    assert ticket_bot.answer(pressed_resolve(ticket, requester)) == {}
    assert slack.calls_to("views.open") == []
    assert ephemeral_messages(slack) == [
        (
            People.slack_id(requester),
            "Your role does not allow you to resolve tickets. Ask an admin if it should.",
        )
    ]


def test_a_guest_who_presses_it_is_refused(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, people: People, db: Mongo
) -> None:
    guest = people.add()
    db.links.delete_many({"userId": guest.id})
    slack.add_member(People.slack_id(guest), email="g@example.com", name="G", is_restricted=True)
    ticket_bot.answer(pressed_resolve(ticket, guest))
    assert ephemeral_messages(slack) == [
        (
            People.slack_id(guest),
            "Guests cannot use this app. Ask a full member of this workspace to file the ticket.",
        )
    ]


def test_a_ticket_resolved_concurrently(
    ticket_bot: Bot,
    slack: RecordingSlack,
    ticket: Ticket,
    moderator: User,
    ticket_actions: TicketActions,
) -> None:
    ticket_actions.resolve(
        actor=Actor.from_user(moderator), ticket_id=str(ticket.id), resolution="Done."
    )
    ticket_bot.answer(pressed_resolve(ticket, moderator))
    assert slack.calls_to("views.open") == []
    assert ephemeral_messages(slack) == [
        (
            People.slack_id(moderator),
            "You have already resolved ticket 1.",
        )
    ]


@pytest.mark.parametrize("ticket_id", ["65f0c0ffee65f0c0ffee0012", "no id", "", "<!channel>"])
def test_a_ticket_that_is_not_there(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, moderator: User, ticket_id: str
) -> None:
    ticket_bot.answer(pressed_resolve(ticket, moderator, value=ticket_id))
    assert ephemeral_messages(slack) == [
        (People.slack_id(moderator), "There is no such ticket, or you may not see it.")
    ]


def test_a_button_without_value_is_a_fault(
    ticket_bot: Bot,
    slack: RecordingSlack,
    ticket: Ticket,
    moderator: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = pressed_resolve(ticket, moderator)
    del body["actions"][0]["value"]
    assert ticket_bot.answer(body) == {}
    ((_, sentence),) = ephemeral_messages(slack)
    assert sentence.startswith("Something went wrong on our side.")
    assert f"unexpected fault, reference {sentence[-8:]}" in caplog.text


def test_the_database_is_away(
    bot_without_database: Bot, slack: RecordingSlack, ticket: Ticket, moderator: User
) -> None:
    assert bot_without_database.answer(pressed_resolve(ticket, moderator)) == {}
    assert ephemeral_messages(slack) == [(People.slack_id(moderator), DATABASE_UNAVAILABLE)]
    assert DATABASE_UNAVAILABLE == (
        "This does not work right now, because the database is away. Try again in a minute."
    )


def test_slack_does_not_open_the_modal(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, moderator: User
) -> None:
    slack.fail("views.open", error="expired_trigger_id")
    assert ticket_bot.answer(pressed_resolve(ticket, moderator)) == {}
    ((_, sentence),) = ephemeral_messages(slack)
    assert sentence.startswith("Slack had a problem just now. Try again in a moment. (Reference ")


def test_slack_takes_no_sentence_either(
    ticket_bot: Bot,
    slack: RecordingSlack,
    ticket: Ticket,
    requester: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    slack.fail("chat.postEphemeral", status=500)
    slack.fail("views.open", status=500)
    assert ticket_bot.answer(pressed_resolve(ticket, requester)) == {}
    assert "the error of a block_actions was not shown" in caplog.text


def test_a_button_outside_a_conversation_is_answered_in_a_modal(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, requester: User
) -> None:
    assert ticket_bot.answer(pressed_resolve(ticket, requester, channel=None)) == {}
    assert ephemeral_messages(slack) == []
    assert slack.last_view()["blocks"][0]["text"]["text"] == (
        "Your role does not allow you to resolve tickets. Ask an admin if it should."
    )


# The submitted modal


def errors(answer: dict[str, Any]) -> dict[str, str]:
    assert answer["response_action"] == "errors"
    found: dict[str, str] = answer["errors"]
    return found


@pytest.fixture
def filed(tickets: TicketService, employee: User) -> Ticket:
    return file_ticket(tickets, employee)


@pytest.fixture
def resolution(ticket_bot: Bot, slack: RecordingSlack, filed: Ticket, moderator: User) -> FilledIn:
    """The moderator's modal to resolve the ticket, filled in and submitted."""

    def sent(text: str | None = "Renewed the certificate.") -> dict[str, Any]:
        ticket_bot.answer(pressed_resolve(filed, moderator))
        return payloads.view_submission(
            slack.last_view(), {"resolution": text}, user=People.slack_id(moderator)
        )

    return sent


def test_a_ticket_is_resolved(
    ticket_bot: Bot,
    resolution: FilledIn,
    filed: Ticket,
    db: Mongo,
    publisher: RecordingPublisher,
) -> None:
    assert ticket_bot.answer(resolution()) == {}
    resolved = reload(db, filed)
    assert (resolved.status, resolved.resolution) == (
        Status.COMPLETED,
        "Renewed the certificate.",
    )
    assert publisher.asked == [(NOTIFY_TASK, str(filed.id))]


def test_a_bad_resolution_is_said_beside_it(
    ticket_bot: Bot, resolution: FilledIn, filed: Ticket, db: Mongo
) -> None:
    sentence = "At most 1,000 characters; this text has 1,001."
    assert errors(ticket_bot.answer(resolution("x" * 1_001))) == {"resolution": sentence}
    assert reload(db, filed) == filed


def test_a_ticket_is_resolved_once(
    ticket_bot: Bot, resolution: FilledIn, filed: Ticket, db: Mongo
) -> None:
    body, other = resolution(), resolution("Another way.")
    ticket_bot.answer(body)
    resolved = reload(db, filed)
    assert ticket_bot.answer(body) == {}  # Slack retries the submission
    assert errors(ticket_bot.answer(other)) == {"resolution": "You have already resolved ticket 1."}
    assert reload(db, filed) == resolved


def test_a_user_who_replays_a_resolution_is_denied(
    ticket_bot: Bot, resolution: FilledIn, employee: User, filed: Ticket, db: Mongo
) -> None:
    body = resolution()
    body["user"]["id"] = People.slack_id(employee)
    assert errors(ticket_bot.answer(body)) == {
        "resolution": "Your role does not allow you to resolve tickets. Ask an admin if it should."
    }
    assert reload(db, filed) == filed


def test_a_role_taken_away_counts_at_once(
    ticket_bot: Bot, resolution: FilledIn, moderator: User, filed: Ticket, db: Mongo
) -> None:
    body = resolution()
    db.users.update_one({"_id": moderator.id}, {"$set": {"role": "user"}})
    assert "Your role does not allow" in errors(ticket_bot.answer(body))["resolution"]
    assert reload(db, filed) == filed


@pytest.mark.parametrize("ticket_id", ["", "no id", "65f0c0ffee65f0c0ffee0012", "x" * 12])
def test_a_resolution_of_a_ticket_that_is_not_there(
    ticket_bot: Bot, resolution: FilledIn, ticket_id: str
) -> None:
    body = resolution()
    body["view"]["private_metadata"] = ticket_id
    assert errors(ticket_bot.answer(body)) == {
        "resolution": "There is no such ticket, or you may not see it."
    }


def test_a_resolution_says_that_it_was_not_saved(
    bot_without_database: Bot, resolution: FilledIn
) -> None:
    assert errors(bot_without_database.answer(resolution())) == {
        "resolution": NOT_SAVED_DATABASE_UNAVAILABLE
    }
