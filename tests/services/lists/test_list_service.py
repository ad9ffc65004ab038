"""Lists for those who look at them: what is in them, who may, and what they can be narrowed by."""

from dataclasses import replace

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.core.database import Mongo
from services.core.errors import PermissionDenied
from services.linking.links import LinkService
from services.lists.list_query import Filter, ListKind, ListQuery, skill_key
from services.lists.list_service import ListResult, ListService
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import Commands, FixedClock, People, file_ticket
from tests.support.slack_workspace import TEAM_ID

OWN, ASSIGNED, QUEUE = (ListQuery(kind) for kind in ListKind)


@pytest.fixture
def employee(people: People) -> User:
    return people.add()


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "dns")


@pytest.fixture
def ticket(tickets: TicketService, employee: User, moderator: User, db: Mongo) -> Ticket:
    """The moderator's."""
    filed = file_ticket(tickets, employee)
    known = {"assignedTo": moderator.id, "status": "IN_PROGRESS", "relatedSkills": ["VPN"]}
    db.tickets.update_one({"_id": filed.id}, {"$set": known})
    return filed


def open_list(lists: ListService, user: User, selection: ListQuery) -> ListResult:
    return lists.get_page(actor=Actor.from_user(user), team_id=TEAM_ID, list_query=selection)


def ids_in(listed: ListResult) -> list[ObjectId]:
    return [ticket.id for ticket in listed.page.tickets]


def test_each_list_holds_the_readers_tickets(
    lists: ListService, ticket: Ticket, employee: User, moderator: User
) -> None:
    assert ids_in(open_list(lists, employee, OWN)) == [ticket.id]
    assert ids_in(open_list(lists, moderator, OWN)) == []
    assert ids_in(open_list(lists, moderator, ASSIGNED)) == [ticket.id]
    assert ids_in(open_list(lists, moderator, QUEUE)) == [ticket.id]


@pytest.mark.parametrize("kind", [ListKind.ASSIGNED, ListKind.QUEUE])
def test_a_plain_user_has_one_list(lists: ListService, employee: User, kind: ListKind) -> None:
    with pytest.raises(PermissionDenied, match="see other people's tickets"):
        open_list(lists, employee, ListQuery(kind))


def test_it_names_the_people_in_it(
    lists: ListService, ticket: Ticket, employee: User, moderator: User
) -> None:
    listed = open_list(lists, moderator, QUEUE)
    assert set(listed.people.users) == {employee.id, moderator.id}
    assert listed.people.slack_ids[employee.id] == People.slack_id(employee)


def test_and_whoever_it_is_narrowed_by(lists: ListService, moderator: User, people: People) -> None:
    former = people.add(Role.MODERATOR, active=False)
    listed = open_list(lists, moderator, replace(QUEUE, assignee=str(former.id)))
    assert listed.people.users[former.id] == former
    assert former not in listed.assignees


def test_what_it_can_be_narrowed_by(
    lists: ListService, people: People, employee: User, moderator: User
) -> None:
    people.add(Role.ADMIN, "DNS", "SAP", name="Zoe")
    people.add(Role.ADMIN, "Cobol", active=False)
    people.add(Role.USER, "Knitting")
    listed = open_list(lists, moderator, QUEUE)
    assert [user.display_name for user in listed.assignees] == ["Moderator 2", "Zoe"]
    assert list(listed.skills.values()) == ["DNS", "SAP", "VPN"]
    assert open_list(lists, moderator, ASSIGNED).assignees == ()
    own = open_list(lists, employee, OWN)
    assert (own.assignees, own.skills) == ((), {})


def test_a_skill_is_found_however_it_is_spelled(
    lists: ListService, people: People, ticket: Ticket, moderator: User, db: Mongo
) -> None:
    people.add(Role.ADMIN, "vpn")
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"relatedSkills": ["vpn"]}})
    for kind in (ListKind.ASSIGNED, ListKind.QUEUE):
        assert ids_in(open_list(lists, moderator, ListQuery(kind, skill=skill_key("VPN")))) == [
            ticket.id
        ]
        assert ids_in(open_list(lists, moderator, ListQuery(kind, skill=skill_key("dns")))) == []


def test_a_skill_that_nobody_has_is_as_if_none_was_chosen(
    lists: ListService, ticket: Ticket, moderator: User
) -> None:
    listed = open_list(lists, moderator, replace(QUEUE, skill=skill_key("Cobol")))
    assert listed.list_query == QUEUE
    assert ids_in(listed) == [ticket.id]


@pytest.mark.parametrize("by", [Filter.SKILL, Filter.ASSIGNEE])
def test_a_requester_learns_nothing_internal_by_narrowing(
    lists: ListService, ticket: Ticket, employee: User, by: Filter
) -> None:
    """A filter that a list does not have does nothing, whoever forges it."""
    for value in (skill_key("VPN"), skill_key("dns"), str(ObjectId())):
        asked = OWN.with_filter(by, value)
        assert asked == OWN
        assert ids_in(open_list(lists, employee, asked)) == [ticket.id]
    forged = ListQuery(ListKind.OWN, skill=skill_key("dns"), assignee=str(ObjectId()))
    assert ids_in(open_list(lists, employee, forged)) == [ticket.id]


def test_what_is_resolved_is_a_filter_away(
    lists: ListService, ticket: Ticket, employee: User, db: Mongo
) -> None:
    db.tickets.update_one(
        {"_id": ticket.id}, {"$set": {"status": "COMPLETED"}, "$unset": {"queueKey": ""}}
    )
    assert ids_in(open_list(lists, employee, OWN)) == []
    assert ids_in(open_list(lists, employee, replace(OWN, status=Status.COMPLETED))) == [ticket.id]


def test_the_first_page_is_the_top_of_the_list(
    lists: ListService, tickets: TicketService, employee: User, clock: FixedClock
) -> None:
    for _ in range(11):
        clock.advance(minutes=1)
        file_ticket(tickets, employee)
    second = open_list(
        lists, employee, OWN.with_cursor(open_list(lists, employee, OWN).page.next_cursor)
    )
    assert second.list_query.cursor is not None
    assert (
        open_list(lists, employee, OWN.with_cursor(second.page.previous_cursor)).list_query == OWN
    )


@pytest.mark.parametrize(
    ("typed", "found"),
    [("", ["Ann", "Ben", "Benedikt"]), (" BEN ", ["Ben", "Benedikt"]), ("$ne", []), (".*", [])],
)
def test_names_are_found_by_their_letters(
    lists: ListService, people: People, typed: str, found: list[str]
) -> None:
    admin = people.add(Role.ADMIN, name="Ann")
    for name in ("Benedikt", "Ben"):
        people.add(Role.MODERATOR, name=name)
    people.add(Role.USER, name="Ben the employee")
    offered = lists.assignees(actor=Actor.from_user(admin), query=typed)
    assert [user.display_name for user in offered] == found


def test_skills_are_found_by_their_letters(lists: ListService, moderator: User) -> None:
    actor = Actor.from_user(moderator)
    assert lists.skills(actor=actor, query="N") == {
        skill_key("dns"): ("dns",),
        skill_key("VPN"): ("VPN",),
    }
    assert list(lists.skills(actor=actor, query="v").values()) == [("VPN",)]


def test_who_works_here_is_for_the_staff(lists: ListService, employee: User) -> None:
    for ask in (lists.assignees, lists.skills):
        with pytest.raises(PermissionDenied, match="see other people's tickets"):
            ask(actor=Actor.from_user(employee), query="")


@pytest.mark.parametrize("count", [0, 1, 11])
def test_the_number_of_queries_is_always_the_same(
    watched_db: Mongo,
    commands: Commands,
    tickets: TicketService,
    people: People,
    moderator: User,
    count: int,
) -> None:
    for _ in range(count):
        file_ticket(tickets, people.add())
    users = UserService(watched_db)
    open_list(ListService(watched_db, users, LinkService(watched_db, users)), moderator, QUEUE)
    assert [(name, command[name]) for name, command in commands.sent] == [
        ("distinct", "users"),
        ("find", "users"),
        ("find", "tickets"),
        ("find", "users"),
        ("find", "links"),
    ]
