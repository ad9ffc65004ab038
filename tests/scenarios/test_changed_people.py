"""A ticket whose people change more than once: requester, filer, participants, merged accounts."""

from typing import Any

import pytest

from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import FixedClock, People
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import card_of, changed, said

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
