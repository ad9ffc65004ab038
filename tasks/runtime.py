"""What tasks work with. One a process, made after the fork: a client never crosses one."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk import WebClient

from services.analysis import Analyst
from services.assigning import AssignmentStore
from services.clock import Clock, utcnow
from services.database import Mongo
from services.home import HomeService
from services.links import LinkService
from services.model_store import ModelStore
from services.users import UserService
from services.visits import VisitService
from tasks.mails.office import MailOffice
from tasks.publisher import CeleryPublisher


@dataclass(frozen=True, slots=True)
class Runtime:
    """`analyst` is None where no key is set: then the offline router reads every ticket.

    `triage_channel` is a channel's id, or "" where there is none. `mail` is None where mail is off.
    """

    db: Mongo
    users: UserService
    links: LinkService
    assignments: AssignmentStore
    models: ModelStore
    home: HomeService
    visits: VisitService
    slack: WebClient
    publisher: CeleryPublisher
    analyst: Analyst | None
    clock: Clock
    triage_channel: str
    mail: MailOffice | None

    @classmethod
    def of(
        cls,
        db: Mongo,
        users: UserService,
        links: LinkService,
        *,
        slack: WebClient,
        publisher: CeleryPublisher,
        analyst: Analyst | None = None,
        clock: Clock = utcnow,
        triage_channel: str = "",
        mail: MailOffice | None = None,
    ) -> "Runtime":
        """With the rest made here, on `db`."""
        return cls(
            db=db,
            users=users,
            links=links,
            assignments=AssignmentStore(db, links),
            models=ModelStore(db, clock=clock),
            home=HomeService(db, users, links, clock=clock),
            visits=VisitService(db, clock=clock),
            slack=slack,
            publisher=publisher,
            analyst=analyst,
            clock=clock,
            triage_channel=triage_channel,
            mail=mail,
        )


class _Slot:
    build: Callable[[], Runtime] | None = None
    made: tuple[int, Runtime] | None = None


def configure(build: Callable[[], Runtime]) -> None:
    """How each worker process makes its own; called once by the composition root."""
    _Slot.build, _Slot.made = build, None


def current() -> Runtime:
    """This process's runtime, made at its first use in the process."""
    if _Slot.build is None:
        raise RuntimeError("tasks.runtime.configure was not called")
    if _Slot.made is None or _Slot.made[0] != os.getpid():
        _Slot.made = (os.getpid(), _Slot.build())
    return _Slot.made[1]
