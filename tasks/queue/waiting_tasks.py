"""The tasks that wait in Redis, so that the jobs do not publish them again.

The queues themselves are read: a record beside them would be wrong after a loss of data. A task
that a worker has taken does not wait any more, so what a killed worker had is published again.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from celery import Celery

from tasks.queue.celery_app import ASSIGN_TASK, KEY_PREFIX, NOTIFY_TASK, QUEUES

# Per queue; a message has about 1 kB.
MAX_READ, SLICE_SIZE = 10_000, 1_000


@dataclass(frozen=True, slots=True)
class WaitingTasks:
    """`tasks` are (name, argument), and (name, "") for any argument.

    If there are more than `MAX_READ`, each task counts as waiting: one that does not is published
    when the queues are shorter.
    """

    tasks: frozenset[tuple[str, str]] = frozenset()
    is_cut: bool = False

    def has(self, task: str, argument: str = "") -> bool:
        return self.is_cut or (task, argument) in self.tasks

    def has_ticket(self, ticket_id: str) -> bool:
        """Whether a task about the ticket waits."""
        return any(self.has(task, ticket_id) for task in (NOTIFY_TASK, ASSIGN_TASK))


def read_waiting(
    celery: Celery, *, limit: int = MAX_READ, slice_size: int = SLICE_SIZE
) -> WaitingTasks:
    """Read the queues. Raises what Redis or kombu raise."""
    tasks: set[tuple[str, str]] = set()
    is_cut = False
    with celery.connection_for_write() as connection:
        channel: Any = connection.default_channel
        client = channel.client
        for queue in QUEUES:
            # From the end at which tasks are added: one that is added or taken concurrently shifts
            # others into the next slice or out of this one, but none past both.
            for start in range(0, limit, slice_size):
                # kombu's prefix is not added to this command
                messages = client.lrange(f"{KEY_PREFIX}{queue}", start, start + slice_size - 1)
                tasks.update(_identities(messages))
                if len(messages) < slice_size:
                    break
            else:
                is_cut = True
    return WaitingTasks(frozenset(tasks), is_cut)


def _identities(messages: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for message in messages:
        with suppress(ValueError, TypeError, LookupError):  # not a task of the product
            read = json.loads(message)
            args, kwargs, _ = json.loads(b64decode(read["body"]))
            name = str(read["headers"]["task"])
            yield name, ""
            for value in (*args, *kwargs.values()):
                yield from (
                    (name, str(one)) for one in (value if isinstance(value, list) else [value])
                )
