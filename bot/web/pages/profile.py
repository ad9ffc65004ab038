"""The profile page: name, skills of the staff, password, linked Slack members."""

from werkzeug.wrappers import Response

from bot.views.modals.person import ROLE_LABELS
from bot.web.pages.browser_request import PROFILE_PATH, BrowserRequest, Form, sign_in_required
from bot.web.pages.linking import display_member
from services.account_admin.account_admin import format_skills
from services.models.permissions import Actor, Permission
from services.models.user import User

DETAIL_FIELDS = ("name", "skills")
PASSWORD_FIELDS = ("currentPassword", "password", "repeat")


@sign_in_required
def show_profile(req: BrowserRequest, user: User) -> Response:
    return _profile_page(req, user)


@sign_in_required
def save_profile_page(req: BrowserRequest, user: User) -> Response:
    def save() -> Response:
        name, skills = req.form_value("name"), req.form_value("skills")
        is_kept = not _is_staff(user) or skills == format_skills(user.skills)
        # An unchanged value stays, even if it exceeds today's limits.
        req.services.profiles.update_own(
            actor=Actor.from_user(user),
            name=None if name == (user.name or "") else name,
            skills=None if is_kept else skills.split(","),
        )
        return req.redirect_to(PROFILE_PATH, notice="saved")

    return req.submit_form(
        DETAIL_FIELDS, save, render_form=lambda form: _profile_page(req, user, details=form)
    )


@sign_in_required
def change_password(req: BrowserRequest, user: User) -> Response:
    """Ends all sessions; this browser gets a new one."""

    def change() -> Response:
        changed = req.services.profiles.update_own(
            actor=Actor.from_user(user),
            password=req.new_password(),
            current_password=req.form_value("currentPassword"),
            client_ip=req.rate_limit_address,
        )
        return req.start_session(changed, notice="password")

    return req.submit_form(
        PASSWORD_FIELDS, change, render_form=lambda form: _profile_page(req, user, password=form)
    )


def _profile_page(
    req: BrowserRequest, user: User, *, details: Form | None = None, password: Form | None = None
) -> Response:
    """Render the page; a refused form replaces the stored values."""
    stored = {"name": user.name or "", "skills": format_skills(user.skills)}
    identities = req.services.account_linking.linked_members(actor=Actor.from_user(user))
    return req.render(
        "profile.html",
        form=details or password,
        role=ROLE_LABELS[user.role],
        is_staff=_is_staff(user),
        is_confirmed=req.services.users.confirmation.is_confirmed(user),
        sends_mail=req.sends_mail,
        details=details or Form(DETAIL_FIELDS, stored),
        password=password or Form(PASSWORD_FIELDS),
        members=[display_member(req.bot, identity) for identity in identities],
    )


def _is_staff(user: User) -> bool:
    return Actor.from_user(user).has_permission(Permission.WORK_ON_TICKETS)
