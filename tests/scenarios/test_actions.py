"""Ticket actions by button: cards and notifications of every participant."""

from collections.abc import Callable
from typing import Any

import pytest

from services.core.database import Mongo
from services.models.escalation_track import EscalationTrack
from services.models.events import EventType
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket, pressed
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.api_client import Api
from tests.support.bot_and_workers import BotAndWorkers, Json, buttons, message_counts, said
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]


def test_accepting_updates_cards_and_sends_no_message(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    assert buttons(system.card(ben)) == ["Accept", "Reassign", "Decline"]
    system.press(ben, system.card(ben), "accept")
    system.work()
    assert system.now(ticket).accepted_at is not None
    assert buttons(system.card(ben)) == ["Resolve", "Comment", "Ask the requester"]
    assert (message_counts(system, ann, ben), system.ephemeral_messages()) == ([1, 1], [])
    assert (system.texts(ann), system.texts(ben)) == (
        [f"in progress, accepted by {ben.name}"],
        ["accepted by you"],
    )
    assert f"Accepted by <@{People.slack_id(ben)}>" in said(system.card(ann))
    assert "*In progress* · From" in said(system.card(ben))


def test_a_question_that_is_answered_before_it_is_sent_arrives_as_a_comment(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.actions.ask_requester(**by(ben, ticket), question="Which office?")
    system.actions.resolve(**by(ben, ticket), resolution="A new certificate.")
    system.work(ticket)
    assert "Which office?" in said(system.messages(ann)[-1])
    assert system.messages(ann)[-1]["thread_ts"] == system.card(ann)["ts"]
    assert [text for text in system.texts(ann) if "waits" in text] == []
    system.actions.reopen(**by(ann, ticket))
    system.work(ticket)
    assert sum("Which office?" in said(message) for message in system.messages(ann)) == 1


def test_what_was_reassigned_is_not_accepted_any_more(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    system.actions.accept(**by(ben, ticket))
    system.actions.reassign(**by(ben, ticket), assignee_id=str(cleo.id))
    system.work(ticket)
    assert f"*Assigned* to <@{People.slack_id(cleo)}>" in said(system.card(ann))
    assert (system.texts(ben), system.texts(cleo)) == (
        [f"You reassigned it to {cleo.name}."],
        ["assigned to you"],
    )
    assert "ccepted" not in f"{said(system.card(ann))} {system.texts(ann)}"


def test_pressing_twice_does_it_once(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    card = system.card(ben)
    system.press(ben, card, "accept")
    system.press(ben, card, "accept")
    system.work()
    events = [e.type for e in system.now(ticket).events if e.type == EventType.ACCEPTED]
    assert (events, system.ephemeral_messages(), message_counts(system, ann, ben)) == (
        ["accepted"],
        [(People.slack_id(ben), "You have already accepted ticket 1.")],
        [1, 1],
    )


def test_taking_a_ticket_that_nobody_could_take(
    system: BotAndWorkers, tickets: TicketService, people: People, ann: User
) -> None:
    admin = people.add(Role.ADMIN, capacity=0)
    unassigned = file_ticket(tickets, ann, "The roof leaks")
    system.work(unassigned)
    system.send_due_reminders()
    assert system.texts(admin) == ["no one is available to take it"]
    assert buttons(system.card(admin)) == ["Assign", "Details"]
    response_url = system.slack.response_url()
    system.bot.answer(pressed("take", system.now(unassigned), admin, response_url=response_url))
    system.work()
    system.send_due_reminders()
    assert system.texts(admin) == ["You took it."]
    (page,) = system.slack.calls_to("response_url")
    assert page.args["response_type"] == "ephemeral"
    assert buttons(page.args)[:3] == ["Resolve", "Comment", "Ask the requester"]
    assert system.texts(ann) == [f"in progress, accepted by {admin.name}"]


def test_a_press_that_slack_no_longer_answers_takes_it_all_the_same(
    system: BotAndWorkers, ticket: Ticket, cleo: User
) -> None:
    system.bot.answer(pressed("take", system.now(ticket), cleo))
    assert (system.now(ticket).assigned_to, system.ephemeral_messages()) == (cleo.id, [])


def test_taking_it_back_shows_on_the_card_one_has(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    system.actions.take(**by(cleo, ticket))
    system.work(ticket)
    told = f"taken over by {cleo.name}"
    assert system.texts(ben) == [f"{cleo.name} took it over.", told]
    system.bot.answer(pressed("take", system.now(ticket), ben))
    system.work()
    assert system.texts(ben) == ["accepted by you", told]
    assert system.texts(cleo) == [f"taken over by {ben.name}"]


def take_button(card: Json) -> Json:
    buttons = [b for block in card["blocks"] for b in block.get("elements", ())]
    return dict(next(b for b in buttons if b.get("action_id") == "take"))


def test_taking_over_an_accepted_ticket_asks_first_and_tells_the_assignee(
    triage: BotAndWorkers, clock: FixedClock, ann: User, ben: User, cleo: User
) -> None:
    ticket = triage.file(ann)
    (open_card,) = triage.slack.messages(TRIAGE)
    assert "confirm" not in take_button(open_card)
    triage.actions.accept(**by(ben, ticket))
    triage.press(cleo, open_card, "take")  # drawn before Ben accepted: it did not ask
    assert triage.ephemeral_messages() == [
        (
            People.slack_id(cleo),
            f"Ticket 1 is in progress and {ben.name} has it now, so this was not done. "
            "Look at it again, then decide.",
        )
    ]
    triage.work()
    (accepted_card,) = triage.slack.messages(TRIAGE)
    at = f"{int(clock().timestamp())}^{{ago}}|on {clock():%-d %b %Y, %H:%M} UTC"
    assert take_button(accepted_card)["confirm"] == {
        "title": {"type": "plain_text", "text": "Take over?", "emoji": True},
        "text": {
            "type": "mrkdwn",
            "text": f"{ben.name} accepted this <!date^{at}>. Take over?",
            "verbatim": True,
        },
        "confirm": {"type": "plain_text", "text": "Take over", "emoji": True},
        "deny": {"type": "plain_text", "text": "Cancel", "emoji": True},
    }
    for _ in range(2):
        triage.press(cleo, accepted_card, "take")
        triage.work()
    assert triage.now(ticket).assigned_to == cleo.id
    assert triage.texts(ben)[1:] == [f"taken over by {cleo.name}"]
    notice = said(triage.card(ben, 1))
    assert f"<@{People.slack_id(cleo)}> took over *Ticket 1*" in notice
    assert "You no longer have this ticket." in notice
    assert message_counts(triage, cleo) == [0]


def test_the_former_assignee_is_told_of_a_reassignment(
    system: BotAndWorkers, ticket: Ticket, people: People, ben: User, cleo: User
) -> None:
    admin = people.add(Role.ADMIN, capacity=0)
    system.actions.accept(**by(ben, ticket))
    system.bot.answer(pressed("reassign", system.now(ticket), admin))
    assert f"{ben.name} accepted this <!date^" in str(system.slack.last_view()["blocks"])
    assert system.submit(admin, assignedTo=str(cleo.id), reason="<Her> printer.") == {}
    system.work()
    assert system.texts(ben)[1:] == [f"reassigned to {cleo.name} by {admin.name}"]
    notice = said(system.card(ben, 1))
    assert f"<@{People.slack_id(admin)}> reassigned *Ticket 1* to <@" in notice
    assert "<Her> printer." in notice
    system.actions.reassign(**by(admin, ticket), assignee_id=None)
    system.work(ticket)
    assert system.texts(cleo)[1:] == [f"returned to the queue by {admin.name}"]


def test_history_of_an_earlier_release_sends_no_late_notices(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    system.actions.take(**by(cleo, ticket))
    system.db.tickets.update_one({"_id": ticket.id}, {"$unset": {"events.$[].tellAssignee": ""}})
    system.work(ticket)
    assert message_counts(system, ben) == [1]


def test_reassigning_it_through_the_menu(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    system.press(ben, system.card(ben), "reassign")
    assert system.slack.last_view()["title"]["text"] == "Reassign ticket 1"
    answer = system.submit(ben, assignedTo=str(cleo.id), reason="It is the printer's VPN.")
    assert answer == {}
    system.work()
    assert system.now(ticket).assigned_to == cleo.id
    assert system.texts(cleo) == ["assigned to you"]
    why = f"Why you: {ben.name} gave it to you: It is the printer's VPN."
    assert why in [
        element["text"]
        for block in system.card(cleo)["blocks"]
        if block["type"] == "context"
        for element in block["elements"]
    ]
    assert system.texts(ben) == [f"You reassigned it to {cleo.name}."]
    assert buttons(system.card(ben)) == ["Details"]
    assert system.texts(ann) == [f"assigned to {cleo.name}"]
    assert "printer's" not in said(system.card(ann))


def test_reassigning_back_and_forth_notifies_each_time(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    for giver, taker in ((ben, cleo), (cleo, ben)):
        system.actions.reassign(**by(giver, ticket), assignee_id=str(taker.id))
        system.work(ticket)
    assert system.texts(ben) == ["assigned to you", "assigned to you"]
    assert system.texts(cleo) == [f"You reassigned it to {ben.name}."]


def test_unassigning_finds_another_assignee(
    system: BotAndWorkers, ticket: Ticket, people: People, ann: User, ben: User, cleo: User
) -> None:
    other = people.add(Role.MODERATOR, "VPN")
    system.press(ben, system.card(ben), "reassign")
    answer = system.submit(ben, nextBest="queue", reason="I am swamped.")
    assert answer["response_action"] == "update"
    assert system.now(ticket).status is Status.TODO
    system.work()
    assert system.now(ticket).assigned_to == other.id
    assert system.texts(other) == ["assigned to you"]
    assert system.texts(ben) == [f"You declined it. {other.name} has it now."]
    assert system.texts(ann) == [f"assigned to {other.name}"]
    assert message_counts(system, cleo) == [0]


def test_unassigning_without_another_candidate(
    system: BotAndWorkers, ticket: Ticket, people: People, ann: User, ben: User
) -> None:
    admin = people.add(Role.ADMIN, capacity=0)
    system.press(ben, system.card(ben), "reassign")
    system.submit(ben, nextBest="queue")
    system.work()
    system.send_due_reminders()
    assert system.now(ticket).assigned_to is None
    assert system.texts(ben) == ["You declined it. No one has this yet."]
    assert system.texts(ann) == ["no one is available for this"]
    assert "No one is available right now" in said(system.card(ann))
    assert system.texts(admin) == ["no one is available to take it"]


def ask_by_button(system: BotAndWorkers, api: Api, ticket: Ticket, ben: User) -> None:
    system.press(ben, system.card(ben), "wait")
    assert system.slack.last_view()["title"]["text"] == "Ask about ticket 1"
    assert system.submit(ben, question="Which <VPN>?") == {}


def ask_by_command(system: BotAndWorkers, api: Api, ticket: Ticket, ben: User) -> None:
    command = payloads.slash_command(f"update {ticket.number}", user=People.slack_id(ben))
    assert system.bot.answer(command) == {}
    assert system.submit(ben, status="WAITING", message="Which <VPN>?") == {}


def ask_by_api(system: BotAndWorkers, api: Api, ticket: Ticket, ben: User) -> None:
    question = {"status": "WAITING", "message": "Which <VPN>?"}
    answer = api.patch(f"/api/tickets/{ticket.id}", by=ben, json=question)
    assert (answer.status_code, answer.json()["ticket"]["status"]) == (200, "WAITING")


@pytest.mark.parametrize("ask", [ask_by_button, ask_by_command, ask_by_api])
def test_a_question_is_a_comment_and_asks_the_requester_once(
    system: BotAndWorkers,
    api: Api,
    ticket: Ticket,
    db: Mongo,
    clock: FixedClock,
    ann: User,
    ben: User,
    ask: Callable[[BotAndWorkers, Api, Ticket, User], None],
) -> None:
    ask(system, api, ticket, ben)
    system.work()
    system.work(ticket)
    asked = system.now(ticket)
    (comment,) = asked.comments
    assert (comment.text, comment.by, comment.internal) == ("Which <VPN>?", ben.id, False)
    assert [(e.type, e.by, e.field, e.to, e.note) for e in asked.events[-2:]] == [
        ("waiting", ben.id, "status", "WAITING", "Which <VPN>?"),
        ("commented", ben.id, "comments", comment.id, None),
    ]
    # The SLA clock stops, and the wait for the requester begins.
    assert asked.status is Status.WAITING
    assert asked.sla_clock is not None
    assert (asked.sla_clock.running_since, asked.sla_clock.spans[-1][1]) == (None, clock())
    assert asked.escalation_tracks[EscalationTrack.WAITING].counted_from == clock()
    assert system.texts(ann) == [
        f"waiting for your answer ({ben.name})",
        f"{ben.name} waits for your answer",
    ]
    assert "Which <VPN>?" in said(system.card(ann, 1))
    assert buttons(system.card(ann, 1)) == ["Answer"]
    assert message_counts(system, ann, ben) == [2, 1]
    assert buttons(system.card(ben)) == ["Resolve", "Comment", "Details"]


def test_an_empty_question_is_said_beside_it(
    system: BotAndWorkers, ticket: Ticket, ben: User
) -> None:
    system.press(ben, system.card(ben), "wait")
    assert system.submit(ben, question=" ") == {
        "response_action": "errors",
        "errors": {"question": "Ask what you need to know; the requester reads it."},
    }


def test_resolving_notifies_the_requester(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    system.press(ben, system.card(ben), "resolve")
    assert system.submit(ben, resolution="New certificate.") == {}
    system.work()
    assert system.texts(ann) == [f"resolved by {ben.name}", f"resolved by {ben.name}"]
    assert f"*Resolved* by <@{People.slack_id(ben)}>" in said(system.card(ann))
    assert "*Assigned*" not in said(system.card(ann))
    assert buttons(system.card(ann)) == ["Comment", "Details"]
    assert buttons(system.card(ann, 1)) == ["Reopen"]
    assert system.texts(ben) == [f"resolved by {ben.name}"]
    assert message_counts(system, cleo) == [0]


def test_a_colleague_who_resolves_it_is_named(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    system.actions.resolve(**by(cleo, ticket), resolution="Done.")
    system.work(ticket)
    assert system.texts(ann) == [f"resolved by {cleo.name}", f"resolved by {cleo.name}"]
    assert system.texts(ben) == [f"resolved by {cleo.name}"] * 2
    assert "There is nothing left to do." in said(system.card(ben, 1))
    assert message_counts(system, cleo) == [0]


def test_reopening_notifies_the_assignee(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    system.work(ticket)
    before = message_counts(system, ann)
    system.press(ann, system.card(ann, 1), "reopen")
    system.submit(ann)
    system.work()
    assert (system.now(ticket).status, message_counts(system, ann)) == (Status.REOPENED, before)
    assert system.texts(ann)[0] == f"reopened ({ben.name})"
    assert system.texts(ben) == ["assigned to you", f"reopened by {ann.name}"]
    assert buttons(system.card(ben)) == ["Accept", "Reassign", "Decline"]
    system.press(ben, system.card(ben), "accept")
    system.work()
    assert system.now(ticket).status is Status.IN_PROGRESS
    assert message_counts(system, ann, ben) == [*before, 2]


def test_reopening_what_somebody_had_who_left(
    system: BotAndWorkers,
    ticket: Ticket,
    db: Mongo,
    ann: User,
    ben: User,
    cleo: User,
    people: People,
) -> None:
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    db.users.update_one({"_id": ben.id}, {"$set": {"active": False}})
    other = people.add(Role.MODERATOR, "VPN")
    system.work(ticket)
    system.press(ann, system.card(ann, 1), "reopen")
    system.submit(ann)
    system.work()
    assert system.now(ticket).assigned_to == other.id
    assert system.texts(other) == ["assigned to you"]
    assert message_counts(system, ben, cleo) == [1, 0]


def test_cancelling_is_confirmed_once_and_notifies_the_assignee(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.press(ann, system.card(ann), "cancel")
    view = system.slack.last_view()
    assert (view["title"]["text"], view["close"]["text"]) == ("Cancel ticket 1", "Back")
    assert system.now(ticket).status is Status.IN_PROGRESS
    assert system.submit(ann) == {}
    system.work()
    assert system.texts(ann) == [f"cancelled by {ann.name}"]
    assert system.texts(ben) == [f"cancelled by {ann.name}", f"cancelled by {ann.name}"]
    assert "What was done" not in said(system.card(ann))
    assert buttons(system.card(ben)) == ["Reopen", "Comment", "Details"]


def test_cancelling_what_was_resolved_meanwhile(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    system.press(ann, system.card(ann), "cancel")
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    answer = system.submit(ann)
    assert answer["response_action"] == "update"
    assert answer["view"]["blocks"][0]["text"]["text"] == (
        "Ticket 1 is resolved now, so this was not done. Look at it again, then decide."
    )
    assert "submit" not in answer["view"]


ActionCall = Callable[..., Ticket]


def test_each_is_notified_once_whatever_is_retried(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    """Every action of a ticket's life, published three times."""
    ids = {"ticket_id": str(ticket.id)}
    steps: list[tuple[ActionCall, User, dict[str, Any]]] = [
        (system.actions.accept, ben, {}),
        (system.actions.ask_requester, ben, {"question": "Which one?"}),
        (system.actions.reassign, ben, {"assignee_id": str(cleo.id)}),
        (system.actions.resolve, cleo, {"resolution": "Done."}),
        (system.actions.reopen, ann, {}),
        (system.actions.accept, cleo, {}),
        (system.actions.cancel, ann, {}),
    ]
    for step, user, fields in steps:
        step(actor=Actor.from_user(user), **ids, **fields)
        for _ in range(3):
            system.work(ticket)
    assert system.texts(ann) == [
        f"cancelled by {ann.name}",
        f"resolved by {cleo.name}",
        "you reopened it",
    ]
    assert system.texts(ben) == [f"You reassigned it to {cleo.name}. It is cancelled."]
    assert system.texts(cleo) == [
        f"cancelled by {ann.name}",
        "accepted by you",
        f"cancelled by {ann.name}",
    ]


def test_what_was_over_before_its_notification_is_not_sent(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    ids = {"ticket_id": str(ticket.id)}
    system.actions.reassign(actor=Actor.from_user(ben), **ids, assignee_id=str(cleo.id))
    system.actions.reassign(actor=Actor.from_user(cleo), **ids, assignee_id=str(ben.id))
    system.actions.resolve(actor=Actor.from_user(ben), **ids, resolution="Done.")
    system.actions.reopen(actor=Actor.from_user(ann), **ids)
    system.actions.cancel(actor=Actor.from_user(ann), **ids)
    system.work(ticket)
    assert system.texts(ann) == [f"cancelled by {ann.name}"]
    assert message_counts(system, cleo) == [0]
    assert system.texts(ben) == [f"cancelled by {ann.name}", f"cancelled by {ann.name}"]
