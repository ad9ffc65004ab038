"""Confirm an account's address: ask for the link, and use it once."""

from flask import request
from werkzeug.wrappers import Response

from bot.web.pages.browser_request import PROFILE_PATH, BrowserRequest, Form, sign_in_required
from services.auth.address_confirmation import INVALID_CONFIRMATION_LINK
from services.core.errors import InvalidValue
from services.models.permissions import Actor
from services.models.user import User

CONFIRM_FIELDS = ("password",)


@sign_in_required
def request_confirmation(req: BrowserRequest, user: User) -> Response:
    def send_link() -> Response:
        req.services.address_confirmations.request_link(
            actor=Actor.from_user(user), client_ip=req.rate_limit_address
        )
        return req.redirect_to(PROFILE_PATH, notice="link-sent")

    return req.submit_form(
        (), send_link, render_form=lambda form: req.render("confirm_spent.html", form=form)
    )


def show_confirmation(req: BrowserRequest) -> Response:
    """Opening the link does not consume the code: email scanners open links, too."""
    form = Form(CONFIRM_FIELDS, {"code": request.args.get("code", "")})
    return req.submit_form(
        CONFIRM_FIELDS,
        lambda: _confirmation_page(req, form),
        render_form=lambda refused: req.render("confirm_spent.html", form=refused),
    )


def confirm_address(req: BrowserRequest) -> Response:
    """Require the account's session or password: the link alone does not show who signed up."""
    code = req.form_value("code")

    def confirm() -> Response:
        account = req.services.address_confirmations.find_account(code=code)
        user = req.user
        if user is None or user.id != account.id:
            user = req.services.sign_in.sign_in(
                email=account.email,
                password=req.form_value("password"),
                client_ip=req.rate_limit_address,
                device_token=req.cookies.device_token(),
            )
        if user.id != account.id:  # another account with this address and password
            raise InvalidValue("code", INVALID_CONFIRMATION_LINK)
        req.services.address_confirmations.confirm(actor=Actor.from_user(user), code=code)
        return req.start_session(user, notice="confirmed")

    def render_form(form: Form) -> Response:
        if form.problem and form.problem.field == "code":
            return req.render("confirm_spent.html", form=form)
        return _confirmation_page(req, form)

    return req.submit_form(CONFIRM_FIELDS, confirm, render_form=render_form)


def _confirmation_page(req: BrowserRequest, form: Form) -> Response:
    """Raises `InvalidValue` for an invalid code."""
    account = req.services.address_confirmations.find_account(code=form.value("code"))
    is_signed_in = req.user is not None and req.user.id == account.id
    return req.render("confirm.html", form=form, account=account, is_signed_in=is_signed_in)
