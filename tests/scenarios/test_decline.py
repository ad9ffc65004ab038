"""The answers of whoever is given a ticket, told from card to card."""

import pytest

from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from tests.conftest import People, reload
from tests.support import payloads
from tests.support.bot_and_workers import Office, buttons, heard, said

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def cleo(people: People, ben: User) -> User:
    """Who is the next best."""
    return people.add(Role.MODERATOR, "VPN")


def test_not_mine_goes_to_the_next_best_and_says_to_whom(
    office: Office, ticket: Ticket, db: Mongo, ann: User, ben: User, cleo: User
) -> None:
    assert buttons(office.card(ben)) == ["Accept", "Reassign", "Not mine"]
    office.press(ben, office.card(ben), "not_mine")
    assert office.slack.last_view()["title"]["text"] == "Not mine: ticket 1"
    answer = office.submit(ben, why="Not my subject", reason="Ask about <routers>.")
    assert answer["response_action"] == "update"
    (told,) = answer["view"]["blocks"]
    assert told["text"]["text"] == f"Ticket 1 goes to {cleo.name}, who is told now."
    office.work()
    assert (office.texts(ben), office.texts(cleo)) == (
        [f"in progress ({cleo.name})"],
        ["assigned to you"],
    )
    assert "Why you: knows VPN · 0 of 8 open" in said(office.card(cleo))
    assert buttons(office.card(ben)) == ["Details"]
    assert reload(db, ticket).assigned_to == cleo.id


def test_the_requester_only_sees_who_has_it_now(
    office: Office, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    office.press(ben, office.card(ben), "not_mine")
    office.submit(ben, why="No time right now")
    office.work()
    assert office.texts(ann) == [f"in progress ({cleo.name})"]
    assert heard(office, ann) == [1]
    details = payloads.block_actions(
        office.card(ann),
        "details",
        user=People.slack_id(ann),
        response_url=office.slack.response_url(),
    )
    office.bot.answer(details)
    (page,) = office.slack.calls_to("response_url")
    shown = str(page.args["blocks"])
    assert f"The help desk assigned it to {cleo.name}" in shown
    for secret in (str(ben.name), "No time", "handed"):
        assert secret not in shown


def test_the_staff_reads_why(
    office: Office, ticket: Ticket, ben: User, cleo: User, people: People
) -> None:
    office.press(ben, office.card(ben), "not_mine")
    office.submit(ben, why="No time right now", reason="On holiday tomorrow.")
    office.work()
    url = office.slack.response_url()
    press = {"user": People.slack_id(cleo), "response_url": url}
    office.bot.answer(payloads.menu_choice(office.card(cleo), "details", **press))
    (page,) = office.slack.calls_to("response_url")
    why = f"{ben.name} handed it back: No time right now: On holiday tomorrow."
    assert why in str(page.args["blocks"])


def test_a_double_submit_is_one_answer(
    office: Office, ticket: Ticket, db: Mongo, ben: User, cleo: User
) -> None:
    office.press(ben, office.card(ben), "not_mine")
    first, second = (
        office.submit(ben, why="Not for our team"),
        office.submit(ben, why="Not for our team"),
    )
    assert first == second
    assert heard(office, cleo) == [0]
    office.work()
    assert heard(office, cleo) == [1]
    assert db.corrections.count_documents({}) == 1


def test_a_form_left_open_while_it_was_given_away(
    office: Office, ticket: Ticket, moves: TicketActions, ben: User, cleo: User
) -> None:
    office.press(ben, office.card(ben), "not_mine")
    moves.take(actor=Actor.from_user(cleo), ticket_id=str(ticket.id))
    assert office.submit(ben, why="Not my subject")["errors"] == {
        "why": f"Ticket 1 is in progress and {cleo.name} has it now, so this was not done. Look at "
        "it again, then decide."
    }


def test_a_card_of_before(
    office: Office, ticket: Ticket, moves: TicketActions, ben: User, cleo: User
) -> None:
    card = office.card(ben)
    moves.take(actor=Actor.from_user(cleo), ticket_id=str(ticket.id))
    office.press(ben, card, "not_mine")
    ((_, whisper),) = office.whispers()
    assert whisper.startswith(f"Ticket 1 is in progress and {cleo.name} has it now")
    office.work()
    assert buttons(office.card(ben)) == ["Details"]


def test_the_last_one_who_says_so_leaves_it_to_the_admins(
    office: Office, ticket: Ticket, db: Mongo, people: People, ann: User, ben: User, cleo: User
) -> None:
    admin = people.add(Role.ADMIN, capacity=0)
    for holder in (ben, cleo):
        office.press(holder, office.card(holder), "not_mine")
        answer = office.submit(holder)
        office.work()
    assert answer["view"]["blocks"][0]["text"]["text"] == (
        "Nobody else is available for ticket 1 right now. It stands at the top of the queue, the "
        "admins are told, and somebody gets it as soon as they can."
    )
    office.tell()
    assert office.texts(admin) == ["nobody is available to take it"]
    assert "Nobody is available right now" in said(office.card(ann))
    assert (heard(office, ben, cleo), reload(db, ticket).assigned_to) == ([1, 1], None)


def test_reassigning_to_the_next_best_is_one_press(
    office: Office, ticket: Ticket, db: Mongo, people: People, ben: User, cleo: User
) -> None:
    office.press(ben, office.card(ben), "reassign")
    (best,) = [b for b in office.slack.last_view()["blocks"] if b.get("block_id") == "nextBest"]
    (option,) = best["element"]["options"]
    assert (option["text"]["text"], option["description"]["text"]) == (
        cleo.name,
        "knows VPN · 0 of 8 open",
    )
    assert office.submit(ben, nextBest=str(cleo.id), reason="Yours, I think.") == {}
    office.work()
    assert reload(db, ticket).assigned_to == cleo.id
    assert f"{ben.name} gave it to you: Yours, I think." in said(office.card(cleo))
    (kept,) = db.corrections.find()
    assert (kept["kind"], kept["from"], kept["to"]) == ("reassigned", ben.id, cleo.id)


def test_whoever_is_searched_for_counts_before_the_radio_buttons(
    office: Office, ticket: Ticket, db: Mongo, people: People, ben: User, cleo: User
) -> None:
    dora = people.add(Role.MODERATOR, "Printer")
    office.press(ben, office.card(ben), "reassign")
    assert office.submit(ben, nextBest=str(cleo.id), assignedTo=str(dora.id)) == {}
    assert reload(db, ticket).assigned_to == dora.id
