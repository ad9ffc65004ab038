"""Ticket actions on a real database: changes, permissions and conflicts."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from services.assignment.assignment_service import declined_by
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue, NotFound, PermissionDenied
from services.models.permissions import Actor
from services.models.ticket import Card, Status, Ticket
from services.models.user import Role, User
from services.outbox import deliveries, pending
from services.outbox.deliveries import SentMessage
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from services.tickets.lifecycle import TicketAction
from tests.conftest import FixedClock, People, file_ticket, reload
from tests.services.tickets.test_lifecycle import RELATIONS, STATES, expected
from tests.support.action_helpers import NOT_FOUND, doc_of, in_progress, last_events, put, refusal


@pytest.fixture
def ben(people: People) -> User:
    return people.add(Role.MODERATOR)


@pytest.fixture
def cleo(people: People) -> User:
    return people.add(Role.MODERATOR)


@pytest.fixture
def ticket(tickets: TicketService, requester: User) -> Ticket:
    return file_ticket(tickets, requester)


def take_step(
    ticket_actions: TicketActions, step: TicketAction, actor: Actor, ticket: Ticket, other: User
) -> Ticket:
    call: dict[TicketAction, Callable[..., Ticket]] = {
        TicketAction.ACCEPT: ticket_actions.accept,
        TicketAction.TAKE: ticket_actions.take,
        TicketAction.REASSIGN: lambda **ids: ticket_actions.reassign(
            **ids, assignee_id=str(other.id)
        ),
        TicketAction.ASK_REQUESTER: lambda **ids: ticket_actions.ask_requester(
            **ids, question="Which one?"
        ),
        TicketAction.RESOLVE: lambda **ids: ticket_actions.resolve(**ids, resolution="Done."),
        TicketAction.CANCEL: ticket_actions.cancel,
        TicketAction.WITHDRAW: ticket_actions.withdraw,
        TicketAction.REOPEN: ticket_actions.reopen,
    }
    return call[step](actor=actor, ticket_id=str(ticket.id))


LEADS_TO = {
    TicketAction.TAKE: {Status.IN_PROGRESS, Status.WAITING},
    TicketAction.REASSIGN: {Status.IN_PROGRESS, Status.WAITING},
    TicketAction.ACCEPT: {Status.IN_PROGRESS},
    TicketAction.ASK_REQUESTER: {Status.WAITING},
    TicketAction.RESOLVE: {Status.COMPLETED},
    TicketAction.CANCEL: {Status.COMPLETED},
    TicketAction.WITHDRAW: {Status.COMPLETED},
    TicketAction.REOPEN: {Status.REOPENED},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("relation", RELATIONS)
def test_every_step_by_everybody_in_every_state(
    ticket_actions: TicketActions,
    db: Mongo,
    people: People,
    requester: User,
    cleo: User,
    ben: User,
    tickets: TicketService,
    role: Role,
    relation: str,
) -> None:
    me = people.add(role)
    made = file_ticket(tickets, requester)
    for state, (step, leads_to) in itertools.product(STATES, LEADS_TO.items()):
        status, is_assigned, is_accepted = state
        owner = me if relation in ("requester", "both") else requester
        holder = me if relation in ("assignee", "both") else ben
        before = put(
            db,
            made,
            status=status.value,
            createdBy=owner.id,
            assignedTo=holder.id if is_assigned else None,
            acceptedAt=utcnow() if is_accepted else None,
            events=[],
        )
        if step in expected(role, relation, state):
            after = take_step(ticket_actions, step, Actor.from_user(me), before, cleo)
            assert after.status in leads_to
            assert after.seq > before.seq
            assert {event.by for event in after.events} == {me.id}
            assert after == reload(db, made)
        else:
            with pytest.raises((PermissionDenied, Conflict, NotFound)):
                take_step(ticket_actions, step, Actor.from_user(me), before, cleo)
            assert reload(db, made) == before


def test_accepting_says_so_and_no_more(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, clock: FixedClock
) -> None:
    before = in_progress(db, ticket, ben)
    after = ticket_actions.accept(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    assert (after.accepted_at, after.status) == (clock(), Status.IN_PROGRESS)
    assert last_events(after, 1) == [("accepted", ben.id, None, None, None, None)]
    assert after.assigned_to == before.assigned_to


def test_a_reopened_ticket_goes_on_when_it_is_accepted(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, requester: User
) -> None:
    in_progress(db, ticket, ben)
    ticket_actions.resolve(actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution="Done.")
    reopened = ticket_actions.reopen(actor=Actor.from_user(requester), ticket_id=str(ticket.id))
    assert (reopened.status, reopened.assigned_to) == (Status.REOPENED, ben.id)
    assert (reopened.resolution, reopened.accepted_at) == (None, None)
    assert "completedAt" not in doc_of(db, ticket)
    accepted = ticket_actions.accept(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    assert accepted.status is Status.IN_PROGRESS
    assert last_events(accepted, 2) == [
        ("accepted", ben.id, None, None, None, None),
        ("status_changed", ben.id, "status", "REOPENED", "IN_PROGRESS", None),
    ]


def test_taking_a_ticket_nobody_has(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, clock: FixedClock
) -> None:
    put(db, ticket, **{"assignment.next": clock(), "assignment.analysis": {"model": "m"}})
    after = ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    assert (after.status, after.assigned_to) == (Status.IN_PROGRESS, ben.id)
    assert after.accepted_at == clock()
    assert after.assignment == {
        "analysis": {"model": "m"},
        "source": "manual",
        "reason": "took it",
        "at": clock(),
    }
    assert last_events(after, 2) == [
        ("assigned", ben.id, "assignedTo", None, ben.id, "took it"),
        ("status_changed", ben.id, "status", "TODO", "IN_PROGRESS", None),
    ]


@pytest.mark.parametrize("status", [Status.IN_PROGRESS, Status.WAITING])
def test_taking_a_colleagues_ticket_leaves_its_status(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, cleo: User, status: Status
) -> None:
    put(db, ticket, status=status.value, assignedTo=ben.id)
    after = ticket_actions.take(actor=Actor.from_user(cleo), ticket_id=str(ticket.id))
    assert (after.status, after.assigned_to) == (status, cleo.id)
    assert last_events(after, 1) == [
        ("assigned", cleo.id, "assignedTo", ben.id, cleo.id, "took it")
    ]


def test_reassigning_to_another_user(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, cleo: User
) -> None:
    put(db, in_progress(db, ticket, ben), acceptedAt=utcnow())
    after = ticket_actions.reassign(
        actor=Actor.from_user(ben),
        ticket_id=str(ticket.id),
        assignee_id=str(cleo.id),
        reason=" She knows it. ",
    )
    assert (after.assigned_to, after.accepted_at) == (cleo.id, None)
    assert after.assignment["reason"] == "She knows it."
    assert last_events(after, 1) == [
        ("assigned", ben.id, "assignedTo", ben.id, cleo.id, "She knows it.")
    ]


def test_unassigning_a_ticket(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, clock: FixedClock
) -> None:
    put(db, in_progress(db, ticket, ben), acceptedAt=utcnow(), **{"assignment.until": clock()})
    pending.mark_delivered(db, ticket.id, expected_seq=1)
    after = ticket_actions.reassign(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), assignee_id=None, reason="Decline."
    )
    assert (after.status, after.assigned_to, after.accepted_at) == (Status.TODO, None, None)
    assert (after.is_in_outbox, "until" in after.assignment) == (True, False)
    assert last_events(after, 1) == [
        ("handed_back", ben.id, "assignedTo", ben.id, None, "Decline.")
    ]
    assert declined_by(after) == {ben.id}


def test_unassigning_a_reopened_ticket_leaves_it_reopened(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User
) -> None:
    put(db, ticket, status="REOPENED", assignedTo=ben.id)
    after = ticket_actions.reassign(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), assignee_id=None
    )
    assert (after.status, after.assigned_to) == (Status.REOPENED, None)


def test_ticket_cannot_be_assigned_to_inactive_or_plain_users(
    ticket_actions: TicketActions,
    db: Mongo,
    people: People,
    ticket: Ticket,
    ben: User,
    requester: User,
) -> None:
    in_progress(db, ticket, ben)
    gone = people.add(Role.MODERATOR, active=False)
    for user_id in (str(requester.id), str(gone.id), str(ObjectId()), "no id", "{'$gt': ''}"):
        with pytest.raises(InvalidValue) as refused:
            ticket_actions.reassign(
                actor=Actor.from_user(ben), ticket_id=str(ticket.id), assignee_id=user_id
            )
        assert (refused.value.field, str(refused.value)) == (
            "assignedTo",
            "Choose a moderator or an admin who is still active.",
        )


@pytest.mark.parametrize(
    ("values", "chosen", "reason", "field", "sentence"),
    [
        ({"status": "IN_PROGRESS"}, "ben", "", "assignedTo", "{} has this ticket already."),
        (
            {"status": "WAITING"},
            None,
            "",
            "assignedTo",
            "Choose someone, because ticket 1 is waiting for its requester.",
        ),
        (
            {"status": "TODO", "assignedTo": None},
            None,
            "",
            "assignedTo",
            "No one has this ticket. Choose someone for it.",
        ),
        (
            {"status": "IN_PROGRESS"},
            None,
            "x" * 301,
            "reason",
            "At most 300 characters; this text has 301.",
        ),
        (
            {"status": "IN_PROGRESS"},
            None,
            " \u200b",
            "reason",
            "Say why in a few words, or leave it empty.",
        ),
    ],
)
def test_reassignment_refuses_invalid_values(
    ticket_actions: TicketActions,
    db: Mongo,
    ticket: Ticket,
    ben: User,
    cleo: User,
    values: dict[str, Any],
    chosen: str | None,
    reason: str,
    field: str,
    sentence: str,
) -> None:
    before = put(db, ticket, **({"assignedTo": ben.id} | values))
    with pytest.raises(InvalidValue) as refused:
        ticket_actions.reassign(
            actor=Actor.from_user(cleo),
            ticket_id=str(ticket.id),
            assignee_id=str(ben.id) if chosen else None,
            reason=reason,
        )
    assert (refused.value.field, str(refused.value)) == (field, sentence.format(ben.display_name))
    assert reload(db, ticket) == before


def test_waiting_asks_the_requester(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User
) -> None:
    in_progress(db, ticket, ben)
    after = ticket_actions.ask_requester(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), question=" Which VPN? "
    )
    assert (after.status, after.assigned_to) == (Status.WAITING, ben.id)
    (comment,) = after.comments
    assert (comment.text, comment.by, comment.internal) == ("Which VPN?", ben.id, False)
    assert last_events(after, 2) == [
        ("waiting", ben.id, "status", "IN_PROGRESS", "WAITING", "Which VPN?"),
        ("commented", ben.id, "comments", None, comment.id, None),
    ]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (" \n", "Ask what you need to know; the requester reads it."),
        ("x" * 1_001, "At most 1,000 characters; this text has 1,001."),
    ],
)
def test_the_question_is_checked(
    ticket_actions: TicketActions,
    db: Mongo,
    ticket: Ticket,
    ben: User,
    question: str,
    sentence: str,
) -> None:
    in_progress(db, ticket, ben)
    with pytest.raises(InvalidValue) as refused:
        ticket_actions.ask_requester(
            actor=Actor.from_user(ben), ticket_id=str(ticket.id), question=question
        )
    assert (refused.value.field, str(refused.value)) == ("question", sentence)


@pytest.mark.parametrize("status", ["TODO", "IN_PROGRESS", "WAITING", "REOPENED"])
def test_a_ticket_is_resolved(
    ticket_actions: TicketActions,
    db: Mongo,
    clock: FixedClock,
    ticket: Ticket,
    ben: User,
    status: str,
) -> None:
    put(db, ticket, **{"status": status, "assignment.next": clock(), "deadline": None, "later": 1})
    clock.advance(seconds=5)
    done = ticket_actions.resolve(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution=" Restarted. "
    )
    assert (done.status, done.resolution) == (Status.COMPLETED, "Restarted.")
    doc = doc_of(db, ticket)
    assert (doc["completedAt"], doc["assignment"], doc["outbox"]) == (clock(), {}, True)
    assert (doc["later"], doc["deadline"], doc["createdBy"]) == (1, None, ticket.created_by)
    assert doc["events"][1] == {
        "seq": 2,
        "at": clock(),
        "by": ben.id,
        "type": "resolved",
        "field": "status",
        "from": status,
        "to": "COMPLETED",
        "note": "Restarted.",
    }


def test_a_completed_ticket_keeps_its_assignee(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, cleo: User, requester: User
) -> None:
    in_progress(db, ticket, ben)
    cancelled = ticket_actions.cancel(actor=Actor.from_user(requester), ticket_id=str(ticket.id))
    assert (cancelled.assigned_to, cancelled.resolution) == (ben.id, "cancelled")
    assert last_events(cancelled, 1) == [
        ("cancelled", requester.id, "status", "IN_PROGRESS", "COMPLETED", None)
    ]
    sentence = "Ticket 1 is cancelled now, so this was not done. Look at it again, then decide."
    assert (
        refusal(
            Conflict, ticket_actions.take, actor=Actor.from_user(cleo), ticket_id=str(ticket.id)
        )
        == sentence
    )


@pytest.mark.parametrize("change", [{"active": False}, {"role": "user"}, None])
def test_reopened_ticket_is_unassigned_if_its_assignee_left(
    ticket_actions: TicketActions,
    db: Mongo,
    ticket: Ticket,
    ben: User,
    requester: User,
    change: dict[str, Any] | None,
) -> None:
    put(db, ticket, status="COMPLETED", assignedTo=ben.id, resolution="Done.")
    if change:
        db.users.update_one({"_id": ben.id}, {"$set": change})
    else:
        db.users.delete_one({"_id": ben.id})
    after = ticket_actions.reopen(actor=Actor.from_user(requester), ticket_id=str(ticket.id))
    assert (after.status, after.assigned_to) == (Status.REOPENED, None)


def test_permission_is_checked_before_ticket_is_loaded(
    ticket_actions: TicketActions, ticket: Ticket, requester: User, people: People
) -> None:
    stranger = people.add()
    ids = {"ticket_id": str(ticket.id)}
    for user in (requester, stranger):
        assert refusal(
            PermissionDenied, ticket_actions.take, actor=Actor.from_user(user), **ids
        ) == ("Your role does not allow you to work on tickets. Ask an admin if it should.")
        assert (
            refusal(
                PermissionDenied,
                ticket_actions.resolve,
                actor=Actor.from_user(user),
                **ids,
                resolution="",
            )
            == "Your role does not allow you to resolve tickets. Ask an admin if it should."
        )
    for step in (ticket_actions.cancel, ticket_actions.reopen):
        assert refusal(NotFound, step, actor=Actor.from_user(stranger), **ids) == NOT_FOUND


@pytest.mark.parametrize("ticket_id", ["", "1", "65f0", "z" * 24, "{'$gt': ''}", "\x00"])
def test_a_malformed_id_is_not_found(
    ticket_actions: TicketActions, ben: User, ticket_id: str
) -> None:
    asked = {"actor": Actor.from_user(ben), "ticket_id": ticket_id}
    assert refusal(NotFound, ticket_actions.take, **asked) == NOT_FOUND
    assert (
        refusal(NotFound, ticket_actions.get_for_action, **asked, action=TicketAction.RESOLVE)
        == NOT_FOUND
    )
    assert (
        refusal(NotFound, ticket_actions.refresh_message, **asked, channel="D1", ts="1.5")
        == NOT_FOUND
    )


def test_the_note_is_checked(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User
) -> None:
    with pytest.raises(InvalidValue) as refused:
        ticket_actions.resolve(
            actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution="x" * 1_001
        )
    sentence = "At most 1,000 characters; this text has 1,001."
    assert (refused.value.field, str(refused.value)) == ("resolution", sentence)
    assert reload(db, ticket) == ticket


@pytest.mark.parametrize("note", ["", " \u200b\n"])
def test_the_note_is_optional(
    ticket_actions: TicketActions, ticket: Ticket, ben: User, note: str
) -> None:
    for _ in range(2):  # submitted twice
        resolved = ticket_actions.resolve(
            actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution=note
        )
    assert (resolved.status, resolved.resolution) == (Status.COMPLETED, None)
    assert (resolved.events[-1].type, resolved.events[-1].note) == ("resolved", None)


@pytest.mark.parametrize("step", ["resolve", "cancel", "reassign", "hand back", "take"])
def test_a_user_with_room_again_gets_queued_tickets(
    ticket_actions: TicketActions,
    db: Mongo,
    clock: FixedClock,
    tickets: TicketService,
    ticket: Ticket,
    requester: User,
    ben: User,
    cleo: User,
    step: str,
) -> None:
    unassigned = file_ticket(tickets, requester)
    put(db, unassigned, outbox=False, **{"assignment.next": clock()})
    in_progress(db, ticket, ben)
    ids = {"ticket_id": str(ticket.id)}
    steps: dict[str, Callable[[], Ticket]] = {
        "resolve": lambda: ticket_actions.resolve(
            actor=Actor.from_user(ben), **ids, resolution="Done."
        ),
        "cancel": lambda: ticket_actions.cancel(actor=Actor.from_user(requester), **ids),
        "reassign": lambda: ticket_actions.reassign(
            actor=Actor.from_user(ben), **ids, assignee_id=str(cleo.id)
        ),
        "hand back": lambda: ticket_actions.reassign(
            actor=Actor.from_user(ben), **ids, assignee_id=None
        ),
        "take": lambda: ticket_actions.take(actor=Actor.from_user(cleo), **ids),
    }
    steps[step]()
    assert (doc_of(db, unassigned)["assignment"], doc_of(db, unassigned)["outbox"]) == ({}, True)


def test_a_card_with_a_stale_button_is_updated(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, requester: User, people: People
) -> None:
    for kind, ts in (("requester", "1.5"), ("assignee", "2.5")):
        card = Card(kind, requester.id, "D1", ts, seq=1, digest="shown")
        deliveries.claim(db, ticket.id, kind, now=utcnow())
        deliveries.mark_sent(db, ticket.id, SentMessage(kind, "D1", ts, card))
    pending.mark_delivered(db, ticket.id, expected_seq=1)
    ids: dict[str, Any] = {"ticket_id": str(ticket.id), "channel": "D1"}
    assert ticket_actions.refresh_message(actor=Actor.from_user(requester), **ids, ts="2.5")
    after = reload(db, ticket)
    assert [card.digest for card in after.cards] == ["shown", ""]
    assert (after.is_in_outbox, after.seq) == (True, 2)
    assert not ticket_actions.refresh_message(actor=Actor.from_user(requester), **ids, ts="3.5")
    asked = {"actor": Actor.from_user(people.add()), **ids, "ts": "1.5"}
    assert refusal(NotFound, ticket_actions.refresh_message, **asked) == NOT_FOUND


def test_a_legacy_ticket_goes_the_same_way(
    ticket_actions: TicketActions, db: Mongo, ben: User
) -> None:
    old = {"title": "x" * 9_000, "description": None, "status": "TODO", "deadline": "soon"}
    ticket_id = str(db.tickets.insert_one(old).inserted_id)
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=ticket_id)
    ticket_actions.resolve(actor=Actor.from_user(ben), ticket_id=ticket_id, resolution="Done.")
    doc = db.tickets.find_one({"_id": ObjectId(ticket_id)}) or {}
    assert (doc["status"], doc["seq"], len(doc["events"])) == ("COMPLETED", 3, 3)
    assert (doc["title"], doc["description"], doc["deadline"]) == ("x" * 9_000, None, "soon")


def test_text_with_mongo_operators_is_stored_unchanged(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User
) -> None:
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    for text in ("$teamId", "{$gt: ''}", "$$ROOT"):
        ticket_actions.ask_requester(
            actor=Actor.from_user(ben), ticket_id=str(ticket.id), question=text
        )
        ticket_actions.resolve(
            actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution=text
        )
        found = reload(db, ticket)
        assert (found.resolution, found.comments[-1].text) == (text, text)
        ticket_actions.reopen(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
        ticket_actions.accept(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
