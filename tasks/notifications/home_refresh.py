"""Bring the Homes up to date that a change concerns, once for several changes."""

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
from tasks.celery_app import HOME, celery
from tasks.notifications.slack import LONGEST_COUNTDOWN, SlackBusy, busy, error_code
from tasks.runtime import Runtime, current

logger = logging.getLogger(__name__)

# What changes within this time after a change is shown together with it.
DEBOUNCE = timedelta(seconds=3)


def refresh_soon(runtime: Runtime, ticket: Ticket) -> None:
    """Ask for a refresh of each Home the ticket concerns, unless one is on its way.

    Should a hint be lost, its reader sees the change at the next one, or on opening Home.
    """
    for link in runtime.visits.watchers(ticket):
        if runtime.visits.ask_for_refresh(link, within=DEBOUNCE):
            runtime.publisher.refresh_home(link, countdown=DEBOUNCE.total_seconds())


@celery.task(name=HOME, bind=True, max_retries=None)
def refresh_home(self: Task[Any, Any], link_id: str) -> None:
    """Publish that member's Home anew. Slack's rate limit is waited for; no other fault is."""
    try:
        run(current(), link_id)
    except SlackBusy as wait:
        raise self.retry(countdown=wait.seconds) from wait


def run(runtime: Runtime, link_id: str) -> None:
    visit = runtime.visits.take_refresh(link_id)
    if visit is None:
        return
    view = _view(runtime, visit)
    if view is None:
        return
    try:
        answer = runtime.slack.views_publish(
            user_id=visit.slack_user_id, view=view, hash=visit.hash
        )
    except SlackApiError as error:
        _not_published(runtime, visit, error)
    except (SlackClientError, OSError) as error:
        logger.warning("the home of %s: %s", link_id, type(error).__name__)
    else:
        runtime.visits.shown(link_id, turn=visit.turn, view_hash=answer["view"]["hash"])


def _view(runtime: Runtime, visit: HomeSession) -> dict[str, Any] | None:
    """None for an account that is gone."""
    try:
        user = runtime.links.find_user(team_id=visit.team_id, slack_user_id=visit.slack_user_id)
        if user is None:
            return None
        content = runtime.home.look_again(
            actor=Actor.from_user(user), team_id=visit.team_id, screen=visit.screen
        )
    except DomainError as refusal:
        return overview.refusal(str(refusal))
    return overview.home(content)


def _not_published(runtime: Runtime, visit: HomeSession, error: SlackApiError) -> None:
    if wait := busy(error):
        if wait.seconds <= LONGEST_COUNTDOWN:
            runtime.visits.ask_for_refresh(visit.link_id, within=timedelta(seconds=wait.seconds))
            raise wait from error
    elif error_code(error) == "hash_conflict":
        # Its reader was quicker, and may have been shown what was true before this change.
        runtime.visits.forget_hash(visit)
        if runtime.visits.ask_for_refresh(visit.link_id, within=DEBOUNCE):
            runtime.publisher.refresh_home(visit.link_id, countdown=DEBOUNCE.total_seconds())
        return
    logger.warning("the home of %s: %s", visit.link_id, error_code(error))
