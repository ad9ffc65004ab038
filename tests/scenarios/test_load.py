"""Many concurrent users of one bot process over signed HTTP."""

import threading
import time
from collections.abc import Callable

import pytest

from services.core.database import Mongo
from tests.conftest import People
from tests.support import payloads
from tests.support.canary import FILED
from tests.support.http_bot import SLACK_SECONDS, HttpBot, Json, opened_by
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]

PEOPLE, TICKETS_EACH = 20, 10


class Crowd:
    """Concurrent users, each of whom files tickets one after the other."""

    def __init__(self, bot: HttpBot, slack: RecordingSlack) -> None:
        self._bot = bot
        self._slack = slack
        self._barrier = threading.Barrier(PEOPLE)
        self.acks: list[tuple[float, str]] = []
        self.headings: list[str] = []
        self.faults: list[str] = []

    def work(self, users: list[str]) -> None:
        threads = [threading.Thread(target=self._guarded, args=(user,)) for user in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _guarded(self, user: str) -> None:
        try:
            self._barrier.wait()
            for number in range(TICKETS_EACH):
                self._file(user, number)
        except Exception as error:  # noqa: BLE001  reported by the test
            self.faults.append(f"{user}: {error!r}"[:300])

    def _file(self, user: str, number: int) -> None:
        command = payloads.slash_command(user=user)
        self._timed("command", lambda: self._bot.answer(command))
        values = {"title": f"Problem {number} of {user}", "description": "It does not work."}
        view = opened_by(self._slack, command["trigger_id"])
        submission = payloads.view_submission(view, values, user=user)
        answer = self._timed("submission", lambda: self._bot.answer(submission))
        self.headings.append(answer["view"]["blocks"][0]["text"]["text"])

    def _timed(self, what: str, send: Callable[[], Json]) -> Json:
        began = time.monotonic()
        answer = send()
        self.acks.append((time.monotonic() - began, what))
        return answer


@pytest.mark.long
@pytest.mark.timeout(240)
def test_two_hundred_tickets_of_twenty_people_at_once(
    http_bot: HttpBot,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
    record_property: Callable[[str, object], None],
) -> None:
    users = [people.slack_id(people.add()) for _ in range(PEOPLE)]
    crowd = Crowd(http_bot, slack)
    crowd.work(users)
    acks = sorted(seconds for seconds, _ in crowd.acks)
    slowest = max(crowd.acks, default=(0.0, "none"))
    middle = acks[len(acks) // 2] if acks else 0.0
    said = (
        f"{len(crowd.headings)} tickets by {PEOPLE} people at once: the slowest of {len(acks)} "
        f"acks took {slowest[0]:.2f} s (a {slowest[1]}), half of them under {middle:.2f} s, "
        f"{sum(seconds >= SLACK_SECONDS for seconds in acks)} too late for Slack"
    )
    record_property("slowest_ack", said)

    total = PEOPLE * TICKETS_EACH
    assert crowd.faults == []
    numbers = {ticket["number"] for ticket in db.tickets.find(FILED)}
    assert len(numbers) == db.tickets.count_documents(FILED) == total
    assert sorted(crowd.headings) == sorted(f"Ticket {number} is filed" for number in numbers)
