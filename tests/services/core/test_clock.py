"""The clock, and what notices that it was set."""

from datetime import timedelta

import pytest

from services.core.clock import ClockWatch
from tests.conftest import FixedClock


@pytest.mark.parametrize(
    ("real", "shown", "jump"),
    [
        (10.0, 10.0, timedelta()),
        (10.0, 11.9, timedelta()),
        (10.0, 3_610.0, timedelta(hours=1)),
        (10.0, -3_590.0, timedelta(hours=-1)),
    ],
)
def test_a_clock_that_is_set_is_noticed_once(
    clock: FixedClock, real: float, shown: float, jump: timedelta
) -> None:
    passed = 0.0
    watch = ClockWatch(clock=clock, monotonic=lambda: passed)
    clock.now, passed = clock.now + timedelta(seconds=shown), real
    assert watch.jump() == jump
    clock.now, passed = clock.now + timedelta(seconds=5), passed + 5
    assert watch.jump() == timedelta()
