"""Asks Slack about its members' status and do not disturb: some at a time, within its limits.

Who is here, as Slack has it: asked for, kept, and what follows from it told.
"""

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from bson import ObjectId
from slack_sdk.errors import SlackApiError, SlackClientError

from services.availability.handover_offers import HandoverOffers
from services.availability.slack_status import (
    DoNotDisturbSpan,
    parse_do_not_disturb,
    parse_member_status,
)
from services.availability.status_sync import StatusSync
from services.core.clock import Clock
from services.core.database import Mongo
from services.core.installation import get_installation
from services.core.leases import is_paused, pause
from tasks.celery_app import AVAILABILITY, AVAILABILITY_SECONDS, celery
from tasks.notifications import handover_offers
from tasks.notifications.slack import busy, error_code, is_permanent
from tasks.publisher import CeleryPublisher
from tasks.runtime import Runtime, current

logger = logging.getLogger(__name__)

# Every half minute at most so many: half of what Slack allows `users.info`, which others need, too.
BATCH = 25
# After so long the rest are left for the next task.
ROUND_SECONDS = 15.0
TROUBLE = timedelta(minutes=1)
# `dnd.teamInfo` may be asked twenty times a minute, of fifty members at once.
BETWEEN_QUIET = timedelta(seconds=4)
STATUS, QUIET = "slack: users.info", "slack: dnd.teamInfo"


def read_due(runtime: Runtime) -> int:
    """Keep what Slack says of those it is due to be asked about; of how many it was.

    Where Slack says to wait, or is in trouble, nobody asks before that is over.
    """
    team = get_installation(runtime.db)
    if team is None or is_paused(runtime.db, STATUS, now=runtime.clock()):
        return 0
    presences = StatusSync(runtime.db, clock=runtime.clock)
    claimed = {user.id for user in presences.claim_due(limit=BATCH) if user.active}
    if not claimed:
        return 0
    left = runtime.links.slack_ids(team_id=team.team_id, user_ids=claimed)
    try:
        return _read(runtime, presences, left)
    finally:
        if left:
            presences.release_claims(left, due_at=runtime.clock())


def _read(runtime: Runtime, presences: StatusSync, left: dict[ObjectId, str]) -> int:
    """Whoever has been asked about is taken out of `left`."""
    until = time.monotonic() + ROUND_SECONDS
    quiet, read = _quiet(runtime, list(left.values())), 0
    for user_id, slack_id in list(left.items()):
        if time.monotonic() >= until:
            break
        try:
            member = parse_member_status(runtime.slack.users_info(user=slack_id)["user"])
        except SlackApiError as error:
            wait = busy(error)
            if not wait and is_permanent(error):
                del left[user_id]  # of somebody who has left Slack, an event tells
                continue
            _leave_alone(runtime, STATUS, error_code(error), wait.seconds if wait else None)
            break
        except (SlackClientError, OSError) as error:
            _leave_alone(runtime, STATUS, type(error).__name__)
            break
        presences.record_status(user_id, member, do_not_disturb=quiet.get(slack_id))
        del left[user_id]
        read += 1
    return read


def _quiet(runtime: Runtime, slack_ids: list[str]) -> Mapping[str, tuple[DoNotDisturbSpan, ...]]:
    """By member; without those of whom it could not be asked now."""
    now = runtime.clock()
    if not slack_ids or is_paused(runtime.db, QUIET, now=now):
        return {}
    pause(runtime.db, QUIET, until=now + BETWEEN_QUIET)
    try:
        told = runtime.slack.dnd_teamInfo(users=slack_ids).get("users") or {}
    except SlackApiError as error:
        wait = busy(error)
        if wait:
            _leave_alone(runtime, QUIET, error_code(error), wait.seconds)
        else:
            _say_once(error_code(error))
        return {}
    except (SlackClientError, OSError) as error:
        _leave_alone(runtime, QUIET, type(error).__name__)
        return {}
    return {
        slack_id: parse_do_not_disturb(of) for slack_id, of in told.items() if isinstance(of, dict)
    }


def _leave_alone(runtime: Runtime, what: str, why: str, seconds: int | None = None) -> None:
    length = TROUBLE if seconds is None else timedelta(seconds=seconds)
    logger.warning("%s: %s; not asked again for %.0f s", what, why, length.total_seconds())
    pause(runtime.db, what, until=runtime.clock() + length)


@cache
def _say_once(error: str) -> None:
    """An app installed before it asked for the scope, or a Slack that has no such method."""
    logger.warning("do not disturb is not known, because slack says %s", error)


@celery.task(
    name=AVAILABILITY,
    soft_time_limit=AVAILABILITY_SECONDS,
    time_limit=AVAILABILITY_SECONDS + 10,
)
def availability() -> None:
    """Ask about whoever is due, and send what is. A fault leaves it to the jobs."""
    run(current())


def run(runtime: Runtime) -> None:
    read_due(runtime)
    handover_offers.send_due(runtime)


def ask(db: Mongo, publisher: CeleryPublisher, *, clock: Clock) -> None:
    """The job: end what is over, and hint at what is due."""
    presences = StatusSync(db, clock=clock)
    presences.end_absences()
    if presences.has_due() or HandoverOffers(db, clock=clock).has_due():
        publisher.publish_availability_check()
