"""Declining and reassigning a new ticket."""

import pytest

from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers, buttons, message_counts, said

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def cleo(people: People, ben: User) -> User:
    """The next best candidate."""
    return people.add(Role.MODERATOR, "VPN")


def test_a_declined_ticket_goes_to_the_next_best_and_says_to_whom(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    assert buttons(system.card(ben)) == ["Accept", "Reassign", "Decline"]
    system.press(ben, system.card(ben), "not_mine")
    assert system.slack.last_view()["title"]["text"] == "Decline ticket 1"
    answer = system.submit(ben, why="Not my subject", reason="Ask about <routers>.")
    assert answer["response_action"] == "update"
    (told,) = answer["view"]["blocks"]
    assert told["text"]["text"] == f"Ticket 1 goes to {cleo.name}, who is notified now."
    system.work()
    assert (system.texts(ben), system.texts(cleo)) == (
        [f"You declined it. {cleo.name} has it now."],
        ["assigned to you"],
    )
    assert "Why you: knows VPN · 1 of 8 tickets with this one" in said(system.card(cleo))
    assert buttons(system.card(ben)) == ["Details"]
    assert system.now(ticket).assigned_to == cleo.id


def test_the_requester_only_sees_who_has_it_now(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    system.press(ben, system.card(ben), "not_mine")
    system.submit(ben, why="No time right now")
    system.work()
    assert system.texts(ann) == [f"assigned to {cleo.name}"]
    assert message_counts(system, ann) == [1]
    details = payloads.block_actions(
        system.card(ann),
        "details",
        user=People.slack_id(ann),
        response_url=system.slack.response_url(),
    )
    system.bot.answer(details)
    (page,) = system.slack.calls_to("response_url")
    shown = str(page.args["blocks"])
    assert f"Help desk assigned it to {cleo.name}" in shown
    for secret in (str(ben.name), "No time", "handed"):
        assert secret not in shown


def test_the_staff_reads_why(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User, people: People
) -> None:
    system.press(ben, system.card(ben), "not_mine")
    system.submit(ben, why="No time right now", reason="On holiday tomorrow.")
    system.work()
    url = system.slack.response_url()
    press = {"user": People.slack_id(cleo), "response_url": url}
    system.bot.answer(payloads.menu_choice(system.card(cleo), "details", **press))
    (page,) = system.slack.calls_to("response_url")
    why = f"{ben.name} declined it: No time right now: On holiday tomorrow."
    assert why in str(page.args["blocks"])


def test_a_double_submit_is_one_answer(
    system: BotAndWorkers, ticket: Ticket, db: Mongo, ben: User, cleo: User
) -> None:
    system.press(ben, system.card(ben), "not_mine")
    first, second = (
        system.submit(ben, why="Not for our team"),
        system.submit(ben, why="Not for our team"),
    )
    assert first == second
    assert message_counts(system, cleo) == [0]
    system.work()
    assert message_counts(system, cleo) == [1]
    assert db.corrections.count_documents({}) == 1


def test_a_form_left_open_while_it_was_given_away(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    system.press(ben, system.card(ben), "not_mine")
    system.actions.take(**by(cleo, ticket))
    assert system.submit(ben, why="Not my subject")["errors"] == {
        "why": f"Ticket 1 is in progress and {cleo.name} has it now, so this was not done. Look at "
        "it again, then decide."
    }


def test_a_card_of_before(system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User) -> None:
    card = system.card(ben)
    system.actions.take(**by(cleo, ticket))
    system.press(ben, card, "not_mine")
    ((_, ephemeral_text),) = system.ephemeral_messages()
    assert ephemeral_text.startswith(f"Ticket 1 is in progress and {cleo.name} has it now")
    system.work()
    assert buttons(system.card(ben)) == ["Details"]


def test_the_last_one_who_says_so_leaves_it_to_the_admins(
    system: BotAndWorkers, ticket: Ticket, people: People, ann: User, ben: User, cleo: User
) -> None:
    admin = people.add(Role.ADMIN, capacity=0)
    for holder in (ben, cleo):
        system.press(holder, system.card(holder), "not_mine")
        answer = system.submit(holder)
        system.work()
    assert answer["view"]["blocks"][0]["text"]["text"] == (
        "No one else is available for ticket 1 right now. It is at the top of the queue, the "
        "admins are notified, and it is assigned as soon as someone is free."
    )
    system.send_due_reminders()
    assert system.texts(admin) == ["no one is available to take it"]
    assert "No one is available right now" in said(system.card(ann))
    assert (message_counts(system, ben, cleo), system.now(ticket).assigned_to) == ([1, 1], None)


def test_reassigning_to_the_next_best_is_one_press(
    system: BotAndWorkers, ticket: Ticket, db: Mongo, people: People, ben: User, cleo: User
) -> None:
    system.press(ben, system.card(ben), "reassign")
    (best,) = [b for b in system.slack.last_view()["blocks"] if b.get("block_id") == "nextBest"]
    option, _ = best["element"]["options"]
    assert (option["text"]["text"], option["description"]["text"]) == (
        cleo.name,
        "knows VPN · 1 of 8 tickets with this one",
    )
    assert system.submit(ben, nextBest=str(cleo.id), reason="Yours, I think.") == {}
    system.work()
    assert system.now(ticket).assigned_to == cleo.id
    assert f"{ben.name} gave it to you: Yours, I think." in said(system.card(cleo))
    (kept,) = db.corrections.find()
    assert (kept["kind"], kept["from"], kept["to"]) == ("reassigned", ben.id, cleo.id)


def test_whoever_is_searched_for_counts_before_the_radio_buttons(
    system: BotAndWorkers, ticket: Ticket, people: People, ben: User, cleo: User
) -> None:
    dora = people.add(Role.MODERATOR, "Printer")
    system.press(ben, system.card(ben), "reassign")
    assert system.submit(ben, nextBest=str(cleo.id), assignedTo=str(dora.id)) == {}
    assert system.now(ticket).assigned_to == dora.id


def test_reassigning_needs_a_choice(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    before = system.now(ticket)
    system.press(ben, system.card(ben), "reassign")
    assert system.submit(ben, reason="I am busy.") == {
        "response_action": "errors",
        "errors": {"assignedTo": "Choose who gets this ticket."},
    }
    assert system.now(ticket) == before


def test_back_to_the_queue_is_the_last_choice_and_has_its_own_answer(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    system.press(ben, system.card(ben), "reassign")
    (choice,) = [b for b in system.slack.last_view()["blocks"] if b.get("block_id") == "nextBest"]
    texts = [option["text"]["text"] for option in choice["element"]["options"]]
    assert texts == [cleo.name, "Back to the queue"]
    answers = [system.submit(ben, nextBest="queue", reason="Out of my depth.")]
    system.work()
    assert system.now(ticket).assigned_to == cleo.id
    # Sent again, because Slack did not see the first answer in time.
    answers.append(system.submit(ben, nextBest="queue", reason="Out of my depth."))
    for answer in answers:
        assert answer["response_action"] == "update"
        (sentence,) = answer["view"]["blocks"]
        assert sentence["text"]["text"] == "Back in the queue; we'll look for someone else."
    assert system.now(ticket).assigned_to == cleo.id
    assert system.texts(ann) == [f"assigned to {cleo.name}"]
    assert message_counts(system, cleo) == [1]


def test_the_queue_is_offered_when_no_colleague_is_free(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    system.db.users.update_one({"_id": cleo.id}, {"$set": {"capacity": 0}})
    system.press(ben, system.card(ben), "reassign")
    (choice,) = [b for b in system.slack.last_view()["blocks"] if b.get("block_id") == "nextBest"]
    assert choice["label"]["text"] == "Who gets it?"
    assert system.submit(ben, nextBest="queue")["response_action"] == "update"
    system.work()
    assert system.now(ticket).assigned_to is None
