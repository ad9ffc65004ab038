"""Ids belong to the work at hand: to its block, its thread, its request."""

import threading

from services import trace


def test_ids_are_known_until_the_end_of_the_block() -> None:
    with trace.working_on(request_id="r", ticket_id=None):
        with trace.working_on(ticket_id="t", request_id=None):
            assert trace.ids() == {"request_id": "r", "ticket_id": "t"}
        assert trace.ids() == {"request_id": "r"}
    assert trace.ids() == {}


def test_a_request_within_a_request_is_the_same() -> None:
    with trace.request():
        outer = trace.ids()["request_id"]
        with trace.request():
            assert trace.ids()["request_id"] == outer
    with trace.request():
        assert trace.ids()["request_id"] != outer


def test_other_threads_know_nothing_of_it() -> None:
    seen: list[object] = []
    with trace.request():
        thread = threading.Thread(target=lambda: seen.append(dict(trace.ids())))
        thread.start()
        thread.join()
    assert seen == [{}]


def test_begin_forgets_what_was_before() -> None:
    def tasks() -> None:
        trace.begin(task_id="1", ticket_id="a")
        trace.begin(task_id="2", request_id=None)
        seen.append(dict(trace.ids()))
        trace.begin()
        seen.append(dict(trace.ids()))

    seen: list[dict[str, str]] = []
    thread = threading.Thread(target=tasks)
    thread.start()
    thread.join()
    assert seen == [{"task_id": "2"}, {}]
