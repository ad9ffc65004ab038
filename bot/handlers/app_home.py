"""The app's Home: opened, and gone through with its buttons."""

from typing import Any

from slack_sdk.errors import SlackApiError

from bot.slack.request import Request
from bot.views.home import overview
from services.core.errors import DomainError
from services.home.home_service import HomeContent
from services.home.sessions import Screen
from services.models.permissions import Actor
from services.models.slack_member import link_id


def on_home_opened(req: Request) -> None:
    """Show what they looked at a moment ago, as it is now, or why there is nothing to see."""
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
    """The screen whose button was pressed. A ticket that is not theirs leaves Home as it is."""
    show_screen(req, Screen.decode(req.button_value))


def set_digest(req: Request) -> None:
    """On or off, as the button says."""
    req.services.digest_preference.set_enabled(
        actor=req.actor, enabled=req.button_value == overview.DIGEST_ON
    )
    refresh_screen(req)


def show_screen(req: Request, screen: Screen) -> None:
    """That screen, for somebody who used something in Home, or a modal that leads there."""
    view = req.body.get("view") or {}
    content = req.services.home.get(actor=req.actor, team_id=req.bot.team_id, screen=screen)
    _publish_content(
        req, content, view_hash=view.get("hash") if view.get("type") == "home" else None
    )


def refresh_screen(req: Request) -> None:
    """What they look at, after a change by them that may be of what they may see."""
    try:
        user = req.find_user()
    except DomainError as refusal:
        show_refusal(req, str(refusal))
        return
    if user:
        _show_last_screen(req, Actor.from_user(user), view_hash=None)


def show_refusal(req: Request, sentence: str) -> None:
    """For whoever has no account, or none any more: why there is nothing to see."""
    _publish(req, overview.refusal_view(sentence), view_hash=None)


def _show_last_screen(req: Request, actor: Actor, *, view_hash: str | None) -> None:
    services, team = req.services, req.bot.team_id
    screen = services.home_sessions.last_screen(link_id(team, req.slack_user_id))
    content = services.home.get_or_parent(actor=actor, team_id=team, screen=screen)
    _publish_content(req, content, view_hash=view_hash)


def _publish_content(req: Request, content: HomeContent, *, view_hash: str | None) -> None:
    """Whoever pressed wins over a refresh that came in between; a later press wins over this."""
    sessions, link = req.services.home_sessions, link_id(req.bot.team_id, req.slack_user_id)
    sequence = sessions.navigate(link, screen=content.screen)
    view = overview.home_view(content)
    published_hash = _publish(req, view, view_hash=view_hash)
    if published_hash is None and sessions.is_current(link, sequence=sequence):
        published_hash = _publish(req, view, view_hash=None)
    if published_hash:
        sessions.record_view_hash(link, sequence=sequence, view_hash=published_hash)


def _publish(req: Request, view: dict[str, Any], *, view_hash: str | None) -> str | None:
    """The hash of the view as Slack shows it; None where it shows another than `view_hash`."""
    try:
        answer = req.bot.client.views_publish(user_id=req.slack_user_id, view=view, hash=view_hash)
    except SlackApiError as error:
        if error.response.get("error") == "hash_conflict":
            return None
        raise
    return str(answer["view"]["hash"])
