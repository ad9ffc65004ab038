"""Escalation with invalid data, and after an outage of days."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.availability import absence
from services.availability.slack_status import NO_END
from services.calendar.business_hours import BusinessHours
from services.core.database import Document
from services.models.ticket import Ticket
from services.models.user import User
from tests.support.bot_and_workers import buttons
from tests.support.escalation_day import Day, at, texts
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.business_day"]


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
    usual = absence.notifications_paused_until

    def fails(account: Document, hours: BusinessHours, *, now: datetime) -> datetime | None:
        if account["_id"] == jo.id:
            raise OverflowError("date value out of range")
        return usual(account, hours, now=now)

    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR):
        broken.setattr(absence, "notifications_paused_until", fails)
        day.clock.now = at(2, 10, 1)
        day.sweep()
    assert caplog.messages == [f"an escalation step of ticket {odd.id} is set aside"]
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
    assert day.texts_to(jo) == []
    assert day.history(ticket) == ["accept_reminder", "accept_next"]
    assert day.now(ticket).assigned_to == al.id


def take_steps(day: Day, ticket: Ticket, *, until: datetime) -> None:
    """Run the jobs without workers."""
    while (next_step := day.now(ticket).next_step) and next_step.at < until:
        day.clock.now = max(next_step.at, day.clock())
        for due in day.steps.due():
            day.steps.take(due)


def back(day: Day, ticket: Ticket, moment: datetime, *more: Ticket) -> None:
    """Let the workers act on the tickets, twice."""
    day.clock.now = moment
    for _ in range(2):
        day.deliver(ticket, *more)
        day.clock.advance(minutes=1)
        day.send_due_reminders()


def test_the_workers_were_away_for_days(day: Day, employee: User) -> None:
    """Steps taken during the outage are notified once per recipient when the workers are back, and
    not to admins added later."""
    jo, boss = day.moderator("VPN"), day.admin()
    ticket = day.file(employee)
    day.accept(ticket, jo)
    take_steps(day, ticket, until=at(5, 9))
    assert day.history(ticket) == ["due_soon", "due_missed", "due_triage", "due_admins"]
    assert day.texts_to(boss) == []

    back(day, ticket, at(5, 9))
    for reader in (jo, TRIAGE, boss):
        assert day.texts_to(reader) == ["Ticket 1 “VPN is down” is 2 days late"]

    late = day.admin()
    day.db.tickets.update_one({"_id": ticket.id}, {"$set": {"outbox": True}})
    day.deliver(ticket)
    day.clock.advance(minutes=1)
    day.send_due_reminders()
    assert day.texts_to(late) == []
    assert [len(day.texts_to(reader)) for reader in (jo, TRIAGE, boss)] == [1, 1, 1]


def test_the_workers_were_away_while_nobody_could_accept(day: Day, employee: User) -> None:
    """The former assignee hears of the reassignment, the new one that the ticket waits."""
    jo, boss = day.moderator("VPN"), day.admin()
    ticket = day.file(employee)
    al = day.moderator("VPN")
    take_steps(day, ticket, until=at(2, 16))
    assert day.history(ticket) == [
        "accept_reminder", "accept_next", "accept_triage", "accept_admins", "due_soon",
    ]  # fmt: skip
    back(day, ticket, at(2, 16))
    assert day.texts_to(jo) == ["Ticket 1 “VPN is down” was reassigned"]
    assert day.texts_to(al) == ["Ticket 1 “VPN is down” waits for you to accept it"]
    for reader in (TRIAGE, boss):
        assert day.texts_to(reader) == ["Ticket 1 “VPN is down” has not been accepted yet"]


def test_a_delayed_reminder_is_sent_though_others_were_notified_since(
    day: Day, employee: User
) -> None:
    """The due date is missed outside Jo's hours; the admins are notified before Jo."""
    jo, boss = day.moderator("VPN"), day.admin()
    ticket = day.file(employee)
    day.accept(ticket, jo)
    later = {"days": [1, 2, 3, 4], "start": "13:00", "end": "21:00"}
    day.db.users.update_one({"_id": jo.id}, {"$set": {"timezone": "UTC", "workHours": later}})
    day.runs_until(at(3, 12, 55))
    assert day.history(ticket) == ["due_soon", "due_missed", "due_triage", "due_admins"]
    assert [len(day.texts_to(reader)) for reader in (TRIAGE, boss)] == [1, 1]
    assert day.texts_to(jo) == []
    day.runs_until(at(3, 16))
    assert day.texts_to(jo) == ["Ticket 1 “VPN is down” is 20 h late"]


def test_two_lines_of_one_ticket_are_one(day: Day, employee: User) -> None:
    """A ticket that is late and not accepted is listed once, with the buttons of both."""
    jo = day.moderator("VPN")
    first, second = day.file(employee), day.file(employee)
    for ticket in (first, second):
        take_steps(day, ticket, until=at(3, 9, 30))
    assert {"accept_reminder", "due_missed"} <= set(day.history(first))
    back(day, first, at(3, 9, 30), second)
    (message,) = day.messages(jo)
    assert message["text"] == "2 tickets need a look: Ticket 1, Ticket 2"
    said = texts(message)
    assert said[0] == "*2 tickets need a look*"
    assert [text.split("\n")[1][:11] for text in said[1:]] == ["It was due "] * 2
    assert buttons(message) == ["Accept", "Reassign", "Details"] * 2
    assert day.db.nudges.count_documents({"to": str(jo.id), "at": {"$exists": True}}) == 0


def test_without_a_channel_nothing_waits_for_one(day: Day, employee: User) -> None:
    day.has_triage = False
    day.runtime = replace(day.runtime, triage_channel="")
    jo, boss = day.moderator("VPN"), day.admin()
    ticket = day.file(employee)
    day.accept(ticket, jo)
    day.runs_until(at(3, 12))
    assert day.history(ticket) == ["due_soon", "due_missed", "due_admins"]
    assert (len(day.texts_to(jo)), len(day.texts_to(boss))) == (2, 1)
    assert day.db.nudges.count_documents({"to": "triage"}) == 0


def test_a_deactivated_assignee_is_not_told_that_it_was_reassigned(
    day: Day, employee: User
) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    al = day.moderator("VPN")
    day.runs_until(at(2, 10))
    told = len(day.texts_to(jo))
    assert told == 1
    day.clock.now = at(2, 10, 30)
    day.sweep()
    assert day.now(ticket).assigned_to == al.id
    day.db.users.update_one({"_id": jo.id}, {"$set": {"active": False}})
    day.clock.advance(minutes=1)
    day.send_due_reminders()
    assert len(day.texts_to(jo)) == told


def test_who_is_back_sooner_than_they_said_hears_what_was_held(day: Day, employee: User) -> None:
    """A status without an end must not expire a reminder that waits for it."""
    jo = day.moderator("VPN")
    who = {"_id": jo.id}
    for minutes in (0, 20):
        day.clock.now += timedelta(minutes=minutes)
        day.accept(day.file(employee), jo)
    day.db.users.update_one(who, {"$set": {"away": {"until": NO_END, "source": "slack"}}})
    day.runs_until(at(3, 13))
    assert (len(day.texts_to(TRIAGE)), day.texts_to(jo)) == (2, [])
    held = day.db.nudges.find_one({"to": str(jo.id), "kind": "due_missed"})
    assert held
    assert held["expiresAt"] > at(10, 11)
    day.db.users.update_one(who, {"$unset": {"away": ""}})
    day.runs_until(at(3, 14))
    assert day.texts_to(jo) == ["2 tickets need a look: Ticket 1, Ticket 2"]
