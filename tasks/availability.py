"""Who is here, as Slack has it: asked for, kept, and what follows from it told."""

from services.clock import Clock
from services.database import Mongo
from services.handover import HandOvers
from services.presences import Presences
from tasks import handover, presence
from tasks.app import AVAILABILITY, AVAILABILITY_SECONDS, celery
from tasks.publisher import CeleryPublisher
from tasks.runtime import Runtime, current


@celery.task(
    name=AVAILABILITY,
    soft_time_limit=AVAILABILITY_SECONDS,
    time_limit=AVAILABILITY_SECONDS + 10,
)
def availability() -> None:
    """Ask about whoever is due, and send what is. A fault leaves it to the jobs."""
    run(current())


def run(runtime: Runtime) -> None:
    presence.read_due(runtime)
    handover.send_due(runtime)


def ask(db: Mongo, publisher: CeleryPublisher, *, clock: Clock) -> None:
    """The job: end what is over, and hint at what is due."""
    presences = Presences(db, clock=clock)
    presences.end_absences()
    if presences.has_due() or HandOvers(db, clock=clock).has_due():
        publisher.availability()
