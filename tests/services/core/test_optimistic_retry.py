import pytest

from services.core.errors import Conflict
from services.core.optimistic_retry import BUSY, MAX_ATTEMPTS, retry_on_conflict


@pytest.mark.parametrize("result", ["done", 0, "", ()])
def test_the_first_result_is_returned(result: object) -> None:
    results = [None, None, result, "later"]
    assert retry_on_conflict(lambda: results.pop(0)) == result
    assert results == ["later"]


@pytest.mark.parametrize("busy_message", [BUSY, "Try again with a new code."])
def test_it_gives_up_with_a_sentence(busy_message: str) -> None:
    attempts = []
    with pytest.raises(Conflict) as busy:
        retry_on_conflict(lambda: attempts.append(1), busy_message=busy_message)
    assert (str(busy.value), len(attempts)) == (busy_message, MAX_ATTEMPTS)
