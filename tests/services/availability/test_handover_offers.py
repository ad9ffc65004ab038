"""The offer to hand over what is open: made once, sent once, answered once."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.assignment import feedback
from services.availability.availability_service import AvailabilityChange, AvailabilityService
from services.availability.handover_offers import HandoverOffer, HandoverOffers, OfferAnswer
from services.availability.slack_status import MemberStatus, SlackStatus
from services.availability.status_sync import StatusSync
from services.core.database import Mongo
from services.core.errors import PermissionDenied
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets import release
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, at_once, file_ticket, reload


@pytest.fixture
def nils(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def theirs(db: Mongo, tickets: TicketService, people: People, nils: User) -> list[Ticket]:
    """Two open tickets of Nils."""
    return [given(db, tickets, people, nils) for _ in range(2)]


@pytest.fixture
def absence(db: Mongo, clock: FixedClock, nils: User) -> Any:
    """Nils is away for so long, by his own word or an admin's."""

    def begin(*, by: User | None = None, **ahead: float) -> None:
        wanted = AvailabilityChange(is_away=True, away_until=clock() + timedelta(**ahead))
        AvailabilityService(db, clock=clock).update(
            actor=Actor.from_user(by or nils), user_id=str(nils.id), change=wanted
        )

    return begin


def given(db: Mongo, tickets: TicketService, people: People, to: User) -> Ticket:
    ticket = file_ticket(tickets, people.add())
    busy = {"assignedTo": to.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": ticket.id}, {"$set": busy})
    return reload(db, ticket)


def stored(db: Mongo, user: User) -> dict[str, Any]:
    doc = db.users.find_one({"_id": user.id}) or {}
    return dict(doc.get("handOver", {}))


def only(handover_offers: HandoverOffers) -> HandoverOffer:
    offer = handover_offers.claim_next()
    assert offer is not None
    assert handover_offers.claim_next() is None
    return offer


def test_over_a_day_it_is_offered_once_an_absence(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    clock: FixedClock,
) -> None:
    absence(hours=24)
    assert not handover_offers.has_due()
    absence(hours=24, seconds=1)
    assert handover_offers.has_due()
    offer = only(handover_offers)
    assert (offer.user.id, offer.recipient_id, offer.ticket_count) == (nils.id, nils.id, 2)
    handover_offers.mark_sent(offer, channel="D1", ts="1.5")
    absence(days=9)
    clock.advance(hours=1)
    assert not handover_offers.has_due()


def test_the_next_absence_brings_another(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    clock: FixedClock,
) -> None:
    absence(days=2)
    first = only(handover_offers)
    handover_offers.mark_sent(first, channel="D1", ts="1.5")
    clock.advance(days=3)
    absence(days=2)
    assert only(handover_offers).key != first.key


def test_a_slack_status_brings_it_too(
    handover_offers: HandoverOffers, nils: User, theirs: list[Ticket], db: Mongo, clock: FixedClock
) -> None:
    status_sync = StatusSync(db, clock=clock)
    away = MemberStatus(SlackStatus("Vacation", "", clock() + timedelta(days=4)))
    assert status_sync.record_status(nils.id, away) is True
    assert status_sync.record_status(nils.id, away) is False
    assert only(handover_offers).recipient_id == nils.id


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_where_there_is_nothing_to_hand_over_nothing_is_offered(
    handover_offers: HandoverOffers, people: People, clock: FixedClock, db: Mongo, role: Role
) -> None:
    user = people.add(role)
    wanted = AvailabilityChange(is_away=True, away_until=clock() + timedelta(days=9))
    AvailabilityService(db, clock=clock).update(actor=Actor.from_user(user), change=wanted)
    assert handover_offers.claim_next() is None
    assert not handover_offers.has_due()


def test_who_is_back_before_it_is_sent_is_not_asked(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    db: Mongo,
    clock: FixedClock,
) -> None:
    absence(days=2)
    clock.advance(days=2)
    assert handover_offers.claim_next() is None
    assert stored(db, nils) == {}


def test_one_of_many_sends_it_and_a_dead_ones_is_sent_by_another(
    handover_offers: HandoverOffers, absence: Any, theirs: list[Ticket], clock: FixedClock
) -> None:
    absence(days=2)
    claimed = at_once(*[handover_offers.claim_next] * 4)
    assert len([one for one in claimed if isinstance(one, HandoverOffer)]) == 1
    clock.advance(seconds=59)
    assert handover_offers.claim_next() is None
    clock.advance(seconds=1)
    assert only(handover_offers).attempts == 2


def test_it_is_tried_later_and_later_or_when_slack_says(
    handover_offers: HandoverOffers, absence: Any, theirs: list[Ticket], clock: FixedClock
) -> None:
    absence(days=2)
    waits = []
    for _ in range(5):
        handover_offers.retry_later(only(handover_offers))
        began = clock()
        while not handover_offers.has_due():
            clock.advance(seconds=30)
        waits.append((clock() - began).total_seconds())
    assert waits == [120, 240, 480, 900, 900]
    handover_offers.retry_later(only(handover_offers), wait=timedelta(seconds=30))
    clock.advance(seconds=30)
    assert handover_offers.has_due()


def test_what_slack_never_takes_is_given_up(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    db: Mongo,
    clock: FixedClock,
) -> None:
    absence(days=2)
    handover_offers.mark_failed(only(handover_offers), error="user_disabled")
    clock.advance(hours=1)
    assert not handover_offers.has_due()
    assert (stored(db, nils)["state"], stored(db, nils)["error"]) == ("failed", "user_disabled")


# The answer


def answered(
    handover_offers: HandoverOffers, by: User, user: User, key: str, *, hand_over: bool = True
) -> tuple[OfferAnswer, int, int]:
    decision = handover_offers.decide(
        actor=Actor.from_user(by), user_id=str(user.id), key=key, hand_over=hand_over
    )
    assert decision is not None
    return decision.answer, decision.ticket_count, len(decision.released)


def test_handed_over_they_go_back_to_assignment(
    handover_offers: HandoverOffers, absence: Any, nils: User, theirs: list[Ticket], db: Mongo
) -> None:
    absence(days=2)
    key = only(handover_offers).key
    assert answered(handover_offers, nils, nils, key) == (OfferAnswer.HANDED_OVER, 2, 2)
    for ticket in theirs:
        now = reload(db, ticket)
        assert (now.assigned_to, now.status, now.is_in_outbox) == (None, Status.TODO, True)
        event = now.events[-1]
        assert (event.type, event.by, event.from_, event.note) == (
            "handed_back", nils.id, nils.id, "the assignee is away"
        )  # fmt: skip
    # A second press says the same, and does nothing.
    assert answered(handover_offers, nils, nils, key) == (OfferAnswer.HANDED_OVER, 2, 0)
    assert answered(handover_offers, nils, nils, key, hand_over=False) == (
        OfferAnswer.HANDED_OVER,
        2,
        0,
    )


def test_what_is_given_to_them_afterwards_stays(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    db: Mongo,
    tickets: TicketService,
    people: People,
    clock: FixedClock,
) -> None:
    absence(days=2)
    answered(handover_offers, nils, nils, only(handover_offers).key)
    assert release.accounts_to_release(db, now=clock()) == [nils.id]
    assert release.release_tickets(db, nils.id, now=clock()) == []
    assert release.accounts_to_release(db, now=clock()) == []
    later = given(db, tickets, people, nils)
    release.release_tickets(db, nils.id, now=clock())
    assert reload(db, later).assigned_to == nils.id


def test_once_they_are_back_they_may_have_them_again(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    db: Mongo,
    runtime: Runtime,
    ticket_actions: TicketActions,
    people: People,
    clock: FixedClock,
) -> None:
    """An absence counts as long as it lasts. It says nothing of whether a ticket suits them."""
    ticket = theirs[0]
    db.tickets.update_many({}, {"$set": {"relatedSkills": ["VPN"]}})
    absence(days=2)
    answered(handover_offers, nils, nils, only(handover_offers).key)
    store = runtime.services.assignments
    assert store.choose(reload(db, ticket), now=clock()) is None
    stand_in = people.add(Role.MODERATOR)
    ticket_actions.take(actor=Actor.from_user(stand_in), ticket_id=str(ticket.id))
    clock.advance(days=2)
    ticket_actions.reassign(
        actor=Actor.from_user(stand_in), ticket_id=str(ticket.id), assignee_id=None
    )
    chosen = store.choose(reload(db, ticket), now=clock())
    assert chosen is not None
    assert (chosen.user_id, chosen.score_parts["corrections"]) == (nils.id, 0)
    # To give it back oneself is another thing.
    ticket_actions.reassign(
        actor=Actor.from_user(stand_in), ticket_id=str(ticket.id), assignee_id=str(nils.id)
    )
    ticket_actions.reassign(actor=Actor.from_user(nils), ticket_id=str(ticket.id), assignee_id=None)
    assert store.choose(reload(db, ticket), now=clock()) is None


def test_a_handover_during_an_absence_is_no_correction(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    db: Mongo,
    clock: FixedClock,
) -> None:
    absence(days=2)
    answered(handover_offers, nils, nils, only(handover_offers).key)
    for ticket in theirs:
        feedback.record_corrections(db, reload(db, ticket), now=clock())
    assert db.corrections.count_documents({}) == 0


def test_who_is_back_early_keeps_what_was_still_to_be_handed_over(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    db: Mongo,
    tickets: TicketService,
    people: People,
    clock: FixedClock,
) -> None:
    """Else the sweep would take from them what assignment gives back to them."""
    for _ in range(22):
        given(db, tickets, people, nils)
    absence(days=2)
    assert answered(handover_offers, nils, nils, only(handover_offers).key) == (
        OfferAnswer.HANDED_OVER,
        22,
        20,
    )
    AvailabilityService(db, clock=clock).update(
        actor=Actor.from_user(nils), change=AvailabilityChange(is_away=False)
    )
    assert release.release_tickets(db, nils.id, now=clock()) == []
    assert release.accounts_to_release(db, now=clock()) == []
    assert db.tickets.count_documents({"assignedTo": nils.id}) == 2


def test_more_than_a_few_are_left_to_the_sweep(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    db: Mongo,
    tickets: TicketService,
    people: People,
    clock: FixedClock,
) -> None:
    for _ in range(23):
        given(db, tickets, people, nils)
    absence(days=2)
    assert answered(handover_offers, nils, nils, only(handover_offers).key) == (
        OfferAnswer.HANDED_OVER,
        23,
        20,
    )
    assert len(release.release_tickets(db, nils.id, now=clock())) == 3


def test_kept_they_stay_and_may_still_be_handed_over(
    handover_offers: HandoverOffers, absence: Any, nils: User, theirs: list[Ticket], db: Mongo
) -> None:
    absence(days=2)
    key = only(handover_offers).key
    assert answered(handover_offers, nils, nils, key, hand_over=False) == (OfferAnswer.KEPT, 2, 0)
    assert all(reload(db, ticket).assigned_to == nils.id for ticket in theirs)
    assert answered(handover_offers, nils, nils, key) == (OfferAnswer.HANDED_OVER, 2, 2)


def test_who_presses_twice_at_once_hands_over_once(
    handover_offers: HandoverOffers, absence: Any, nils: User, theirs: list[Ticket], db: Mongo
) -> None:
    absence(days=2)
    key = only(handover_offers).key
    at_once(*[lambda: answered(handover_offers, nils, nils, key)] * 4)
    for ticket in theirs:
        types = [event.type for event in reload(db, ticket).events]
        assert types.count("handed_back") == 1


def test_an_offer_that_is_answered_before_it_is_sent_is_not_sent(
    handover_offers: HandoverOffers, absence: Any, nils: User, theirs: list[Ticket], db: Mongo
) -> None:
    """Its message had arrived, and only the record of that had not."""
    absence(days=2)
    offer = only(handover_offers)
    answered(handover_offers, nils, nils, offer.key)
    handover_offers.mark_sent(offer, channel="D1", ts="1.5")
    assert stored(db, nils)["state"] == "handed_over"


@pytest.mark.parametrize("how", ["back", "another", "nonsense"])
def test_what_is_out_of_date_changes_nothing(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    db: Mongo,
    clock: FixedClock,
    how: str,
) -> None:
    absence(days=2)
    key = only(handover_offers).key
    if how == "back":
        clock.advance(days=2)
    if how == "another":
        clock.advance(days=2)
        absence(days=2)
    used = "nonsense" if how == "nonsense" else key
    assert answered(handover_offers, nils, nils, used) == (OfferAnswer.EXPIRED, 0, 0)
    assert all(reload(db, ticket).assigned_to == nils.id for ticket in theirs)


def test_an_admin_is_asked_about_whom_they_have_set_away(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    people: People,
    db: Mongo,
) -> None:
    ada = people.add(Role.ADMIN)
    absence(by=ada, days=2)
    offer = only(handover_offers)
    assert (offer.user.id, offer.recipient_id) == (nils.id, ada.id)
    assert answered(handover_offers, ada, nils, offer.key) == (OfferAnswer.HANDED_OVER, 2, 2)
    assert reload(db, theirs[0]).events[-1].by == ada.id


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_nobody_else_answers(
    handover_offers: HandoverOffers,
    absence: Any,
    nils: User,
    theirs: list[Ticket],
    people: People,
    db: Mongo,
    role: Role,
) -> None:
    absence(days=2)
    key = only(handover_offers).key
    with pytest.raises(PermissionDenied):
        answered(handover_offers, people.add(role), nils, key)
    assert all(reload(db, ticket).assigned_to == nils.id for ticket in theirs)


@pytest.mark.parametrize("user_id", ["", "nonsense", str(ObjectId(b"nobody has 1"))])
def test_of_an_unknown_account_there_is_nothing(
    handover_offers: HandoverOffers, people: People, user_id: str
) -> None:
    ada = Actor.from_user(people.add(Role.ADMIN))
    assert handover_offers.decide(actor=ada, user_id=user_id, key="k", hand_over=True) is None
