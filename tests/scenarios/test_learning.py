"""The learned router, from resolved tickets to the next ticket's card."""

import os
import subprocess
import sys
from time import sleep

from demo.binaries import ROOT
from demo.servers import MongoServer, RedisServer
from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.registry.services import Services
from services.routing.model_store import ModelKind, ModelStore
from services.routing.training import Training
from services.tickets.filing import TicketService
from tasks.processes.scheduler import Scheduler
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import FixedClock, People, file_ticket, reload
from tests.support import payloads
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.processes import Product, celery_for, eventually

pytest_plugins = ["tests.support.product", "tests.support.scenario"]


def resolved(db: Mongo, clock: FixedClock, by: User, skill: str, title: str) -> None:
    db.tickets.insert_one(
        {
            "title": title,
            "description": "It does so since Monday.",
            "status": "COMPLETED",
            "resolution": "resolved",
            "assignedTo": by.id,
            "relatedSkills": [skill],
            "completedAt": clock(),
        }
    )


def test_after_one_resolved_ticket_the_next_like_it_finds_the_expert(
    services: Services, system: BotAndWorkers, people: People, db: Mongo, clock: FixedClock
) -> None:
    requester = people.add()
    people.add(Role.MODERATOR, "Printer")
    expert = people.add(Role.MODERATOR, "VPN")
    resolved(db, clock, expert, "VPN", "The tunnel to the office drops")
    jobs = Scheduler(services, system.publisher)
    jobs.run("learn")
    assert ModelStore(db, clock=clock).skill_model() is None  # only the leader trains
    jobs.renew_leadership()
    jobs.run("learn")

    found = system.now(system.file(requester, "My tunnel to the office drops"))
    assert (found.assigned_to, found.related_skills) == (expert.id, ("VPN",))
    assert found.assignment["analysis"]["basis"] == "learned"
    assert found.assignment["source"] == "router"
    assert system.texts(expert) == ["assigned to you"]
    page = system.bot.answer(payloads.slash_command("view 1", user=People.slack_id(expert)))
    assert "Skills that similar resolved tickets needed." in str(page["blocks"])


def test_a_damaged_model_leaves_the_names_in_the_text(
    system: BotAndWorkers, people: People, db: Mongo, clock: FixedClock
) -> None:
    expert = people.add(Role.MODERATOR, "VPN")
    resolved(db, clock, expert, "VPN", "The tunnel drops")
    Training(db, clock=clock).run_if_due()
    db.models.update_many({}, {"$set": {"checksum": "0"}})
    ticket = system.file(people.add(), "The vpn drops")
    assert system.now(ticket).related_skills == ("VPN",)


def test_a_worker_takes_up_a_new_model_while_it_runs(
    product: Product,
    db: Mongo,
    people: People,
    tickets: TicketService,
    redis: RedisServer,
    clock: FixedClock,
) -> None:
    expert = people.add(Role.MODERATOR, "VPN", "Printer", capacity=1_000)
    publisher = CeleryPublisher(celery_for(redis.url))

    def skills_of_a_new_one() -> tuple[str, ...]:
        # A new requester each time, because of the limit of tickets per hour.
        ticket = file_ticket(tickets, people.add(), "The tunnel drops", "It does so since Monday.")
        publisher.publish_ticket(str(ticket.id))

        def now() -> Ticket:
            return reload(db, ticket)

        eventually(lambda: now().assigned_to is not None, what="it is assigned")
        return now().related_skills

    resolved(db, clock, expert, "VPN", "The tunnel drops")
    assert Training(db, clock=clock).run_if_due()
    worker = product.start("worker")
    assert skills_of_a_new_one() == ("VPN",)

    for _ in range(4):
        resolved(db, clock, expert, "Printer", "The tunnel drops")
    db.tickets.delete_many({"relatedSkills": "VPN"})
    later = FixedClock()
    later.advance(days=1)
    assert Training(db, clock=later).run_if_due()

    def is_taken_up() -> bool:
        sleep(1)
        return skills_of_a_new_one() == ("Printer",)

    eventually(is_taken_up, what="the new model is in use")
    assert worker.running


def test_two_processes_that_learn_at_once_keep_one_model(
    mongo: MongoServer, db: Mongo, people: People, clock: FixedClock
) -> None:
    expert = people.add(Role.MODERATOR, "VPN", linked=False)
    resolved(db, clock, expert, "VPN", "The tunnel drops")
    learn = (
        "import sys; from services.core.database import connect; "
        "from services.routing.training import Training; "
        "import services.routing.trainer, sklearn.svm; "
        "print('ready', flush=True); sys.stdin.readline(); "
        "print(Training(connect(sys.argv[1])).run_if_due())"
    )
    both = [
        subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-c", learn, mongo.uri_for(db.name)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    said = [process.communicate("go\n", timeout=60)[0].strip() for process in both]
    assert "True" in said
    store = ModelStore(db)
    assert [store.stored_info(kind).version for kind in ModelKind] == [1, 1]
