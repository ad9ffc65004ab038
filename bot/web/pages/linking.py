"""Link a Slack member to an account by a code, and unlink one."""

from dataclasses import dataclass
from datetime import datetime

from flask import request
from slack_sdk.errors import SlackClientError
from werkzeug.wrappers import Response

from bot.handlers import account
from bot.slack.bot_process import BotProcess
from bot.slack.client import fetch_member
from bot.web.pages.browser_request import PROFILE_PATH, BrowserRequest, Form, sign_in_required
from services.auth.one_time_codes import LIFETIMES, CodeKind
from services.core.errors import Conflict, ScopeMissing
from services.linking.account_linking import LinkedMember
from services.models.permissions import Actor
from services.models.slack_member import SlackMember
from services.models.user import User

MEMBER_NOT_LINKED = "That Slack member is no longer linked to your account."


@sign_in_required
def show_code(req: BrowserRequest, user: User) -> Response:
    """Issue a new code, which ends the previous one: only a hash is stored, not the code."""
    active = [identity for identity in _workspace_identities(req, user) if identity.is_active]
    return req.render(
        "link.html",
        code=req.services.account_linking.issue_code(user=user),
        minutes=int(LIFETIMES[CodeKind.LINK].total_seconds()) // 60,
        member=display_member(req.bot, active[0]) if active else None,
    )


@sign_in_required
def show_unlink(req: BrowserRequest, user: User) -> Response:
    return _unlink_page(req, user, _requested_member(req, user), Form(()))


@sign_in_required
def unlink(req: BrowserRequest, user: User) -> Response:
    member, bot = _requested_member(req, user), req.bot

    def end_link() -> Response:
        unlinked = bot.services.account_linking.unlink(
            actor=Actor.from_user(user),
            team_id=bot.team_id,
            slack_user_id=member.id,
            slack_name=member.name or None,
        )
        for email_id in unlinked.email_ids:
            bot.publisher.publish_email(email_id)
        account.notify_unlinked(bot, slack_user_id=member.id, email=user.email)
        return req.redirect_to(PROFILE_PATH, notice="unlinked")

    return req.submit_form(
        (), end_link, render_form=lambda form: _unlink_page(req, user, member, form)
    )


@dataclass(frozen=True, slots=True)
class DisplayMember:
    """A linked Slack member as shown. `is_here`: a member of this help desk's workspace. `name` and
    `email` are "" if Slack does not tell them."""

    id: str
    link_id: str
    name: str
    email: str
    since: datetime | None
    is_active: bool
    is_here: bool


def _unlink_page(req: BrowserRequest, user: User, member: DisplayMember, form: Form) -> Response:
    preview = req.services.account_linking.preview_unlink(actor=Actor.from_user(user))
    return req.render("unlink.html", form=form, member=member, preview=preview)


def _requested_member(req: BrowserRequest, user: User) -> DisplayMember:
    """Return the requested member. Raises `Conflict` if not linked to the account."""
    member_id = request.values.get("member", "")
    matches = [
        identity
        for identity in _workspace_identities(req, user)
        if identity.slack_user_id == member_id
    ]
    if not matches:
        raise Conflict(MEMBER_NOT_LINKED)
    return display_member(req.bot, matches[0])


def _workspace_identities(req: BrowserRequest, user: User) -> list[LinkedMember]:
    identities = req.services.account_linking.linked_members(actor=Actor.from_user(user))
    return [identity for identity in identities if identity.team_id == req.bot.team_id]


def display_member(bot: BotProcess, identity: LinkedMember) -> DisplayMember:
    """Add what Slack tells in time."""
    is_here = identity.team_id == bot.team_id
    member = _find_member(bot, identity.slack_user_id) if is_here else None
    return DisplayMember(
        id=identity.slack_user_id,
        link_id=identity.link_id,
        name=(member.name if member else None) or "",
        email=member.email if member else "",
        since=identity.since,
        is_active=identity.is_active,
        is_here=is_here,
    )


def _find_member(bot: BotProcess, slack_user_id: str) -> SlackMember | None:
    try:
        return fetch_member(bot.client, team_id=bot.team_id, slack_user_id=slack_user_id)
    except (ScopeMissing, SlackClientError, OSError):
        return None
