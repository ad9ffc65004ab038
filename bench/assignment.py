"""Assign filed tickets and send their messages: one worker, Slack over https."""

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from bson import ObjectId
from celery import Celery

from bench import bare_worker
from bench.measure import Cost, Limit, Round, Row, compare
from bench.stand import Slack, Stand
from demo.local_stack import READY
from demo.servers import RedisServer
from services.core.clock import utcnow
from services.core.work_queue import MAX_DELIVERY_DELAY
from services.home.sessions import Screen
from services.models.permissions import Actor
from services.models.slack_member import link_id
from services.models.user import Role
from services.outbox.pending import ANY_TIME
from services.registry.services import Services
from tasks.processes.worker import CONCURRENCY
from tasks.queue.celery_app import configure_celery
from tasks.queue.publisher import MAX_TICKETS_PER_MESSAGE, CeleryPublisher
from tests.support.slack_workspace import TEAM_ID, TRIAGE

MODERATORS, REQUESTERS, VIEWERS = 20, 80, 10
SKILLS = ("vpn", "email", "printer", "laptop")
MESSAGES_EACH = 3  # for requester, assignee and triage channel
MAX_ROUNDS = 5
TIMEOUT_SECONDS = 120.0
POLL_SECONDS, DONE_POLL_SECONDS = 0.1, 0.5


def assignment(stand: Stand) -> Iterator[Row]:
    rounds, number = min(stand.sizes.rounds, MAX_ROUNDS), stand.sizes.assigned
    with RedisServer() as redis:
        services = stand.services_of("assignment", redis)
        mongo = [stand.mongo.process.pid] if stand.mongo.process else []
        settings = {
            "MONGO_URI": stand.mongo.uri_for("assignment"),
            "REDIS_URL": redis.url,
            "TRIAGE_CHANNEL": TRIAGE,
        }
        bare_broker = f"{redis.url[:-1]}1"
        tickets = _file(services, _add_people(services), (rounds + 1) * number)
        celery = ["-m", "celery", "--broker", bare_broker, "-A", bare_worker.__name__, "worker"]
        with (
            stand.running(
                "app.py", "worker", ready=READY["worker"], settings=settings, processes=mongo
            ) as worker,
            stand.running(
                *celery, f"--concurrency={CONCURRENCY}", "--loglevel=INFO",
                ready=bare_worker.READY, settings=settings, processes=mongo,
            ) as bare,
            Celery(broker=bare_broker) as sender,
        ):  # fmt: skip
            posted: list[float] = []
            publisher = CeleryPublisher(configure_celery(redis_url=redis.url))

            def assign() -> Round:
                for viewer in range(MODERATORS, MODERATORS + VIEWERS):
                    services.home_sessions.navigate(_link(viewer), screen=Screen())
                ids = [tickets.pop() for _ in range(number)]
                for start in range(0, number, MAX_TICKETS_PER_MESSAGE):  # as a bot under load
                    group = ids[start : start + MAX_TICKETS_PER_MESSAGE]
                    publisher.publish_tickets(dict.fromkeys(group))
                # First without MongoDB, whose time is measured.
                _wait(lambda: len(stand.slack.posted) >= number * MESSAGES_EACH)
                _wait(lambda: _is_done(services), seconds=DONE_POLL_SECONDS)
                posted.append(len(stand.slack.posted) / number)
                return _since_first(stand.slack, number)

            def assign_bare() -> Round:
                for _ in range(number):
                    sender.send_task(bare_worker.ASSIGN, [str(ObjectId())])
                _wait(lambda: len(stand.slack.posted) >= number * MESSAGES_EACH)
                return _since_first(stand.slack, number)

            yield compare(
                "assign a ticket and send its messages, https",
                assign,
                to=assign_bare,
                called="bare Celery, one update",
                rounds=rounds,
                meter=worker.meter,
                other_meter=bare.meter,
                limits=lambda ours, _: _limits(ours, posted),
            )


def _limits(ours: Cost, posted: Sequence[float]) -> dict[str, Limit]:
    return {
        "ms (40 a second)": Limit(ours.ms, 25),
        "CPU ms of worker and MongoDB": Limit(ours.cpu_ms, 35),
        "trips": Limit(ours.trips or 0, 15),
        "messages": Limit(median(posted), MESSAGES_EACH),
    }


def _add_people(services: Services) -> list[ObjectId]:
    """Add linked accounts; every second moderator has Home open. Return the requesters."""
    people = [ObjectId() for _ in range(MODERATORS + REQUESTERS)]
    for number, user_id in enumerate(people):
        is_moderator = number < MODERATORS
        services.db.users.insert_one(
            {
                "_id": user_id,
                "email": f"p{number}@example.com",
                "name": f"Person {number}",
                "role": (Role.MODERATOR if is_moderator else Role.USER).value,
                "active": True,
                "skills": [SKILLS[number % len(SKILLS)]] if is_moderator else [],
                "capacity": 1_000,
                "createdAt": utcnow(),
            }
        )
        link = {"teamId": TEAM_ID, "slackUserId": _slack_id(number), "userId": user_id}
        services.db.links.insert_one({"_id": _link(number), **link})
        if is_moderator and number % 2:
            services.home_sessions.navigate(_link(number), screen=Screen())
    return people[MODERATORS:]


def _file(services: Services, requesters: Sequence[ObjectId], count: int) -> list[str]:
    """Return the ids of new tickets, the first to assign at the end."""
    filed = []
    for number in range(count):
        skill = SKILLS[number % len(SKILLS)]
        result = services.tickets.create(
            actor=Actor(requesters[number % len(requesters)], Role.USER),
            team_id=TEAM_ID,
            request_id=None,
            title=f"The {skill} does not work",
            description=f"Since this morning my {skill} does not start. " * 5,
        )
        filed.append(str(result.ticket.id))
    # After the benchmark. Else the worker would take them for late ones, which are not new.
    later = {"$set": {"nextTryAt": utcnow() + MAX_DELIVERY_DELAY}}
    services.db.tickets.update_many({"outbox": True, "nextTryAt": {"$gt": ANY_TIME}}, later)
    return filed[::-1]


def _wait(is_done: Callable[[], bool], *, seconds: float = POLL_SECONDS) -> None:
    """Ask every so many `seconds`."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError("the worker does not send its messages")
        time.sleep(seconds)


def _is_done(services: Services) -> bool:
    """Whether no view of Home is to be sent."""
    return not services.db.links.find_one({"home.due": {"$ne": None}})


def _since_first(slack: Slack, number: int) -> Round:
    """A round from the first message to the last."""
    seconds = max(slack.posted) - min(slack.posted)
    slack.posted.clear()
    return Round(number, seconds)


def _slack_id(number: int) -> str:
    return f"U{number:08d}"


def _link(number: int) -> str:
    return link_id(TEAM_ID, _slack_id(number))
