import pytest

from services.analysis.urgency import PriorityDecision, UrgencyClaim, UrgencySignal, decide_priority
from services.models.ticket import Priority

LOW, MEDIUM, HIGH, URGENT = Priority


@pytest.mark.parametrize(
    ("asked", "is_trusted", "found", "signal", "priority", "claim"),
    [
        # no request: the analysis decides
        (None, False, None, None, MEDIUM, None),
        (None, False, None, UrgencySignal.OUTAGE, MEDIUM, None),
        (None, False, LOW, UrgencySignal.OUTAGE, LOW, None),
        (None, False, HIGH, None, HIGH, None),
        (None, False, URGENT, None, HIGH, UrgencyClaim.MODEL),
        (None, False, URGENT, UrgencySignal.PEOPLE, URGENT, UrgencyClaim.MODEL),
        # a requester's stays; their urgent only with a signal
        (LOW, False, URGENT, UrgencySignal.OUTAGE, LOW, None),
        (HIGH, False, LOW, None, HIGH, None),
        (URGENT, False, LOW, None, HIGH, UrgencyClaim.REQUESTER),
        # two claims count as one: the model has read the requester's
        (URGENT, False, URGENT, None, HIGH, UrgencyClaim.REQUESTER),
        (URGENT, False, None, UrgencySignal.REPORTS, URGENT, UrgencyClaim.REQUESTER),
        # staff are trusted
        (URGENT, True, LOW, None, URGENT, None),
        (LOW, True, URGENT, UrgencySignal.OUTAGE, LOW, None),
    ],
)
def test_urgent_takes_a_second_signal(
    asked: Priority | None,
    is_trusted: bool,
    found: Priority | None,
    signal: UrgencySignal | None,
    priority: Priority,
    claim: UrgencyClaim | None,
) -> None:
    assert decide_priority(
        requested=asked, is_trusted=is_trusted, suggested=found, signal=signal
    ) == PriorityDecision(priority, claim)
