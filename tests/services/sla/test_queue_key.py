"""The queue key sorts in the order of the queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from services.models.ticket import OPEN_STATUSES, Priority, Status, Ticket
from services.sla.queue_key import QUEUE_KEY_PATTERN, queue_key
from tests.conftest import sample_ticket

URGENCY = [Priority.URGENT, Priority.HIGH, Priority.MEDIUM, Priority.LOW, None]
SOMEBODY = ObjectId()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
MOMENTS = st.integers(1, (LATEST - EPOCH) // timedelta(milliseconds=1)).map(
    lambda passed: EPOCH + timedelta(milliseconds=passed)
)
TICKETS = st.builds(
    sample_ticket,
    status=st.sampled_from(OPEN_STATUSES),
    assigned_to=st.sampled_from([None, SOMEBODY]),
    due_at=st.none() | MOMENTS,
    priority=st.sampled_from(URGENCY),
    created_at=st.none() | MOMENTS,
)
FOREVER = datetime.max.replace(tzinfo=UTC)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def in_words(ticket: Ticket) -> tuple[Any, ...]:
    """The order, as a tuple that sorts in it."""
    return (
        ticket.assigned_to is not None,
        ticket.due_at or FOREVER,
        URGENCY.index(ticket.priority),
        ticket.created_at or LONG_AGO,
    )


def key(ticket: Ticket) -> str:
    found = queue_key(ticket)
    assert found is not None
    return found


@settings(deadline=None)
@given(one=TICKETS, other=TICKETS)
def test_the_keys_sort_like_the_order(one: Ticket, other: Ticket) -> None:
    if in_words(one) < in_words(other):
        assert key(one) < key(other)
    if in_words(one) == in_words(other):
        assert key(one) == key(other)


@settings(deadline=None)
@given(ticket=TICKETS)
def test_every_key_is_read_again(ticket: Ticket) -> None:
    assert QUEUE_KEY_PATTERN.fullmatch(key(ticket))


def test_completed_ticket_has_no_queue_key() -> None:
    assert queue_key(sample_ticket(status=Status.COMPLETED)) is None


def test_unassigned_first_then_due_then_priority_then_age() -> None:
    now = datetime(2030, 5, 1, tzinfo=UTC)
    hours = [now + timedelta(hours=number) for number in range(3)]
    mine: dict[str, Any] = {"assigned_to": SOMEBODY, "status": Status.IN_PROGRESS}
    expected: list[dict[str, Any]] = [
        {"due_at": hours[0], "priority": Priority.LOW, "created_at": hours[2]},
        {"due_at": hours[1], "priority": Priority.URGENT, "created_at": hours[0]},
        {"priority": Priority.URGENT, "created_at": hours[2]},
        {"priority": Priority.LOW, "created_at": hours[0]},
        {"priority": Priority.LOW, "created_at": hours[1]},
        {"priority": None, "created_at": hours[0]},
        {**mine, "due_at": hours[0], "priority": Priority.LOW, "created_at": hours[2]},
        {**mine, "priority": Priority.URGENT, "created_at": hours[0]},
    ]
    keys = [key(sample_ticket(**fields)) for fields in expected]
    assert keys == sorted(keys)


def test_a_date_before_1970_is_as_early_as_can_be() -> None:
    assert key(sample_ticket(created_at=datetime(1950, 1, 1, tzinfo=UTC))) == key(
        sample_ticket(created_at=None)
    )


def test_until_its_due_time_is_worked_out_a_ticket_goes_by_its_deadline() -> None:
    at = datetime(2030, 5, 1, tzinfo=UTC)
    assert key(sample_ticket(deadline=at)) == key(sample_ticket(due_at=at))
    assert key(sample_ticket(deadline=at, due_at=EPOCH)) == key(sample_ticket(due_at=EPOCH))
