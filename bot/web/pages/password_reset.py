"""Password reset: ask for a link, and use it once. It also unlinks the Slack members of an attacker
who had the account."""

import logging

from flask import request
from pymongo.errors import PyMongoError
from werkzeug.wrappers import Response

from bot.handlers import account
from bot.web.pages.browser_request import BrowserRequest, Form
from bot.web.pages.linking import display_member
from services.accounts.validation import checked_email
from services.models.permissions import Actor
from services.models.user import User

logger = logging.getLogger(__name__)

FORGOT_FIELDS = ("email",)
RESET_FIELDS = ("password", "repeat")


def show_forgot(req: BrowserRequest) -> Response:
    email = req.user.email if req.user else ""
    return _forgot_page(req, Form(FORGOT_FIELDS, {"email": email}))


def request_reset(req: BrowserRequest) -> Response:
    """The response does not reveal whether there is such an account."""

    def send_link() -> Response:
        email = checked_email(req.form_value("email"))
        req.services.password_resets.request_link(email=email, client_ip=req.rate_limit_address)
        return req.render("forgot_sent.html", email=email)

    return req.submit_form(
        FORGOT_FIELDS, send_link, render_form=lambda form: _forgot_page(req, form)
    )


def show_reset(req: BrowserRequest) -> Response:
    """Opening the link does not consume the code: email scanners open links, too."""
    code = request.args.get("code", "")
    form = Form(RESET_FIELDS, {"code": code})
    return req.submit_form(
        RESET_FIELDS,
        lambda: _reset_page(req, form),
        render_form=lambda refused: req.render("reset_spent.html", form=refused),
    )


def reset_password(req: BrowserRequest) -> Response:
    code = req.form_value("code")

    def set_password() -> Response:
        user = req.services.password_resets.reset(
            code=code, password=req.new_password(), client_ip=req.rate_limit_address
        )
        return req.start_session(user, notice=_unlink_members(req, user))

    def render_form(form: Form) -> Response:
        if form.problem and form.problem.field == "code":
            return req.render("reset_spent.html", form=form)
        return _reset_page(req, form)

    return req.submit_form(RESET_FIELDS, set_password, render_form=render_form)


def _forgot_page(req: BrowserRequest, form: Form) -> Response:
    return req.render("forgot.html", form=form, sends_mail=req.sends_mail)


def _unlink_members(req: BrowserRequest, user: User) -> str:
    """Unlink all Slack members but those whose box was cleared. Return the notice of the next page.

    A member who was linked after the page was opened had no box, and is unlinked, too.
    """
    try:
        unlinked = req.services.account_linking.unlink_all(
            actor=Actor.from_user(user), keep=_kept_links()
        )
    except PyMongoError as error:  # the password is changed, and the link to this page is used up
        logger.error("the Slack members of an account stay linked: %s", type(error).__name__)
        return "still-linked"
    for member, result in unlinked:
        for email_id in result.email_ids:
            req.bot.publisher.publish_email(email_id)
        if member.team_id == req.bot.team_id:
            account.notify_unlinked(req.bot, slack_user_id=member.slack_user_id, email=user.email)
    return "password-unlinked" if unlinked else "password"


def _kept_links() -> set[str]:
    """The links whose boxes were shown and are not ticked."""
    return set(request.form.get("shown", "").split()) - set(request.form.getlist("unlink"))


def _reset_page(req: BrowserRequest, form: Form) -> Response:
    """Raises `InvalidValue` for an invalid code."""
    owner = req.services.password_resets.find_account(code=form.value("code"))
    identities = req.services.account_linking.linked_members(actor=Actor.from_user(owner))
    members = [display_member(req.bot, identity) for identity in identities]
    kept = _kept_links()
    if form.problem is None and not owner.has_password:
        # No one can have signed in to it, so the member is the one it was made for.
        kept = {member.link_id for member in members}
    return req.render("reset.html", form=form, account=owner, members=members, kept=kept)
