"""The first messages about a ticket: they say who has it, or that someone is being found."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event

from celery import Celery

from demo.servers import RedisServer
from services.analysis.model_exchange import Analysis, AnalysisFailed, Analyst, FailureReason
from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks.notifications import notify
from tasks.queue.celery_app import NOTIFY_TASK, celery
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import FixedClock, People, file_ticket
from tests.support.action_helpers import by
from tests.support.aimock import BareGemini, Received, Reply, answer_text, gemini_body
from tests.support.block_text import without_facts
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.processes import Product, celery_for, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario", "tests.support.product"]

UNKNOWN_ID = "6b034d3e158a02994a8b0c47"
FINDING, ASSIGNED = "finding someone…", "assigned to Moderator 2"


class SlowModel(Analyst):
    """Fails after `act`, so that the offline router analyses the ticket."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.requests = 0

    def analyse(self, **_: object) -> Analysis:
        self.requests += 1
        self._act()
        raise AnalysisFailed(FailureReason.TIMEOUT)


def notify_with(system: BotAndWorkers, ticket: Ticket, model: Analyst | None = None) -> None:
    notify.run(dataclasses.replace(system.runtime, analyst=model), str(ticket.id))


def triage_texts(system: BotAndWorkers) -> list[str]:
    return [
        without_facts(message["text"].split("”: ", 1)[1])
        for message in system.slack.messages(TRIAGE)
    ]


def post_count(system: BotAndWorkers) -> int:
    return len(system.slack.calls_to("chat.postMessage"))


def test_a_ticket_that_is_assigned_at_once_is_posted_once(
    triage: BotAndWorkers, ann: User, ben: User
) -> None:
    ticket = file_ticket(triage.tickets, ann)
    notify_with(triage, ticket)
    assert triage.texts(ann) == triage_texts(triage) == [ASSIGNED]
    assert triage.texts(ben) == ["assigned to you"]
    assert triage.publisher.asked == []
    assert not triage.now(ticket).is_in_outbox
    assert (post_count(triage), triage.slack.calls_to("chat.update")) == (3, [])


def test_a_model_that_answers_in_time_causes_no_update(
    triage: BotAndWorkers, ann: User, ben: User
) -> None:
    ticket = file_ticket(triage.tickets, ann)
    notify_with(triage, ticket, SlowModel(lambda: triage.publisher.countdowns))
    assert triage.publisher.countdowns == [3.0]
    triage.work()  # what was published with the countdown
    assert triage.texts(ann) == triage_texts(triage) == [ASSIGNED]
    assert (post_count(triage), triage.slack.calls_to("chat.update")) == (3, [])


def test_a_first_post_that_says_nobody_is_available(triage: BotAndWorkers, ann: User) -> None:
    notify_with(triage, file_ticket(triage.tickets, ann))
    assert triage.texts(ann) == triage_texts(triage) == ["no one is available for this"]
    assert "No one is available right now" in str(triage.card(ann)["blocks"])
    assert triage.slack.calls_to("chat.update") == []


def test_a_slow_model_delays_the_first_post_by_three_seconds(
    triage: BotAndWorkers, ann: User, ben: User, clock: FixedClock
) -> None:
    ticket = file_ticket(triage.tickets, ann)
    seen: list[list[str]] = []

    def act() -> None:
        """Other workers get what was published, and a change that comes after two seconds."""
        for seconds in (2, 1, 4):
            clock.advance(seconds=seconds)
            notify_with(triage, ticket)
            seen.append(triage.texts(ann) + triage_texts(triage))

    notify_with(triage, ticket, SlowModel(act))
    assert triage.publisher.countdowns == [3.0, 1.0]
    assert seen == [[], [FINDING, FINDING], [FINDING, FINDING]]
    assert triage.texts(ann) == triage_texts(triage) == [ASSIGNED]
    assert triage.texts(ben) == ["assigned to you"]
    assert (post_count(triage), len(triage.slack.calls_to("chat.update"))) == (3, 2)
    assert not triage.now(ticket).is_in_outbox


def test_a_ticket_taken_while_the_model_is_asked_is_posted_at_once(
    triage: BotAndWorkers, ann: User, ben: User
) -> None:
    ticket = file_ticket(triage.tickets, ann)

    def act() -> None:
        triage.actions.take(**by(ben, ticket))
        notify_with(triage, ticket)

    notify_with(triage, ticket, SlowModel(act))
    triage.work()
    assert triage_texts(triage) == [f"in progress, accepted by {ben.name}"]
    assert triage.slack.calls_to("chat.update") == []


def test_a_killed_worker_loses_nothing(
    triage: BotAndWorkers, ann: User, ben: User, clock: FixedClock
) -> None:
    ticket = file_ticket(triage.tickets, ann)
    triage.runtime.services.assignments.claim(ticket, now=clock())  # and then it is killed
    notify_with(triage, ticket)  # Celery gives its task to another
    assert (post_count(triage), triage.publisher.countdowns) == (0, [3.0])
    clock.advance(seconds=3)
    triage.work()
    assert triage.texts(ann) == triage_texts(triage) == [FINDING]
    assert triage.now(ticket).is_in_outbox
    clock.advance(seconds=88)  # the claim has expired
    triage.deliver()
    assert triage.texts(ann) == triage_texts(triage) == [ASSIGNED]
    assert post_count(triage) == 3


def test_a_claim_of_a_wrong_clock_does_not_delay_the_first_post(
    triage: BotAndWorkers, ann: User, ben: User, clock: FixedClock
) -> None:
    ticket = file_ticket(triage.tickets, ann)
    triage.runtime.services.assignments.claim(ticket, now=clock() + timedelta(hours=1))
    notify_with(triage, ticket)
    assert triage.texts(ann) == [ASSIGNED]


def test_two_workers_ask_the_model_once_and_post_once(
    triage: BotAndWorkers, ann: User, ben: User
) -> None:
    ticket = file_ticket(triage.tickets, ann)
    both = Barrier(2)
    model = SlowModel(lambda: both.wait(60))

    def second() -> None:
        notify_with(triage, ticket, model)
        both.wait(60)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(notify_with, triage, ticket, model)
        eventually(lambda: model.requests > 0, what="the model is asked")
        second()
        first.result()
    triage.work()
    assert (model.requests, post_count(triage)) == (1, 3)
    assert triage.texts(ann) == [ASSIGNED]


def test_without_redis_the_worker_that_has_the_ticket_does_everything(
    triage: BotAndWorkers, ann: User, ben: User
) -> None:
    away = Celery("away", broker="redis://127.0.0.1:1/0")
    away.conf.broker_transport_options = celery.conf.broker_transport_options
    triage.runtime = dataclasses.replace(triage.runtime, publisher=CeleryPublisher(away))
    ticket = file_ticket(triage.tickets, ann)
    notify_with(triage, ticket, SlowModel(lambda: None))
    assert triage.texts(ann) == triage_texts(triage) == [ASSIGNED]
    assert not triage.now(ticket).is_in_outbox


def test_a_worker_posts_while_another_task_of_it_waits_for_the_model(
    product: Product,
    redis: RedisServer,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    """Also with more tasks held for their countdown than the worker takes at once."""
    ann, _ = people.add(), people.add(Role.MODERATOR, "VPN")
    posted = Event()

    def decide(_: Received) -> Reply:
        posted.wait(25)
        return Reply(gemini_body(answer_text(skills=["VPN"])))

    def texts() -> list[str]:
        messages = slack.messages(People.slack_id(ann))
        return [without_facts(message["text"].split("”: ", 1)[1]) for message in messages]

    publisher = CeleryPublisher(celery_for(redis.url))
    with BareGemini(decide) as gemini:
        product.start(
            "worker", GEMINI_API_KEY="key", GEMINI_API_URL=gemini.url, GEMINI_TIMEOUT="30"
        )
        for _ in range(12):
            publisher.send(NOTIFY_TASK, UNKNOWN_ID, countdown=120)
        ticket = file_ticket(tickets, ann)
        publisher.publish_ticket(str(ticket.id))
        eventually(lambda: texts() == [FINDING], what="it says that someone is being found")
        posted.set()
        eventually(lambda: is_outbox_empty(db), what="everybody was told")
    assert texts() == [ASSIGNED]
    assert len(slack.calls_to("chat.postMessage")) == 2
    assert len(gemini.received) == 1
