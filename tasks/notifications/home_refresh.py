"""Refresh the App Homes that a change concerns, once for several changes."""

import logging
from datetime import timedelta
from typing import Any

from celery import Task
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.views.home import overview
from services.core.errors import DomainError
from services.home.sessions import HomeSession
from services.models.permissions import Actor
from services.models.ticket import Ticket
from tasks.notifications.slack_delivery import (
    MAX_COUNTDOWN_SECONDS,
    SlackRateLimited,
    error_code,
    rate_limit_error,
)
from tasks.queue.celery_app import HOME_TASK, celery
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)

# What changes within this time after a change is shown together with it.
DEBOUNCE = timedelta(seconds=3)


def request_refreshes(runtime: Runtime, ticket: Ticket) -> None:
    """Publish a refresh of each Home the ticket concerns, unless one is on its way.

    If publishing fails, its reader sees the change at the next refresh, or on opening Home.
    """
    for link_id in runtime.services.home_sessions.watchers(ticket):
        if runtime.services.home_sessions.request_refresh(link_id, within=DEBOUNCE):
            runtime.publisher.publish_home_refresh(link_id, countdown=DEBOUNCE.total_seconds())


@celery.task(name=HOME_TASK, bind=True, max_retries=None)
def refresh_home(self: Task[Any, Any], link_id: str) -> None:
    """Publish that member's Home anew. Slack's rate limit is waited for; no other fault is."""
    try:
        run(current_runtime(), link_id)
    except SlackRateLimited as wait:
        raise self.retry(countdown=wait.seconds) from wait


def run(runtime: Runtime, link_id: str) -> None:
    session = runtime.services.home_sessions.claim_refresh(link_id)
    if session is None:
        return
    view = _view(runtime, session)
    if view is None:
        return
    try:
        answer = runtime.slack.views_publish(
            user_id=session.slack_user_id, view=view, hash=session.view_hash
        )
    except SlackApiError as error:
        _handle_error(runtime, session, error)
    except (SlackClientError, OSError) as error:
        logger.warning("the home of %s: %s", link_id, type(error).__name__)
    else:
        runtime.services.home_sessions.record_view_hash(
            link_id, sequence=session.sequence, view_hash=answer["view"]["hash"]
        )


def _view(runtime: Runtime, session: HomeSession) -> dict[str, Any] | None:
    """None for an account that is gone."""
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
        return overview.refusal_view(str(refusal))
    return overview.home_view(content)


def _handle_error(runtime: Runtime, session: HomeSession, error: SlackApiError) -> None:
    if wait := rate_limit_error(error):
        if wait.seconds <= MAX_COUNTDOWN_SECONDS:
            runtime.services.home_sessions.request_refresh(
                session.link_id, within=timedelta(seconds=wait.seconds)
            )
            raise wait from error
    elif error_code(error) == "hash_conflict":
        # Its reader was quicker, and may have been shown what was true before this change.
        runtime.services.home_sessions.clear_view_hash(session)
        if runtime.services.home_sessions.request_refresh(session.link_id, within=DEBOUNCE):
            runtime.publisher.publish_home_refresh(
                session.link_id, countdown=DEBOUNCE.total_seconds()
            )
        return
    logger.warning("the home of %s: %s", session.link_id, error_code(error))
