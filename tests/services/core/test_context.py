"""Ids belong to the work at hand: to its block, its thread, its request."""

import threading

from services.core import context


def test_ids_are_known_until_the_end_of_the_block() -> None:
    with context.working_on(request_id="r", ticket_id=None):
        with context.working_on(ticket_id="t", request_id=None):
            assert context.ids() == {"request_id": "r", "ticket_id": "t"}
        assert context.ids() == {"request_id": "r"}
    assert context.ids() == {}


def test_a_request_within_a_request_is_the_same() -> None:
    with context.request():
        outer = context.ids()["request_id"]
        with context.request():
            assert context.ids()["request_id"] == outer
    with context.request():
        assert context.ids()["request_id"] != outer


def test_other_threads_know_nothing_of_it() -> None:
    seen: list[object] = []
    with context.request():
        thread = threading.Thread(target=lambda: seen.append(dict(context.ids())))
        thread.start()
        thread.join()
    assert seen == [{}]


def test_begin_forgets_what_was_before() -> None:
    def tasks() -> None:
        context.begin(task_id="1", ticket_id="a")
        context.begin(task_id="2", request_id=None)
        seen.append(dict(context.ids()))
        context.begin()
        seen.append(dict(context.ids()))

    seen: list[dict[str, str]] = []
    thread = threading.Thread(target=tasks)
    thread.start()
    thread.join()
    assert seen == [{"task_id": "2"}, {}]
