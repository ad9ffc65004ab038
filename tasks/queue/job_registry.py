"""Registry of the jobs: recurring work that each module declares beside its own code.

`tasks.processes.jobs` imports the modules, `tasks.processes.scheduler` runs what they declared. The
doctor and the metrics know every job by its name.

A job finds due work by an index, does a limited amount of it, and leaves the rest to its next run.
Every change it makes is a conditional update, so that it may run twice, even concurrently.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from services.registry.services import Services
from tasks.queue.publisher import CeleryPublisher


@dataclass(frozen=True, slots=True)
class JobContext:
    """A job calls `should_continue` between batches, and stops if it returns False."""

    services: Services
    publisher: CeleryPublisher
    should_continue: Callable[[], bool]


JobFunction = Callable[[JobContext], object]


@dataclass(frozen=True, slots=True)
class Job:
    """`run` raises `PublishFailed` or `PyMongoError` while the broker or the database is
    unreachable; its next run repeats the work."""

    name: str
    every: timedelta
    run: JobFunction


JOBS: dict[str, Job] = {}


def job(name: str, *, every: timedelta) -> Callable[[JobFunction], JobFunction]:
    """Declare the decorated function as a job. Raises `ValueError` for a name that is taken."""

    def register(run: JobFunction) -> JobFunction:
        if name in JOBS:
            raise ValueError(f"two jobs are named {name}")
        JOBS[name] = Job(name, every, run)
        return run

    return register
