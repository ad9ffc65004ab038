"""Ids of the current request, ticket and task, for the log lines.

A request comes from outside: a payload from Slack, an HTTP request, a run of the sweep. The headers
of the tasks that it publishes, directly or not, carry its id.
"""

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

REQUEST_ID, TICKET_ID, TASK_ID = "request_id", "ticket_id", "task_id"

_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))


# Not the module's own generator, which tests seed.
_generator = random.Random()  # noqa: S311  an id is no secret
os.register_at_fork(after_in_child=_generator.seed)


def new_request_id() -> str:
    """Return 32 hex digits. They are no secret: to ask the kernel for them would cost each request
    a system call."""
    return f"{_generator.getrandbits(128):032x}"


def current_ids() -> Mapping[str, str]:
    """Return the ids that are set, by name."""
    return _ids.get()


@contextmanager
def bound_ids(**known: str | None) -> Iterator[None]:
    """Set these ids for the block; None leaves one unchanged."""
    token = _ids.set({**_ids.get(), **{name: value for name, value in known.items() if value}})
    try:
        yield
    finally:
        _ids.reset(token)


@contextmanager
def request_scope() -> Iterator[None]:
    """Set a new request id for the block, unless one is set."""
    with bound_ids(request_id=_ids.get().get(REQUEST_ID) or new_request_id()):
        yield


def reset_ids(**known: str | None) -> None:
    """Replace all ids. For callbacks, which have no block."""
    _ids.set({name: value for name, value in known.items() if value})
