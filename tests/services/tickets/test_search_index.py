"""The words of a ticket change with its texts, in the same update."""

from typing import Any

from services.core.database import Document, Mongo
from services.models.comment import MessageRef
from services.models.events import EventType, NewEvent
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.registry.migrations import MIGRATIONS, Migrations
from services.registry.services import Services
from services.tickets import search_index, ticket_store
from services.tickets.filing import TicketService
from services.tickets.transitions import Change
from tests.conftest import People, file_ticket, reload

PASSWORD = "hunter2"


def words(db: Mongo, ticket: Ticket) -> Document:
    doc = db.tickets.find_one({"_id": ticket.id}) or {}
    found = doc.get("search")
    assert isinstance(found, dict), doc
    return found


def test_filing_stores_the_words_without_secrets(
    db: Mongo, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester, "VPN, again", f"It drops. Password: {PASSWORD}")

    found = words(db, ticket)

    assert found["public"][:4] == ["vpn", "again", "it", "drops"]
    assert PASSWORD not in str(found)
    assert (found["parts"], found["seq"], "internal" in found) == ([2, 6], 1, False)


def test_comments_notes_and_skills_are_added(
    db: Mongo, services: Services, tickets: TicketService, people: People, requester: User
) -> None:
    ticket = file_ticket(tickets, requester, "VPN", "It drops.")
    moderator = Actor.from_user(people.add(role=Role.MODERATOR))
    edit = NewEvent(EventType.EDITED, by="system", field="relatedSkills")
    ticket_store.apply(
        db, ticket, Change({"relatedSkills": ["Fire Wall"]}, (edit,)), now=services.clock()
    )
    comments = services.comments

    comments.add(actor=Actor.from_user(requester), ticket_id=str(ticket.id), text="At home, too")
    comments.add(actor=moderator, ticket_id=str(ticket.id), text="Old router", internal=True)

    found = words(db, ticket)
    assert found["public"] == ["vpn", "it", "drops", "at", "home", "too"]
    assert found["internal"] == ["fire", "wall", "old", "router"]
    assert found["seq"] == reload(db, ticket).seq
    assert search_index.is_current(reload(db, ticket))


def test_words_follow_edits_and_deletions(
    db: Mongo, services: Services, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester, "VPN", "It drops.")
    me, message = Actor.from_user(requester), MessageRef("D1", "1.2")
    comments = services.comments
    comments.add(actor=me, ticket_id=str(ticket.id), text="wrong words", message=message)

    comments.edit(actor=me, ticket_id=str(ticket.id), message=message, text="right words")
    assert words(db, ticket)["public"] == ["vpn", "it", "drops", "right", "words"]

    comments.delete(ticket_id=str(ticket.id), message=message)
    edit = NewEvent(EventType.EDITED, by="system", field="title")
    change = Change({"title": "Mail"}, (edit,))
    ticket_store.apply(db, reload(db, ticket), change, now=services.clock())
    assert words(db, ticket)["public"] == ["mail", "it", "drops"]


def test_the_migration_adds_the_words_of_old_tickets(
    db: Mongo, services: Services, tickets: TicketService, requester: User
) -> None:
    old = [file_ticket(tickets, requester, f"VPN {number}") for number in range(10, 15)]
    db.tickets.update_many({"createdBy": requester.id}, {"$unset": {"search": ""}})
    last = MIGRATIONS[-1]

    assert last.migrate_batch(db, limit=2, now=services.clock()) == 2
    Migrations(db, clock=services.clock).run(lambda: True)

    assert all(words(db, ticket)["public"][0] == "vpn" for ticket in old)
    assert last.migrate_batch(db, limit=2, now=services.clock()) == 0


def test_the_job_corrects_what_an_older_program_wrote(
    db: Mongo, services: Services, tickets: TicketService, requester: User
) -> None:
    changed, foreign, other = (file_ticket(tickets, requester, "VPN") for _ in range(3))
    event: dict[str, Any] = {"at": services.clock(), "by": "system", "type": "edited"}
    db.tickets.update_one(
        {"_id": changed.id},
        {
            "$set": {"title": "Mail"},
            "$inc": {"seq": 1},
            "$push": {"events": {**event, "seq": 2, "field": "title"}},
        },
    )
    db.tickets.update_one({"_id": foreign.id}, {"$unset": {"search": ""}})
    assert not search_index.is_current(reload(db, changed))

    for _ in range(3):
        search_index.refresh(db, limit=2)

    assert words(db, changed)["public"][0] == "mail"
    assert words(db, foreign)["public"][0] == "vpn"
    assert words(db, other)["seq"] == 1


def test_a_change_of_other_fields_leaves_the_words(
    db: Mongo, services: Services, tickets: TicketService, requester: User
) -> None:
    ticket = file_ticket(tickets, requester)
    edit = NewEvent(EventType.EDITED, by="system", field="priority")

    ticket_store.apply(db, ticket, Change({"priority": "high"}, (edit,)), now=services.clock())

    assert search_index.is_current(reload(db, ticket))
    assert words(db, ticket)["seq"] == 1
