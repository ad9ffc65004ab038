"""Corrections: what counts as one, that each is stored once, and how they score later."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from services.assignment.feedback import (
    Correction,
    correction_scores,
    record_corrections,
    score_corrections,
)
from services.core.clock import utcnow
from services.core.database import Mongo
from services.editing.ticket_edits import TicketEdits
from services.models import user
from services.models.permissions import Actor
from services.models.ticket import AnalysisSource, Ticket
from services.models.user import Role, User
from services.registry.services import Services
from services.tickets import release
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.notifications import notify
from tasks.processes.scheduler import Scheduler
from tasks.runtime import Runtime
from tests.conftest import (
    Commands,
    FixedClock,
    People,
    RecordingPublisher,
    at_once,
    file_ticket,
    reload,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
X, Y = ObjectId("65f0c0ffee65f0c0ffee0001"), ObjectId("65f0c0ffee65f0c0ffee0002")


def correction(
    *skills: str, days: float = 0, from_: ObjectId | None = X, to: ObjectId | None = None
) -> Correction:
    return Correction(NOW - timedelta(days=days), from_, to, frozenset(skills))


def net(*corrections: Correction, skills: tuple[str, ...] = ("VPN",)) -> dict[ObjectId, float]:
    return score_corrections(corrections, skills=skills, now=NOW)


@pytest.mark.parametrize(
    ("corrections", "expected"),
    [
        ([], {}),
        ([correction("vpn")], {X: -1 / 2}),
        ([correction("vpn"), correction("vpn")], {X: -2 / 3}),
        ([correction("vpn", to=Y)], {X: -1 / 2, Y: 1 / 2}),
        ([correction("vpn", from_=None, to=Y)], {Y: 1 / 2}),
        ([correction("vpn"), correction("vpn", from_=Y, to=X)], {X: 0, Y: -1 / 2}),
        ([correction("vpn", days=30)], {X: -1 / 3}),
        ([correction("vpn", days=89.9)], {X: pytest.approx(-1 / 9, abs=1e-3)}),
        ([correction("vpn", days=90)], {}),
        ([correction("vpn", days=-1)], {X: -1 / 2}),  # another machine's clock is ahead
        ([correction("dns")], {}),
        ([correction("vpn", "dns")], {X: -1 / 2}),
    ],
)
def test_what_they_come_to(corrections: list[Correction], expected: dict[ObjectId, float]) -> None:
    assert net(*corrections) == expected


def test_one_about_a_part_of_the_skills_counts_for_that_part() -> None:
    assert net(correction("vpn"), skills=("VPN", "DNS")) == {X: -1 / 3}
    assert net(correction("vpn"), skills=()) == {}


_SKILLS = st.sampled_from(["vpn", "dns", "sap"])
_CORRECTIONS = st.builds(
    lambda skills, days, from_, to: correction(*skills, days=days, from_=from_, to=to),
    st.lists(_SKILLS, max_size=3),
    st.floats(0, 100),
    st.sampled_from([None, X, Y]),
    st.sampled_from([None, X, Y]),
)
_ASKED = st.lists(_SKILLS, max_size=3, unique=True).map(tuple)


@given(st.lists(_CORRECTIONS, max_size=8), _ASKED, _CORRECTIONS)
def test_one_more_against_a_user_never_raises_their_score(
    kept: list[Correction], skills: tuple[str, ...], more: Correction
) -> None:
    against = Correction(more.at, X, None, more.skills)
    before, after = net(*kept, skills=skills), net(*kept, against, skills=skills)
    assert after.get(X, 0.0) <= before.get(X, 0.0)
    assert after.get(Y) == before.get(Y)
    assert all(-1 < share < 1 for share in after.values())


@given(st.lists(_CORRECTIONS, max_size=8), _ASKED, st.randoms(use_true_random=False))
def test_their_order_changes_nothing(
    kept: list[Correction], skills: tuple[str, ...], random: Any
) -> None:
    first = net(*kept, skills=skills)
    random.shuffle(kept)
    assert net(*kept, skills=skills) == pytest.approx(first, abs=1e-12)


@pytest.fixture
def ben(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def cleo(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def ticket(tickets: TicketService, people: People, db: Mongo) -> Ticket:
    filed = file_ticket(tickets, people.add())
    db.tickets.update_one({"_id": filed.id}, {"$set": {"relatedSkills": ["VPN", "Wi-Fi"]}})
    return reload(db, filed)


def kept(db: Mongo, ticket: Ticket) -> list[tuple[Any, ...]]:
    """The corrections after the outbox is processed."""
    record_corrections(db, reload(db, ticket), now=utcnow())
    fields = ("kind", "by", "from", "to")
    return [tuple(doc[name] for name in fields) for doc in db.corrections.find().sort("at")]


def test_an_assignee_who_unassigns_a_ticket_declines_it(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, clock: FixedClock
) -> None:
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    clock.advance(seconds=1)
    given_back = ticket_actions.reassign(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), assignee_id=None, reason="Decline"
    )
    assert kept(db, ticket) == [
        ("reassigned", ben.id, None, ben.id),
        ("not_mine", ben.id, ben.id, None),
    ]
    stored = db.corrections.find_one({"kind": "not_mine"}) or {}
    assert stored == {
        "_id": f"{ticket.id}:{given_back.seq}",
        "ticketId": ticket.id,
        "at": clock(),
        "by": ben.id,
        "kind": "not_mine",
        "from": ben.id,
        "to": None,
        "skills": ["vpn", "wi-fi"],
    }


def test_a_reassignment_is_for_one_and_against_the_other(
    ticket_actions: TicketActions, db: Mongo, people: People, ticket: Ticket, ben: User, cleo: User,
    clock: FixedClock,
) -> None:  # fmt: skip
    admin, at = people.add(Role.ADMIN), str(ticket.id)
    for actor, to in ((admin, ben), (ben, cleo), (admin, None)):
        clock.advance(seconds=1)
        ticket_actions.reassign(
            actor=Actor.from_user(actor), ticket_id=at, assignee_id=str(to.id) if to else None
        )
    clock.advance(seconds=1)
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=at)
    assert kept(db, ticket) == [
        ("reassigned", admin.id, None, ben.id),
        ("reassigned", ben.id, ben.id, cleo.id),
        ("reassigned", admin.id, cleo.id, None),
        ("reassigned", ben.id, None, ben.id),
    ]


def test_so_is_one_by_the_form(
    ticket_edits: TicketEdits, db: Mongo, ticket: Ticket, ben: User, cleo: User, clock: FixedClock
) -> None:
    for to in (ben, cleo):
        clock.advance(seconds=1)
        now = reload(db, ticket)
        ticket_edits.update(
            actor=Actor.from_user(ben),
            ticket_id=str(ticket.id),
            expected_seq=now.seq,
            changes={"assignedTo": to.id, "relatedSkills": ["VPN"]},
        )
    assert kept(db, ticket) == [
        ("reassigned", ben.id, None, ben.id),
        ("reassigned", ben.id, ben.id, cleo.id),
    ]


def test_what_assignment_does_is_none_nor_what_follows_from_a_release(
    runtime: Runtime,
    ticket_actions: TicketActions,
    db: Mongo,
    people: People,
    ticket: Ticket,
    clock: FixedClock,
) -> None:
    who = people.add(Role.MODERATOR, "VPN")
    store = runtime.services.assignments
    choice = store.choose(ticket, now=clock())
    assert choice is not None
    store.assign(ticket, choice, source=AnalysisSource.ROUTER, now=clock())
    ticket_actions.accept(actor=Actor.from_user(who), ticket_id=str(ticket.id))
    mark = user.release_request(by=ObjectId(), now=clock(), reason="left")
    db.users.update_one({"_id": who.id}, {"$set": {"active": False, "handBack": mark}})
    assert release.release_tickets(db, who.id, now=clock()) == [ticket.id]
    assert kept(db, ticket) == []


def test_each_is_kept_once_however_often_it_is_said(
    ticket_actions: TicketActions, db: Mongo, ticket: Ticket, ben: User, clock: FixedClock
) -> None:
    def take() -> Ticket:
        return ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(ticket.id))

    taken = next(answer for answer in at_once(*[take] * 4) if isinstance(answer, Ticket))
    again: list[Callable[[], None]] = [lambda: record_corrections(db, taken, now=clock())] * 4
    assert at_once(*again) == [None] * 4
    assert len(kept(db, ticket)) == 1


def test_what_a_process_stored_before_it_died_is_kept_by_the_workers(
    services: Services,
    ticket_actions: TicketActions,
    runtime: Runtime,
    publisher: RecordingPublisher,
    db: Mongo,
    ticket: Ticket,
    ben: User,
    cleo: User,
    clock: FixedClock,
) -> None:
    """The action stores only the event. Its task is lost; the sweep publishes it again."""
    at = {"ticket_id": str(ticket.id)}
    ticket_actions.reassign(actor=Actor.from_user(ben), **at, assignee_id=str(cleo.id))
    ticket_actions.reassign(actor=Actor.from_user(cleo), **at, assignee_id=None)
    publisher.asked.clear()
    assert db.corrections.count_documents({}) == 0
    clock.advance(minutes=1)
    jobs = Scheduler(services, publisher)
    jobs.renew_leadership()
    jobs.run("sweep")
    assert [ticket_id for _, ticket_id in publisher.asked] == [str(ticket.id)]
    for _ in range(2):
        notify.run(runtime, str(ticket.id))
    found = {doc["_id"]: doc["kind"] for doc in db.corrections.find()}
    back, given = (event for event in reversed(reload(db, ticket).events) if event.skills)
    assert found == {
        f"{ticket.id}:{given.seq}": "reassigned",
        f"{ticket.id}:{back.seq}": "not_mine",
    }


def test_it_is_about_the_skills_of_that_moment(
    ticket_actions: TicketActions, ticket_edits: TicketEdits, db: Mongo, ticket: Ticket, ben: User
) -> None:
    taken = ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    ticket_edits.update(
        actor=Actor.from_user(ben),
        ticket_id=str(ticket.id),
        expected_seq=taken.seq,
        changes={"relatedSkills": []},
    )
    assert len(kept(db, ticket)) == 1
    assert [doc["skills"] for doc in db.corrections.find()] == [["vpn", "wi-fi"]]


def test_a_ticket_without_costs_no_query_and_one_with_costs_one(
    watched_db: Mongo, commands: Commands, ticket_actions: TicketActions, db: Mongo, ticket: Ticket,
    ben: User, clock: FixedClock,
) -> None:  # fmt: skip
    record_corrections(watched_db, ticket, now=clock())
    assert commands.sent == []
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    taken = reload(db, ticket)
    record_corrections(db, taken, now=clock())
    record_corrections(watched_db, taken, now=clock())
    assert [name for name, _ in commands.sent] == ["find"]
    clock.advance(days=90)
    commands.sent.clear()
    record_corrections(watched_db, taken, now=clock())  # its weight would be 0
    assert commands.sent == []


def test_they_are_read_in_one_query_for_the_skills_at_hand(
    watched_db: Mongo, commands: Commands, db: Mongo, clock: FixedClock
) -> None:
    def doc(at: Any, *skills: str) -> dict[str, Any]:
        return {"at": at, "from": X, "to": None, "skills": list(skills)}

    db.corrections.insert_many(
        [
            doc(clock(), "vpn"),
            doc(clock(), "dns"),
            doc(clock() - timedelta(days=91), "vpn"),
            doc("yesterday", "vpn"),
            {"skills": "vpn", "at": clock(), "from": "nobody", "to": 7},
        ]
    )
    assert correction_scores(watched_db, skills=["VPN"], now=clock()) == {X: -1 / 2}
    assert correction_scores(watched_db, skills=[], now=clock()) == {}
    assert [name for name, _ in commands.sent] == ["aggregate"]


def test_declining_shifts_the_next_choice_and_is_seen_in_its_parts(
    runtime: Runtime, ticket_actions: TicketActions, tickets: TicketService, db: Mongo,
    people: People, ticket: Ticket, clock: FixedClock,
) -> None:  # fmt: skip
    store = runtime.services.assignments
    first, second = sorted(
        [people.add(Role.MODERATOR, "VPN"), people.add(Role.MODERATOR, "VPN")], key=lambda u: u.id
    )

    def next_choice() -> tuple[ObjectId, float]:
        filed = file_ticket(tickets, people.add())
        db.tickets.update_one({"_id": filed.id}, {"$set": {"relatedSkills": ["VPN"]}})
        found = store.choose(reload(db, filed), now=clock())
        assert found is not None
        return found.user_id, found.score_parts["corrections"]

    assert next_choice() == (first.id, 0)
    admin, at = people.add(Role.ADMIN), str(ticket.id)
    ticket_actions.reassign(actor=Actor.from_user(admin), ticket_id=at, assignee_id=str(first.id))
    ticket_actions.reassign(actor=Actor.from_user(first), ticket_id=at, assignee_id=str(second.id))
    assert len(kept(db, ticket)) == 2
    assert next_choice() == (second.id, 0.05)
    clock.advance(days=91)
    assert next_choice()[1] == 0
