"""Password reset: ask for a link, and use it once."""

from flask import request
from werkzeug.wrappers import Response

from bot.web.pages.browser_request import BrowserRequest, Form
from services.accounts.validation import checked_email
from services.auth.one_time_codes import CodeKind
from services.auth.password_reset import INVALID_LINK
from services.core.errors import InvalidValue

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
        user = req.services.password_resets.reset(code=code, password=req.new_password())
        return req.start_session(user, notice="password")

    def render_form(form: Form) -> Response:
        if form.problem and form.problem.field == "code":
            return req.render("reset_spent.html", form=form)
        return _reset_page(req, form)

    return req.submit_form(RESET_FIELDS, set_password, render_form=render_form)


def _forgot_page(req: BrowserRequest, form: Form) -> Response:
    return req.render("forgot.html", form=form, sends_mail=req.sends_mail)


def _reset_page(req: BrowserRequest, form: Form) -> Response:
    """Raises `InvalidValue` for an invalid code."""
    user_id = req.services.codes.peek(kind=CodeKind.RESET, code=form.value("code"))
    account = req.services.users.get(user_id) if user_id else None
    if account is None or not account.active:
        raise InvalidValue("code", INVALID_LINK)
    return req.render("reset.html", form=form, account=account)
