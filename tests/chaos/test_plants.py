"""What a run compares finds each planted bug."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from demo.servers import RedisServer
from services.core.database import Mongo
from services.models.user import User
from tasks.runtime import Runtime
from tests.chaos import plants
from tests.chaos.load import FILED, Ledger
from tests.chaos.plants import answer_before_insert, forget_recipient, skip_outbox_mark
from tests.chaos.report import Report
from tests.chaos.stack import ChaosStack
from tests.conftest import Bot, People, RecordingPublisher, filled_in, work
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TRIAGE

WORD = "w000001x"


@pytest.fixture
def strangers() -> None:
    """None: the comparison would miss their messages."""


class NeverRuns:
    """A timer of a process that is killed first."""

    def __init__(self, *_: object) -> None: ...

    def start(self) -> None: ...


@pytest.mark.parametrize(
    ("plant", "failures"),
    [
        (None, set()),
        (skip_outbox_mark, {"deliveries missing"}),
        (answer_before_insert, {"tickets lost"}),
        (forget_recipient, {"deliveries missing"}),
    ],
)
def test_the_comparison_finds_each_planted_bug(
    plant: Callable[..., None] | None,
    failures: set[str],
    ticket_bot: Bot,
    slack: RecordingSlack,
    runtime: Runtime,
    publisher: RecordingPublisher,
    requester: User,
    nils: User,
    db: Mongo,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slack.add_channel(TRIAGE, is_member=True, members=None)
    monkeypatch.setattr(plants, "Timer", NeverRuns)
    if plant:
        plant(monkeypatch.setattr)
    user = People.slack_id(requester)
    answer = ticket_bot.answer(filled_in(ticket_bot, slack, user, title=f"{WORD} about VPN"))
    (number,) = FILED.findall(str(answer))
    publisher.asked.clear()  # Redis lost it
    for doc in db.tickets.find({"outbox": True}):
        publisher.publish_ticket(str(doc["_id"]))
    work(replace(runtime, triage_channel=TRIAGE), publisher)

    stack: Any = SimpleNamespace(db=db, slack=slack, redis=redis_server, logs=str)
    report = Report(cast(ChaosStack, stack), Ledger(filed={WORD: int(number)}), staff=[nils])
    report.judge()
    assert {failure.partition(":")[0] for failure in report.failures} == failures, report.table()
