"""Threads that ask at the same time share a call."""

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from services.core.shared_call import SharedCall
from tests.conftest import at_once
from tests.support.processes import eventually


class Counter:
    """Answers each number with its square. The first call waits until all others wait for it; the
    calls whose place is in `failing` raise."""

    def __init__(self, *, failing: Sequence[int] = ()) -> None:
        self.calls: list[tuple[int, ...]] = []
        self._failing = failing
        self._begun, self._go = threading.Event(), threading.Event()
        self._shared = SharedCall(self._square)

    def ask_all(self, *numbers: int) -> list[Any]:
        """Return the results of a caller, and of others that come during its call."""

        def ask(place: int, number: int) -> int:
            if place:
                self._begun.wait()
            return self._shared.ask(number)

        def let_go() -> None:
            self._begun.wait()
            are_waiting = len(numbers) - 1
            eventually(lambda: len(self._shared._waiters) == are_waiting, what="all in line")
            self._go.set()

        self._begun.clear()
        waiting = threading.Thread(target=let_go)
        waiting.start()
        results = at_once(*(partial(ask, *one) for one in enumerate(numbers)))
        waiting.join()
        return results

    def _square(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(tuple(numbers))
        self._begun.set()
        self._go.wait()
        if len(self.calls) in self._failing:
            raise ConnectionError
        return [number**2 for number in numbers]


def test_those_who_come_during_a_call_share_the_next() -> None:
    counter = Counter()
    assert counter.ask_all(1, 2, 3, 4) == [1, 4, 9, 16]
    assert [len(call) for call in counter.calls] == [1, 3]


def test_a_caller_alone_does_not_wait() -> None:
    counter = Counter()
    assert [counter.ask_all(number) for number in (5, 5)] == [[25], [25]]
    assert counter.calls == [(5,), (5,)]


def test_an_error_reaches_the_caller_and_the_others_ask_alone() -> None:
    counter = Counter(failing=[2])
    results = counter.ask_all(1, 2, 3, 4)
    assert [type(result) for result in results].count(ConnectionError) == 1
    assert {1, 4, 9, 16} > {result for result in results if isinstance(result, int)}
    assert [len(call) for call in counter.calls] == [1, 3, 1, 1]
