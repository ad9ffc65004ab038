"""The schedule of the faults, and a short run."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.faults import ALL_KINDS, INSTANCES, PROCESSES, schedule


def test_the_seed_fixes_the_schedule() -> None:
    assert schedule(1, 600) == schedule(1, 600)
    assert schedule(1, 600) != schedule(2, 600)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("seconds", [40, 150, 600])
def test_each_kind_strikes_and_one_fault_ends_before_the_next(seed: int, seconds: int) -> None:
    tracks = schedule(seed, seconds)
    assert {fault.name for track in tracks for fault in track} == ALL_KINDS
    for track in tracks:
        assert track[0].at > 0
        assert track[-1].at + track[-1].lasts < seconds
        assert all(before.at + before.lasts < after.at for before, after in pairwise(track))


def test_ten_minutes_have_many_faults_and_strike_every_process() -> None:
    signals, answers = schedule(1, 600)
    assert len(signals) + len(answers) >= 25
    hit = {(fault.target, fault.instance) for fault in signals if fault.target in PROCESSES}
    assert hit == {(name, number) for name in PROCESSES for number in range(INSTANCES)}


@pytest.mark.timeout(900)  # only limits a test that fails
def test_a_short_run_loses_nothing(tmp_path: Path) -> None:
    report = run(seed=1, tickets=30, seconds=40, directory=tmp_path)
    assert report.failures == [], report.table()
