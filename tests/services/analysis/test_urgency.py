import pytest

from services.analysis.urgency import Claim, Settled, Signal, settled
from services.models.ticket import Priority

LOW, MEDIUM, HIGH, URGENT = Priority


@pytest.mark.parametrize(
    ("asked", "is_trusted", "found", "signal", "priority", "claim"),
    [
        # nobody asked: the analysis's
        (None, False, None, None, MEDIUM, None),
        (None, False, None, Signal.OUTAGE, MEDIUM, None),
        (None, False, LOW, Signal.OUTAGE, LOW, None),
        (None, False, HIGH, None, HIGH, None),
        (None, False, URGENT, None, HIGH, Claim.MODEL),
        (None, False, URGENT, Signal.PEOPLE, URGENT, Claim.MODEL),
        # a requester's stays, and their urgent where something speaks for it
        (LOW, False, URGENT, Signal.OUTAGE, LOW, None),
        (HIGH, False, LOW, None, HIGH, None),
        (URGENT, False, LOW, None, HIGH, Claim.REQUESTER),
        # two who say so are one claim: the model has read the requester's
        (URGENT, False, URGENT, None, HIGH, Claim.REQUESTER),
        (URGENT, False, None, Signal.REPORTS, URGENT, Claim.REQUESTER),
        # whoever works on tickets knows
        (URGENT, True, LOW, None, URGENT, None),
        (LOW, True, URGENT, Signal.OUTAGE, LOW, None),
    ],
)
def test_urgent_takes_a_second_signal(
    asked: Priority | None,
    is_trusted: bool,
    found: Priority | None,
    signal: Signal | None,
    priority: Priority,
    claim: Claim | None,
) -> None:
    assert settled(asked=asked, is_trusted=is_trusted, found=found, signal=signal) == Settled(
        priority, claim
    )
