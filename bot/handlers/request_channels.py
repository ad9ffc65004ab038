"""Request channels: admins add, edit and remove them, and events say that one has changed."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.handlers import app_home
from bot.slack.app_watch import JOIN_SCOPE, join_channel
from bot.slack.channel_events import (
    DELETED,
    ID_CHANGED,
    changed_channel,
    is_of_another_member,
)
from bot.slack.request import Request
from bot.slack.source_messages import SLACK_ERRORS
from bot.views.modals import request_channels as views
from services.channels.channel_settings import CHANNEL, EMOJI, MODE, PRIVATE, ChannelChoice
from services.channels.request_channels import ChannelMode
from services.channels.slack_channel import SlackChannel
from services.core.errors import InvalidValue
from services.core.slack_errors import CHANNEL_NOT_FOUND
from services.core.slack_scopes import granted_scopes
from services.team_settings.slack_settings import checked_channel

NOT_INVITED = "This app is not in that private channel. Invite it there, then save again."
NO_MODE = "Choose what becomes a ticket."


def open_form(req: Request) -> None:
    channel = req.button_value
    if channel == views.NEW:
        req.open_modal(views.add_channel_modal())
        return
    settings = req.services.channel_settings
    known = settings.get(actor=req.actor, team_id=req.bot.team_id, channel=channel)
    req.open_modal(views.edit_channel_modal(known))


def save(req: Request) -> None:
    """Store the form. Then join the channel if it is public, with more calls of Slack than the
    handler's deadline has room for."""
    channel_id = req.metadata
    found: Mapping[str, Any] | None = None
    if channel_id:
        _change(req, channel_id)
    else:
        found = _add(req)
        channel_id = str(found["id"])
    req.ack()
    req.follow_up = partial(_join, req, channel_id, found)


def open_removal(req: Request) -> None:
    settings = req.services.channel_settings
    known = settings.get(actor=req.actor, team_id=req.bot.team_id, channel=req.button_value)
    req.open_modal(views.remove_channel_modal(known))


def remove(req: Request) -> None:
    settings = req.services.channel_settings
    settings.remove(actor=req.actor, team_id=req.bot.team_id, channel=req.metadata)
    req.ack()
    app_home.refresh_screen(req)


def on_channel_event(req: Request) -> None:
    """Ask Slack how the request channel is now, then acknowledge: if Slack or the database fails,
    the event comes again."""
    event, team = req.body["event"], req.bot.team_id
    if not is_of_another_member(req.body):
        settings, channel = req.services.channel_settings, changed_channel(event)
        if event["type"] == ID_CHANGED:
            settings.change_id(team, event["old_channel_id"], channel)
        is_deleted = event["type"] in DELETED
        settings.check(team, channel, partial(_ask, req, channel), is_deleted=is_deleted)
    req.ack()


def _add(req: Request) -> Mapping[str, Any]:
    """Return the channel as Slack describes it."""
    form = req.form
    found = find_channel(req, checked_channel(str(form.submitted(CHANNEL) or ""), field=CHANNEL))
    if found is None:
        raise InvalidValue(CHANNEL, NOT_INVITED)
    req.services.channel_settings.add(
        actor=req.actor,
        team_id=req.bot.team_id,
        channel=SlackChannel.from_slack(found),
        choice=ChannelChoice(
            mode=_mode(form.submitted(MODE)),
            is_private=not form.submitted(PRIVATE),
            has_emoji_actions=bool(form.submitted(EMOJI)),
        ),
    )
    return found


def _change(req: Request, channel_id: str) -> None:
    """Change what the admin has changed: another one may have changed the rest."""
    changed = req.form.changed()
    req.services.channel_settings.change(
        actor=req.actor,
        team_id=req.bot.team_id,
        channel=channel_id,
        mode=_mode(changed[MODE]) if MODE in changed else None,
        is_private=not changed[PRIVATE] if PRIVATE in changed else None,
        has_emoji_actions=bool(changed[EMOJI]) if EMOJI in changed else None,
    )


def _mode(value: Any) -> ChannelMode:
    try:
        return ChannelMode(str(value))
    except ValueError:
        raise InvalidValue(MODE, NO_MODE) from None


def _join(req: Request, channel_id: str, found: Mapping[str, Any] | None) -> None:
    """Join it, unless it is private or the app may not, store how it is then, and show it."""
    client = req.bot.client
    with suppress(*SLACK_ERRORS):  # it is asked about again within an hour
        channel = dict(found or client.conversations_info(channel=channel_id)["channel"])
        if JOIN_SCOPE in granted_scopes(req.services.db) and join_channel(client, channel):
            channel["is_member"] = True
        req.services.channel_settings.check(
            req.bot.team_id, channel_id, lambda: SlackChannel.from_slack(channel)
        )
    app_home.refresh_screen(req)


def _ask(req: Request, channel_id: str) -> SlackChannel | None:
    found = find_channel(req, channel_id)
    return SlackChannel.from_slack(found) if found else None


def find_channel(req: Request, channel_id: str) -> Mapping[str, Any] | None:
    """Return the channel as Slack describes it; None if it finds no such one."""
    channel: Mapping[str, Any]
    try:
        channel = req.bot.client.conversations_info(channel=channel_id)["channel"]
    except SlackApiError as error:
        if error.response.get("error") != CHANNEL_NOT_FOUND:
            raise
        return None
    return channel
