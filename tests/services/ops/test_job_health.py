"""Scheduled work that fails: retried with a growing delay, and shown to the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from services.availability import absence
from services.calendar.business_hours import BusinessHours, account_work_week
from services.core.database import Document, Mongo
from services.core.installation import claim_installation
from services.core.leases import Lease
from services.core.work_queue import RetryState, record_failure
from services.digest.digest_service import Digests
from services.models.user import Role, User
from services.ops import job_health
from services.ops.check_runner import CheckStatus
from services.ops.database_checks import DatabaseChecks
from services.ops.job_health import find_failing
from services.registry.indexes import missing_indexes
from tasks.notifications import digest
from tests.support.escalation_day import Day, at
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.business_day"]

FAULT = OverflowError("date value out of range of jo@example.com")


@contextmanager
def odd(user: User) -> Iterator[None]:
    """Fails while the working hours of the account are unreadable."""
    usual = account_work_week

    def fails(account: Document, hours: BusinessHours) -> object:
        if account["_id"] == user.id:
            raise FAULT
        return usual(account, hours)

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(absence, "account_work_week", fails)
        broken.setattr("services.digest.digest_service.account_work_week", fails)
        yield


def said(db: Mongo, now: datetime) -> list[str]:
    return [finding.format_line("jobs") for finding in find_failing(db, now=now)]


def test_it_is_tried_again_later_each_time() -> None:
    retry_state = record_failure(None, FAULT, now=at(2, 9))
    assert retry_state == RetryState(at(2, 9), 1, "OverflowError")
    waits = [retry_state.delay]
    for number in range(10):
        retry_state = record_failure(retry_state, FAULT, now=at(2, 10 + number))
        waits.append(retry_state.delay)
    assert (retry_state.first_failed_at, retry_state.failure_count) == (at(2, 9), 11)
    minutes = [wait // timedelta(minutes=1) for wait in waits]
    assert minutes == [5, 20, *[60] * 9]


@pytest.mark.parametrize("stored", [None, "odd", {}, {"since": "yesterday"}])
def test_what_cannot_be_read_is_nothing(stored: object) -> None:
    assert RetryState.from_doc(stored) is None


def test_a_tickets_step(day: Day) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(day.people.add())
    day.clock.now = at(2, 10)
    with odd(jo):
        tried = []
        while day.clock.now < at(2, 12):
            day.sweep()
            next_step = day.now(ticket).next_step
            assert next_step is not None
            assert next_step.retry is not None
            tried.append(next_step.retry.failure_count)
            if next_step.retry.failure_count == 1:
                assert said(day.db, day.clock()) == [
                    "warn  jobs:          what is due by the clock for ticket 1 failed 1 time "
                    "within 0 s (OverflowError) and is tried again by itself. No reminders are "
                    "sent for it, so have a look at it yourself. The log of the jobs says why, "
                    "at “set aside”."
                ]
            day.clock.now = next_step.at
    assert tried == [1, 2, 3, 4]
    assert job_health.count_failing(day.db) == {"step": 1, "digest": 0, "ticket": 0}
    (line,) = said(day.db, day.clock())
    assert line.startswith(
        "FAIL  jobs:          what is due by the clock for ticket 1 failed 4 times within 2 h "
    )
    assert "jo@example.com" not in line

    day.sweep()
    assert day.history(ticket) == ["accept_reminder"]
    assert said(day.db, day.clock()) == []
    assert job_health.count_failing(day.db) == {"step": 0, "digest": 0, "ticket": 0}


def test_a_step_that_was_only_put_off_is_well_again(day: Day) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(day.people.add())
    day.clock.now = at(2, 10)
    with odd(jo):
        day.sweep()
    away = {"away": {"until": at(3, 9), "source": "self"}, "capacity": 0}
    day.db.users.update_one({"_id": jo.id}, {"$set": away})
    day.clock.advance(minutes=5)
    day.sweep()
    assert day.history(ticket) != []
    assert said(day.db, day.clock()) == []


def test_a_step_that_cannot_be_read_is_retried_later_too(day: Day) -> None:
    """As a later release may have stored it."""
    jo = day.moderator("VPN")
    ticket = day.file(day.people.add())
    day.db.tickets.update_one({"_id": ticket.id}, {"$set": {"alarm.kind": "accept_sooner"}})
    day.clock.now = at(2, 10)
    with odd(jo):
        day.sweep()
    stored = day.db.tickets.find_one({"_id": ticket.id}) or {}
    assert stored["alarm"]["at"] == at(2, 10, 5)
    assert len(said(day.db, day.clock())) == 1


def test_more_than_a_few_are_counted(day: Day) -> None:
    day.moderator("VPN", capacity=30)
    for _ in range(7):
        ticket = day.file(day.people.add())
        retry_state = record_failure(None, FAULT, now=day.clock())
        day.db.tickets.update_one(
            {"_id": ticket.id}, {"$set": {"alarm.aside": retry_state.to_doc()}}
        )
    assert len(said(day.db, day.clock())) == 6
    assert (
        said(day.db, day.clock())[-1] == "warn  jobs:          2 more are set aside. See the log."
    )


def test_a_digest(day: Day) -> None:
    claim_installation(day.db, team_id=TEAM_ID)
    jo = day.moderator("VPN", email="jo@example.com")
    day.file(day.people.add())
    with odd(jo):
        for _ in range(3):
            assert digest.run(day.runtime) == 0
            day.clock.advance(minutes=20)
    (line,) = said(day.db, day.clock())
    assert line == (
        "FAIL  jobs:          the digest of jo@example.com failed 3 times within 60 min "
        "(OverflowError) and is tried again by itself. The log of the worker says why, at “set "
        "aside”."
    )
    assert job_health.count_failing(day.db) == {"step": 0, "digest": 1, "ticket": 0}
    day.clock.advance(hours=1)
    assert digest.run(day.runtime) == 1
    assert said(day.db, day.clock()) == []


def test_a_digest_that_nobody_wants_any_more_is_no_fault(day: Day) -> None:
    claim_installation(day.db, team_id=TEAM_ID)
    jo = day.moderator("VPN")
    with odd(jo):
        digest.run(day.runtime)
    day.db.users.update_one({"_id": jo.id}, {"$set": {"digest": False}})
    day.clock.advance(hours=1)
    digest.run(day.runtime)
    assert said(day.db, day.clock()) == []


def test_an_account_that_left_the_help_desk_is_not_named(day: Day) -> None:
    jo = day.moderator()
    retry_state = record_failure(None, FAULT, now=day.clock())
    left = {"digestAside": retry_state.to_doc(), "role": Role.USER.value}
    day.db.users.update_one({"_id": jo.id}, {"$set": left})
    assert said(day.db, day.clock()) == []
    assert job_health.count_failing(day.db)["digest"] == 0


def test_a_digest_that_cannot_be_written_is_retried_later_too(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_installation(day.db, team_id=TEAM_ID)
    jo = day.moderator("VPN")
    day.file(day.people.add())

    def fails(mine: Digests) -> None:
        raise FAULT

    with monkeypatch.context() as broken:
        broken.setattr(digest, "digest_message", fails)
        assert digest.run(day.runtime) == 0
    assert job_health.count_failing(day.db)["digest"] == 1
    day.clock.advance(minutes=5)
    assert digest.run(day.runtime) == 1
    assert len(day.texts_to(jo)) == 1


def test_the_doctor_reports_it_with_the_jobs(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    jo = day.people.add(Role.MODERATOR, email="jo@example.com")
    retry_state = record_failure(None, FAULT, now=day.clock())
    day.db.users.update_one({"_id": jo.id}, {"$set": {"digestAside": retry_state.to_doc()}})
    checks = DatabaseChecks(
        "mongodb://unused", missing_indexes=missing_indexes, program_version=1, clock=day.clock
    )
    monkeypatch.setitem(vars(checks), "_db", day.db)
    found = checks.check_jobs()
    assert [finding.message[:21] for finding in found] == ["none leads", "the digest of jo@exam"]
    Lease(day.db, "jobs", clock=day.clock).acquire()
    (found_now,) = checks.check_jobs()
    assert found_now.status is CheckStatus.WARN
