"""Ids are local to a block, a thread and a request."""

import threading

from services.core import request_context


def test_ids_are_known_until_the_end_of_the_block() -> None:
    with request_context.bound_ids(request_id="r", ticket_id=None):
        with request_context.bound_ids(ticket_id="t", request_id=None):
            assert request_context.current_ids() == {"request_id": "r", "ticket_id": "t"}
        assert request_context.current_ids() == {"request_id": "r"}
    assert request_context.current_ids() == {}


def test_a_request_within_a_request_is_the_same() -> None:
    with request_context.request_scope():
        outer = request_context.current_ids()["request_id"]
        with request_context.request_scope():
            assert request_context.current_ids()["request_id"] == outer
    with request_context.request_scope():
        assert request_context.current_ids()["request_id"] != outer


def test_other_threads_know_nothing_of_it() -> None:
    seen: list[object] = []
    with request_context.request_scope():
        thread = threading.Thread(target=lambda: seen.append(dict(request_context.current_ids())))
        thread.start()
        thread.join()
    assert seen == [{}]


def test_begin_forgets_what_was_before() -> None:
    def tasks() -> None:
        request_context.reset_ids(task_id="1", ticket_id="a")
        request_context.reset_ids(task_id="2", request_id=None)
        seen.append(dict(request_context.current_ids()))
        request_context.reset_ids()
        seen.append(dict(request_context.current_ids()))

    seen: list[dict[str, str]] = []
    thread = threading.Thread(target=tasks)
    thread.start()
    thread.join()
    assert seen == [{"task_id": "2"}, {}]
