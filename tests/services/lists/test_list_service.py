"""Pages of ticket lists: the tickets and their order, the people in them, and filters."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.core.database import Mongo
from services.core.errors import PermissionDenied
from services.linking.links import LinkService
from services.lists.list_query import (
    NO_ASSIGNEE,
    SORTABLE,
    Filter,
    ListCursor,
    ListKind,
    ListQuery,
    skill_key,
)
from services.lists.list_service import (
    LOOKAHEAD,
    PAGE_SIZE,
    ROW_FIELDS,
    ListPage,
    ListResult,
    ListService,
    ticket_list_page,
)
from services.models.permissions import Actor
from services.models.ticket import OPEN_STATUSES, Priority, Status, Ticket
from services.models.user import Role, User
from services.sla.queue_key import Sort, queue_key
from services.tickets.filing import TicketService
from tests.conftest import Commands, FixedClock, People, file_ticket
from tests.support.query_rule import NOT_ALL_INDEXED, fault, queries
from tests.support.slack_workspace import TEAM_ID

ME, SOMEBODY = ObjectId(), ObjectId()
EMPLOYEE, MODERATOR = Actor(ME, Role.USER), Actor(ME, Role.MODERATOR)
WITH_STATUS = (ListKind.OWN, ListKind.PARTICIPATING, ListKind.ASSIGNED, ListKind.QUEUE)
OF_STAFF = [kind for kind in ListKind if kind not in (ListKind.OWN, ListKind.PARTICIPATING)]
OWN, PARTICIPATING, ASSIGNED, QUEUE, WAITING_FOR_ME, UNASSIGNED, OVERDUE = (
    ListQuery(kind) for kind in ListKind
)


def put(db: Mongo, clock: FixedClock, *numbers: int, apart: float = 60, **fields: Any) -> None:
    """Insert tickets with these numbers, each filed `apart` seconds after the one before."""
    for number in numbers:
        clock.advance(seconds=apart)
        doc = {"_id": ObjectId(), "number": number, "title": "T", "status": "TODO"}
        doc |= {"createdBy": ME, "createdAt": clock(), **fields}
        place = queue_key(Ticket.from_doc(doc))
        db.tickets.insert_one({**doc, **({"queueKey": place} if place else {})})


def read(page: ListPage) -> list[int | None]:
    return [ticket.number for ticket in page.tickets]


def seen(db: Mongo, selection: ListQuery, **more: Any) -> list[int | None]:
    return read(ticket_list_page(db, actor=MODERATOR, list_query=selection, **more))


def test_ones_own_come_with_the_newest_first(db: Mongo, clock: FixedClock) -> None:
    put(db, clock, 1, 2, 3)
    page = ticket_list_page(db, actor=EMPLOYEE, list_query=OWN)
    assert read(page) == [3, 2, 1]
    assert (page.previous_cursor, page.next_cursor) == (None, None)


def test_the_queue_comes_in_the_order_of_work(db: Mongo, clock: FixedClock) -> None:
    taken: dict[str, Any] = {"assignedTo": SOMEBODY, "status": "IN_PROGRESS"}
    put(db, clock, 1, **taken, priority="urgent")
    put(db, clock, 2, priority="low")
    put(db, clock, 3, 4, priority="high")
    put(db, clock, 5, **taken, deadline=clock())
    put(db, clock, 6, priority="low", deadline=clock())
    put(db, clock, 7, status="COMPLETED")
    assert seen(db, QUEUE) == [6, 3, 4, 2, 5, 1]


def test_so_does_what_is_assigned(db: Mongo, clock: FixedClock) -> None:
    mine: dict[str, Any] = {"assignedTo": ME, "status": "IN_PROGRESS"}
    put(db, clock, 1, **mine, priority="low")
    put(db, clock, 2, **mine, priority="urgent")
    put(db, clock, 3, assignedTo=SOMEBODY, status="IN_PROGRESS")
    put(db, clock, 4, 5, assignedTo=ME, status="COMPLETED")
    assert seen(db, ASSIGNED) == [2, 1]
    # Completed tickets are in the order they were filed.
    assert seen(db, ListQuery(ListKind.ASSIGNED, status=Status.COMPLETED)) == [5, 4]


WALKS = [
    pytest.param(selection, apart, id=f"{selection.kind} {how}")
    for selection in (OWN, PARTICIPATING, ASSIGNED, QUEUE)
    for how, apart in (("at different times", 60), ("all at once", 0))
]


@pytest.mark.parametrize(("selection", "apart"), WALKS)
def test_there_and_back(db: Mongo, clock: FixedClock, selection: ListQuery, apart: float) -> None:
    mine: dict[str, Any] = {"assignedTo": ME, "participants": [SOMEBODY, ME]}
    mine["status"] = "IN_PROGRESS"
    put(db, clock, *range(1, 24), apart=apart, **mine)
    order = list(range(1, 24)) if selection.is_queue_order else list(range(23, 0, -1))

    def turn(to: ListCursor | None) -> ListPage:
        assert to is not None
        return ticket_list_page(db, actor=MODERATOR, list_query=selection.with_cursor(to))

    first = ticket_list_page(db, actor=MODERATOR, list_query=selection)
    second = turn(first.next_cursor)
    third = turn(second.next_cursor)
    assert [read(page) for page in (first, second, third)] == [order[:10], order[10:20], order[20:]]
    assert (first.previous_cursor, third.next_cursor) == (None, None)
    assert read(turn(third.previous_cursor)) == read(second)
    back = turn(second.previous_cursor)
    assert (read(back), back.previous_cursor) == (read(first), None)


@pytest.mark.parametrize("count", [0, 1, PAGE_SIZE, PAGE_SIZE + 1])
def test_a_next_page_only_where_there_is_one(db: Mongo, clock: FixedClock, count: int) -> None:
    put(db, clock, *range(count))
    page = ticket_list_page(db, actor=EMPLOYEE, list_query=OWN)
    assert (page.next_cursor is not None) == (count > PAGE_SIZE)


def test_fewer_a_page_where_that_is_asked_for(db: Mongo, clock: FixedClock) -> None:
    put(db, clock, *range(8))
    page = ticket_list_page(db, actor=EMPLOYEE, list_query=OWN, size=5)
    assert (read(page), page.next_cursor is not None) == ([7, 6, 5, 4, 3], True)


def test_a_page_stays_while_others_are_filed(db: Mongo, clock: FixedClock) -> None:
    put(db, clock, *range(1, 13))
    after = ticket_list_page(db, actor=EMPLOYEE, list_query=OWN).next_cursor
    put(db, clock, 13, 14)
    assert seen(db, OWN.with_cursor(after)) == [2, 1]


@pytest.mark.parametrize("selection", [OWN, QUEUE])
def test_a_page_that_has_emptied_is_the_first(
    db: Mongo, clock: FixedClock, selection: ListQuery
) -> None:
    put(db, clock, *range(1, 13))
    first = ticket_list_page(db, actor=MODERATOR, list_query=selection)
    after = selection.with_cursor(first.next_cursor)
    last = ticket_list_page(db, actor=MODERATOR, list_query=after)
    db.tickets.delete_many({"_id": {"$in": [ticket.id for ticket in last.tickets]}})
    assert seen(db, after) == read(first)


def test_back_at_the_start_the_page_is_full(db: Mongo, clock: FixedClock) -> None:
    put(db, clock, *range(1, 23))
    first = ticket_list_page(db, actor=EMPLOYEE, list_query=OWN)
    second = ticket_list_page(db, actor=EMPLOYEE, list_query=OWN.with_cursor(first.next_cursor))
    db.tickets.delete_many({"number": {"$in": [14, 16]}})
    page = ticket_list_page(db, actor=EMPLOYEE, list_query=OWN.with_cursor(second.previous_cursor))
    assert read(page) == [22, 21, 20, 19, 18, 17, 15, 13, 12, 11]
    assert page.previous_cursor is None


def test_a_position_of_another_list_is_the_first_page(db: Mongo, clock: FixedClock) -> None:
    put(db, clock, *range(1, 13))
    in_queue = ticket_list_page(db, actor=MODERATOR, list_query=QUEUE).next_cursor
    in_own = ticket_list_page(db, actor=MODERATOR, list_query=OWN).next_cursor
    assert seen(db, OWN.with_cursor(in_queue)) == seen(db, OWN)
    assert seen(db, QUEUE.with_cursor(in_own)) == seen(db, QUEUE)
    beyond = ListCursor(is_backward=False, sort_key="9" * 14, ticket_id=ObjectId())
    assert seen(db, OWN.with_cursor(beyond)) == seen(db, OWN)


def test_only_open_tickets_of_the_reader(db: Mongo, clock: FixedClock) -> None:
    for number, status in enumerate(Status):
        put(db, clock, number, status=status.value, assignedTo=ME, createdBy=SOMEBODY)
        put(db, clock, number + 10, status=status.value, assignedTo=SOMEBODY)
    is_open = [n for n, status in enumerate(Status) if status in OPEN_STATUSES]
    assert seen(db, ASSIGNED) == is_open
    assert seen(db, OWN) == [n + 10 for n in is_open[::-1]]
    assert sorted(map(int, map(str, seen(db, QUEUE)))) == is_open + [n + 10 for n in is_open]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("kind", WITH_STATUS)
def test_by_status(db: Mongo, clock: FixedClock, kind: ListKind, status: Status) -> None:
    for number, each in enumerate(Status):
        put(db, clock, number, status=each.value, assignedTo=ME, participants=[ME])
    done_in_queue = kind is ListKind.QUEUE and status is Status.COMPLETED
    expected = [] if done_in_queue else [list(Status).index(status)]
    assert seen(db, ListQuery(kind, status=status)) == expected


@pytest.mark.parametrize("kind", ListKind)
def test_by_priority(db: Mongo, clock: FixedClock, kind: ListKind) -> None:
    is_mine = kind is not ListKind.UNASSIGNED
    held: dict[str, Any] = {
        "assignedTo": ME if is_mine else None,
        "status": "IN_PROGRESS",
        "dueAt": clock(),
    }
    for number, each in enumerate(Priority):
        put(db, clock, number, priority=each.value, participants=[ME], **held)
    for number, each in enumerate(Priority):
        assert seen(db, ListQuery(kind, priority=each), clock=clock) == [number]


def test_by_assignee(db: Mongo, clock: FixedClock) -> None:
    for number, assignee in enumerate([None, ME, SOMEBODY]):
        put(db, clock, number, assignedTo=assignee)
    asked = [NO_ASSIGNEE, str(ME), str(SOMEBODY), str(ObjectId())]
    found = [seen(db, ListQuery(ListKind.QUEUE, assignee=who)) for who in asked]
    assert found == [[0], [1], [2], []]


def test_by_skill_in_all_its_spellings(db: Mongo, clock: FixedClock) -> None:
    for number, skills in enumerate([["VPN"], ["vpn", "DNS"], ["SAP"], []]):
        put(db, clock, number, relatedSkills=skills, assignedTo=ME, status="IN_PROGRESS")
    for kind in (ListKind.ASSIGNED, ListKind.QUEUE):
        assert seen(db, ListQuery(kind), skills=["VPN", "vpn"]) == [0, 1]


def test_by_everything_at_once(db: Mongo, clock: FixedClock) -> None:
    fields = itertools.product(("TODO", "WAITING"), ("low", "high"), (None, ME), ("VPN", "SAP"))
    for number, (status, priority, assignee, skill) in enumerate(fields):
        held: dict[str, Any] = {"assignedTo": assignee, "relatedSkills": [skill]}
        put(db, clock, number, status=status, priority=priority, **held)
    narrow = ListQuery(
        ListKind.QUEUE, status=Status.WAITING, priority=Priority.HIGH, assignee=str(ME)
    )
    assert seen(db, narrow, skills=["VPN"]) == [14]


def test_pages_keep_the_filters(db: Mongo, clock: FixedClock) -> None:
    for number in range(1, 25):
        put(db, clock, number, priority="high" if number % 2 else "low")
    narrow = ListQuery(ListKind.QUEUE, priority=Priority.HIGH)
    first = ticket_list_page(db, actor=MODERATOR, list_query=narrow)
    assert read(first) == list(range(1, 21, 2))
    assert seen(db, narrow.with_cursor(first.next_cursor)) == [21, 23]


@pytest.mark.parametrize("kind", OF_STAFF)
def test_only_staff_sees_more_than_their_own(db: Mongo, kind: ListKind) -> None:
    with pytest.raises(PermissionDenied, match="see other people's tickets"):
        ticket_list_page(db, actor=EMPLOYEE, list_query=ListQuery(kind))


def test_a_legacy_ticket_is_listed(db: Mongo) -> None:
    db.tickets.insert_one({"title": "Old", "status": "TODO", "createdBy": ME})
    (ticket,) = ticket_list_page(db, actor=EMPLOYEE, list_query=OWN).tickets
    assert (ticket.number, ticket.title, ticket.created_at) == (None, "Old", None)


def test_what_the_legacy_app_completed_is_no_longer_in_the_queue(
    db: Mongo, clock: FixedClock
) -> None:
    put(db, clock, 1, 2)
    done = db.tickets.find_one({}, sort=[("_id", 1)])
    db.tickets.update_one({"_id": done and done["_id"]}, {"$set": {"status": "COMPLETED"}})
    assert seen(db, QUEUE) == [2]


SELECTIONS = {
    "own": OWN,
    "own, done": ListQuery(ListKind.OWN, status=Status.COMPLETED),
    "participating": PARTICIPATING,
    "assigned": ASSIGNED,
    "assigned, done": ListQuery(ListKind.ASSIGNED, status=Status.COMPLETED),
    "assigned, by skill": ListQuery(ListKind.ASSIGNED, skill="skill"),
    "queue": QUEUE,
    "queue, waiting": ListQuery(ListKind.QUEUE, status=Status.WAITING),
    "queue, high": ListQuery(ListKind.QUEUE, priority=Priority.HIGH),
    "queue, unassigned": ListQuery(ListKind.QUEUE, assignee=NO_ASSIGNEE),
    "queue, somebody's": ListQuery(ListKind.QUEUE, assignee=str(ME)),
    "queue, by skill": ListQuery(ListKind.QUEUE, skill="skill"),
    "queue, somebody's by skill": ListQuery(ListKind.QUEUE, assignee=str(ME), skill="skill"),
    "waiting for me": WAITING_FOR_ME,
    "waiting for me, by age": replace(WAITING_FOR_ME, sort=Sort.AGE),
    "unassigned": UNASSIGNED,
    "unassigned, by priority": replace(UNASSIGNED, sort=Sort.PRIORITY),
    "overdue": OVERDUE,
    "overdue, by age": replace(OVERDUE, sort=Sort.AGE),
    "overdue, waiting": replace(OVERDUE, status=Status.WAITING),
    "overdue, somebody's by priority": replace(OVERDUE, assignee=str(ME), sort=Sort.PRIORITY),
}


# Filters within the tickets of one person.
OF_FEW = {"participating", "assigned, by skill", "queue, somebody's by skill"}


@pytest.mark.parametrize("side", ["first", "before", "after"])
@pytest.mark.parametrize("name", SELECTIONS)
def test_one_query_of_its_index_that_fetches_no_arrays(
    db: Mongo, watched_db: Mongo, commands: Commands, clock: FixedClock, name: str, side: str
) -> None:
    selection = SELECTIONS[name]
    status = selection.status or Status.REOPENED
    put(db, clock, *range(33), status=status.value, priority="high", dueAt=clock())
    long = {"events": [{"seq": 1}] * 100, "description": "long", "relatedSkills": ["VPN"]}
    is_free = selection.assignee == NO_ASSIGNEE or selection.kind is ListKind.UNASSIGNED
    assignee = None if is_free else ME
    db.tickets.update_many({}, {"$set": {**long, "assignedTo": assignee, "participants": [ME]}})
    skills = ["VPN"] if selection.skill else []
    first = ticket_list_page(db, actor=MODERATOR, list_query=selection, skills=skills)
    second = ticket_list_page(
        db, actor=MODERATOR, list_query=selection.with_cursor(first.next_cursor), skills=skills
    )
    third = ticket_list_page(
        db, actor=MODERATOR, list_query=selection.with_cursor(second.next_cursor), skills=skills
    )
    at = {"first": None, "before": third.previous_cursor, "after": first.next_cursor}[side]
    commands.sent.clear()
    page = ticket_list_page(
        watched_db, actor=MODERATOR, list_query=selection.with_cursor(at), skills=skills
    )
    assert len(page.tickets) == PAGE_SIZE
    assert {(ticket.events, ticket.description) for ticket in page.tickets} == {((), "")}
    ((sent, command),) = commands.sent
    *_, limit, fields = command["pipeline"]
    assert "hint" not in command  # without the index, it would be an error
    assert set(fields["$project"]) == set(ROW_FIELDS)
    assert limit["$limit"] == PAGE_SIZE + 1
    (query,) = queries(sent, command)
    assert fault(query) == (NOT_ALL_INDEXED if name in OF_FEW else "")


# Waiting for me, unassigned, overdue


def put_mixed(db: Mongo, clock: FixedClock) -> None:
    """Four tickets: filed in the order 1, 2, 3, 4, due in the order 2, 4, 1, 3."""
    start = clock()
    due = {1: ("low", 30), 2: ("low", 10), 3: ("urgent", 40), 4: ("high", 20)}
    for number, (priority, minutes) in due.items():
        at: dict[str, Any] = {"dueAt": start + timedelta(minutes=minutes)}
        put(db, clock, number, priority=priority, status="REOPENED", **at)


SORTED = {Sort.DUE: [2, 4, 1, 3], Sort.PRIORITY: [3, 4, 2, 1], Sort.AGE: [1, 2, 3, 4]}


@pytest.mark.parametrize("kind", SORTABLE)
@pytest.mark.parametrize("sort", Sort)
def test_by_due_time_priority_and_age(
    db: Mongo, clock: FixedClock, kind: ListKind, sort: Sort
) -> None:
    put_mixed(db, clock)
    if kind is not ListKind.UNASSIGNED:
        db.tickets.update_many({}, {"$set": {"assignedTo": ME}})
    clock.advance(hours=2)
    assert seen(db, ListQuery(kind, sort=sort), clock=clock) == SORTED[sort]


@pytest.mark.parametrize("kind", SORTABLE)
@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("apart", [60, 0])
def test_sorted_there_and_back(
    db: Mongo, clock: FixedClock, kind: ListKind, sort: Sort, apart: float
) -> None:
    late = clock()
    for number in range(23):
        assignee = None if kind is ListKind.UNASSIGNED else ME
        held: dict[str, Any] = {"assignedTo": assignee, "status": "REOPENED", "dueAt": late}
        put(db, clock, number, apart=apart, priority=list(Priority)[number % 4].value, **held)
    clock.advance(seconds=1)
    whole = seen(db, ListQuery(kind, sort=sort), size=100, clock=clock)
    assert sorted(map(int, map(str, whole))) == list(range(23))

    def turn(to: ListCursor | None) -> ListPage:
        query = ListQuery(kind, sort=sort, cursor=to)
        return ticket_list_page(db, actor=MODERATOR, list_query=query, clock=clock)

    first = turn(None)
    second = turn(first.next_cursor)
    third = turn(second.next_cursor)
    pages = [read(page) for page in (first, second, third)]
    assert pages == [whole[:10], whole[10:20], whole[20:]]
    assert third.next_cursor is None
    assert read(turn(third.previous_cursor)) == whole[10:20]
    assert read(turn(second.previous_cursor)) == whole[:10]


def test_a_cursor_of_another_order_is_a_place_in_this_one(db: Mongo, clock: FixedClock) -> None:
    for number in range(12):
        put(db, clock, number, priority="urgent" if number == 11 else "low")
    by_age = ticket_list_page(db, actor=MODERATOR, list_query=replace(UNASSIGNED, sort=Sort.AGE))
    assert read(by_age)[-1] == 9
    by_priority = replace(UNASSIGNED, sort=Sort.PRIORITY, cursor=by_age.next_cursor)
    assert seen(db, by_priority) == [10]
    assert by_priority.with_sort("age").cursor is None


def test_unassigned_are_the_open_ones_of_no_one(db: Mongo, clock: FixedClock) -> None:
    for number, status in enumerate(Status):
        put(db, clock, number, status=status.value)
        put(db, clock, number + 10, status=status.value, assignedTo=ME)
    is_open = [n for n, status in enumerate(Status) if status in OPEN_STATUSES]
    assert seen(db, UNASSIGNED) == is_open


def test_overdue_are_the_open_ones_after_their_due_time(db: Mongo, clock: FixedClock) -> None:
    now = clock()
    late: dict[str, Any] = {"dueAt": now - timedelta(minutes=1)}
    soon: dict[str, Any] = {"dueAt": now + timedelta(hours=1)}
    mine: dict[str, Any] = {"assignedTo": ME, "status": "IN_PROGRESS"}
    put(db, clock, 1, **late)
    put(db, clock, 2, **late, **mine)
    put(db, clock, 3, **soon)
    put(db, clock, 4, **soon, **mine)
    put(db, clock, 5, status="COMPLETED", **late)
    put(db, clock, 6, status="WAITING", assignedTo=SOMEBODY)  # its clock is stopped
    put(db, clock, 7, status="WAITING", assignedTo=SOMEBODY, **late)  # it has a deadline
    at = FixedClock()
    assert seen(db, OVERDUE, clock=at) == [1, 2, 7]
    assert seen(db, replace(OVERDUE, assignee=str(ME)), clock=at) == [2]
    assert seen(db, replace(OVERDUE, assignee=NO_ASSIGNEE), clock=at) == [1]
    at.advance(hours=2)
    assert seen(db, OVERDUE, clock=at) == [1, 2, 7, 3, 4]


@pytest.mark.parametrize("selection", [WAITING_FOR_ME, UNASSIGNED, OVERDUE])
def test_private_tickets_of_others_are_in_none(
    db: Mongo, clock: FixedClock, selection: ListQuery
) -> None:
    """Each is in its list for an admin, or for the moderator who is its assignee."""
    hidden: dict[str, Any] = {"private": True, "createdBy": SOMEBODY, "dueAt": clock()}
    put(db, clock, 1, **hidden)
    put(db, clock, 2, **hidden, assignedTo=SOMEBODY, status="IN_PROGRESS")
    put(db, clock, 3, **hidden, assignedTo=ME, status="IN_PROGRESS")
    for sort in Sort:
        sorted_query = replace(selection, sort=sort)
        mine = [] if selection is UNASSIGNED else [3]
        assert seen(db, sorted_query, clock=clock) == mine
        admin = Actor(SOMEBODY, Role.ADMIN)
        page = ticket_list_page(db, actor=admin, list_query=sorted_query, clock=clock)
        expected = {WAITING_FOR_ME: [2], UNASSIGNED: [1], OVERDUE: [1, 2, 3]}
        assert sorted(map(int, map(str, read(page)))) == expected[selection]


# The pages of a long list


def test_the_top_of_the_queue_is_read_without_its_rest(
    db: Mongo, watched_db: Mongo, commands: Commands, clock: FixedClock
) -> None:
    put(db, clock, *range(LOOKAHEAD + 50))

    def turn(to: ListCursor | None = None) -> ListPage:
        commands.sent.clear()
        wanted = QUEUE.with_cursor(to)
        return ticket_list_page(watched_db, actor=MODERATOR, list_query=wanted)

    def bounds() -> list[str | None]:
        matched = [command["pipeline"][0]["$match"] for _, command in commands.sent]
        return [match["queueKey"].get("$lt") for match in matched]

    assert read(turn()) == list(range(10))
    assert bounds() == [None]
    horizon = f"{sorted(db.tickets.distinct('queueKey'))[LOOKAHEAD - 1]}\0"
    page = turn()
    assert (read(page), bounds()) == (list(range(10)), [horizon])
    page = turn(page.next_cursor)
    assert (read(page), bounds()) == (list(range(10, 20)), [horizon])
    put(db, clock, 999, priority="urgent")
    assert (read(turn()), bounds()) == ([999, *range(9)], [horizon])
    # Once fewer are left there than a page has, the rest is read, and the next time a new part.
    left = [LOOKAHEAD - 1, *range(LOOKAHEAD, LOOKAHEAD + 50)]
    db.tickets.delete_many({"number": {"$nin": left}})
    assert (read(turn()), bounds()) == (left[:10], [horizon, None])
    assert (read(turn()), bounds()) == (left[:10], [None])


def test_lists_do_without_their_indexes(
    db: Mongo, clock: FixedClock, indexes_restored: None
) -> None:
    put(db, clock, 1, 2, assignedTo=ME, status="IN_PROGRESS")
    db.tickets.drop_indexes()
    assert [seen(db, selection) for selection in (OWN, ASSIGNED, QUEUE)] == [[2, 1], [1, 2], [1, 2]]


# With people and filters


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "dns")


@pytest.fixture
def ticket(tickets: TicketService, employee: User, moderator: User, db: Mongo) -> Ticket:
    """Assigned to the moderator."""
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


@pytest.mark.parametrize("kind", OF_STAFF)
def test_a_plain_user_has_one_list(lists: ListService, employee: User, kind: ListKind) -> None:
    with pytest.raises(PermissionDenied, match="see other people's tickets"):
        open_list(lists, employee, ListQuery(kind))


def test_it_names_the_people_in_it(
    lists: ListService, ticket: Ticket, employee: User, moderator: User
) -> None:
    listed = open_list(lists, moderator, QUEUE)
    assert set(listed.people.users) == {employee.id, moderator.id}
    assert listed.people.slack_ids[employee.id] == People.slack_id(employee)


def test_it_names_the_assignee_it_is_filtered_by(
    lists: ListService, moderator: User, people: People
) -> None:
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
    """A list ignores filters it does not have, also forged ones."""
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
    open_list(ListService(watched_db, LinkService(watched_db, users)), moderator, QUEUE)
    asked = [(name, command[name]) for name, command in commands.sent]
    people_of_tickets = [("find", "users"), ("find", "links")]
    assert [query for query in asked if query != ("find", "settings")] == [  # cached
        ("distinct", "users"),
        ("find", "users"),
        ("aggregate", "tickets"),
        *(people_of_tickets if count else ()),
    ]
