"""Changes by programs, several at once."""

from services.core.database import Mongo
from services.editing.ticket_edits import TicketEdits, TicketPatches
from services.models.permissions import Actor
from services.models.ticket import Priority, Status
from services.models.user import Role
from services.tickets.filing import TicketService
from tests.conftest import People, at_once, file_ticket, reload


def test_of_two_who_write_at_once_both_are_kept_and_the_later_counts(
    db: Mongo, ticket_edits: TicketEdits, people: People, tickets: TicketService
) -> None:
    patches = TicketPatches(db, ticket_edits)
    ticket = file_ticket(tickets, people.add())
    actors = [Actor.from_user(people.add(Role.MODERATOR)) for _ in range(4)]

    def change(actor: Actor, priority: Priority) -> str:
        patches.apply(actor=actor, ticket_id=str(ticket.id), changes={"priority": priority})
        return priority

    calls = zip(actors, Priority, strict=True)
    done = at_once(*[lambda pair=pair: change(*pair) for pair in calls])
    assert sorted(done) == sorted(Priority)
    stored = reload(db, ticket)
    told = [event.to for event in stored.events if event.field == "priority"]
    assert sorted(told) == sorted(Priority)
    assert told[-1] == stored.priority


def test_of_those_who_take_a_ticket_at_once_one_has_it(
    db: Mongo, ticket_edits: TicketEdits, people: People, tickets: TicketService
) -> None:
    patches = TicketPatches(db, ticket_edits)
    ticket = file_ticket(tickets, people.add())
    actors = [Actor.from_user(people.add(Role.MODERATOR)) for _ in range(4)]
    progress = {"status": "IN_PROGRESS"}
    answers = at_once(
        *[
            lambda actor=actor: (
                patches.apply(actor=actor, ticket_id=str(ticket.id), changes=progress).assigned_to
            )
            for actor in actors
        ]
    )
    stored = reload(db, ticket)
    assert (stored.status, set(answers)) == (Status.IN_PROGRESS, {stored.assigned_to})
    assert [event.type for event in stored.events].count("assigned") == 1
