"""What goes by the clock where something is odd, or has been away for days."""

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest

from services import quiet
from services.database import Mongo
from services.models import Document, User
from services.moves import TicketMoves
from services.office import Office
from services.tickets import TicketService
from tasks.runtime import Runtime
from tests.alarm_day import Day, at
from tests.conftest import FixedClock, People, RecordingPublisher, work
from tests.recording_slack import RecordingSlack


@pytest.fixture
def day(
    db: Mongo,
    clock: FixedClock,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    moves: TicketMoves,
    publisher: RecordingPublisher,
    runtime: Runtime,
) -> Day:
    return Day(db, clock, slack, people, tickets, moves, publisher, runtime)


@pytest.fixture
def employee(day: Day) -> User:
    return day.people.add()


def test_one_odd_ticket_holds_up_no_other(
    day: Day, employee: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jo = day.moderator("VPN")
    odd = day.file(employee, "VPN is odd")
    al = day.moderator("Mail")
    day.clock.now += timedelta(minutes=1)
    ticket = day.file(employee, "Mail is down")
    assert (odd.assigned_to, ticket.assigned_to) == (jo.id, al.id)
    usual = quiet.quiet_until

    def fails(account: Document, office: Office, *, now: datetime) -> datetime | None:
        if account["_id"] == jo.id:
            raise OverflowError("date value out of range")
        return usual(account, office, now=now)

    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR):
        broken.setattr(quiet, "quiet_until", fails)
        day.clock.now = at(2, 10, 1)
        day.sweep()
    assert caplog.messages == [f"a step of ticket {odd.id} is set aside"]
    assert day.history(ticket) == ["accept_reminder"]
    assert day.history(odd) == []
    assert day.now(odd).seq == odd.seq
    day.runs_until(at(2, 11, 1))
    assert day.history(odd)[0] == "accept_reminder"


def test_a_member_who_is_away_until_the_end_of_time_holds_up_nobody(
    day: Day, employee: User
) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    ends = datetime.max.replace(microsecond=0, tzinfo=at(2, 9).tzinfo)
    presence: dict[str, Any] = {"quiet": [{"start": at(2, 9), "end": ends}]}
    day.db.users.update_one({"_id": jo.id}, {"$set": {"presence": presence}})
    al = day.moderator("VPN")
    day.runs_until(at(2, 10, 31))
    assert day.told(jo) == []
    assert day.history(ticket) == ["accept_reminder", "accept_next"]
    assert day.now(ticket).assigned_to == al.id


def test_the_workers_were_away_for_days(day: Day, employee: User) -> None:
    """What the jobs took meanwhile is told once they are back; once, and to no later admin."""
    jo, boss = day.moderator("VPN"), day.admin()
    ticket = day.file(employee)
    day.accept(ticket, jo)
    while (alarm := day.now(ticket).alarm) and alarm.at < at(5, 9):
        day.clock.now = max(alarm.at, day.clock())
        for due in day.steps.due():
            day.steps.take(due)
    assert day.history(ticket) == ["due_soon", "due_missed", "due_triage", "due_admins"]
    assert day.told(boss) == []

    day.clock.now = at(5, 9)
    for _ in range(2):
        day.publisher.publish(str(ticket.id))
        work(day.runtime, day.publisher)
        day.clock.advance(minutes=1)
        day.tell()
    assert day.told(boss) == ["Ticket 1 “VPN is down” is overdue"]

    late = day.admin()
    day.db.tickets.update_one({"_id": ticket.id}, {"$set": {"outbox": True}})
    day.publisher.publish(str(ticket.id))
    work(day.runtime, day.publisher)
    day.clock.advance(minutes=1)
    day.tell()
    assert day.told(late) == []


def test_who_was_deactivated_is_not_told_that_it_was_passed_on(day: Day, employee: User) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    al = day.moderator("VPN")
    day.runs_until(at(2, 10))
    told = len(day.told(jo))
    assert told == 1
    day.clock.now = at(2, 10, 30)
    day.sweep()
    assert day.now(ticket).assigned_to == al.id
    day.db.users.update_one({"_id": jo.id}, {"$set": {"active": False}})
    day.clock.advance(minutes=1)
    day.tell()
    assert len(day.told(jo)) == told
