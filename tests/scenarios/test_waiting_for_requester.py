"""A digest and a ticket without an answer, with real processes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.accounts.users import UserService
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.installation import claim_installation
from services.core.rate_limiter import RateLimiter
from services.models.permissions import Actor
from services.models.ticket import Status
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tests.conftest import People, file_ticket, reload
from tests.support.bot_and_workers import buttons
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.product"]

LONG_AGO = timedelta(days=60)


def nine_o_clock(now: datetime) -> str:
    """Return a time zone where it is 9 a.m. The sign in Etc/GMT zones is inverted."""
    ahead = (9 - now.hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


@pytest.mark.parametrize("hour", range(24))
def test_somewhere_it_is_nine(hour: int) -> None:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    now = datetime(2026, 3, 3, hour, 30, tzinfo=UTC)
    assert now.astimezone(ZoneInfo(nine_o_clock(now))).hour == 9


def test_a_digest_and_a_requester_who_does_not_answer(
    product: Product, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    claim_installation(db, team_id=TEAM_ID)
    hours = {"days": list(range(7)), "start": "00:00", "end": "00:00"}
    zone: dict[str, Any] = {"timezone": nine_o_clock(utcnow()), "zoneSource": "self"}
    jo = people.add(Role.MODERATOR, "VPN", workHours=hours, **zone)
    eve = people.add()
    ticket_actions, asker = TicketActions(db, UserService(db)), Actor.from_user(jo)
    ticket = file_ticket(TicketService(db, RateLimiter("")), eve, "VPN drops")
    ticket_actions.take(actor=asker, ticket_id=str(ticket.id))
    ticket_actions.ask_requester(actor=asker, ticket_id=str(ticket.id), question="Since when?")
    file_ticket(TicketService(db, RateLimiter("")), eve, "VPN drops again")
    product.start("worker")
    product.start("jobs")

    def told(user: User) -> list[str]:
        return [message["text"] for message in slack.messages(People.slack_id(user))]

    def time_passes() -> None:
        past = utcnow() - LONG_AGO
        late = {"ladders.waiting.since": past, "alarm.at": past}
        db.tickets.update_one({"_id": ticket.id}, {"$set": late})

    time_passes()
    asked = "Ticket 1 “VPN drops” still waits for your answer"
    eventually(lambda: asked in told(eve), what="the second question")
    time_passes()
    closed = "Ticket 1 “VPN drops” was closed, because there was no answer"
    eventually(lambda: closed in told(eve), what="the end of it")
    assert reload(db, ticket).status is Status.COMPLETED
    eventually(lambda: is_outbox_empty(db), what="all messages are up to date")
    (last,) = [m for m in slack.messages(People.slack_id(eve)) if m["text"] == closed]
    assert buttons(last) == ["Reopen", "Details"]
    settled = "Ticket 1 “VPN drops”: closed without an answer"  # both questions, and the card
    assert [told(eve).count(text) for text in (asked, settled, closed)] == [0, 3, 1]

    def digest_texts() -> list[str]:
        return [text for text in told(jo) if text.startswith("Open tickets today: ")]

    eventually(lambda: bool(digest_texts()), what="the digest")
    assert len(digest_texts()) == 1
