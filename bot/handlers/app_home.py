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


def opened(req: Request) -> None:
    """Show what they looked at a moment ago, as it is now, or why there is nothing to see."""
    event = req.body["event"]
    if event.get("tab") != "home":
        return
    try:
        actor = req.actor
    except DomainError as refusal:
        show_refusal(req, str(refusal))
        return
    desk = req.desk
    screen = desk.visits.last_screen(link_id(desk.team_id, req.slack_user_id))
    content = desk.home.get_or_parent(actor=actor, team_id=desk.team_id, screen=screen)
    _show(req, content, view_hash=(event.get("view") or {}).get("hash"))


def go_to(req: Request) -> None:
    """The screen whose button was pressed. A ticket that is not theirs leaves Home as it is."""
    show(req, Screen.decode(req.pressed))


def turn_digest(req: Request) -> None:
    """On or off, as the button says."""
    req.desk.digest.set_enabled(actor=req.actor, enabled=req.pressed == overview.DIGEST_ON)
    show_again(req)


def show(req: Request, screen: Screen) -> None:
    """That screen, for somebody who used something in Home, or a modal that leads there."""
    desk, view = req.desk, req.body.get("view") or {}
    content = desk.home.get(actor=req.actor, team_id=desk.team_id, screen=screen)
    _show(req, content, view_hash=view.get("hash") if view.get("type") == "home" else None)


def show_again(req: Request) -> None:
    """What they look at, after a change by them that may be of what they may see."""
    desk = req.desk
    try:
        user = desk.links.find_user(team_id=desk.team_id, slack_user_id=req.slack_user_id)
    except DomainError as refusal:
        show_refusal(req, str(refusal))
        return
    if user:
        screen = desk.visits.last_screen(link_id(desk.team_id, req.slack_user_id))
        content = desk.home.get_or_parent(
            actor=Actor.from_user(user), team_id=desk.team_id, screen=screen
        )
        _show(req, content, view_hash=None)


def show_refusal(req: Request, sentence: str) -> None:
    """For whoever has no account, or none any more: why there is nothing to see."""
    _publish(req, overview.refusal(sentence), view_hash=None)


def _show(req: Request, content: HomeContent, *, view_hash: str | None) -> None:
    """Whoever pressed wins over a refresh that came in between; a later press wins over this."""
    visits, link = req.desk.visits, link_id(req.desk.team_id, req.slack_user_id)
    turn = visits.navigate(link, screen=content.screen)
    view = overview.home(content)
    shown = _publish(req, view, view_hash=view_hash)
    if shown is None and visits.is_current(link, sequence=turn):
        shown = _publish(req, view, view_hash=None)
    if shown:
        visits.record_view_hash(link, sequence=turn, view_hash=shown)


def _publish(req: Request, view: dict[str, Any], *, view_hash: str | None) -> str | None:
    """The hash of the view as Slack shows it; None where it shows another than `view_hash`."""
    try:
        answer = req.desk.client.views_publish(user_id=req.slack_user_id, view=view, hash=view_hash)
    except SlackApiError as error:
        if error.response.get("error") == "hash_conflict":
            return None
        raise
    return str(answer["view"]["hash"])
