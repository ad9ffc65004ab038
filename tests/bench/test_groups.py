"""Each group measures what its rows say, here in small; no test judges a time."""

from collections.abc import Iterator

import pytest

from bench.__main__ import GROUPS
from bench.stand import Sizes, Stand

SMALL = Sizes(
    rounds=1,
    operations=1,
    requests=12,
    form_seconds=0,
    long_list=101,
    few=420,
    many=440,
    crisis=410,
    candidates=60,
    large_team=250,
    due=3,
    assigned=4,
)
ROWS = {
    "form": [
        "open the form, 20 people at once",
        "100 presses within 50 ms, until all forms are open",
    ],
    "filing": ["file a ticket, 10 at a time", "file a ticket, one at a time, median"],
    "api": [
        "POST /api/tickets, 10 at a time",
        "GET 10 own tickets, 10 at a time",
        "GET the newest 100 of 101 own tickets",
    ],
    "assignment": ["assign a ticket and send its messages, https"],
    "memory": [
        "app.py --help",
        "start a bot",
        "start a worker with a Gemini key, 4 children",
    ],
    "lists": [
        "a page of one's own tickets among 440 tickets",
        "a page of assigned tickets among 440 tickets",
        "Home of a user among 440 tickets",
        "Home of a moderator among 440 tickets",
        "a page of the queue among 440 open tickets",
        "a moderator's page of the queue among 440 open tickets",
        "a moderator's page of the queue, a third of 440 private",
        "a page of one's own tickets, a third of 440 private",
    ],
    "search": [
        "search for 50 texts among 440 tickets",
        "search in one's own tickets among 440 tickets",
    ],
    "alike": ["compare 212 pairs of tickets"],
    "change": [
        "change one ticket among 440",
        "file a ticket, 8 at a time, among 440 open",
    ],
    "metrics": ["/metrics with 440 tickets"],
    "choosing": [
        "choose among 50 moderators, 400 of 440 tickets open",
        "choose among 50 moderators, 410 of 440 tickets open",
        "choose among 60 candidates in memory",
        "choose among 250 moderators, two skills",
        "choose among 250 moderators, no skill",
    ],
    "escalation": [
        "see that nothing is due among 440 open tickets",
        "take a step that is due among 440 open tickets",
    ],
}


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with Stand(SMALL) as made:
        yield made


# They start processes, or press a button a hundred times.
EXPENSIVE = {"form", "assignment", "memory"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in EXPENSIVE)) for name in GROUPS]
)
def test_the_rows_of_a_group(stand: Stand, name: str) -> None:
    rows = list(GROUPS[name](stand))
    assert [row.name for row in rows] == ROWS[name]
    assert all(row.cost.ms > 0 and row.other.ms > 0 for row in rows)
