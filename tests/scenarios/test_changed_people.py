"""A ticket whose people change more than once: requester, filer, participants, merged accounts."""

from typing import Any

import pytest

from services.core.errors import InvalidValue, NotFound
from services.editing.ticket_edits import NO_OWN_TICKET
from services.models.comment import MessageRef
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from tests.conftest import FixedClock, People
from tests.support import payloads
from tests.support.block_text import read
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import card_of, changed, said
from tests.support.slack_workspace import TEAM_ID, TRIAGE

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


def test_a_new_requester_reads_the_last_of_a_long_conversation(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User, eva: User
) -> None:
    comments = system.runtime.services.comments
    for number in range(12):
        written = comments.add(
            actor=Actor.from_user(ben), ticket_id=str(ticket.id), text=f"Comment {number}."
        )
        comments.add(
            actor=Actor.from_user(ben), ticket_id=str(ticket.id), text="A note", internal=True
        )
    assert written.ticket.comments
    system.work(ticket)
    move(system, ticket, cleo, eva)
    replies = [message["text"] for message in system.messages(eva) if "thread_ts" in message]
    assert [text.rpartition("wrote: ")[2] for text in replies] == [
        f"Comment {number}." for number in range(2, 12)
    ]


def test_cards_name_no_requester_without_slack_who_is_erased(
    triage: BotAndWorkers, people: People, ben: User
) -> None:
    wilma = people.add(linked=False)
    filed = triage.tickets.create(
        actor=Actor.from_user(ben),
        team_id=TEAM_ID,
        request_id=None,
        title="VPN is down",
        description="It drops.",
        requester=wilma.id,
    ).ticket
    triage.work(filed)
    shown = triage.slack.messages(TRIAGE)
    assert wilma.name
    assert wilma.name in str(shown)
    erasure = triage.runtime.services.erasure
    erasure.erase(actor=OPERATOR, email=wilma.email)
    triage.deliver()
    assert wilma.name not in str(triage.slack.messages(TRIAGE))


def test_the_form_keeps_all_through_the_warning_the_question_and_another_requester(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    own = system.file(cleo, "The VPN drops every hour")
    slack_id = People.slack_id(cleo)
    system.bot.answer(payloads.slash_command(user=slack_id))
    view = system.slack.last_view()
    values: dict[str, Any] = {
        "title": "The VPN drops every hour",
        "description": own.description + " password: hunter2hunter2",
        "createdBy": slack_id,
        "priority": "high",
        "notTo": People.slack_id(ben),
    }

    def submit(view: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        return system.bot.answer(payloads.view_submission(view, values, user=slack_id))

    assert submit(view, values)["errors"].keys() == {"description"}
    question = {**submit(view, values)["view"], "id": view["id"]}
    assert read(question)[0] == f"Looks like your ticket {own.number}"
    # Now the Requester is a guest, then a colleague.
    system.slack.add_member("U0GUEST", email="g@x.example", name="Gus", is_restricted=True)
    assert submit(question, {"createdBy": "U0GUEST"})["errors"].keys() == {"createdBy"}
    filed = submit(question, {"createdBy": People.slack_id(ann)})["view"]
    assert "gets its messages" in str(filed)
    (doc,) = system.db.tickets.find({"filedBy": cleo.id})
    assert (doc["createdBy"], doc["priority"], doc["notTo"]) == (ann.id, "high", ben.id)
    assert (doc["title"], doc["description"]) == (values["title"], values["description"])


def test_one_patch_makes_it_private_and_anothers(
    system: BotAndWorkers, people: People, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    """The new requester takes part in it and has it; the former one sees nothing any more."""
    people.add(Role.ADMIN)
    participate(system, ticket, ann, added=[cleo])
    system.actions.reassign(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), assignee_id=str(cleo.id)
    )
    system.work(ticket)
    move(system, ticket, cleo, cleo, private=True, title="A canary")
    now = system.now(ticket)
    assert (now.created_by, now.participants, now.private) == (cleo.id, (), True)
    assert now.assigned_to != cleo.id
    assert "canary" not in str(system.messages(ann))
    assert "canary" in str(system.messages(cleo))
    with pytest.raises(NotFound):
        system.tickets.get(actor=Actor.from_user(ann), ticket_id=str(ticket.id))


def test_a_former_assignee_who_only_takes_part_reads_no_edits_of_notes(
    system: BotAndWorkers, people: People, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    boss, place = people.add(Role.ADMIN), MessageRef("D0BOSS", "1700000000.000001")
    comments = system.runtime.services.comments
    on_it: dict[str, Any] = {"ticket_id": str(ticket.id)}
    by_boss = Actor.from_user(boss)
    comments.add(actor=by_boss, **on_it, text="First", internal=True, message=place)
    system.work(ticket)
    assert "First" in str(system.messages(ben))
    system.actions.reassign(actor=by_boss, **on_it, assignee_id=str(cleo.id))
    participate(system, ticket, ann, added=[ben])
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"private": True}})
    comments.edit(actor=by_boss, **on_it, message=place, text="A canary", replaces="First")
    system.work(ticket)
    assert "canary" in str(system.messages(cleo))
    assert "canary" not in str(system.messages(ben))


def test_a_former_assignee_who_only_takes_part_reads_no_reason(
    system: BotAndWorkers, people: People, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    boss = people.add(Role.ADMIN)
    system.db.tickets.update_one(
        {"_id": ticket.id}, {"$set": {"private": True, "participants": [ben.id]}}
    )
    system.actions.reassign(
        actor=Actor.from_user(boss),
        ticket_id=str(ticket.id),
        assignee_id=str(cleo.id),
        reason="A canary",
    )
    system.work(ticket)
    assert str(boss.name) in str(system.messages(ben))
    assert "canary" not in str(system.messages(ben))


def test_no_card_names_an_erased_person_who_added_its_reader_or_assigned_it(
    system: BotAndWorkers, people: People, ticket: Ticket, cleo: User, dan: User
) -> None:
    third = people.add(Role.MODERATOR)
    participate(system, ticket, cleo, added=[dan])
    system.actions.reassign(
        actor=Actor.from_user(cleo), ticket_id=str(ticket.id), assignee_id=str(third.id)
    )
    system.work(ticket)
    assert cleo.name
    for reader in (dan, third):
        assert cleo.name in str(system.messages(reader)[0])
    system.runtime.services.erasure.erase(actor=OPERATOR, email=cleo.email)
    system.deliver()
    for reader in (dan, third):
        assert cleo.name not in str(system.messages(reader)[0])


def test_the_new_requester_is_not_made_the_assignee_with_the_same_change(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    with pytest.raises(InvalidValue) as refused:
        move(system, ticket, ben, cleo, assignedTo=cleo.id)
    assert refused.value.errors == {"assignedTo": NO_OWN_TICKET}
    assert system.now(ticket).assigned_to == ben.id
