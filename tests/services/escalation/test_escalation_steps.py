"""Escalation steps, with the database, the tasks and Slack."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.views.due_text import format_datetime
from bot.views.history import history_blocks
from services.accounts.users import UserService
from services.calendar.business_hours import WORKDAYS
from services.editing.ticket_edits import TicketEdits
from services.linking.links import LinkService, referenced_user_ids
from services.models.escalation_track import EscalationStep, EscalationTrack, StepChange
from services.models.events import EventType
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.outbox import pending
from services.team_settings.settings_service import TeamSettings
from services.tickets.access import for_requester
from services.tickets.comments import CommentService
from tasks.notifications.reminders import MAX_THREADS
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.queue.publisher import PublishFailed
from tests.conftest import People, at_once, work
from tests.support.block_text import without_facts
from tests.support.bot_and_workers import buttons
from tests.support.escalation_day import Day, at, texts
from tests.support.slack_workspace import TEAM_ID, TRIAGE

pytest_plugins = ["tests.support.business_day"]


@pytest.fixture
def employee(day: Day) -> User:
    return day.people.add()


def lines(day: Day, ticket: Ticket, users: UserService, links: LinkService) -> list[str]:
    """The history as shown on the ticket page, without the times."""
    found = day.now(ticket)
    people = links.resolve_people(team_id=TEAM_ID, user_ids=referenced_user_ids(found))
    (shown,) = texts({"blocks": history_blocks(found.events, people)})
    return [line.rpartition(" · ")[0] for line in shown.split("\n")]


def test_every_condition_has_a_next_step() -> None:
    for track in EscalationTrack:
        last = track.steps[-1].rule
        assert last.condition is None
        assert last.change is not StepChange.REASSIGN


def test_nobody_accepts_it(
    day: Day, employee: User, users: UserService, links: LinkService
) -> None:
    jo, boss = day.moderator("VPN"), day.admin()
    ticket = day.file(employee)
    assert ticket.assigned_to == jo.id
    al = day.moderator("VPN")
    day.runs_until(at(2, 9, 55))
    assert day.texts_to(jo) == []

    day.runs_until(at(2, 10))
    (reminder,) = day.messages(jo)
    assert reminder["text"] == "Ticket 1 “VPN is down” waits for you to accept it"
    assert texts(reminder) == [
        "*Ticket 1* “VPN is down”\n"
        f"It waits for you to accept it. Requested by <@{People.slack_id(employee)}>. "
        "If it is not for you, press Reassign."
    ]
    assert buttons(reminder) == ["Accept", "Reassign", "Details"]

    day.runs_until(at(2, 10, 30))
    assert day.now(ticket).assigned_to == al.id
    reassigned_message = day.messages(jo)[-1]
    assert reassigned_message["text"] == "Ticket 1 “VPN is down” was reassigned"
    assert texts(reassigned_message) == [
        f"*Ticket 1* “VPN is down”\nIt was reassigned to <@{People.slack_id(al)}>, because it was "
        "not accepted in time. You have nothing left to do."
    ]
    assert buttons(reassigned_message) == ["Details"]
    card = day.slack.messages(People.slack_id(al))[0]
    assert without_facts(card["text"]) == "Ticket 1 “VPN is down”: assigned to you"
    assert (
        "Why you: knows VPN · 1 of 8 tickets with this one · passed on to you, because it was not "
        "accepted in time" in texts(card)
    )
    assert day.texts_to(al) == day.texts_to(boss) == day.texts_to(TRIAGE) == []

    day.runs_until(at(2, 11, 30))
    (channel,) = day.messages(TRIAGE)
    assert channel["text"] == "Ticket 1 “VPN is down” has not been accepted yet"
    assert texts(channel) == [
        f"*Ticket 1* “VPN is down”\nIt has not been accepted yet. Requested by "
        f"{employee.name}, assigned to {al.name}."
    ]
    assert buttons(channel) == ["Take over", "Details"]
    assert day.texts_to(al) == ["Ticket 1 “VPN is down” waits for you to accept it"]

    day.runs_until(at(2, 12, 30))
    (asked,) = day.messages(boss)
    assert texts(asked) == [
        "*Ticket 1* “VPN is down”\n"
        f"It has not been accepted yet. Requested by <@{People.slack_id(employee)}>, assigned to "
        f"<@{People.slack_id(al)}>."
    ]
    assert buttons(asked) == ["Reassign", "Details"]
    day.runs_until(at(2, 14, 30))
    assert [len(day.texts_to(reader)) for reader in (jo, al, TRIAGE, boss)] == [2, 1, 1, 1]
    assert lines(day, ticket, users, links)[-4:] == [
        "Help desk reminded its assignee to accept it",
        f"Help desk reassigned it to {al.name}, because it was not accepted in time",
        "Help desk notified the triage channel that it is not accepted yet",
        "Help desk notified the admins that it is not accepted yet",
    ]


def test_its_requester_does_not_read_who_was_late(day: Day, employee: User) -> None:
    day.moderator("VPN")
    ticket = day.file(employee)
    day.moderator("VPN")
    day.runs_until(at(2, 11))
    types = {event.type for event in for_requester(day.now(ticket)).events}
    assert EventType.ASSIGNED in types
    assert not {EventType.REMINDED, EventType.REASSIGNED_BY_ESCALATION, EventType.ESCALATED} & types


def test_who_accepts_is_left_alone(day: Day, employee: User) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    day.accept(ticket, jo)
    day.runs_until(at(2, 14))
    assert day.history(ticket) == []
    assert day.texts_to(jo) == []


def test_who_answers_has_accepted(day: Day, employee: User, comments: CommentService) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    comments.add(actor=Actor.from_user(jo), ticket_id=str(ticket.id), text="Have you restarted it?")
    day.runs_until(at(2, 14))
    assert day.history(ticket) == []


def test_without_anybody_else_the_channel_is_next(day: Day, employee: User) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    day.runs_until(at(2, 10, 30))
    assert day.history(ticket) == ["accept_reminder", "accept_triage"]
    assert day.now(ticket).assigned_to == jo.id
    assert len(day.texts_to(TRIAGE)) == 1
    assert len(day.texts_to(jo)) == 2


def test_a_channel_chosen_in_settings_is_next(
    day: Day, employee: User, team_settings: TeamSettings
) -> None:
    day.has_triage = False
    day.runtime = replace(day.runtime, triage_channel="")
    day.moderator("VPN")
    no_assignee = Actor.from_user(replace(employee, role=Role.ADMIN))
    team_settings.set_slack_settings(actor=no_assignee, triage_channel=TRIAGE)
    ticket = day.file(employee)
    day.runs_until(at(2, 10, 30))
    assert day.history(ticket)[-1] == "accept_triage"
    assert len(day.texts_to(TRIAGE)) == 1


def test_without_a_channel_the_admins_are_next(day: Day, employee: User) -> None:
    day.has_triage = False
    jo, boss = day.moderator("VPN"), day.admin()
    other = day.moderator(capacity=0)
    ticket = day.file(employee)
    day.runs_until(at(2, 12))
    # An admin may be the assignee, too.
    assert day.now(ticket).assigned_to == boss.id
    day.runs_until(at(2, 13))
    assert day.history(ticket)[:3] == ["accept_reminder", "accept_next", "accept_admins"]
    assert day.texts_to(boss) == ["Ticket 1 “VPN is down” waits for you to accept it"]
    assert day.texts_to(TRIAGE) == day.texts_to(other) == []
    assert len(day.texts_to(jo)) == 2


def test_it_is_not_reassigned_to_a_former_assignee(day: Day, employee: User) -> None:
    day.moderator("VPN")
    ticket = day.file(employee)
    al = day.moderator("VPN")
    day.runs_until(at(2, 10, 30))
    day.ticket_actions.reassign(
        actor=Actor.from_user(al), ticket_id=str(ticket.id), assignee_id=None
    )
    work(day.runtime, day.publisher, ticket)
    assert day.now(ticket).assigned_to is None


def test_nobody_is_disturbed_at_night(day: Day, employee: User) -> None:
    """At 9:00 UTC it is evening for Jo, whose shift begins at 1:00 UTC."""
    hours = {"workHours": {"days": [0, 1, 2, 3, 4], "start": "10:00", "end": "18:00"}}
    jo = day.moderator("VPN", timezone="Asia/Tokyo", **hours)
    ticket = day.file(employee, priority="high")
    day.moderator("VPN", timezone="Asia/Tokyo", **hours)
    day.runs_until(at(3, 0, 55))
    assert "accept_reminder" not in day.history(ticket)
    day.runs_until(at(3, 1))
    assert "accept_reminder" in day.history(ticket)
    assert day.texts_to(jo)


def test_but_for_what_is_urgent(day: Day, employee: User) -> None:
    hours = {"workHours": {"days": [0, 1, 2, 3, 4], "start": "10:00", "end": "18:00"}}
    jo = day.moderator("VPN", timezone="Asia/Tokyo", **hours)
    ticket = day.file(employee, "VPN is down for everyone", priority="urgent")
    assert ticket.priority == "urgent"
    day.runs_until(at(2, 9, 15))
    assert day.texts_to(jo) == ["Ticket 1 “VPN is down for everyone” waits for you to accept it"]


def test_a_reminder_outside_working_hours_waits_and_is_sent_once(day: Day, employee: User) -> None:
    """An admin who is off work gets one message in the morning, with what still applies."""
    boss = day.admin(timezone="America/Los_Angeles", capacity=0)
    jo = day.moderator("VPN")
    held = [day.file(employee, f"VPN {number}") for number in range(3)]
    day.runs_until(at(2, 16, 55))
    assert {"accept_admins"} <= set(day.history(held[0]))
    assert day.texts_to(boss) == []  # 9:00 there is 17:00 UTC
    day.accept(held[1], jo)
    day.runs_until(at(2, 17, 5))
    assert day.texts_to(boss) == ["2 tickets need a look: Ticket 1, Ticket 3"]


def test_the_channel_is_notified_in_business_hours(
    day: Day, employee: User, ticket_edits: TicketEdits
) -> None:
    """Once an admin has set the business hours; urgent tickets at night, too."""
    boss = day.admin(capacity=0)
    TeamSettings(day.db, clock=day.clock).write_business_hours(
        actor=Actor.from_user(boss), zone="UTC", days=WORKDAYS, start="09:00", end="17:00"
    )
    for priority in ("high", "urgent"):
        ticket = day.file(employee, f"VPN is down for everyone ({priority})", priority=priority)
        ticket_edits.update(
            actor=Actor.from_user(boss),
            ticket_id=str(ticket.id),
            expected_seq=ticket.seq,
            changes={"deadline": at(2, 9, 30)},
        )
    day.clock.now = at(2, 20)  # the jobs start again in the evening
    day.runs_until(at(2, 22))
    (urgent,) = day.texts_to(TRIAGE)
    assert urgent == "Ticket 2 “VPN is down for everyone (urgent)” is 10 h late"
    day.runs_until(at(3, 8, 59))
    assert len(day.texts_to(TRIAGE)) == 1
    day.runs_until(at(3, 9, 1))
    assert day.texts_to(TRIAGE)[1:] == ["Ticket 1 “VPN is down for everyone (high)” is 23 h late"]


def test_who_is_away_is_not_asked(day: Day, employee: User) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    day.db.users.update_one(
        {"_id": jo.id}, {"$set": {"away": {"until": at(6, 9), "source": "self"}}}
    )
    al = day.moderator("VPN")
    day.runs_until(at(2, 10))
    assert day.history(ticket) == ["accept_next"]
    assert day.now(ticket).assigned_to == al.id
    assert day.texts_to(jo) == []


def test_the_way_to_its_due_time(day: Day, employee: User) -> None:
    jo, boss = day.moderator("VPN"), day.admin()
    ticket = day.file(employee)
    day.accept(ticket, jo)
    assert day.now(ticket).due_at == at(2, 17)
    day.runs_until(at(2, 15))
    (soon,) = day.messages(jo)
    due = format_datetime(at(2, 17))
    assert due.endswith("|2 Mar 2037, 17:00 UTC>")
    assert soon["text"] == "Ticket 1 “VPN is down” is due soon"
    requested = f"Requested by <@{People.slack_id(employee)}>"
    assert texts(soon) == [f"*Ticket 1* “VPN is down”\nIt is due {due}. {requested}."]
    assert buttons(soon) == ["Resolve", "Details"]
    day.runs_until(at(3, 9))
    assert day.history(ticket) == ["due_soon", "due_missed"]
    day.runs_until(at(3, 11))
    assert day.history(ticket) == ["due_soon", "due_missed", "due_triage", "due_admins"]
    assert day.texts_to(jo)[1:] == ["Ticket 1 “VPN is down” is 1 min late"]
    (_, missed) = day.messages(jo)
    assert texts(missed) == [
        f"*Ticket 1* “VPN is down”\nIt was due {due} and is *1 min late*. {requested}."
    ]
    assert buttons(missed) == ["Resolve", "Details"]
    # Jo works on it, so the channel gets no message of its own.
    (channel,) = day.messages(TRIAGE)
    (card,) = (m for m in day.slack.messages(TRIAGE) if "thread_ts" not in m)
    assert (channel["thread_ts"], channel["text"]) == (
        card["ts"],
        "Ticket 1 “VPN is down” is 17 h late",
    )
    assert texts(channel) == [
        f"*Ticket 1* “VPN is down”\nIt was due {due} and is *17 h late*. "
        f"Requested by {employee.name}, assigned to {jo.name}."
    ]
    assert buttons(channel) == ["Take over", "Details"]
    (asked,) = day.messages(boss)
    assert buttons(asked) == ["Reassign", "Details"]
    day.runs_until(at(3, 16))
    assert len(day.history(ticket)) == 4


def test_nobodys_ticket_is_overdue_in_the_channel(day: Day, employee: User) -> None:
    boss = day.admin(capacity=0)
    ticket = day.file(employee)
    day.runs_until(at(3, 11))
    assert day.history(ticket) == ["due_triage", "due_admins"]
    (channel,) = day.messages(TRIAGE)
    assert "thread_ts" not in channel
    assert texts(channel)[0].endswith("No one has it.")
    assert "Ticket 1 “VPN is down” is 17 h late" in day.texts_to(boss)


@pytest.mark.parametrize("field", ["deadline", "priority"])
def test_another_deadline_or_priority_starts_again(
    day: Day, employee: User, ticket_edits: TicketEdits, field: str
) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    day.accept(ticket, jo)
    day.runs_until(at(3, 9, 30))
    assert day.history(ticket) == ["due_soon", "due_missed"]
    change = {"deadline": at(3, 15)} if field == "deadline" else {"priority": "medium"}
    if field == "deadline":
        # Only a longer target can move the due time.
        day.db.tickets.update_one({"_id": ticket.id}, {"$set": {"priority": "low"}})
    ticket_edits.update(
        actor=Actor.from_user(jo),
        ticket_id=str(ticket.id),
        expected_seq=day.now(ticket).seq,
        changes=change,
    )
    day.runs_until(at(10, 9))
    assert day.history(ticket) == [
        "due_soon",
        "due_missed",
        "due_soon",
        "due_missed",
        "due_triage",
        "due_admins",
    ]


def test_many_at_once_are_one_message(day: Day, employee: User) -> None:
    jo = day.moderator("VPN", capacity=30)
    for number in range(13):
        day.file(employee, f"VPN & <{number}>")
    day.goes_on_at(at(2, 10))
    (reminder,) = day.messages(jo)
    names = ", ".join(f"Ticket {number}" for number in range(1, 11))
    assert reminder["text"] == f"13 tickets need a look: {names} and 3 more"
    said = texts(reminder)
    assert said[0] == "*13 tickets need a look*"
    assert said[1].startswith("*Ticket 1* “VPN &amp; &lt;0&gt;”\n")
    assert said[-1] == "and 3 more: type `/ticket assigned` to see them all"
    assert buttons(reminder).count("Accept") == 10


def test_a_day_of_downtime_makes_no_storm(day: Day, employee: User) -> None:
    jo, boss = day.moderator("VPN", capacity=30), day.admin()
    filed = [day.file(employee, f"VPN {number}") for number in range(6)]
    for ticket in filed[:3]:
        day.accept(ticket, jo)
    before = len(day.slack.calls_to("chat.postMessage"))
    day.goes_on_at(at(3, 15))
    day.runs_until(at(3, 15, 10))
    assert day.history(filed[0]) == ["due_admins"]
    assert day.history(filed[5]) == ["accept_reminder", "due_admins"]
    # One message each, to the assignee, the channel and the admins, and one in the thread of each
    # ticket that its assignee works on.
    assert len(day.slack.calls_to("chat.postMessage")) - before == 6
    (late,) = day.texts_to(jo)
    assert late.startswith("6 tickets need a look: ")
    (asked,) = day.texts_to(boss)
    assert asked.startswith("6 tickets need a look: ")
    *_, told = day.texts_to(TRIAGE)
    assert told == "3 tickets need a look: Ticket 4, Ticket 5, Ticket 6"
    assert ["thread_ts" in m for m in day.messages(TRIAGE)] == [True, True, True, False]


def test_many_accepted_tickets_are_one_message_in_the_channel(day: Day, employee: User) -> None:
    jo = day.moderator("VPN", capacity=30)
    for number in range(MAX_THREADS + 1):
        day.accept(day.file(employee, f"VPN {number}"), jo)
    day.goes_on_at(at(3, 15))
    (message,) = day.messages(TRIAGE)
    assert "thread_ts" not in message
    assert message["text"].startswith("6 tickets need a look: ")


def test_one_thread_that_fails_repeats_no_other_message(day: Day, employee: User) -> None:
    jo = day.moderator("VPN", capacity=30)
    filed = [day.file(employee, f"VPN {number}") for number in range(3)]
    for ticket in filed[:2]:
        day.accept(ticket, jo)
    (_, second, _) = day.slack.messages(TRIAGE)
    day.slack.fail(
        "chat.postMessage",
        status=500,
        times=1,
        where=lambda sent: sent.get("thread_ts") == second["ts"],
    )
    day.runs_until(at(3, 15))
    texts = sorted(day.texts_to(TRIAGE))
    assert [text.split("”")[0] for text in texts if "late" in text] == [
        "Ticket 1 “VPN 0",
        "Ticket 2 “VPN 1",
        "Ticket 3 “VPN 2",
    ]


def test_each_step_is_taken_once(day: Day, employee: User) -> None:
    jo = day.moderator("VPN", capacity=30)
    filed = [day.file(employee, f"VPN {number}") for number in range(8)]
    day.clock.now = at(2, 10)
    at_once(*[lambda: [day.steps.take(ticket) for ticket in day.steps.due()]] * 3)
    assert [day.history(ticket) for ticket in filed] == [["accept_reminder"]] * 8
    for ticket in filed:
        work(day.runtime, day.publisher, ticket)
    day.clock.advance(seconds=30)
    asked = [(task, to) for task, to in [("tasks.nudge", str(jo.id))] * 3]
    day.publisher.asked += asked
    work(day.runtime, day.publisher)
    assert len(day.texts_to(jo)) == 1


def test_a_step_is_notified_although_its_task_was_lost(
    day: Day, employee: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    day.clock.now = at(2, 10)

    def away(task: str, ticket_id: str) -> None:
        raise PublishFailed("ConnectionError")

    with monkeypatch.context() as broken:
        broken.setattr(day.publisher, "send", away)
        with pytest.raises(PublishFailed):
            day.sweep()
    day.sweep()
    assert day.history(ticket) == ["accept_reminder"]
    assert day.texts_to(jo) == []
    day.clock.advance(seconds=11)
    (due,) = pending.due_tickets(day.db, now=day.clock(), limit=10)
    day.publisher.send(NOTIFY_TASK, str(due))
    work(day.runtime, day.publisher)
    day.clock.advance(seconds=30)
    day.send_due_reminders()
    day.send_due_reminders()
    assert len(day.texts_to(jo)) == 1


@pytest.mark.parametrize("status", [429, 500])
def test_slack_may_be_busy(day: Day, employee: User, status: int) -> None:
    jo = day.moderator("VPN")
    day.file(employee)
    day.clock.now = at(2, 10)
    day.sweep()
    day.slack.fail("chat.postMessage", status=status, retry_after=7)
    day.clock.advance(seconds=20)
    if status == 429:
        with pytest.raises(Exception, match="rate limited for 7 s"):
            day.send_due_reminders()
    else:
        day.send_due_reminders()
    assert day.texts_to(jo) == []
    day.clock.advance(seconds=11)
    day.send_due_reminders()
    assert len(day.texts_to(jo)) == 1


def test_what_slack_refuses_for_good_is_given_up(day: Day, employee: User) -> None:
    jo = day.moderator("VPN")
    day.file(employee)
    day.clock.now = at(2, 10)
    day.sweep()
    day.slack.fail("chat.postMessage", error="user_disabled")
    for _ in range(3):
        day.clock.advance(minutes=2)
        day.send_due_reminders()
    assert day.texts_to(jo) == []
    assert day.db.nudges.count_documents({"at": {"$exists": True}}) == 0


def test_what_is_no_longer_so_is_not_notified(day: Day, employee: User) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    day.clock.now = at(2, 10)
    day.sweep()
    day.accept(ticket, jo)
    day.clock.advance(minutes=1)
    day.send_due_reminders()
    assert day.history(ticket) == ["accept_reminder"]
    assert day.texts_to(jo) == []


def test_who_is_not_in_slack_holds_nobody_up(day: Day, employee: User) -> None:
    day.moderator("VPN")
    ticket = day.file(employee)
    boss = day.admin(linked=False)
    day.runs_until(at(2, 13))
    assert day.history(ticket)[-1] == "accept_admins"
    assert day.texts_to(TRIAGE)
    assert day.db.nudges.count_documents({"to": str(boss.id), "at": {"$exists": True}}) == 0


def test_another_target_moves_the_steps_without_a_sound(day: Day, employee: User) -> None:
    """The stored step is due, but by the new targets it is too early."""
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    day.db.tickets.update_one({"_id": ticket.id}, {"$set": {"alarm.at": day.clock()}})
    day.sweep()
    stored = day.now(ticket)
    assert day.history(ticket) == []
    assert stored.next_step is not None
    assert (stored.next_step.step, stored.next_step.at) == (
        EscalationStep.ACCEPT_REMINDER,
        at(2, 10),
    )
    assert stored.seq == ticket.seq
    assert day.texts_to(jo) == []


def test_old_legacy_tickets_remind_nobody(day: Day) -> None:
    jo = day.moderator("VPN")
    old = {
        "title": "Old",
        "description": "Old",
        "status": "IN_PROGRESS",
        "assignedTo": jo.id,
        "createdAt": datetime(2024, 1, 1, tzinfo=UTC),
        "deadline": datetime(2024, 2, 1, tzinfo=UTC),
    }
    made = day.db.tickets.insert_one(old).inserted_id
    from services.sla.recompute import recompute_stale  # noqa: PLC0415

    recompute_stale(day.db, now=day.clock())
    day.runs_until(at(2, 12))
    assert day.texts_to(jo) == []
    assert (day.db.tickets.find_one({"_id": made}) or {}).get("alarm") is None


def test_a_completed_ticket_is_left_alone(day: Day, employee: User) -> None:
    jo = day.moderator("VPN")
    ticket = day.file(employee)
    day.ticket_actions.resolve(
        actor=Actor.from_user(jo), ticket_id=str(ticket.id), resolution="Done."
    )
    day.runs_until(at(3, 12))
    assert day.now(ticket).status is Status.COMPLETED
    assert day.history(ticket) == []


def test_an_admin_with_a_ticket_of_their_own_is_asked_as_its_assignee(
    day: Day, employee: User
) -> None:
    boss = day.people.add(Role.ADMIN)
    day.file(employee)
    day.runs_until(at(2, 13))
    assert set(day.texts_to(boss)) == {"Ticket 1 “VPN is down” waits for you to accept it"}
