"""The benchmark of assignment counts what a worker does; the times do not matter here."""

import pytest

from bench import assignment


@pytest.mark.long
def test_what_a_ticket_takes() -> None:
    time, cpu = assignment.figures(tickets=4, rounds=1)
    assert time.ms > 0
    assert cpu.ms > 0
    assert "3.00 chat.postMessage" in time.note
    trips = float(time.note.partition("; ")[2].partition(" trips")[0])
    assert trips >= 12
