"""Who acts as an account in Slack: a code to link a member by, and the end of a link."""

from flask import request
from werkzeug.wrappers import Response

from bot import account
from bot.web.pages.forms import Form
from bot.web.pages.members import Member, shown
from bot.web.pages.visit import PROFILE, Visit, for_signed_in
from services.codes import LIFETIMES, CodeKind
from services.errors import Conflict
from services.models import User
from services.permissions import Actor
from services.unlinking import Identity

GONE = "That Slack member does not act as your account any more."


@for_signed_in
def show_code(visit: Visit, user: User) -> Response:
    """Each time a new one, and the one before no longer works: what is stored is not the code."""
    working = [identity for identity in _here(visit, user) if identity.works]
    return visit.show(
        "link.html",
        code=visit.site.accounts.codes.issue(kind=CodeKind.LINK, user_id=user.id),
        minutes=int(LIFETIMES[CodeKind.LINK].total_seconds()) // 60,
        member=shown(visit.site.desk, working[0]) if working else None,
    )


@for_signed_in
def ask_unlink(visit: Visit, user: User) -> Response:
    return _ask(visit, user, _asked(visit, user), Form(()))


@for_signed_in
def unlink(visit: Visit, user: User) -> Response:
    member, desk = _asked(visit, user), visit.site.desk

    def step() -> Response:
        done = desk.unlinking.unlink(
            actor=Actor.of(user),
            team_id=desk.team_id,
            slack_user_id=member.id,
            slack_name=member.name or None,
        )
        for letter in done.letters:
            desk.publisher.mail(letter)
        account.tell_unlinked(desk, slack_user_id=member.id, email=user.email)
        return visit.go(PROFILE, notice="unlinked")

    return visit.attempt((), step, again=lambda form: _ask(visit, user, member, form))


def _ask(visit: Visit, user: User, member: Member, form: Form) -> Response:
    leaving = visit.site.desk.unlinking.look(actor=Actor.of(user))
    return visit.show("unlink.html", form=form, member=member, leaving=leaving)


def _asked(visit: Visit, user: User) -> Member:
    """Whom the page is about. Raises `Conflict` where they are not linked to the account."""
    asked = request.values.get("member", "")
    found = [identity for identity in _here(visit, user) if identity.slack_user_id == asked]
    if not found:
        raise Conflict(GONE)
    return shown(visit.site.desk, found[0])


def _here(visit: Visit, user: User) -> list[Identity]:
    identities = visit.site.desk.unlinking.identities(actor=Actor.of(user))
    return [identity for identity in identities if identity.team_id == visit.site.desk.team_id]
