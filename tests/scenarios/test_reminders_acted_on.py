"""Reminders and alerts become what happened to their tickets, for each of their readers."""

from typing import Any

import pytest

from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from tasks import escalation
from tests.conftest import FixedClock, People
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.escalation_day import at, texts
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def monday(clock: FixedClock) -> None:
    clock.now = at(2, 9)


def goes_on(system: BotAndWorkers, **passed: float) -> None:
    """Let time pass, and the jobs run what has become due."""
    clock = system.runtime.clock
    assert isinstance(clock, FixedClock)
    clock.advance(**passed)
    services = system.runtime.services
    services.has_triage = bool(system.runtime.triage_channel)
    escalation.take_due_steps(
        services.escalation_steps, system.publisher, should_continue=lambda: True
    )
    system.deliver()
    system.send_due_reminders()
    system.work()


def newest(system: BotAndWorkers, reader: User | str) -> Json:
    where = reader if isinstance(reader, str) else People.slack_id(reader)
    return system.slack.messages(where)[-1]


def now_shown(system: BotAndWorkers, message: Json) -> Json:
    found = system.slack.messages(message["channel"])
    return next(m for m in found if m["ts"] == message["ts"])


@pytest.fixture
def reminder(system: BotAndWorkers, ticket: Ticket, ben: User) -> Json:
    """Ben's reminder to accept the ticket."""
    goes_on(system, hours=5)
    sent = newest(system, ben)
    assert "waits for you to accept it" in sent["text"]
    assert buttons(sent) == ["Accept", "Reassign", "Details"]
    return sent


def test_an_accepted_ticket_waits_for_no_one(
    system: BotAndWorkers, ticket: Ticket, ben: User, reminder: Json
) -> None:
    before = len(system.messages(ben))
    system.press(ben, reminder, "accept")
    system.work()
    shown = now_shown(system, reminder)
    assert texts(shown) == ["*Ticket 1* “VPN is down”\nYou accepted it."]
    assert shown["text"] == "Ticket 1 “VPN is down”: You accepted it."
    assert buttons(shown) == ["Details"]
    assert len(system.messages(ben)) == before
    # Slack still shows the old message to him.
    system.press(ben, reminder, "accept")
    assert system.ephemeral_messages() == [
        (People.slack_id(ben), "You have already accepted ticket 1.")
    ]
    # Nothing is sent for a change that the message does not show.
    calls = len(system.slack.calls_to("chat.update"))
    system.work(ticket)
    assert len(system.slack.calls_to("chat.update")) == calls


def test_it_follows_later_actions(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User, reminder: Json
) -> None:
    system.actions.reassign(**by(ben, ticket), assignee_id=str(cleo.id))
    system.work(ticket)
    assert texts(now_shown(system, reminder))[0].endswith(f"\nReassigned to {cleo.name}.")
    system.actions.resolve(**by(cleo, ticket), resolution="Done.")
    system.work(ticket)
    assert texts(now_shown(system, reminder))[0].endswith(f"\n{cleo.name} resolved it.")
    assert buttons(now_shown(system, reminder)) == ["Details"]


def test_every_reader_of_an_overdue_ticket_sees_who_has_it_now(
    triage: BotAndWorkers, people: People, ann: User, ben: User, cleo: User
) -> None:
    boss = people.add(Role.ADMIN, capacity=0)
    ticket = triage.file(ann)
    triage.actions.accept(**by(ben, ticket))
    for _ in range(12):
        goes_on(triage, hours=12)
    overdue = newest(triage, boss)
    assert buttons(overdue) == ["Reassign", "Details"]
    told = [
        m for m in triage.slack.messages(TRIAGE) if "overdue" in m["text"] or "late" in m["text"]
    ]
    assert told
    assert buttons(told[-1]) == ["Take over", "Details"]
    triage.press(boss, overdue, "reassign")
    triage.submit(boss, assignedTo=str(cleo.id))
    triage.work()
    for message in (overdue, told[-1]):
        shown = now_shown(triage, message)
        assert texts(shown)[-1].endswith(f"Reassigned to {cleo.name}.")
        assert buttons(shown) == ["Details"]
    assert ticket.number == 1


def test_of_several_tickets_the_others_keep_their_buttons(
    system: BotAndWorkers, ann: User, ben: User
) -> None:
    first, second = (system.file(ann, title) for title in ("VPN is down", "VPN <is> slow"))
    goes_on(system, hours=5)
    sent = newest(system, ben)
    assert texts(sent)[0] == "*2 tickets need a look*"
    system.actions.accept(**by(ben, second))
    system.work(second)
    shown = now_shown(system, sent)
    assert texts(shown)[0] == "*1 ticket needs a look*"
    assert texts(shown)[-1] == "*Ticket 2* “VPN &lt;is&gt; slow”\nYou accepted it."
    assert buttons(shown) == ["Accept", "Reassign", "Details", "Details"]
    assert shown["text"] == "1 ticket needs a look: Ticket 1"
    system.actions.accept(**by(ben, first))
    system.work(first)
    assert buttons(now_shown(system, sent)) == ["Details", "Details"]
    assert now_shown(system, sent)["text"] == "Ticket 1, Ticket 2: nothing is left to do"


def test_a_later_due_date_ends_a_reminder_of_the_due_date(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.actions.accept(**by(ben, ticket))
    for _ in range(12):
        goes_on(system, hours=12)
    sent = newest(system, ben)
    assert buttons(sent) == ["Resolve", "Details"]
    now = system.now(ticket)
    system.runtime.services.ticket_edits.update(
        actor=Actor.from_user(ben),
        ticket_id=str(ticket.id),
        expected_seq=now.seq,
        changes={"deadline": at(27, 12)},
    )
    system.work(ticket)
    shown = now_shown(system, sent)
    assert "It is now due" in texts(shown)[-1]
    assert buttons(shown) == ["Details"]


def test_a_change_while_the_reminder_is_sent_is_shown_afterwards(
    system: BotAndWorkers, ticket: Ticket, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = system.runtime.slack.chat_postMessage

    def post_slowly(**args: Any) -> Any:
        answer = post(**args)
        if "waits for you" in args["text"]:
            system.actions.accept(**by(ben, ticket))
            system.work(ticket)
        return answer

    monkeypatch.setattr(system.runtime.slack, "chat_postMessage", post_slowly)
    goes_on(system, hours=5)
    assert texts(newest(system, ben)) == ["*Ticket 1* “VPN is down”\nYou accepted it."]


def test_an_update_that_slack_refuses_is_repeated(
    system: BotAndWorkers, ticket: Ticket, ben: User, reminder: Json
) -> None:
    system.slack.fail("chat.update", status=500, times=20)
    system.press(ben, reminder, "accept")
    system.work()
    system.slack.recover()
    system.send_due_reminders()
    assert buttons(now_shown(system, reminder)) == ["Details"]
    assert system.db.nudges.count_documents({"at": {"$exists": True}}) == 0


def test_a_deleted_reminder_is_left_alone(
    system: BotAndWorkers, ticket: Ticket, ben: User, reminder: Json
) -> None:
    system.slack.fail("chat.update", error="message_not_found", times=20)
    system.actions.accept(**by(ben, ticket))
    system.work(ticket)
    system.slack.recover()
    assert system.db.nudges.count_documents({"at": {"$exists": True}}) == 0


# Alerts


@pytest.fixture
def boss(people: People) -> User:
    return people.add(Role.ADMIN, capacity=0)


def test_an_assigned_ticket_needs_no_one(
    system: BotAndWorkers, people: People, ann: User, boss: User
) -> None:
    other = people.add(Role.ADMIN, capacity=0)
    system.file(ann)
    system.send_due_reminders()
    alerts = [newest(system, user) for user in (boss, other)]
    assert [buttons(alert) for alert in alerts] == [["Assign", "Details"]] * 2
    system.press(boss, alerts[0], "reassign")
    system.submit(boss, assignedTo=str(boss.id))
    system.work()
    own, others = (now_shown(system, alert) for alert in alerts)
    assert texts(own)[0] == "*Ticket 1*: You took it."
    assert texts(others)[0] == f"*Ticket 1*: {boss.name} took it."
    assert buttons(own) == buttons(others) == ["Details"]


def test_an_alert_about_several_tickets_keeps_the_others(
    system: BotAndWorkers, ann: User, boss: User, clock: FixedClock
) -> None:
    first, second = (system.file(ann, title) for title in ("VPN is down", "VPN <is> slow"))
    system.send_due_reminders()
    alert = newest(system, boss)
    assert alert["text"].startswith("No one is available for 2 tickets")
    system.actions.take(**by(boss, second))
    system.work(second)
    shown = now_shown(system, alert)
    assert shown["text"] == "No one is available for 1 ticket: Ticket 1"
    assert "*Ticket 2* “VPN &lt;is&gt; slow”\nYou took it." in texts(shown)
    # A further ticket joins the message, which goes on to say what happened to the others.
    system.file(ann, "VPN is gone")
    system.send_due_reminders()
    shown = now_shown(system, alert)
    assert shown["text"] == "No one is available for 2 tickets: Ticket 1, Ticket 3"
    assert "*Ticket 2* “VPN &lt;is&gt; slow”\nYou took it." in texts(shown)
    clock.advance(hours=1)
    system.actions.take(**by(boss, first))
    system.work(first)
    third = system.tickets.get_by_number(
        actor=Actor.from_user(boss), team_id=str(first.team_id), number=3
    )
    system.actions.take(**by(boss, third))
    system.work(third)
    shown = now_shown(system, alert)
    assert shown["text"] == "Ticket 1, Ticket 2, Ticket 3: nothing is left to do"
    assert buttons(shown) == ["The queue"]
