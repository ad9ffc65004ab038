"""When each kind of event last came: kept in memory, stored rarely, told by the doctor."""

from datetime import timedelta
from typing import Any

import pytest

from services.core.database import Mongo
from services.ops.check_runner import CheckStatus, Finding
from services.ops.event_arrivals import (
    COMPARE,
    STORE_INTERVAL,
    EventArrivals,
    describe_arrivals,
    event_kind,
    load_event_arrivals,
)
from tests.conftest import Commands, FixedClock

REACTION = {"type": "reaction_added"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (REACTION, "reaction_added"),
        ({"type": "message", "channel_type": "im"}, "message.im"),
        ({"type": "message", "channel_type": "channel"}, "message.channels"),
        ({"type": "message", "channel_type": "group"}, "message.groups"),
        ({"type": "message", "channel_type": "mpim"}, "message"),
        ({"type": "message", "channel_type": ["im"]}, "message"),
    ],
)
def test_an_event_has_the_name_of_its_subscription(event: dict[str, Any], kind: str) -> None:
    assert event_kind(event) == kind


def test_a_kind_is_stored_once_in_ten_minutes(
    watched_db: Mongo, commands: Commands, clock: FixedClock
) -> None:
    arrivals = EventArrivals(clock=clock)
    first = clock()
    for _ in range(50):
        arrivals.record(REACTION)
        arrivals.store_due(watched_db)
        clock.advance(seconds=10)
    assert load_event_arrivals(watched_db) == {"reaction_added": first}
    assert [name for name, _ in commands.sent].count("update") == 1
    clock.advance(seconds=STORE_INTERVAL.total_seconds())
    arrivals.store_due(watched_db)
    assert load_event_arrivals(watched_db) == {"reaction_added": first}
    arrivals.record(REACTION)
    arrivals.store_due(watched_db)
    assert load_event_arrivals(watched_db) == {"reaction_added": clock()}


def test_the_latest_of_several_bots_counts(db: Mongo, clock: FixedClock) -> None:
    early, late = EventArrivals(clock=clock), EventArrivals(clock=clock)
    early.record(REACTION)
    clock.advance(seconds=60)
    late.record(REACTION)
    for arrivals in (late, early):
        arrivals.store_due(db)
    assert load_event_arrivals(db) == {"reaction_added": clock()}


def test_each_kind_is_told(clock: FixedClock) -> None:
    kinds = ("message.im", "reaction_added")
    ago = {"message.im": clock() - timedelta(hours=3)}
    assert describe_arrivals(kinds, ago, now=clock()) == [
        Finding(
            CheckStatus.OK,
            "message.im 3 h ago; never reaction_added",
            f"Should one have come that never came? {COMPARE}",
        )
    ]
    all_came = {**ago, "reaction_added": clock() + timedelta(seconds=5), "user_change": clock()}
    assert describe_arrivals(kinds, all_came, now=clock()) == [
        Finding(CheckStatus.OK, "message.im 3 h ago, reaction_added 0 s ago")
    ]
    (none,) = describe_arrivals(kinds, {}, now=clock())
    assert none.message == "none has come yet"
