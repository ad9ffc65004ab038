"""Sending the bot's replies: once each, counted, and after what Slack answers at first."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.views.modals import file_ticket as views
from services.core.database import Mongo
from services.core.metrics import REPLY_ATTEMPTS, InMemoryMeter
from services.models.user import User
from services.outbox.replies import INITIAL_RETRY_DELAY, Replies, ReplyKind
from tasks.notifications import reply_sender
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People
from tests.support.recording_slack import RecordingSlack

VALUE = '{"channel": "D1", "ts": "1.000001", "threadTs": null, "slackUserId": "U1"}'
Queue = Callable[..., str]


@pytest.fixture
def queue(replies: Replies, employee: User) -> Queue:
    def queue(kind: ReplyKind = ReplyKind.OFFER, text: str = "Help", **fields: Any) -> str:
        user = People.slack_id(employee)
        return replies.queue(
            kind,
            event=fields.pop("event", "D1:1.000001"),
            recipient=f"D{user[1:]}",
            slack_user_id=user,
            message=views.direct_message_offer(text, value=VALUE).as_args(),
            **fields,
        )

    return queue


def outcomes(meter: InMemoryMeter) -> dict[tuple[str, ...], float]:
    return {k.labels: n for k, n in meter.samples().items() if k.metric == REPLY_ATTEMPTS.name}


def test_a_reply_is_sent_once(
    runtime: Runtime, slack: RecordingSlack, queue: Queue, employee: User, db: Mongo
) -> None:
    reply_id = queue()
    for _ in range(2):
        reply_sender.run(runtime, reply_id)
    (message,) = slack.messages(People.slack_id(employee))
    (doc,) = db.replies.find()
    assert (doc["state"], doc["channel"], doc["ts"]) == ("sent", message["channel"], message["ts"])


def test_a_sent_reply_is_updated(
    runtime: Runtime,
    replies: Replies,
    slack: RecordingSlack,
    queue: Queue,
    employee: User,
    clock: FixedClock,
) -> None:
    reply_sender.run(runtime, queue())
    clock.advance(days=2)  # an update is not too old
    revised = replies.revise(
        ReplyKind.OFFER, event="D1:1.000001", message=views.withdrawn_offer().as_args()
    )
    reply_sender.run(runtime, revised or "")
    assert [m["text"] for m in slack.messages(People.slack_id(employee))] == [views.WITHDRAWN]


def test_an_ephemeral_reply(
    runtime: Runtime, replies: Replies, slack: RecordingSlack, queue: Queue, employee: User
) -> None:
    parent = slack.say(f"D{People.slack_id(employee)[1:]}", "Hello", user=People.slack_id(employee))
    reply_sender.run(runtime, queue(ReplyKind.NOTICE, is_ephemeral=True, thread_ts=parent["ts"]))
    (call,) = slack.calls_to("chat.postEphemeral")
    assert (call.args["user"], call.args["thread_ts"]) == (
        People.slack_id(employee),
        parent["ts"],
    )


def test_one_task_sends_all_that_are_due(
    runtime: Runtime, slack: RecordingSlack, queue: Queue, employee: User
) -> None:
    first, *_ = [queue(event=f"D1:{n}.000001") for n in range(3)]
    reply_sender.run(runtime, first)
    assert len(slack.messages(People.slack_id(employee))) == 3


def test_each_attempt_is_counted(
    runtime: Runtime, slack: RecordingSlack, queue: Queue, clock: FixedClock, db: Mongo
) -> None:
    meter = InMemoryMeter()
    runtime = replace(runtime, meter=meter)
    slack.fail("chat.postMessage", status=500)
    reply_sender.run(runtime, queue())
    clock.advance(minutes=1)
    reply_sender.run(runtime, "")
    slack.fail("chat.postMessage", error="channel_not_found")
    reply_sender.run(runtime, queue(event="D1:2.000001"))
    old = queue(event="D1:3.000001")
    clock.advance(hours=1)
    reply_sender.run(runtime, old)
    assert outcomes(meter) == {
        ("offer", outcome): 1 for outcome in ("retried", "sent", "failed", "dropped")
    }
    assert sorted(doc["state"] for doc in db.replies.find()) == ["failed", "sent"]


def test_a_rate_limit_is_waited_for(
    runtime: Runtime, slack: RecordingSlack, replies: Replies, queue: Queue, clock: FixedClock
) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=30)
    reply_id = queue()
    with pytest.raises(SlackRateLimited):
        reply_sender.run(runtime, reply_id)
    clock.advance(seconds=29)
    assert replies.next_due_id() is None
    clock.advance(seconds=1)
    assert replies.next_due_id() == reply_id


def test_without_an_answer_it_is_sent_again_after_its_claim(
    runtime: Runtime, slack: RecordingSlack, queue: Queue, clock: FixedClock, employee: User
) -> None:
    reply_id = queue()
    slack.hang_up("chat.postMessage", carried_out=False)
    reply_sender.run(runtime, reply_id)
    reply_sender.run(runtime, reply_id)
    assert slack.messages(People.slack_id(employee)) == []
    clock.advance(seconds=60)
    reply_sender.run(runtime, reply_id)
    assert len(slack.messages(People.slack_id(employee))) == 1


def test_if_slack_cannot_be_reached_it_is_sent_again_soon(
    runtime: Runtime, slack: RecordingSlack, queue: Queue, clock: FixedClock, employee: User
) -> None:
    reply_id = queue()
    slack.stop()
    reply_sender.run(runtime, reply_id)
    slack.start()
    clock.advance(seconds=INITIAL_RETRY_DELAY.total_seconds())
    reply_sender.run(runtime, reply_id)
    assert len(slack.messages(People.slack_id(employee))) == 1
