"""The status sync reads in batches, and pauses while Slack fails. Each offer is sent once."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.manifest import SCOPES
from services.availability.availability_service import AvailabilityChange, AvailabilityService
from services.availability.status_sync import POLL_INTERVAL
from services.core.database import Mongo
from services.core.installation import claim_installation
from services.core.leases import is_paused, pause
from services.core.slack_scopes import GrantedScopes, record_granted_scopes
from services.models.permissions import Actor
from services.models.user import Role, User
from services.registry.services import Services
from services.tickets.filing import TicketService
from tasks import slack_status_sync
from tasks.processes.scheduler import Scheduler
from tasks.queue.celery_app import STATUS_SYNC_TASK
from tasks.queue.job_registry import JobContext
from tasks.runtime import Runtime
from tasks.slack_status_sync import BATCH_SIZE, STATUS_LIMIT, enqueue_due, send_due_offers, sync_due
from tests.conftest import FixedClock, People, RecordingPublisher, at_once, file_ticket
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.slack_workspace import TEAM_ID

BERLIN = "Europe/Berlin"


@pytest.fixture(autouse=True)
def ours(db: Mongo) -> None:
    claim_installation(db, team_id=TEAM_ID)


def stored(db: Mongo, user: User) -> dict[str, Any]:
    return db.users.find_one({"_id": user.id}) or {}


def set_status(slack: RecordingSlack, user: User, text: str, until: datetime | None = None) -> None:
    ends = int(until.timestamp()) if until else 0
    profile = {"status_text": text, "status_emoji": "", "status_expiration": ends}
    slack.add_member(
        People.slack_id(user), email=user.email, name=user.display_name, profile=profile
    )


def asked(slack: RecordingSlack) -> list[str]:
    return [call.args["user"] for call in slack.calls_to("users.info")]


def test_status_zone_and_do_not_disturb_are_read(
    runtime: Runtime, slack: RecordingSlack, nils: User, db: Mongo, clock: FixedClock
) -> None:
    until = (clock() + timedelta(days=4)).replace(microsecond=0)
    set_status(slack, nils, "Vacation", until)
    start, end = int(clock().timestamp()) - 60, int(clock().timestamp()) + 3_600
    slack.workspace.quiet[People.slack_id(nils)] = {
        "dnd_enabled": True, "next_dnd_start_ts": start, "next_dnd_end_ts": end
    }  # fmt: skip
    assert sync_due(runtime) == 1
    doc = stored(db, nils)
    assert (doc["away"], doc["timezone"]) == ({"until": until, "source": "slack"}, BERLIN)
    moments = [datetime.fromtimestamp(at, UTC) for at in (start, end)]
    assert doc["presence"]["quiet"] == [{"start": moments[0], "end": moments[1]}]
    assert [call.args["users"] for call in slack.calls_to("dnd.teamInfo")] == [
        People.slack_id(nils)
    ]
    slack.clear()
    assert sync_due(runtime) == 0  # not due again yet
    assert slack.calls == []


def test_only_linked_active_moderators_and_admins_are_asked_about(
    runtime: Runtime, slack: RecordingSlack, people: People, nils: User, db: Mongo
) -> None:
    people.add()
    people.add(Role.MODERATOR, linked=False)
    people.add(Role.MODERATOR, active=False)
    stopped = people.add(Role.MODERATOR)
    db.links.update_one({"userId": stopped.id}, {"$set": {"stopped": {"reason": "guest"}}})
    ada = people.add(Role.ADMIN)
    assert sync_due(runtime) == 2
    assert sorted(asked(slack)) == sorted(map(People.slack_id, (nils, ada)))


def test_a_large_team_is_read_in_turns(
    runtime: Runtime, slack: RecordingSlack, people: People, clock: FixedClock
) -> None:
    everybody = {People.slack_id(people.add(Role.MODERATOR)) for _ in range(BATCH_SIZE + 3)}
    assert sync_due(runtime) == BATCH_SIZE
    assert sync_due(runtime) == 3
    assert set(asked(slack)) == everybody
    assert len(asked(slack)) == len(everybody)
    # Do not disturb is not requested again within its interval.
    assert len(slack.calls_to("dnd.teamInfo")) == 1
    clock.advance(seconds=POLL_INTERVAL.total_seconds())
    sync_due(runtime)
    assert len(slack.calls_to("dnd.teamInfo")) == 2


def test_two_at_once_ask_about_each_once(
    runtime: Runtime, slack: RecordingSlack, people: People
) -> None:
    everybody = [People.slack_id(people.add(Role.MODERATOR)) for _ in range(8)]
    counts = at_once(*[lambda: sync_due(runtime)] * 3)
    assert sum(counts) == 8
    assert sorted(asked(slack)) == sorted(everybody)


def test_before_the_first_bot_there_is_nobody_to_ask_about(
    runtime: Runtime, slack: RecordingSlack, nils: User, db: Mongo
) -> None:
    db.meta.delete_many({})
    assert sync_due(runtime) == 0
    assert slack.calls == []


# Failures


def test_when_slack_says_to_wait_nobody_asks_before(
    runtime: Runtime, slack: RecordingSlack, people: People, clock: FixedClock
) -> None:
    everybody = sorted(People.slack_id(people.add(Role.MODERATOR)) for _ in range(4))
    refused = everybody[2]
    slack.fail("users.info", status=429, retry_after=90, where=lambda args: args["user"] == refused)
    first = sync_due(runtime)
    assert refused in asked(slack)
    assert len(asked(slack)) == first + 1
    slack.clear()
    clock.advance(seconds=89)
    assert sync_due(runtime) == 0
    assert slack.calls == []
    clock.advance(seconds=1)
    assert sync_due(runtime) == 4 - first
    assert refused in asked(slack)


@pytest.mark.parametrize("status", [500, 503])
def test_a_slack_in_trouble_is_left_alone_for_a_minute(
    runtime: Runtime, slack: RecordingSlack, nils: User, clock: FixedClock, status: int, db: Mongo
) -> None:
    slack.fail("users.info", status=status)
    assert sync_due(runtime) == 0
    assert is_paused(db, STATUS_LIMIT, now=clock())
    clock.advance(seconds=60)
    assert sync_due(runtime) == 1


def test_a_slow_slack_ends_the_round(
    runtime: Runtime, slack: RecordingSlack, people: People, clock: FixedClock
) -> None:
    for _ in range(3):
        people.add(Role.MODERATOR)
    hasty = WebClient(token=TOKEN, base_url=slack.url, timeout=1, retry_handlers=[])
    runtime = replace(runtime, slack=hasty)
    slack.delay("users.info", 3, times=9)
    assert sync_due(runtime) == 0
    assert len(asked(slack)) == 1
    slack.recover()
    clock.advance(seconds=60)
    assert sync_due(runtime) == 3


def test_a_slack_that_is_away_is_asked_later(
    runtime: Runtime, slack: RecordingSlack, nils: User, clock: FixedClock
) -> None:
    slack.stop()
    assert sync_due(runtime) == 0
    slack.start()
    clock.advance(seconds=60)
    assert sync_due(runtime) == 1


def test_who_is_not_in_slack_any_more_holds_up_nobody(
    runtime: Runtime, slack: RecordingSlack, people: People, nils: User, db: Mongo
) -> None:
    pia = people.add(Role.MODERATOR)
    del slack.workspace.members[People.slack_id(nils)]
    assert sync_due(runtime) == 1
    assert stored(db, pia)["timezone"] == BERLIN
    assert "timezone" not in stored(db, nils)


@pytest.mark.parametrize("error", ["missing_scope", "unknown_method"])
def test_without_do_not_disturb_the_rest_is_read_and_it_is_said_once(
    runtime: Runtime,
    slack: RecordingSlack,
    nils: User,
    db: Mongo,
    clock: FixedClock,
    caplog: pytest.LogCaptureFixture,
    error: str,
) -> None:
    slack_status_sync._warn_once.cache_clear()
    slack.fail("dnd.teamInfo", error=error, times=9)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert sync_due(runtime) == 1
            clock.advance(seconds=POLL_INTERVAL.total_seconds())
    assert [record.getMessage() for record in caplog.records] == [
        f"do not disturb is unknown: slack answered {error}"
    ]
    assert "quiet" not in stored(db, nils)["presence"]


@pytest.mark.parametrize(
    ("scope", "asked_for"), [("dnd:read", {"users.info"}), ("users:read", set())]
)
def test_for_what_the_app_lacks_a_scope_slack_is_not_asked(
    runtime: Runtime, slack: RecordingSlack, nils: User, db: Mongo, scope: str, asked_for: set[str]
) -> None:
    record_granted_scopes(db, GrantedScopes(frozenset(SCOPES) - {scope}))
    sync_due(runtime)
    assert {call.method for call in slack.calls} == asked_for


def test_without_the_scope_the_job_publishes_nothing(
    services: Services, publisher: RecordingPublisher, nils: User, db: Mongo
) -> None:
    record_granted_scopes(db, GrantedScopes(frozenset(SCOPES) - {"users:read"}))
    enqueue_due(JobContext(services, publisher, lambda: True))
    assert publisher.asked == []


def test_a_limit_on_do_not_disturb_is_honoured_apart(
    runtime: Runtime, slack: RecordingSlack, nils: User, clock: FixedClock
) -> None:
    slack.fail("dnd.teamInfo", status=429, retry_after=1_000)
    assert sync_due(runtime) == 1
    clock.advance(seconds=POLL_INTERVAL.total_seconds())
    assert sync_due(runtime) == 1
    assert len(slack.calls_to("dnd.teamInfo")) == 1
    clock.advance(seconds=POLL_INTERVAL.total_seconds())
    assert sync_due(runtime) == 1
    assert len(slack.calls_to("dnd.teamInfo")) == 2


@pytest.mark.parametrize("user", [{}, {"profile": None, "tz": 5}])
def test_a_slack_that_says_little_is_no_trouble(
    runtime: Runtime, slack: RecordingSlack, nils: User, db: Mongo, user: dict[str, Any]
) -> None:
    """local-slack's members have no status."""
    slack.workspace.members[People.slack_id(nils)] = user
    assert sync_due(runtime) == 1
    assert "away" not in stored(db, nils)


def test_a_longer_pause_stays(db: Mongo, clock: FixedClock) -> None:
    pause(db, "x", until=clock() + timedelta(minutes=9))
    assert (
        at_once(*[lambda: pause(db, "x", until=clock() + timedelta(minutes=1))] * 3) == [None] * 3
    )
    clock.advance(minutes=8)
    assert is_paused(db, "x", now=clock())
    assert not is_paused(db, "y", now=clock())


# The job


def test_the_job_asks_only_while_somebody_is_due(
    services: Services,
    runtime: Runtime,
    publisher: RecordingPublisher,
    nils: User,
) -> None:
    context = JobContext(services, publisher, lambda: True)
    enqueue_due(context)
    assert publisher.asked == [(STATUS_SYNC_TASK, "")]
    publisher.asked.clear()
    sync_due(runtime)
    enqueue_due(context)
    assert publisher.asked == []


def test_of_two_processes_the_leader_asks(
    services: Services, publisher: RecordingPublisher, nils: User, clock: FixedClock
) -> None:
    first, second = (Scheduler(services, publisher) for _ in range(2))
    for jobs in (first, second):
        jobs.renew_leadership()
    for jobs in (first, second):
        jobs.run("availability")
    assert publisher.asked == [(STATUS_SYNC_TASK, "")]
    clock.advance(seconds=21)  # the first process has died
    second.renew_leadership()
    second.run("availability")
    assert publisher.asked == [(STATUS_SYNC_TASK, "")] * 2


@pytest.fixture
def absentee(people: People, db: Mongo, tickets: TicketService, clock: FixedClock) -> User:
    """Away for three days, with an open ticket."""
    claim_installation(db, team_id=TEAM_ID)
    user = people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, people.add())
    busy = {"assignedTo": user.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": ticket.id}, {"$set": busy})
    wanted = AvailabilityChange(is_away=True, away_until=clock() + timedelta(days=3))
    AvailabilityService(db, clock=clock).update(actor=Actor.from_user(user), change=wanted)
    return user


def stored_offer(db: Mongo, user: User) -> dict[str, Any]:
    doc = db.users.find_one({"_id": user.id}) or {}
    return dict(doc.get("handOver", {}))


def test_it_is_sent_once(
    runtime: Runtime, slack: RecordingSlack, absentee: User, db: Mongo, clock: FixedClock
) -> None:
    assert sorted(at_once(*[lambda: send_due_offers(runtime)] * 3)) == [0, 0, 1]
    clock.advance(hours=9)
    assert send_due_offers(runtime) == 0
    (message,) = slack.messages(People.slack_id(absentee))
    assert message["text"] == "You have 1 open ticket. Should someone else take it?"
    kept = stored_offer(db, absentee)
    assert (kept["state"], kept["channel"], kept["ts"]) == (
        "sent", message["channel"], message["ts"]
    )  # fmt: skip


@pytest.mark.parametrize(("fault", "wait"), [({"status": 429, "retry_after": 30}, 30),
                                             ({"status": 500}, 120)])  # fmt: skip
def test_it_is_sent_later(
    runtime: Runtime,
    slack: RecordingSlack,
    absentee: User,
    clock: FixedClock,
    fault: dict[str, Any],
    wait: int,
) -> None:
    slack.fail("chat.postMessage", **fault)
    assert send_due_offers(runtime) == 0
    clock.advance(seconds=wait - 1)
    assert send_due_offers(runtime) == 0
    clock.advance(seconds=1)
    assert send_due_offers(runtime) == 1


def test_a_slack_that_does_not_answer_is_asked_again_after_a_minute(
    runtime: Runtime, slack: RecordingSlack, absentee: User, clock: FixedClock
) -> None:
    hasty = WebClient(token=TOKEN, base_url=slack.url, timeout=1, retry_handlers=[])
    slack.delay("chat.postMessage", 3)
    assert send_due_offers(replace(runtime, slack=hasty)) == 0
    clock.advance(seconds=59)
    assert send_due_offers(runtime) == 0
    clock.advance(seconds=1)
    assert send_due_offers(runtime) == 1


@pytest.mark.parametrize("why", ["user_disabled", "not linked"])
def test_an_offer_to_an_unreachable_member_fails(
    runtime: Runtime, slack: RecordingSlack, absentee: User, db: Mongo, clock: FixedClock, why: str
) -> None:
    if why == "not linked":
        db.links.delete_many({"userId": absentee.id})
    else:
        slack.fail("chat.postMessage", error=why)
    assert send_due_offers(runtime) == 0
    clock.advance(hours=9)
    assert send_due_offers(runtime) == 0
    assert (stored_offer(db, absentee)["state"], stored_offer(db, absentee)["error"]) == (
        "failed",
        why,
    )


def test_a_slack_that_says_to_wait_with_questions_is_still_told(
    runtime: Runtime, slack: RecordingSlack, absentee: User
) -> None:
    slack.fail("users.info", status=429, retry_after=600)
    slack_status_sync.run(runtime)
    assert len(slack.messages(People.slack_id(absentee))) == 1


def test_before_the_first_bot_nothing_is_sent(
    runtime: Runtime, slack: RecordingSlack, absentee: User, db: Mongo
) -> None:
    db.meta.delete_many({})
    assert send_due_offers(runtime) == 0
    assert slack.calls == []
