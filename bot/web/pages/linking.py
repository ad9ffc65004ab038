"""Who acts as an account in Slack: a code to link a member by, and the end of a link.

A Slack member who acts as an account, as pages name them.
"""

from dataclasses import dataclass
from datetime import datetime

from flask import request
from slack_sdk.errors import SlackClientError
from werkzeug.wrappers import Response

from bot.handlers import account
from bot.slack.members import fetch_member
from bot.slack.services import BotServices
from bot.web.pages.browser_request import PROFILE, BrowserRequest, for_signed_in
from bot.web.pages.forms import Form
from services.auth.one_time_codes import LIFETIMES, CodeKind
from services.core.errors import Conflict
from services.linking.unlink import LinkedMember
from services.models.permissions import Actor
from services.models.user import User

GONE = "That Slack member does not act as your account any more."


@for_signed_in
def show_code(visit: BrowserRequest, user: User) -> Response:
    """Each time a new one, and the one before no longer works: what is stored is not the code."""
    working = [identity for identity in _here(visit, user) if identity.is_active]
    return visit.show(
        "link.html",
        code=visit.site.accounts.codes.issue(kind=CodeKind.LINK, user_id=user.id),
        minutes=int(LIFETIMES[CodeKind.LINK].total_seconds()) // 60,
        member=shown(visit.site.desk, working[0]) if working else None,
    )


@for_signed_in
def ask_unlink(visit: BrowserRequest, user: User) -> Response:
    return _ask(visit, user, _asked(visit, user), Form(()))


@for_signed_in
def unlink(visit: BrowserRequest, user: User) -> Response:
    member, desk = _asked(visit, user), visit.site.desk

    def step() -> Response:
        done = desk.unlinking.unlink(
            actor=Actor.from_user(user),
            team_id=desk.team_id,
            slack_user_id=member.id,
            slack_name=member.name or None,
        )
        for letter in done.email_ids:
            desk.publisher.publish_email(letter)
        account.tell_unlinked(desk, slack_user_id=member.id, email=user.email)
        return visit.go(PROFILE, notice="unlinked")

    return visit.attempt((), step, again=lambda form: _ask(visit, user, member, form))


@dataclass(frozen=True, slots=True)
class Member:
    """`is_here`: in the workspace that this help desk serves."""

    id: str
    name: str
    since: datetime | None
    works: bool
    is_here: bool


def _ask(visit: BrowserRequest, user: User, member: Member, form: Form) -> Response:
    leaving = visit.site.desk.unlinking.preview(actor=Actor.from_user(user))
    return visit.show("unlink.html", form=form, member=member, leaving=leaving)


def _asked(visit: BrowserRequest, user: User) -> Member:
    """Whom the page is about. Raises `Conflict` where they are not linked to the account."""
    asked = request.values.get("member", "")
    found = [identity for identity in _here(visit, user) if identity.slack_user_id == asked]
    if not found:
        raise Conflict(GONE)
    return shown(visit.site.desk, found[0])


def _here(visit: BrowserRequest, user: User) -> list[LinkedMember]:
    identities = visit.site.desk.unlinking.linked_members(actor=Actor.from_user(user))
    return [identity for identity in identities if identity.team_id == visit.site.desk.team_id]


def shown(desk: BotServices, identity: LinkedMember) -> Member:
    """By the name Slack has for them; where it does not tell in time, by their id alone."""
    is_here = identity.team_id == desk.team_id
    return Member(
        id=identity.slack_user_id,
        name=_name(desk, identity.slack_user_id) if is_here else "",
        since=identity.since,
        works=identity.is_active,
        is_here=is_here,
    )


def _name(desk: BotServices, slack_user_id: str) -> str:
    try:
        member = fetch_member(desk.client, team_id=desk.team_id, slack_user_id=slack_user_id)
    except (SlackClientError, OSError):
        return ""
    return member.name or ""
