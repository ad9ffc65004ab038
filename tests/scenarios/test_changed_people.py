"""A ticket whose people change more than once: requester, filer, participants, merged accounts."""

from typing import Any

import pytest

from services.core.errors import InvalidValue, NotFound
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from tests.conftest import FixedClock, People
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import card_of, changed, said
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def eva(people: People) -> User:
    return people.add()


@pytest.fixture
def dan(people: People) -> User:
    return people.add()


def move(system: BotAndWorkers, ticket: Ticket, by: User, to: User, **changes: Any) -> None:
    system.runtime.services.ticket_edits.patch(
        actor=Actor.from_user(by), ticket_id=str(ticket.id), changes={"createdBy": to.id, **changes}
    )
    system.work(ticket)


def participate(system: BotAndWorkers, ticket: Ticket, by: User, **people: list[User]) -> None:
    system.runtime.services.participants.change(
        actor=Actor.from_user(by),
        ticket_id=str(ticket.id),
        **{name: [one.id for one in users] for name, users in people.items()},  # type: ignore[arg-type]
    )
    system.work(ticket)


def merge(system: BotAndWorkers, own: User, into: User) -> None:
    """Merge as "It's mine" does: the link moves first."""
    system.db.links.update_one({"userId": own.id}, {"$set": {"userId": into.id}})
    system.runtime.services.address_claims.merge(own, into=into)
    system.deliver()


def test_a_former_requester_whose_account_is_merged_stays_a_former_one(
    system: BotAndWorkers, people: People, ticket: Ticket, ann: User, cleo: User, eva: User
) -> None:
    move(system, ticket, cleo, eva, title="A canary")
    older = people.add(linked=False)
    merge(system, ann, older)
    assert system.now(ticket).filed_by == older.id
    shown = system.messages(ann)
    assert shown[0]["text"] == "Ticket 1: you are no longer its requester."
    assert "canary" not in str(shown)


def test_edits_of_comments_reach_no_one_who_was_removed_and_whose_account_is_merged(
    system: BotAndWorkers,
    people: People,
    ticket: Ticket,
    ann: User,
    ben: User,
    eva: User,
    cleo: User,
) -> None:
    move(system, ticket, cleo, eva)
    participate(system, ticket, cleo, added=[ann])
    comment = said(system.slack, ben, card_of(system.slack, ben), "First")
    system.bot.answer(comment)
    system.work()
    assert "First" in str(system.messages(ann))
    participate(system, ticket, cleo, removed=[ann])
    merge(system, ann, people.add(linked=False))
    system.bot.answer(changed(comment, "A canary"))
    system.work()
    assert "canary" in str(system.messages(eva))
    assert "canary" not in str(system.messages(ann))


def test_a_participant_whose_account_is_merged_was_added_by_who_did_it(
    system: BotAndWorkers, people: People, ticket: Ticket, ann: User, ben: User, dan: User
) -> None:
    participate(system, ticket, ann, added=[dan])
    system.slack.fail("chat.postMessage", error="internal_error")
    system.bot.answer(said(system.slack, ben, card_of(system.slack, ben), "Before the merge"))
    merge(system, dan, people.add(linked=False))
    clock = system.runtime.clock
    assert isinstance(clock, FixedClock)
    clock.advance(minutes=20)
    system.deliver()
    card, *replies = system.messages(dan)
    assert card["text"].endswith(f": {ann.name} added you")
    assert "Before the merge" in str(replies)


def test_a_former_requester_who_takes_part_reads_edits(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User, eva: User
) -> None:
    move(system, ticket, cleo, eva)
    participate(system, ticket, cleo, added=[ann])
    comment = said(system.slack, ben, card_of(system.slack, ben), "First")
    system.bot.answer(comment)
    system.work()
    system.bot.answer(changed(comment, "Second"))
    system.work()
    assert "Second" in str(system.messages(ann))


def test_a_repeated_request_shows_its_filer_only_what_they_filed(
    system: BotAndWorkers, people: People, ann: User, cleo: User, eva: User
) -> None:
    people.add(Role.ADMIN)
    form: dict[str, Any] = {
        "actor": Actor.from_user(cleo),
        "team_id": TEAM_ID,
        "request_id": "K1",
        "title": "About my manager",
        "description": "Monday.",
        "private": True,
        "requester": ann.id,
        "reject_edits": True,
    }
    filed = system.tickets.create(**form).ticket
    later = {"title": "A canary", "resolution": "A canary", "participants": [eva.id]}
    system.db.tickets.update_one({"_id": filed.id}, {"$set": later})
    again = system.tickets.create(**form)
    assert not again.is_new
    assert (again.ticket.id, again.ticket.number) == (filed.id, filed.number)
    assert "canary" not in str(again.ticket)
    assert again.ticket.participants == ()
    with pytest.raises(NotFound):
        system.tickets.get(actor=Actor.from_user(cleo), ticket_id=str(filed.id))


def test_who_is_not_to_get_it_does_not_become_its_requester(
    system: BotAndWorkers, people: People, ann: User, ben: User, cleo: User, eva: User
) -> None:
    form: dict[str, Any] = {
        "actor": Actor.from_user(cleo),
        "team_id": TEAM_ID,
        "request_id": "V1",
        "title": "About Eva",
        "description": "Monday.",
        "not_to": eva.id,
    }
    ticket = system.tickets.create(**form, requester=ann.id).ticket
    refusal = "The requester does not want this person to get it."
    with pytest.raises(InvalidValue, match=refusal):
        move(system, ticket, ben, eva)
    with pytest.raises(InvalidValue, match=refusal):
        system.tickets.create(**form, requester=eva.id)
    assert system.now(ticket).created_by == ann.id


def test_not_to_holds_for_the_account_into_which_the_persons_is_merged(
    system: BotAndWorkers, people: People, ticket: Ticket, dan: User
) -> None:
    older = people.add(Role.MODERATOR, linked=False)
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"notTo": dan.id}})
    before = system.now(ticket)
    # A malformed ticket, which waits for an operator, keeps no other from being moved.
    malformed = {"createdBy": dan.id, "events": 7, "aside": {"until": None}}
    system.db.tickets.insert_one(malformed)
    merge(system, dan, older)
    after = system.now(ticket)
    assert (after.not_to, after.events) == (older.id, before.events)
    assert after.seq > before.seq
