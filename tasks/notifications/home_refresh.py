"""Refresh the Homes that show a changed ticket, once for several changes."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from celery import Task

from bot.views.home import overview
from services.core.errors import DomainError
from services.home.sessions import REFRESH_DELAY, HomeSession, view_digest
from services.linking.links import Directory
from services.models.permissions import Actor
from services.models.ticket import Ticket
from tasks.notifications.slack_delivery import (
    OutcomeKind,
    SlackOutcome,
    SlackRateLimited,
    call_slack,
)
from tasks.queue.celery_app import HOME_TASK, celery
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)


def request_refreshes(runtime: Runtime, tickets: Sequence[Ticket], people: Directory) -> None:
    """Publish a refresh of each Home that shows one of the tickets, unless one is requested.

    `people` are those in the tickets. If publishing fails, the sweep does it.
    """
    for link_id in runtime.services.home_sessions.watchers(tickets, links=people.links):
        _request_refresh(runtime, link_id)


@celery.task(name=HOME_TASK, bind=True, max_retries=None)
def refresh_home(self: Task[Any, Any], link_id: str) -> None:
    """Publish that member's Home again. Wait for Slack's rate limit; leave any other failure to
    the sweep."""
    try:
        run(current_runtime(), link_id)
    except SlackRateLimited as limit:
        limit.retry(self)


def run(runtime: Runtime, link_id: str) -> None:
    """Publish nothing if another task has claimed the refresh, or there is no such account."""
    session = runtime.services.home_sessions.claim_refresh(link_id)
    if session is None:
        return
    view = _view(runtime, session)
    if view is None:
        runtime.services.home_sessions.give_up(session)
        return
    sessions, content = runtime.services.home_sessions, view_digest(view)
    if session.view_hash and session.content == content:
        sessions.record_view_hash(
            link_id, sequence=session.sequence, view_hash=session.view_hash, content=content
        )
        return
    outcome = call_slack(
        lambda: runtime.slack.views_publish(
            user_id=session.slack_user_id, view=view, hash=session.view_hash
        )
    )
    if outcome.answer:
        view_hash = outcome.answer["view"]["hash"]
        sessions.record_view_hash(
            link_id, sequence=session.sequence, view_hash=view_hash, content=content
        )
    else:
        _handle_error(runtime, session, outcome)


def _view(runtime: Runtime, session: HomeSession) -> dict[str, Any] | None:
    """Return None if there is no such account any more."""
    try:
        user = runtime.services.links.find_user(
            team_id=session.team_id, slack_user_id=session.slack_user_id
        )
        if user is None:
            return None
        content = runtime.services.home.get_or_parent(
            actor=Actor.from_user(user), team_id=session.team_id, screen=session.screen
        )
    except DomainError as refusal:
        return overview.refusal_view(str(refusal), app_name=runtime.services.app_name)
    return overview.home_view(content)


def _handle_error(runtime: Runtime, session: HomeSession, outcome: SlackOutcome) -> None:
    sessions, link_id = runtime.services.home_sessions, session.link_id
    if outcome.rate_limit:
        sessions.request_refresh(link_id, within=timedelta(seconds=outcome.rate_limit.seconds))
        raise outcome.rate_limit
    if outcome.error == "hash_conflict":
        # The user navigated concurrently, and may see the state before this change.
        sessions.clear_view_hash(session)
        _request_refresh(runtime, link_id)
        return
    if outcome.kind is OutcomeKind.PERMANENT:
        sessions.give_up(session)
    logger.warning("home of %s: %s", link_id, outcome.error)


def _request_refresh(runtime: Runtime, link_id: str) -> None:
    if runtime.services.home_sessions.request_refresh(link_id, within=REFRESH_DELAY):
        runtime.publisher.publish_home_refresh(link_id, countdown=REFRESH_DELAY.total_seconds())
