"""The submitted modal to resolve a ticket."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.slack.error_responses import NOT_SAVED_DATABASE_UNAVAILABLE
from services.core.database import Mongo
from services.models.ticket import Status, Ticket
from services.models.user import User
from services.tickets.filing import TicketService
from tasks.queue.celery_app import NOTIFY_TASK
from tests.conftest import (
    Bot,
    People,
    RecordingPublisher,
    file_ticket,
    pressed_resolve,
    reload,
)
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack

FilledIn = Callable[..., dict[str, Any]]


def errors(answer: dict[str, Any]) -> dict[str, str]:
    assert answer["response_action"] == "errors"
    found: dict[str, str] = answer["errors"]
    return found


def headline(answer: dict[str, Any]) -> str:
    assert answer["response_action"] == "update"
    text: str = answer["view"]["blocks"][0]["text"]["text"]
    return text


@pytest.fixture
def ticket(tickets: TicketService, employee: User) -> Ticket:
    return file_ticket(tickets, employee)


@pytest.fixture
def resolution(ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, moderator: User) -> FilledIn:
    """The moderator's modal to resolve the ticket, filled in and submitted."""

    def sent(text: str | None = "Renewed the certificate.") -> dict[str, Any]:
        ticket_bot.answer(pressed_resolve(ticket, moderator))
        return payloads.view_submission(
            slack.last_view(), {"resolution": text}, user=People.slack_id(moderator)
        )

    return sent


def test_a_ticket_is_resolved(
    ticket_bot: Bot,
    resolution: FilledIn,
    ticket: Ticket,
    db: Mongo,
    publisher: RecordingPublisher,
) -> None:
    assert ticket_bot.answer(resolution()) == {}
    resolved = reload(db, ticket)
    assert (resolved.status, resolved.resolution) == (
        Status.COMPLETED,
        "Renewed the certificate.",
    )
    assert publisher.asked == [(NOTIFY_TASK, str(ticket.id))]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  ", "Say in a sentence what was done; the requester reads it."),
        (None, "Say in a sentence what was done; the requester reads it."),
        ("x" * 1_001, "At most 1,000 characters; this text has 1,001."),
    ],
)
def test_a_bad_resolution_is_said_beside_it(
    ticket_bot: Bot,
    resolution: FilledIn,
    ticket: Ticket,
    db: Mongo,
    text: str | None,
    sentence: str,
) -> None:
    assert errors(ticket_bot.answer(resolution(text))) == {"resolution": sentence}
    assert reload(db, ticket) == ticket


def test_a_ticket_is_resolved_once(
    ticket_bot: Bot, resolution: FilledIn, ticket: Ticket, db: Mongo
) -> None:
    body, other = resolution(), resolution("Another way.")
    ticket_bot.answer(body)
    resolved = reload(db, ticket)
    assert ticket_bot.answer(body) == {}  # Slack retries the submission
    assert errors(ticket_bot.answer(other)) == {
        "resolution": "Ticket 1 is resolved now, so this was not done. Look at it again, then "
        "decide."
    }
    assert reload(db, ticket) == resolved


def test_a_user_who_replays_a_resolution_is_denied(
    ticket_bot: Bot, resolution: FilledIn, employee: User, ticket: Ticket, db: Mongo
) -> None:
    body = resolution()
    body["user"]["id"] = People.slack_id(employee)
    assert errors(ticket_bot.answer(body)) == {
        "resolution": "Your role does not allow you to resolve tickets. Ask an admin if it should."
    }
    assert reload(db, ticket) == ticket


def test_a_role_taken_away_counts_at_once(
    ticket_bot: Bot, resolution: FilledIn, moderator: User, ticket: Ticket, db: Mongo
) -> None:
    body = resolution()
    db.users.update_one({"_id": moderator.id}, {"$set": {"role": "user"}})
    assert "Your role does not allow" in errors(ticket_bot.answer(body))["resolution"]
    assert reload(db, ticket) == ticket


@pytest.mark.parametrize("ticket_id", ["", "no id", "65f0c0ffee65f0c0ffee0012", "x" * 12])
def test_a_ticket_that_is_not_there(ticket_bot: Bot, resolution: FilledIn, ticket_id: str) -> None:
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
