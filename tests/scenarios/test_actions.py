"""What the buttons do, told from card to card: who sees what, and who hears of it."""

from collections.abc import Callable
from typing import Any

from services.core.database import Mongo
from services.models.events import EventType
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tests.conftest import People, file_ticket, pressed, reload
from tests.support.bot_and_workers import Office, buttons, heard, said

pytest_plugins = ["tests.support.scenario"]


def test_accepting_is_seen_and_not_heard(
    office: Office, ticket: Ticket, db: Mongo, ann: User, ben: User
) -> None:
    assert buttons(office.card(ben)) == ["Accept", "Reassign", "Not mine"]
    office.press(ben, office.card(ben), "accept")
    office.work()
    assert reload(db, ticket).accepted_at is not None
    assert buttons(office.card(ben)) == ["Resolve", "Comment", "Ask the requester"]
    assert (heard(office, ann, ben), office.whispers()) == ([1, 1], [])
    assert (office.texts(ann), office.texts(ben)) == (
        [f"in progress, accepted by {ben.name}"],
        ["accepted by you"],
    )
    assert f"<@{People.slack_id(ben)}> has accepted it" in said(office.card(ann))
    assert "*Accepted*" in said(office.card(ben))


def test_what_moves_on_is_not_accepted_any_more(
    office: Office, ticket: Ticket, moves: TicketActions, ann: User, ben: User, cleo: User
) -> None:
    moves.accept(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    moves.reassign(actor=Actor.from_user(ben), ticket_id=str(ticket.id), assignee_id=str(cleo.id))
    office.work(ticket)
    assert f"Assigned to <@{People.slack_id(cleo)}>" in said(office.card(ann))
    assert (office.texts(ben), office.texts(cleo)) == (
        [f"in progress ({cleo.name})"],
        ["assigned to you"],
    )
    assert "ccepted" not in f"{said(office.card(ann))} {office.texts(ann)}"


def test_pressing_twice_does_it_once(
    office: Office, ticket: Ticket, db: Mongo, ann: User, ben: User
) -> None:
    card = office.card(ben)
    office.press(ben, card, "accept")
    office.press(ben, card, "accept")
    office.work()
    events = [e.type for e in reload(db, ticket).events if e.type == EventType.ACCEPTED]
    assert (events, office.whispers(), heard(office, ann, ben)) == (["accepted"], [], [1, 1])


def test_taking_a_ticket_that_nobody_could_take(
    office: Office, tickets: TicketService, people: People, db: Mongo, ann: User
) -> None:
    admin = people.add(Role.ADMIN, capacity=0)
    parked = file_ticket(tickets, ann, "The roof leaks")
    office.work(parked)
    office.tell()
    assert office.texts(admin) == ["nobody is available to take it"]
    assert buttons(office.card(admin)) == ["Assign", "Details"]
    office.bot.answer(pressed("take", reload(db, parked), admin))
    office.work()
    assert office.texts(admin) == ["nobody is available to take it", "accepted by you"]
    assert "Why you: you took it" in said(office.card(admin, 1))
    assert buttons(office.card(admin, 1)) == ["Resolve", "Comment", "Ask the requester"]
    assert office.texts(ann) == [f"in progress, accepted by {admin.name}"]


def test_taking_it_back_shows_on_the_card_one_has(
    office: Office, ticket: Ticket, moves: TicketActions, db: Mongo, ben: User, cleo: User
) -> None:
    moves.take(actor=Actor.from_user(cleo), ticket_id=str(ticket.id))
    office.work(ticket)
    assert office.texts(ben) == [f"in progress, accepted by {cleo.name}"]
    office.bot.answer(pressed("take", reload(db, ticket), ben))
    office.work()
    assert office.texts(ben) == ["accepted by you"]
    assert office.texts(cleo) == [f"in progress, accepted by {ben.name}"]


def test_reassigning_it_through_the_menu(
    office: Office, ticket: Ticket, db: Mongo, ann: User, ben: User, cleo: User
) -> None:
    office.press(ben, office.card(ben), "reassign")
    assert office.slack.last_view()["title"]["text"] == "Reassign ticket 1"
    answer = office.submit(ben, assignedTo=str(cleo.id), reason="It is the printer's VPN.")
    assert answer == {}
    office.work()
    assert reload(db, ticket).assigned_to == cleo.id
    assert office.texts(cleo) == ["assigned to you"]
    why = f"Why you: {ben.name} gave it to you: It is the printer's VPN."
    assert why in [
        element["text"]
        for block in office.card(cleo)["blocks"]
        if block["type"] == "context"
        for element in block["elements"]
    ]
    assert office.texts(ben) == [f"in progress ({cleo.name})"]
    assert buttons(office.card(ben)) == ["Details"]
    assert f"Assigned to <@{People.slack_id(cleo)}>" in said(office.card(ben))
    assert office.texts(ann) == [f"in progress ({cleo.name})"]
    assert "printer's" not in said(office.card(ann))


def test_giving_it_back_and_forth_is_heard_each_time(
    office: Office, ticket: Ticket, moves: TicketActions, ben: User, cleo: User
) -> None:
    for giver, taker in ((ben, cleo), (cleo, ben)):
        moves.reassign(
            actor=Actor.from_user(giver), ticket_id=str(ticket.id), assignee_id=str(taker.id)
        )
        office.work(ticket)
    assert office.texts(ben) == ["assigned to you", "assigned to you"]
    assert office.texts(cleo) == [f"in progress ({ben.name})"]


def test_handing_it_back_finds_somebody_else(
    office: Office, ticket: Ticket, db: Mongo, people: People, ann: User, ben: User, cleo: User
) -> None:
    other = people.add(Role.MODERATOR, "VPN")
    office.press(ben, office.card(ben), "reassign")
    assert office.submit(ben, assignedTo=None, reason="I am swamped.") == {}
    assert reload(db, ticket).status is Status.TODO
    office.work()
    assert reload(db, ticket).assigned_to == other.id
    assert office.texts(other) == ["assigned to you"]
    assert office.texts(ben) == [f"in progress ({other.name})"]
    assert office.texts(ann) == [f"in progress ({other.name})"]
    assert heard(office, cleo) == [0]


def test_handing_it_back_with_nobody_else_there(
    office: Office, ticket: Ticket, db: Mongo, people: People, ann: User, ben: User
) -> None:
    admin = people.add(Role.ADMIN, capacity=0)
    office.press(ben, office.card(ben), "reassign")
    office.submit(ben, assignedTo=None)
    office.work()
    office.tell()
    assert reload(db, ticket).assigned_to is None
    assert (office.texts(ben), office.texts(ann)) == (["to do"], ["to do"])
    assert "Nobody is available right now" in said(office.card(ann))
    assert office.texts(admin) == ["nobody is available to take it"]


def test_waiting_asks_the_requester_once(
    office: Office, ticket: Ticket, db: Mongo, ann: User, ben: User
) -> None:
    office.press(ben, office.card(ben), "wait")
    assert office.slack.last_view()["title"]["text"] == "Ask about ticket 1"
    assert office.submit(ben, question="Which <VPN>?") == {}
    office.work()
    office.work(ticket)
    assert reload(db, ticket).status is Status.WAITING
    assert office.texts(ann) == [
        f"waiting for your answer ({ben.name})",
        f"{ben.name} waits for your answer",
    ]
    assert "Which <VPN>?" in said(office.card(ann, 1))
    assert buttons(office.card(ann, 1)) == ["Answer"]
    assert heard(office, ben) == [1]
    assert buttons(office.card(ben)) == ["Resolve", "Comment", "Details"]


def test_an_empty_question_is_said_beside_it(office: Office, ticket: Ticket, ben: User) -> None:
    office.press(ben, office.card(ben), "wait")
    assert office.submit(ben, question=" ") == {
        "response_action": "errors",
        "errors": {"question": "Ask what you need to know; the requester reads it."},
    }


def test_resolving_is_heard_by_the_requester(
    office: Office, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    office.press(ben, office.card(ben), "resolve")
    assert office.submit(ben, resolution="New certificate.") == {}
    office.work()
    assert office.texts(ann) == [f"resolved by {ben.name}", f"resolved by {ben.name}"]
    assert f"*Resolved* by <@{People.slack_id(ben)}>" in said(office.card(ann))
    assert "Assigned to" not in said(office.card(ann))
    assert buttons(office.card(ann)) == ["Reopen", "Comment", "Details"]
    assert office.texts(ben) == [f"resolved by {ben.name}"]
    assert heard(office, cleo) == [0]


def test_a_colleague_who_resolves_it_is_named(
    office: Office, ticket: Ticket, moves: TicketActions, ann: User, ben: User, cleo: User
) -> None:
    moves.resolve(actor=Actor.from_user(cleo), ticket_id=str(ticket.id), resolution="Done.")
    office.work(ticket)
    assert office.texts(ann) == [f"resolved by {cleo.name}", f"resolved by {cleo.name}"]
    assert office.texts(ben) == [f"resolved by {cleo.name}"]
    assert heard(office, cleo) == [0]


def test_reopening_is_heard_by_the_assignee(
    office: Office, ticket: Ticket, moves: TicketActions, db: Mongo, ann: User, ben: User
) -> None:
    moves.resolve(actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution="Done.")
    office.work(ticket)
    before = heard(office, ann)
    office.press(ann, office.card(ann), "reopen")
    office.work()
    assert (reload(db, ticket).status, heard(office, ann)) == (Status.REOPENED, before)
    assert office.texts(ann)[0] == f"reopened ({ben.name})"
    assert office.texts(ben) == ["assigned to you", f"reopened by {ann.name}"]
    assert buttons(office.card(ben)) == ["Accept", "Reassign", "Not mine"]
    office.press(ben, office.card(ben), "accept")
    office.work()
    assert reload(db, ticket).status is Status.IN_PROGRESS
    assert heard(office, ann, ben) == [*before, 2]


def test_reopening_what_somebody_had_who_left(
    office: Office,
    ticket: Ticket,
    moves: TicketActions,
    db: Mongo,
    ann: User,
    ben: User,
    cleo: User,
    people: People,
) -> None:
    moves.resolve(actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution="Done.")
    db.users.update_one({"_id": ben.id}, {"$set": {"active": False}})
    other = people.add(Role.MODERATOR, "VPN")
    office.work(ticket)
    office.press(ann, office.card(ann), "reopen")
    office.work()
    assert reload(db, ticket).assigned_to == other.id
    assert office.texts(other) == ["assigned to you"]
    assert heard(office, ben, cleo) == [1, 0]


def test_cancelling_is_asked_once_and_heard_by_the_assignee(
    office: Office, ticket: Ticket, db: Mongo, ann: User, ben: User
) -> None:
    office.press(ann, office.card(ann), "cancel")
    view = office.slack.last_view()
    assert (view["title"]["text"], view["close"]["text"]) == ("Cancel ticket 1", "Keep it")
    assert reload(db, ticket).status is Status.IN_PROGRESS
    assert office.submit(ann) == {}
    office.work()
    assert office.texts(ann) == [f"cancelled by {ann.name}"]
    assert office.texts(ben) == [f"cancelled by {ann.name}", f"cancelled by {ann.name}"]
    assert "What was done" not in said(office.card(ann))
    assert buttons(office.card(ben)) == ["Reopen", "Comment", "Details"]


def test_cancelling_what_was_resolved_meanwhile(
    office: Office, ticket: Ticket, moves: TicketActions, ann: User, ben: User
) -> None:
    office.press(ann, office.card(ann), "cancel")
    moves.resolve(actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution="Done.")
    answer = office.submit(ann)
    assert answer["response_action"] == "update"
    assert answer["view"]["blocks"][0]["text"]["text"] == (
        "Ticket 1 is resolved now, so this was not done. Look at it again, then decide."
    )
    assert "submit" not in answer["view"]


Move = Callable[..., Ticket]


def test_each_is_told_once_whatever_is_tried_again(
    office: Office, ticket: Ticket, moves: TicketActions, ann: User, ben: User, cleo: User
) -> None:
    """A long life, with everything published three times."""
    ids = {"ticket_id": str(ticket.id)}
    steps: list[tuple[Move, User, dict[str, Any]]] = [
        (moves.accept, ben, {}),
        (moves.ask_requester, ben, {"question": "Which one?"}),
        (moves.reassign, ben, {"assignee_id": str(cleo.id)}),
        (moves.resolve, cleo, {"resolution": "Done."}),
        (moves.reopen, ann, {}),
        (moves.accept, cleo, {}),
        (moves.cancel, ann, {}),
    ]
    for step, user, fields in steps:
        step(actor=Actor.from_user(user), **ids, **fields)
        for _ in range(3):
            office.work(ticket)
    assert office.texts(ann) == [
        f"cancelled by {ann.name}",
        f"{ben.name} waits for your answer",
        f"resolved by {cleo.name}",
    ]
    assert office.texts(ben) == [f"cancelled by {ann.name}"]
    assert office.texts(cleo) == [
        f"cancelled by {ann.name}",
        f"reopened by {ann.name}",
        f"cancelled by {ann.name}",
    ]


def test_what_was_over_before_it_was_told_is_not_told(
    office: Office, ticket: Ticket, moves: TicketActions, ann: User, ben: User, cleo: User
) -> None:
    ids = {"ticket_id": str(ticket.id)}
    moves.reassign(actor=Actor.from_user(ben), **ids, assignee_id=str(cleo.id))
    moves.reassign(actor=Actor.from_user(cleo), **ids, assignee_id=str(ben.id))
    moves.resolve(actor=Actor.from_user(ben), **ids, resolution="Done.")
    moves.reopen(actor=Actor.from_user(ann), **ids)
    moves.cancel(actor=Actor.from_user(ann), **ids)
    office.work(ticket)
    assert office.texts(ann) == [f"cancelled by {ann.name}"]
    assert heard(office, cleo) == [0]
    assert office.texts(ben) == [f"cancelled by {ann.name}", f"cancelled by {ann.name}"]
