"""One's account: what stands in it, its password, who acts as it in Slack, its sessions."""

from werkzeug.wrappers import Response

from bot.views.modals.person import ROLES
from bot.web.pages.browser_request import PROFILE, BrowserRequest, for_signed_in
from bot.web.pages.forms import Form
from bot.web.pages.linking import shown
from services.models.permissions import Actor
from services.models.user import User
from services.people.account_admin import format_skills

DETAILS = ("name", "skills")
PASSWORD = ("currentPassword", "password", "repeat")


@for_signed_in
def show(visit: BrowserRequest, user: User) -> Response:
    return _profile(visit, user)


@for_signed_in
def save(visit: BrowserRequest, user: User) -> Response:
    def step() -> Response:
        name, skills = visit.typed("name"), visit.typed("skills")
        # What nobody touched stays as it is, also where today's limits would not take it.
        visit.site.accounts.profiles.update_own(
            actor=Actor.from_user(user),
            name=None if name == (user.name or "") else name,
            skills=None if skills == format_skills(user.skills) else skills.split(","),
        )
        return visit.go(PROFILE, notice="saved")

    return visit.attempt(DETAILS, step, again=lambda form: _profile(visit, user, details=form))


@for_signed_in
def change_password(visit: BrowserRequest, user: User) -> Response:
    """It ends every session; this browser gets a new one."""

    def step() -> Response:
        changed = visit.site.accounts.profiles.update_own(
            actor=Actor.from_user(user),
            password=visit.new_password(),
            current_password=visit.typed("currentPassword"),
            client_ip=visit.address,
        )
        return visit.let_in(changed, notice="password")

    return visit.attempt(PASSWORD, step, again=lambda form: _profile(visit, user, password=form))


def _profile(
    visit: BrowserRequest, user: User, *, details: Form | None = None, password: Form | None = None
) -> Response:
    """With the form that was refused, where one was."""
    stored = {"name": user.name or "", "skills": format_skills(user.skills)}
    identities = visit.site.desk.unlinking.linked_members(actor=Actor.from_user(user))
    return visit.show(
        "profile.html",
        form=details or password,
        role=ROLES[user.role],
        details=details or Form(DETAILS, stored),
        password=password or Form(PASSWORD),
        members=[shown(visit.site.desk, identity) for identity in identities],
    )
