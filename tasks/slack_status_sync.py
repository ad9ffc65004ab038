"""Syncs members' Slack status and do not disturb, in batches within Slack's rate limits.

The task also sends the hand-over offers that follow; the job publishes it when something is due.
"""

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from bson import ObjectId
from slack_sdk.errors import SlackApiError, SlackClientError

from services.availability.slack_status import (
    DoNotDisturbSpan,
    parse_do_not_disturb,
    parse_member_status,
)
from services.availability.status_sync import StatusSync
from services.core.installation import get_installation
from services.core.leases import is_paused, pause
from services.registry.services import Services
from tasks.notifications import handover_offers
from tasks.notifications.slack_delivery import error_code, is_permanent, rate_limit_error
from tasks.queue.celery_app import STATUS_SYNC_LIMIT_SECONDS, STATUS_SYNC_TASK, celery
from tasks.queue.publisher import CeleryPublisher
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)
# Every half minute at most so many: half of what Slack allows `users.info`, which others need, too.
BATCH_SIZE = 25
# After so long the rest are left for the next task.
MAX_ROUND_SECONDS = 15.0
PAUSE_AFTER_ERROR = timedelta(minutes=1)
# `dnd.teamInfo` may be asked twenty times a minute, of fifty members at once.
DND_INTERVAL = timedelta(seconds=4)
STATUS_LIMIT, DND_LIMIT = "slack: users.info", "slack: dnd.teamInfo"


def sync_due(runtime: Runtime) -> int:
    """Sync the members who are due; return how many were read.

    If Slack asks to wait or fails, no process asks again before the pause is over.
    """
    team = get_installation(runtime.db)
    if team is None or is_paused(runtime.db, STATUS_LIMIT, now=runtime.clock()):
        return 0
    status_sync = runtime.services.status_sync
    claimed = {user.id for user in status_sync.claim_due(limit=BATCH_SIZE) if user.active}
    if not claimed:
        return 0
    remaining = runtime.services.links.slack_ids(team_id=team.team_id, user_ids=claimed)
    try:
        return _sync(runtime, status_sync, remaining)
    finally:
        if remaining:
            status_sync.release_claims(remaining, due_at=runtime.clock())


@celery.task(
    name=STATUS_SYNC_TASK,
    soft_time_limit=STATUS_SYNC_LIMIT_SECONDS,
    time_limit=STATUS_SYNC_LIMIT_SECONDS + 10,
)
def sync_availability() -> None:
    """Sync who is due, and send the offers that are due. A fault leaves it to the jobs."""
    run(current_runtime())


def run(runtime: Runtime) -> None:
    sync_due(runtime)
    handover_offers.send_due(runtime)


def enqueue_due(services: Services, publisher: CeleryPublisher) -> None:
    """The job: end absences that are over, and publish the task if something is due."""
    services.status_sync.end_absences()
    if services.status_sync.has_due() or services.handover_offers.has_due():
        publisher.publish_availability_check()


def _sync(runtime: Runtime, status_sync: StatusSync, remaining: dict[ObjectId, str]) -> int:
    """Members who have been read are removed from `remaining`."""
    until = time.monotonic() + MAX_ROUND_SECONDS
    do_not_disturb, count = _do_not_disturb(runtime, list(remaining.values())), 0
    for user_id, slack_id in list(remaining.items()):
        if time.monotonic() >= until:
            break
        try:
            member = parse_member_status(runtime.slack.users_info(user=slack_id)["user"])
        except SlackApiError as error:
            wait = rate_limit_error(error)
            if not wait and is_permanent(error):
                del remaining[user_id]  # of somebody who has left Slack, an event tells
                continue
            _pause(runtime, STATUS_LIMIT, error_code(error), wait.seconds if wait else None)
            break
        except (SlackClientError, OSError) as error:
            _pause(runtime, STATUS_LIMIT, type(error).__name__)
            break
        status_sync.record_status(user_id, member, do_not_disturb=do_not_disturb.get(slack_id))
        del remaining[user_id]
        count += 1
    return count


def _do_not_disturb(
    runtime: Runtime, slack_ids: list[str]
) -> Mapping[str, tuple[DoNotDisturbSpan, ...]]:
    """By member, without those it could not be read of now."""
    now = runtime.clock()
    if not slack_ids or is_paused(runtime.db, DND_LIMIT, now=now):
        return {}
    pause(runtime.db, DND_LIMIT, until=now + DND_INTERVAL)
    try:
        answer = runtime.slack.dnd_teamInfo(users=slack_ids).get("users") or {}
    except SlackApiError as error:
        wait = rate_limit_error(error)
        if wait:
            _pause(runtime, DND_LIMIT, error_code(error), wait.seconds)
        else:
            _warn_once(error_code(error))
        return {}
    except (SlackClientError, OSError) as error:
        _pause(runtime, DND_LIMIT, type(error).__name__)
        return {}
    return {
        slack_id: parse_do_not_disturb(entry)
        for slack_id, entry in answer.items()
        if isinstance(entry, dict)
    }


def _pause(runtime: Runtime, what: str, why: str, seconds: int | None = None) -> None:
    length = PAUSE_AFTER_ERROR if seconds is None else timedelta(seconds=seconds)
    logger.warning("%s: %s; not asked again for %.0f s", what, why, length.total_seconds())
    pause(runtime.db, what, until=runtime.clock() + length)


@cache
def _warn_once(error: str) -> None:
    """An app installed before it asked for the scope, or a Slack that has no such method."""
    logger.warning("do not disturb is not known, because slack says %s", error)
