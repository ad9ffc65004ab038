"""A new password by a link: asked for, mailed, and used once."""

from flask import request
from werkzeug.wrappers import Response

from bot.web.pages.browser_request import BrowserRequest
from bot.web.pages.forms import Form
from services.accounts.validation import checked_email
from services.auth.one_time_codes import CodeKind
from services.auth.password_reset import INVALID_LINK
from services.core.errors import InvalidValue

FORGOT = ("email",)
RESET = ("password", "repeat")


def show_forgot(visit: BrowserRequest) -> Response:
    email = visit.user.email if visit.user else ""
    return _forgot(visit, Form(FORGOT, {"email": email}))


def forgot(visit: BrowserRequest) -> Response:
    """The same answer whether there is such an account or none."""

    def step() -> Response:
        email = checked_email(visit.typed("email"))
        visit.site.accounts.password_resets.request_link(email=email, client_ip=visit.address)
        return visit.show("forgot_sent.html", email=email)

    return visit.attempt(FORGOT, step, again=lambda form: _forgot(visit, form))


def show_reset(visit: BrowserRequest) -> Response:
    """Opening the link uses nothing up: programs that look through mails open it, too."""
    code = request.args.get("code", "")
    form = Form(RESET, {"code": code})
    return visit.attempt(
        RESET,
        lambda: _reset(visit, form),
        again=lambda refused: visit.show("reset_spent.html", form=refused),
    )


def reset(visit: BrowserRequest) -> Response:
    code = visit.typed("code")

    def step() -> Response:
        user = visit.site.accounts.password_resets.reset(code=code, password=visit.new_password())
        return visit.let_in(user, notice="password")

    def again(form: Form) -> Response:
        if form.problem and form.problem.field == "code":
            return visit.show("reset_spent.html", form=form)
        return _reset(visit, form)

    return visit.attempt(RESET, step, again=again)


def _forgot(visit: BrowserRequest, form: Form) -> Response:
    return visit.show("forgot.html", form=form, sends_mail=visit.site.sends_mail)


def _reset(visit: BrowserRequest, form: Form) -> Response:
    """Raises `Invalid` for a code that is nobody's."""
    owner = visit.site.accounts.codes.peek(kind=CodeKind.RESET, code=form.value("code"))
    account = visit.site.users.get(owner) if owner else None
    if account is None or not account.active:
        raise InvalidValue("code", INVALID_LINK)
    return visit.show("reset.html", form=form, account=account)
