"""The tickets most similar to one, for those who may see them."""

from collections.abc import Callable

import pytest

from bot.views import labels
from services.core.errors import PermissionDenied
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.registry.services import Services
from services.search import similar_tickets
from services.search.similar_tickets import SimilarTicket, SimilarTickets
from services.search.word_sample import SAMPLES
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket, reload

Find = Callable[[User, Ticket], tuple[SimilarTicket, ...]]


@pytest.fixture
def find(services: Services) -> Find:
    def run(user: User, ticket: Ticket) -> tuple[SimilarTicket, ...]:
        SAMPLES.clear()
        found = SimilarTickets(services.db, clock=services.clock)
        return found.find(actor=Actor.from_user(user), ticket=ticket)

    return run


def numbers(found: tuple[SimilarTicket, ...]) -> list[int | None]:
    return [similar.ticket.number for similar in found]


def test_the_three_most_similar_ones_and_their_solutions(
    services: Services,
    tickets: TicketService,
    people: People,
    requester: User,
    moderator: User,
    clock: FixedClock,
    find: Find,
) -> None:
    texts = ("in the lab", "gateway", "at home, the gateway is red", "at home", "hotel gateway")
    filed = []
    for text in texts:
        filed.append(file_ticket(tickets, requester, "VPN tunnel closes", text))
        clock.advance(minutes=1)
    file_ticket(tickets, requester, "Chair", "It sinks.")
    this = file_ticket(tickets, requester, "VPN tunnel closes", "At home, the gateway is red.")
    found = find(moderator, this)
    assert numbers(found)[0] == 3
    assert len(found) == similar_tickets.MAX_SHOWN
    assert {similar.solution for similar in found} == {""}

    staff, own = Actor.from_user(moderator), Actor.from_user(requester)
    best = str(filed[2].id)
    for actor, text, internal in (
        (staff, "Restart the router.", False),
        (staff, "The firmware is old.", True),
        (own, "It did not help.", False),
    ):
        services.comments.add(actor=actor, ticket_id=best, text=text, internal=internal)
    # As the legacy backend completes one, without saying what was done.
    services.db.tickets.update_one({"_id": filed[2].id}, {"$set": {"status": "COMPLETED"}})
    answered = find(moderator, this)[0]
    assert answered.solution == "Restart the router."
    assert "firmware" not in str(answered)
    services.ticket_actions.reopen(actor=staff, ticket_id=best)
    services.ticket_actions.resolve(actor=staff, ticket_id=best, resolution="A new router.")
    assert find(moderator, this)[0].solution == "A new router."


def test_private_tickets_are_for_those_who_see_them(
    services: Services,
    tickets: TicketService,
    people: People,
    requester: User,
    moderator: User,
    find: Find,
) -> None:
    admin, other = people.add(Role.ADMIN), people.add()
    hidden = file_ticket(tickets, other, "VPN tunnel closes", "My manager pulls the cable.")
    services.ticket_edits.patch(
        actor=Actor.from_user(admin), ticket_id=str(hidden.id), changes={"private": True}
    )
    this = file_ticket(tickets, requester, "VPN tunnel closes", "The manager pulls a cable.")
    assert find(moderator, this) == ()
    assert numbers(find(admin, this)) == [hidden.number]
    # On a private ticket's page, those who see it read about others.
    assert numbers(find(admin, reload(services.db, hidden))) == [this.number]
    with pytest.raises(PermissionDenied):
        find(requester, this)


def test_only_the_newest_with_common_words_are_compared(
    tickets: TicketService,
    requester: User,
    moderator: User,
    clock: FixedClock,
    find: Find,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.search.word_sample.SAMPLE_SIZE", 6)
    monkeypatch.setattr(similar_tickets, "_MAX_COMPARED", 2)
    for _ in range(8):
        file_ticket(tickets, requester, "VPN tunnel closes", "At home.")
        clock.advance(hours=1)
    this = file_ticket(tickets, requester, "VPN tunnel closes", "At home.")
    assert set(numbers(find(moderator, this))) <= {7, 8}
    assert numbers(find(moderator, this))


def test_an_accepted_ticket_is_in_progress(
    services: Services, requester: User, moderator: User, find: Find, tickets: TicketService
) -> None:
    similar = file_ticket(tickets, requester, "VPN tunnel closes", "At home.")
    this = file_ticket(tickets, requester, "VPN tunnel closes", "In the lab.")
    services.ticket_actions.take(actor=Actor.from_user(moderator), ticket_id=str(similar.id))
    (found,) = find(moderator, this)
    assert labels.status(found.ticket) == "In progress"
