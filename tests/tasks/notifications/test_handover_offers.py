"""Handover offers are sent once, later if Slack fails, never if the member cannot be reached."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from slack_sdk import WebClient

from services.availability.availability_service import AvailabilityChange, AvailabilityService
from services.core.database import Mongo
from services.core.installation import claim_installation
from services.models.permissions import Actor
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks import slack_status_sync
from tasks.notifications.handover_offers import send_due
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, at_once, file_ticket
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.slack_workspace import TEAM_ID


@pytest.fixture
def nils(people: People, db: Mongo, tickets: TicketService, clock: FixedClock) -> User:
    """Away for three days, with an open ticket."""
    claim_installation(db, team_id=TEAM_ID)
    user = people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, people.add())
    busy = {"assignedTo": user.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": ticket.id}, {"$set": busy})
    wanted = AvailabilityChange(is_away=True, away_until=clock() + timedelta(days=3))
    AvailabilityService(db, clock=clock).update(actor=Actor.from_user(user), change=wanted)
    return user


def stored(db: Mongo, user: User) -> dict[str, Any]:
    doc = db.users.find_one({"_id": user.id}) or {}
    return dict(doc.get("handOver", {}))


def test_it_is_sent_once(
    runtime: Runtime, slack: RecordingSlack, nils: User, db: Mongo, clock: FixedClock
) -> None:
    assert sorted(at_once(*[lambda: send_due(runtime)] * 3)) == [0, 0, 1]
    clock.advance(hours=9)
    assert send_due(runtime) == 0
    (message,) = slack.messages(People.slack_id(nils))
    assert message["text"] == "You have 1 open ticket. Shall somebody else take it?"
    kept = stored(db, nils)
    assert (kept["state"], kept["channel"], kept["ts"]) == (
        "sent", message["channel"], message["ts"]
    )  # fmt: skip


@pytest.mark.parametrize(("fault", "wait"), [({"status": 429, "retry_after": 30}, 30),
                                             ({"status": 500}, 120)])  # fmt: skip
def test_it_is_sent_later(
    runtime: Runtime,
    slack: RecordingSlack,
    nils: User,
    clock: FixedClock,
    fault: dict[str, Any],
    wait: int,
) -> None:
    slack.fail("chat.postMessage", **fault)
    assert send_due(runtime) == 0
    clock.advance(seconds=wait - 1)
    assert send_due(runtime) == 0
    clock.advance(seconds=1)
    assert send_due(runtime) == 1


def test_a_slack_that_does_not_answer_is_asked_again_after_a_minute(
    runtime: Runtime, slack: RecordingSlack, nils: User, clock: FixedClock
) -> None:
    hasty = WebClient(token=TOKEN, base_url=slack.url, timeout=1, retry_handlers=[])
    slack.delay("chat.postMessage", 3)
    assert send_due(replace(runtime, slack=hasty)) == 0
    clock.advance(seconds=59)
    assert send_due(runtime) == 0
    clock.advance(seconds=1)
    assert send_due(runtime) == 1


@pytest.mark.parametrize("why", ["user_disabled", "not linked"])
def test_an_offer_to_an_unreachable_member_fails(
    runtime: Runtime, slack: RecordingSlack, nils: User, db: Mongo, clock: FixedClock, why: str
) -> None:
    if why == "not linked":
        db.links.delete_many({"userId": nils.id})
    else:
        slack.fail("chat.postMessage", error=why)
    assert send_due(runtime) == 0
    clock.advance(hours=9)
    assert send_due(runtime) == 0
    assert (stored(db, nils)["state"], stored(db, nils)["error"]) == ("failed", why)


def test_a_slack_that_says_to_wait_with_questions_is_still_told(
    runtime: Runtime, slack: RecordingSlack, nils: User
) -> None:
    slack.fail("users.info", status=429, retry_after=600)
    slack_status_sync.run(runtime)
    assert len(slack.messages(People.slack_id(nils))) == 1


def test_before_the_first_bot_nothing_is_sent(
    runtime: Runtime, slack: RecordingSlack, nils: User, db: Mongo
) -> None:
    db.meta.delete_many({})
    assert send_due(runtime) == 0
    assert slack.calls == []
