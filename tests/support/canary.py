"""Private tickets of strangers beside all others, whose words must reach no one.

Their people are no members of this Slack, and no admin looks at them in the stories, so whatever
shows the canary has not asked services/tickets/access.py.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bson import ObjectId

from services.core import logs
from services.models.permissions import Actor
from services.models.user import Role, User
from tests.conftest import People
from tests.support.bot_and_workers import BotAndWorkers

CANARY = "Canaryofastranger"
# Beyond those of the tickets that the tests file.
FIRST_NUMBER = 900_001


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def strangers_private_tickets(system: BotAndWorkers) -> Iterator[None]:
    """Store one in each of several states, let the test run with them, and look for their words in
    all that was sent to Slack, but for admins, and in the log."""
    now, requester, assignee = system.runtime.clock(), ObjectId(), ObjectId()
    common: dict[str, Any] = {
        "title": f"{CANARY} title",
        "description": f"{CANARY} description of a VPN that is down.",
        "summary": f"{CANARY} summary",
        "helpfulNotes": f"{CANARY} notes",
        "relatedSkills": ["VPN"],
        "private": True,
        "teamId": "T1",
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
    system.db.tickets.insert_many(
        [
            {**common, "_id": ObjectId(), "number": number, **state}
            for number, state in enumerate(states, FIRST_NUMBER)
        ]
    )
    kept = _Kept()
    loggers = [logging.getLogger(name) for name in logs.PRODUCT_LOGGERS]
    for logger in loggers:
        logger.addHandler(kept)
    yield
    for logger in loggers:
        logger.removeHandler(kept)
    admins = _slack_ids_of_admins(system)
    shown = [call for call in system.slack.calls if CANARY in str(call.args)]
    assert [call for call in shown if not admins & _readers(call.args)] == []
    assert [line for line in kept.lines if CANARY in line] == []


def _readers(arguments: dict[str, Any]) -> set[str]:
    channel = str(arguments.get("channel"))
    named = {str(arguments.get("user")), str(arguments.get("user_id")), channel}
    return named | {f"U{channel[1:]}"}


def _slack_ids_of_admins(system: BotAndWorkers) -> set[str]:
    users = (User.from_doc(doc) for doc in system.db.users.find({"role": Role.ADMIN}))
    return {People.slack_id(user) for user in users if Actor.from_user(user)}
