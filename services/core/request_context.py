"""Which request, ticket and task the code at hand works for: every log line says so.

A request is what came from outside: a payload of Slack's, an HTTP request, a run of the sweep.
Its id travels in the headers of the tasks it causes, and of those that they cause.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

REQUEST_ID, TICKET_ID, TASK_ID = "request_id", "ticket_id", "task_id"

_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))


def new_request_id() -> str:
    return uuid.uuid4().hex


def current_ids() -> Mapping[str, str]:
    """Those that are known here and now, by their names above."""
    return _ids.get()


@contextmanager
def bound_ids(**known: str | None) -> Iterator[None]:
    """Know these ids, too, until the end of the block; None leaves one as it is."""
    token = _ids.set({**_ids.get(), **{name: value for name, value in known.items() if value}})
    try:
        yield
    finally:
        _ids.reset(token)


@contextmanager
def request_scope() -> Iterator[None]:
    """Something came from outside. Within a request that has its id already, that one stays."""
    with bound_ids(request_id=_ids.get().get(REQUEST_ID) or new_request_id()):
        yield


def reset_ids(**known: str | None) -> None:
    """Know these ids and no others, until somebody begins anew. For callbacks without a block."""
    _ids.set({name: value for name, value in known.items() if value})
