"""List queries as encoded in buttons and block_ids."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from services.lists.list_query import (
    FILTERS,
    NO_ASSIGNEE,
    STATUSES,
    Filter,
    ListCursor,
    ListKind,
    ListQuery,
    created_at_key,
    parse_created_at_key,
    skill_key,
)
from services.models.ticket import OPEN_STATUSES, Priority, Status
from services.sla.queue_key import Sort

ID = "65f0c0ffee65f0c0ffee0012"
KEY = "0-999999999999999-4-000001700000000"
EVERYTHING = ListQuery(
    ListKind.QUEUE,
    status=Status.REOPENED,
    priority=Priority.URGENT,
    assignee=ID,
    skill=skill_key("VPN"),
    cursor=ListCursor(is_backward=True, sort_key=KEY, ticket_id=ObjectId(ID)),
)
SORTED = replace(EVERYTHING, kind=ListKind.OVERDUE, sort=Sort.PRIORITY)


@pytest.mark.parametrize(
    "selection",
    [
        *(ListQuery(kind) for kind in ListKind),
        EVERYTHING,
        SORTED,
        ListQuery(ListKind.QUEUE, assignee=NO_ASSIGNEE),
        ListQuery(ListKind.OWN, status=Status.COMPLETED),
        ListQuery(ListKind.OWN, cursor=ListCursor(False, "1700000000000", ObjectId(ID))),
    ],
)
def test_it_survives_a_button(selection: ListQuery) -> None:
    assert ListQuery.decode(selection.encode()) == selection
    assert len(selection.encode()) <= 140  # leaves room for the rest of a block_id


@settings(deadline=None)
@given(
    forged=st.text(max_size=300) | st.text(alphabet="ownqueue,<>~-0123456789abcdef$", max_size=99)
)
def test_a_forged_one_is_read_as_one_of_ours(forged: str) -> None:
    read = ListQuery.decode(forged)
    assert ListQuery.decode(read.encode()) == read
    assert read.kind in ListKind
    assert read.status is None or read.status in STATUSES[read.kind]


@pytest.mark.parametrize(
    ("forged", "read"),
    [
        ("", ListQuery(ListKind.OWN)),
        ("everything", ListQuery(ListKind.OWN)),
        ('queue,{"$gt":""},x,{"$ne":null},$where', ListQuery(ListKind.QUEUE)),
        ("queue,COMPLETED", ListQuery(ListKind.QUEUE)),
        ("assigned,TODO", ListQuery(ListKind.ASSIGNED)),
        (f"own,,,{ID},{skill_key('VPN')}", ListQuery(ListKind.OWN)),
        (f"assigned,,,{ID}", ListQuery(ListKind.ASSIGNED)),
        (f"queue,,,{ID}0", ListQuery(ListKind.QUEUE)),
        ("queue,,,nobody,VPN", ListQuery(ListKind.QUEUE, assignee=NO_ASSIGNEE)),
        ("queue,,,,,,age", ListQuery(ListKind.QUEUE)),
        ("overdue,,,,,,size", ListQuery(ListKind.OVERDUE)),
        ("unassigned,TODO,,nobody", ListQuery(ListKind.UNASSIGNED)),
    ],
)
def test_what_a_list_has_no_filter_for_is_left_away(forged: str, read: ListQuery) -> None:
    assert ListQuery.decode(forged) == read


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "<",
        "<1~",
        "<1~xyz",
        f">x~{ID}",
        '{"$gt": ""}',
        f"<{'9' * 15}~{ID}",
        f">2-999999999999999-4-000001700000000~{ID}",
        f"<1~{ID}\n",
    ],
)
def test_a_forged_position_is_the_first_page(forged: str) -> None:
    assert ListCursor.decode(forged) is None


def test_a_filter_changes_the_list_and_leads_to_its_first_page() -> None:
    changed = EVERYTHING.with_filter(Filter.PRIORITY, "low")
    assert changed == ListQuery(
        ListKind.QUEUE,
        status=Status.REOPENED,
        priority=Priority.LOW,
        assignee=ID,
        skill=skill_key("VPN"),
    )
    for by in Filter:
        assert getattr(EVERYTHING.with_filter(by, "any"), by) in (None, "")
    assert EVERYTHING.without_filters == ListQuery(ListKind.QUEUE)


def test_filters_keep_the_order() -> None:
    assert SORTED.with_filter(Filter.PRIORITY, "low").sort is Sort.PRIORITY
    assert SORTED.without_filters == ListQuery(ListKind.OVERDUE, sort=Sort.PRIORITY)
    by_age = SORTED.with_sort("age")
    assert (by_age.sort, by_age.cursor, by_age.priority) == (Sort.AGE, None, Priority.URGENT)
    assert not ListQuery(ListKind.OVERDUE, sort=Sort.AGE).has_filters


def test_whether_it_is_narrowed() -> None:
    assert EVERYTHING.has_filters
    assert not EVERYTHING.without_filters.has_filters
    assert not EVERYTHING.without_filters.with_cursor(EVERYTHING.cursor).has_filters


@pytest.mark.parametrize("kind", ListKind)
def test_every_filter_of_a_list_can_be_set(kind: ListKind) -> None:
    values = {"status": "WAITING", "priority": "high", "assignee": ID, "skill": skill_key("VPN")}
    for by in Filter:
        is_set = ListQuery(kind).with_filter(by, values[by]).has_filters
        assert is_set == (by in FILTERS[kind])


def test_a_requester_cannot_ask_for_what_is_internal() -> None:
    assert not {Filter.SKILL, Filter.ASSIGNEE} & set(FILTERS[ListKind.OWN])


def test_the_queue_is_of_what_is_open() -> None:
    assert STATUSES[ListKind.QUEUE] == OPEN_STATUSES


def test_a_skill_is_one_however_it_is_spelled() -> None:
    assert skill_key("VPN") == skill_key("vpn") != skill_key("DNS")
    assert len(skill_key("🔥" * 500)) == 12


def test_moments() -> None:
    now = datetime(2026, 5, 1, 12, 30, 15, 123_000, tzinfo=UTC)
    for at in (now, now - timedelta(days=365 * 40)):
        assert parse_created_at_key(created_at_key(at)) == at
    assert created_at_key(datetime(1950, 1, 1, tzinfo=UTC)) == "0"
    assert parse_created_at_key("9" * 14) is not None  # a forged one is read as a time, too
    assert parse_created_at_key(KEY) is None
