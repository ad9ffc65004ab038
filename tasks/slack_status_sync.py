"""Sync members' Slack status and do not disturb, in batches within Slack's rate limits.

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
from tasks.notifications import handover_offers
from tasks.notifications.slack_delivery import error_code, is_permanent, rate_limit_error
from tasks.queue.celery_app import STATUS_SYNC_LIMIT_SECONDS, STATUS_SYNC_TASK, celery
from tasks.queue.job_registry import JobContext, job
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)
# Members per half minute: half of Slack's limit for `users.info`, which other code calls, too.
BATCH_SIZE = 25
# After this time the rest is left to the next task.
MAX_ROUND_SECONDS = 15.0
PAUSE_AFTER_ERROR = timedelta(minutes=1)
# Slack allows twenty calls of `dnd.teamInfo` a minute, each for fifty members.
DND_INTERVAL = timedelta(seconds=4)
STATUS_LIMIT, DND_LIMIT = "slack: users.info", "slack: dnd.teamInfo"


def sync_due(runtime: Runtime) -> int:
    """Sync the members who are due; return how many were read.

    After a 429 or a failure no process calls Slack again until the pause is over.
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
    """Sync the members and send the offers that are due. After a failure the job repeats it."""
    run(current_runtime())


def run(runtime: Runtime) -> None:
    sync_due(runtime)
    handover_offers.send_due(runtime)


@job("availability", every=timedelta(seconds=30))
def enqueue_due(context: JobContext) -> None:
    """End absences that are over, and publish the task if something is due."""
    services = context.services
    services.status_sync.end_absences()
    if services.status_sync.has_due() or services.handover_offers.has_due():
        context.publisher.publish_availability_check()


def _sync(runtime: Runtime, status_sync: StatusSync, remaining: dict[ObjectId, str]) -> int:
    """Sync members and remove them from `remaining`."""
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
                del remaining[user_id]  # left Slack: `user_change` handles that
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
    """The spans by member, without members that could not be read."""
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
    logger.warning("%s: %s; not called again for %.0f s", what, why, length.total_seconds())
    pause(runtime.db, what, until=runtime.clock() + length)


@cache
def _warn_once(error: str) -> None:
    """Log once that the app lacks the scope, or that this Slack has no such method."""
    logger.warning("do not disturb is unknown: slack answered %s", error)
