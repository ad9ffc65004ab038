"""The bot's answers to events arrive, once, whatever Slack answers at first."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.slack.bot_process import BotProcess
from services.core.database import Mongo
from services.models.user import User
from tasks.processes import jobs
from tasks.queue.job_registry import JobContext
from tests.conftest import FixedClock, People, inline_bot, with_services
from tests.support import payloads
from tests.support.block_text import read
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import card_of, said
from tests.support.http_bot import HttpBot
from tests.support.processes import Product, eventually
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL

pytest_plugins = ["tests.support.product", "tests.support.scenario"]

Json = dict[str, Any]
OFFER = "Shall I file this as a ticket? You can change everything before it is filed. “Help”"


@pytest.fixture
def emma(people: People) -> User:
    return people.add()


@pytest.fixture
def pass_time(system: BotAndWorkers, clock: FixedClock) -> Callable[..., None]:
    """Let time pass, then run the sweep and the workers."""

    def pass_time(**passed: float) -> None:
        clock.advance(**passed)
        jobs.publish_due(JobContext(system.runtime.services, system.publisher, lambda: True))
        try:
            system.work()
        except Exception:  # noqa: BLE001  Celery retries a rate-limited task later
            system.publisher.asked.clear()

    return pass_time


def direct_message(slack: RecordingSlack, user: User, text: str = "Help") -> Json:
    slack_id = People.slack_id(user)
    message = slack.say(f"D{slack_id[1:]}", text, user=slack_id)
    return payloads.event({**message, "channel_type": "im"})


def reaction(slack: RecordingSlack, user: User) -> Json:
    author = People.slack_id(user)
    message = slack.say(GENERAL, "The VPN drops.", user=author)
    item = {"type": "message", "channel": GENERAL, "ts": message["ts"]}
    body = {"type": "reaction_added", "user": author, "reaction": "ticket"}
    return payloads.event({**body, "item": item, "item_user": author})


def answers(slack: RecordingSlack, user: User) -> list[str]:
    """Return the bot's messages to the user."""
    return [m["text"] for m in slack.messages(People.slack_id(user)) if "bot_id" in m]


def fail_500(slack: RecordingSlack) -> None:
    slack.fail("chat.postMessage", status=500)


def fail_429(slack: RecordingSlack) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=7)


FAULTS = pytest.mark.parametrize("fault", [fail_500, fail_429, RecordingSlack.stop])


@FAULTS
@pytest.mark.parametrize("make_event", [direct_message, reaction])
def test_an_offer_arrives_once_slack_is_back(
    system: BotAndWorkers,
    slack: RecordingSlack,
    emma: User,
    pass_time: Callable[..., None],
    make_event: Callable[..., Json],
    fault: Callable[[RecordingSlack], None],
) -> None:
    event = make_event(slack, emma)
    fault(slack)
    system.bot.send(event)
    pass_time(seconds=0)
    if fault is RecordingSlack.stop:
        slack.start()
    for _ in range(8):
        pass_time(seconds=10)
    assert len(answers(slack, emma)) == 1
    assert answers(slack, emma)[0].endswith(("before it is filed. “Help”", "as a ticket?"))


def test_a_refusal_arrives_once_slack_is_back(
    system: BotAndWorkers, slack: RecordingSlack, emma: User, pass_time: Callable[..., None]
) -> None:
    ticket = system.file(emma)
    event = said(slack, emma, card_of(slack, emma), "x" * 3_001)
    slack.fail("chat.postEphemeral", status=500)
    system.bot.send(event)
    for _ in range(3):
        pass_time(seconds=10)
    told = [c for c in slack.calls_to("chat.postEphemeral") if c.status == 200]
    assert [call.args["text"] for call in told] == [
        "At most 3,000 characters; this text has 3,001. This message was not passed on."
    ]
    assert system.now(ticket).comments == ()


def test_home_is_published_again(
    system: BotAndWorkers, slack: RecordingSlack, emma: User, pass_time: Callable[..., None]
) -> None:
    slack.fail("views.publish", status=500, times=3)
    system.bot.send(payloads.home_opened(People.slack_id(emma)))
    for _ in range(12):
        pass_time(seconds=10)
    assert read(slack.home(People.slack_id(emma)))[0] == "Hello, User 1"
    calls = len(slack.calls_to("views.publish"))
    pass_time(hours=1)
    assert len(slack.calls_to("views.publish")) == calls == 4


def test_a_refusal_in_home_is_published_once_slack_is_back(
    system: BotAndWorkers, slack: RecordingSlack, pass_time: Callable[..., None]
) -> None:
    slack.add_member("U0GUEST", email="guest@example.com", name="Guest", is_restricted=True)
    slack.fail("views.publish", status=500, times=2)
    system.bot.send(payloads.home_opened("U0GUEST"))
    for _ in range(3):
        pass_time(seconds=10)
    assert "Guests cannot use this app." in read(slack.home("U0GUEST"))[1]
    assert len(slack.calls_to("views.publish")) == 3


def test_home_is_not_published_for_a_member_whom_slack_does_not_know(
    system: BotAndWorkers, slack: RecordingSlack, emma: User, pass_time: Callable[..., None]
) -> None:
    slack.fail("views.publish", status=500)
    slack.fail("views.publish", error="user_not_found")
    system.bot.send(payloads.home_opened(People.slack_id(emma)))
    for _ in range(6):
        pass_time(minutes=20)
    assert len(slack.calls_to("views.publish")) == 2


def test_an_offer_is_dropped_after_an_hour_and_a_later_reaction_is_answered(
    system: BotAndWorkers,
    slack: RecordingSlack,
    emma: User,
    pass_time: Callable[..., None],
    db: Mongo,
) -> None:
    event = reaction(slack, emma)
    slack.fail("chat.postMessage", status=500, times=100)
    system.bot.send(event)
    pass_time(minutes=1)
    pass_time(hours=1)
    slack.recover()
    for _ in range(3):
        pass_time(minutes=20)
    assert answers(slack, emma) == []
    system.bot.send(payloads.event(event["event"]))
    pass_time(seconds=0)
    assert len(answers(slack, emma)) == 1


def test_an_event_that_could_not_be_stored_is_answered_when_slack_repeats_it(
    bot_process: BotProcess, system: BotAndWorkers, slack: RecordingSlack, emma: User, db: Mongo
) -> None:
    class Away:
        def queue(self, *_: Any, **__: Any) -> str:
            raise ConnectionError

    cut_off = inline_bot(with_services(bot_process, replies=Away()))
    for event in (direct_message(slack, emma), reaction(slack, emma)):
        assert cut_off.send(event).status == 503
        for _ in range(2):
            assert system.bot.send(event).status == 200
    system.work()
    assert len(answers(slack, emma)) == 2


def test_a_new_members_message_is_answered_although_slack_does_not_say_who_it_is(
    system: BotAndWorkers, slack: RecordingSlack
) -> None:
    slack.add_member("U0NEW", email="new@example.com", name="New One")
    message = slack.say("D0NEW", "Help", user="U0NEW")
    slack.fail("users.info", status=500)
    assert system.bot.send(payloads.event({**message, "channel_type": "im"})).status == 200
    system.work()
    assert [m["text"] for m in slack.messages("U0NEW") if "bot_id" in m] == [OFFER]


def test_a_worker_sends_what_slack_refused_at_first(
    product: Product, slack: RecordingSlack, emma: User, db: Mongo
) -> None:
    """With the processes of bot, worker and jobs."""
    http_bot = HttpBot(product)
    product.start("worker")
    product.start("jobs")
    slack.fail("chat.postMessage", status=500)
    http_bot.answer(direct_message(slack, emma))
    eventually(lambda: answers(slack, emma) == [OFFER], what="the offer", seconds=60)
    eventually(lambda: [doc["state"] for doc in db.replies.find()] == ["sent"], what="the record")
