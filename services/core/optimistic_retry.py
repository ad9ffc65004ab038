"""Retry of an update that lost a race against a concurrent change of the same document."""

from collections.abc import Callable
from typing import TypeVar

from services.core.errors import Conflict

BUSY = "Many people are changing this right now. Try again in a moment."
# An attempt fails only if a concurrent one succeeded, so this many have to win in a row.
MAX_ATTEMPTS = 60
Result = TypeVar("Result")


def retry_on_conflict(attempt: Callable[[], Result | None], *, busy_message: str = BUSY) -> Result:
    """Return the first result of `attempt` that is not None.

    `attempt` reads, decides and updates; it returns None if what it read has changed since. Raises
    `Conflict` with `busy_message` after `MAX_ATTEMPTS`.
    """
    for _ in range(MAX_ATTEMPTS):
        if (result := attempt()) is not None:
            return result
    raise Conflict(busy_message)
