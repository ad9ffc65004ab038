"""Sync members' Slack status and do not disturb, in batches within Slack's rate limits.

The task also sends offers to hand over the open tickets of users who are away for long.

The job publishes the task when something is due.
"""

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import cache, partial

from bson import ObjectId

from bot.views.messages.handover_offer import offer_message
from services.availability.handover_offers import HandoverOffer, HandoverOffers
from services.availability.slack_status import (
    DoNotDisturbSpan,
    parse_do_not_disturb,
    parse_member_status,
)
from services.availability.status_sync import StatusSync
from services.core.database import record
from services.core.installation import get_installation
from services.core.leases import is_paused, pause
from services.core.slack_scopes import granted_scopes
from tasks.notifications.slack_delivery import OutcomeKind, call_slack, post_message
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
MAX_OFFERS = 20  # of one task
STATUS_SCOPE, DND_SCOPE = "users:read", "dnd:read"
STATUS_LIMIT, DND_LIMIT = "slack: users.info", "slack: dnd.teamInfo"


def sync_due(runtime: Runtime) -> int:
    """Sync the members who are due; return how many were read.

    After a 429 or a failure no process calls Slack again until the pause is over.
    """
    if STATUS_SCOPE not in granted_scopes(runtime.db):
        return 0
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
    send_due_offers(runtime)


@job("availability", every=timedelta(seconds=30))
def enqueue_due(context: JobContext) -> None:
    """End absences that are over, and publish the task if something is due."""
    services = context.services
    services.status_sync.end_absences()
    is_permitted = STATUS_SCOPE in granted_scopes(services.db)
    is_due = is_permitted and services.status_sync.has_due()
    is_due = is_due or services.handover_offers.has_due()
    if is_due and not context.publisher.waiting_tasks().has(STATUS_SYNC_TASK):
        context.publisher.publish_availability_check()


def _sync(runtime: Runtime, status_sync: StatusSync, remaining: dict[ObjectId, str]) -> int:
    """Sync members and remove them from `remaining`."""
    until = time.monotonic() + MAX_ROUND_SECONDS
    do_not_disturb, count = _do_not_disturb(runtime, list(remaining.values())), 0
    for user_id, slack_id in list(remaining.items()):
        if time.monotonic() >= until:
            break
        outcome = call_slack(partial(runtime.slack.users_info, user=slack_id))
        if outcome.kind is OutcomeKind.PERMANENT:
            del remaining[user_id]  # for a member who left Slack, an event arrives
            continue
        if not outcome.answer:
            _pause(runtime, STATUS_LIMIT, outcome.error, outcome.wait)
            break
        member = parse_member_status(outcome.answer["user"])
        status_sync.record_status(user_id, member, do_not_disturb=do_not_disturb.get(slack_id))
        del remaining[user_id]
        count += 1
    return count


def _do_not_disturb(
    runtime: Runtime, slack_ids: list[str]
) -> Mapping[str, tuple[DoNotDisturbSpan, ...]]:
    """The spans by member, without members that could not be read."""
    now = runtime.clock()
    if not slack_ids or DND_SCOPE not in granted_scopes(runtime.db):
        return {}
    if is_paused(runtime.db, DND_LIMIT, now=now):
        return {}
    pause(runtime.db, DND_LIMIT, until=now + DND_INTERVAL)
    outcome = call_slack(lambda: runtime.slack.dnd_teamInfo(users=slack_ids))
    if not outcome.answer:
        if outcome.kind in (OutcomeKind.BLOCKED, OutcomeKind.PERMANENT, OutcomeKind.TRANSIENT):
            _warn_once(outcome.error)
        else:
            _pause(runtime, DND_LIMIT, outcome.error, outcome.wait)
        return {}
    answer = outcome.answer.get("users") or {}
    return {
        slack_id: parse_do_not_disturb(entry)
        for slack_id, entry in answer.items()
        if isinstance(entry, dict)
    }


def _pause(runtime: Runtime, what: str, why: str, length: timedelta | None) -> None:
    length = length or PAUSE_AFTER_ERROR
    logger.warning("%s: %s; paused for %.0f s", what, why, length.total_seconds())
    pause(runtime.db, what, until=runtime.clock() + length)


@cache
def _warn_once(error: str) -> None:
    """Log once that the app lacks the scope, or that this Slack has no such method."""
    logger.warning("do not disturb is unknown: slack answered %s", error)


def send_due_offers(runtime: Runtime) -> int:
    """Send the offers that are due; return how many were sent. A failed offer is retried later."""
    team, offers = get_installation(runtime.db), runtime.services.handover_offers
    if team is None:
        return 0
    sent = 0
    for _ in range(MAX_OFFERS):
        offer = offers.claim_next()
        if offer is None:
            break
        sent += _send(runtime, offers, offer, team.team_id)
    return sent


def _send(runtime: Runtime, offers: HandoverOffers, offer: HandoverOffer, team_id: str) -> bool:
    slack_ids = runtime.services.links.slack_ids(team_id=team_id, user_ids={offer.recipient_id})
    if offer.recipient_id not in slack_ids:
        offers.mark_failed(offer, error="not linked")
        return False
    channel = slack_ids[offer.recipient_id]
    outcome = post_message(runtime.slack, offer_message(offer), channel=channel)
    if outcome.answer:
        channel, ts = outcome.answer["channel"], outcome.answer["ts"]
        record(lambda: offers.mark_sent(offer, channel=channel, ts=ts))
        return True
    logger.warning("offer to user %s not sent: %s", offer.recipient_id, outcome.error)
    match outcome.kind:
        case OutcomeKind.PERMANENT:
            offers.mark_failed(offer, error=outcome.error)
        case (
            OutcomeKind.BLOCKED
            | OutcomeKind.RATE_LIMITED
            | OutcomeKind.TRANSIENT
            | OutcomeKind.NOT_SENT
        ):
            offers.retry_later(offer, wait=outcome.wait)
    return False
