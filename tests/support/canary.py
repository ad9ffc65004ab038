"""Private tickets of strangers beside all others, whose words must reach no one.

Their people are no members of this Slack, so whatever shows the canary to others than admins has
not asked services/tickets/access.py.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bson import ObjectId
from prometheus_client import REGISTRY, generate_latest

from services.core import logs
from services.core.clock import Clock
from services.core.database import Mongo
from services.models.user import Role
from tests.support.recording_slack import Call, RecordingSlack

CANARY = "Canaryofastranger"
# Beyond those of the tickets that the tests file.
FIRST_NUMBER = 900_000_001
# Finds the tickets that a test files.
FILED: dict[str, Any] = {"number": {"$lt": FIRST_NUMBER}}
STRANGERS = 3  # tickets
_shown_in_answers: set[str] = set()  # to these members


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def private_tickets_of_strangers(db: Mongo, slack: RecordingSlack, clock: Clock) -> Iterator[None]:
    """Store one in each of several states, let the test run with them, and look for their words in
    all that was sent to Slack and answered to it, but for admins, in the log and in the metrics."""
    _shown_in_answers.clear()
    db.tickets.insert_many(private_tickets(clock))
    kept = _Kept()
    loggers = [logging.getLogger(name) for name in logs.PRODUCT_LOGGERS]
    for logger in loggers:
        logger.addHandler(kept)
    yield
    for logger in loggers:
        logger.removeHandler(kept)
    shown = [call for call in slack.calls if CANARY in str(call.args)]
    if shown or _shown_in_answers:
        admins = [doc["_id"] for doc in db.users.find({"role": Role.ADMIN}, {"_id": 1})]
        links = db.links.find({"userId": {"$in": admins}}, {"slackUserId": 1})
        readers = {link["slackUserId"] for link in links}
        assert [call for call in shown if not readers & _readers(call, readers)] == []
        assert _shown_in_answers - readers == set()
    assert [line for line in kept.lines if CANARY in line] == []
    assert CANARY.encode() not in generate_latest(REGISTRY)


def look_into_answer(payload: Mapping[str, Any], answer: object) -> None:
    """Look for the words in the acknowledgement of a payload."""
    if CANARY in str(answer):
        _shown_in_answers.add(str(payload.get("user_id") or payload["user"]["id"]))


def private_tickets(
    clock: Clock, *, team_id: str = "T1", first_number: int = FIRST_NUMBER
) -> list[dict[str, Any]]:
    """Return the documents of a ticket in each of several states."""
    now, requester, assignee = clock(), ObjectId(), ObjectId()
    common: dict[str, Any] = {
        "title": f"{CANARY} title",
        "description": f"{CANARY} description of a VPN that is down.",
        "summary": f"{CANARY} summary",
        "helpfulNotes": f"{CANARY} notes",
        "relatedSkills": ["VPN"],
        "private": True,
        "teamId": team_id,
        "createdBy": requester,
        "createdAt": now - timedelta(days=1),
        "seq": 1,
        "events": [{"seq": 1, "at": now, "by": requester, "type": "filed"}],
    }
    states: tuple[dict[str, Any], ...] = (
        {"status": "IN_PROGRESS", "assignedTo": assignee, "queueKey": "1-0~"},
        {"status": "WAITING", "assignedTo": assignee, "queueKey": "1-1~"},
        {
            "status": "COMPLETED",
            "assignedTo": assignee,
            "completedAt": now,
            "resolution": f"{CANARY} resolution",
        },
    )
    return [
        {**common, "_id": ObjectId(), "number": number, **state}
        for number, state in enumerate(states, first_number)
    ]


def _readers(call: Call, admins: set[str]) -> set[str]:
    """Return the members whom the call shows something; a response_url and a modal do not name
    their reader."""
    if call.method == "response_url" or (
        call.method.startswith("views.") and "user_id" not in call.args
    ):
        return admins
    channel = str(call.args.get("channel"))
    # The id of a direct message with the bot is the member's with another first letter.
    return {str(call.args.get("user")), str(call.args.get("user_id")), f"U{channel[1:]}"}
