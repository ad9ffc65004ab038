"""App Home: opening it, and its navigation."""

import logging
import uuid
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.slack.event_replies import queue_reply
from bot.slack.request import Request
from bot.slack.source_messages import SLACK_ERRORS
from bot.views.home import overview
from bot.views.text import Message
from services.core.errors import DomainError
from services.home.home_service import HomeContent
from services.home.sessions import Screen, view_digest
from services.models.permissions import Actor
from services.models.slack_member import link_id
from services.outbox.replies import ReplyKind

logger = logging.getLogger(__name__)


def on_home_opened(req: Request) -> None:
    """Show the last screen with its current content, or why there is nothing to see."""
    event = req.body["event"]
    if event.get("tab") != "home":
        return
    try:
        actor = req.actor
    except DomainError as refusal:
        show_refusal(req, str(refusal))
        return
    _show_last_screen(req, actor, view_hash=(event.get("view") or {}).get("hash"))


def navigate(req: Request) -> None:
    """Show the screen of the pressed button. Home stays as it is if the ticket is not visible."""
    show_screen(req, Screen.decode(req.button_value))


def set_digest(req: Request) -> None:
    req.services.digests.set_enabled(
        actor=req.actor, enabled=req.button_value == overview.DIGEST_ON
    )
    refresh_screen(req)


def hide_setup(req: Request) -> None:
    req.services.setup_checklists.hide(actor=req.actor)
    refresh_screen(req)


def show_screen(req: Request, screen: Screen) -> None:
    """Show a screen after a press in Home, or in a modal that leads there."""
    view = req.body.get("view") or {}
    content = req.services.home.get(actor=req.actor, team_id=req.bot.team_id, screen=screen)
    _publish_content(
        req, content, view_hash=view.get("hash") if view.get("type") == "home" else None
    )


def refresh_screen(req: Request, *, notice: str = "") -> None:
    """Show the current screen again after a change, which may also change what is visible; on a
    ticket's page with the `notice`, as mrkdwn."""
    try:
        user = req.find_user()
    except DomainError as refusal:
        show_refusal(req, str(refusal))
        return
    if user:
        _show_last_screen(req, Actor.from_user(user), view_hash=None, notice=notice)


def show_refusal(req: Request, sentence: str) -> None:
    """Say why a member without an account sees nothing. If Slack fails now, a worker says it."""
    view = overview.refusal_view(sentence, app_name=req.services.app_name)
    req.services.home_sessions.forget_content(link_id(req.bot.team_id, req.slack_user_id))
    try:
        _publish(req, view, view_hash=None)
    except SLACK_ERRORS as error:
        logger.warning("a refusal in Home is left to a worker: %s", type(error).__name__)
        home = Message(text="", blocks=view["blocks"])
        event = f"{req.slack_user_id}:{uuid.uuid4().hex}"
        queue_reply(req, ReplyKind.HOME_REFUSAL, home, event=event, recipient=req.slack_user_id)


def _show_last_screen(
    req: Request, actor: Actor, *, view_hash: str | None, notice: str = ""
) -> None:
    services, team = req.services, req.bot.team_id
    screen = services.home_sessions.last_screen(link_id(team, req.slack_user_id))
    content = services.home.get_or_parent(actor=actor, team_id=team, screen=screen)
    _publish_content(req, content, view_hash=view_hash, notice=notice)


def _publish_content(
    req: Request, content: HomeContent, *, view_hash: str | None, notice: str = ""
) -> None:
    """Win over a refresh that came in between; lose to a later press.

    The `notice` stays until the content changes: the digest is of the view without it.
    """
    sessions, link = req.services.home_sessions, link_id(req.bot.team_id, req.slack_user_id)
    sequence = sessions.navigate(link, screen=content.screen)
    view = overview.home_view(content, notice=notice)
    published_hash = _publish(req, view, view_hash=view_hash)
    if published_hash is None and sessions.is_current(link, sequence=sequence):
        published_hash = _publish(req, view, view_hash=None)
    if published_hash:
        sessions.record_view_hash(
            link,
            sequence=sequence,
            view_hash=published_hash,
            content=view_digest(overview.home_view(content) if notice else view),
        )


def _publish(req: Request, view: dict[str, Any], *, view_hash: str | None) -> str | None:
    """Return the hash of the published view; None if Slack shows a view other than `view_hash`."""
    try:
        answer = req.bot.client.views_publish(user_id=req.slack_user_id, view=view, hash=view_hash)
    except SlackApiError as error:
        if error.response.get("error") == "hash_conflict":
            return None
        raise
    return str(answer["view"]["hash"])
