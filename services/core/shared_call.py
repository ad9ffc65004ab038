"""One call for all threads that wait for one: twenty that come during a call share the next."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(eq=False, slots=True)
class _Waiter(Generic[Q, A]):
    """A thread that waits for its answer, the only item of `answers` once it is there."""

    question: Q
    answers: tuple[A, ...] = ()


class SharedCall(Generic[Q, A]):
    """Thread-safe. `answer_all` gets the questions of all waiting threads and returns their answers
    in the same order. One call of it runs at a time.

    What it raises reaches the thread that called it, whose question is the first; each of the
    others then asks alone.
    """

    def __init__(self, answer_all: Callable[[Sequence[Q]], Sequence[A]]) -> None:
        self._answer_all = answer_all
        self._call_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._waiters: list[_Waiter[Q, A]] = []

    def ask(self, question: Q) -> A:
        """Return the answer of a call that begins after this one."""
        waiter: _Waiter[Q, A] = _Waiter(question)
        with self._queue_lock:
            self._waiters.append(waiter)
        with self._call_lock:
            if not waiter.answers:
                self._call(self._take(waiter))
        return waiter.answers[0]

    def _take(self, waiter: _Waiter[Q, A]) -> list[_Waiter[Q, A]]:
        """Take this waiter from the queue, with all others; it alone if it was taken already, by a
        thread whose call has failed."""
        with self._queue_lock:
            if waiter not in self._waiters:
                return [waiter]
            others, self._waiters = self._waiters, []
        others.remove(waiter)
        return [waiter, *others]

    def _call(self, waiters: Sequence[_Waiter[Q, A]]) -> None:
        answers = self._answer_all([waiter.question for waiter in waiters])
        for waiter, answer in zip(waiters, answers, strict=True):
            waiter.answers = (answer,)
