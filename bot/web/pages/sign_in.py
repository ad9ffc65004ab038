"""Sign up, sign in, sign out."""

from werkzeug.wrappers import Response

from bot.web.pages.browser_request import NEXT_PATHS, PROFILE_PATH, BrowserRequest, Form
from services.core.errors import Conflict, LimitReached, Unauthenticated
from services.models.user import User

SIGN_UP_FIELDS = ("email", "name", "password", "repeat")
SIGN_IN_FIELDS = ("email", "password")


def redirect_from_root(req: BrowserRequest) -> Response:
    return req.redirect_to(PROFILE_PATH if req.user else "/signin")


def show_sign_up(req: BrowserRequest) -> Response:
    if req.user:
        return req.redirect_to(NEXT_PATHS[req.next_page])
    return req.render("signup.html", form=Form(SIGN_UP_FIELDS))


def sign_up(req: BrowserRequest) -> Response:
    def create_account() -> Response:
        try:
            user = req.services.sign_in.sign_up(
                email=req.form_value("email"),
                password=req.new_password(),
                name=req.form_value("name"),
                client_ip=req.rate_limit_address,
            )
        except Conflict as conflict:
            return req.start_session(_existing_user(req, conflict))
        return req.start_session(user, notice="welcome")

    return req.submit_form(
        SIGN_UP_FIELDS,
        create_account,
        render_form=lambda form: req.render("signup.html", form=form),
    )


def show_sign_in(req: BrowserRequest) -> Response:
    if req.user:
        return req.redirect_to(NEXT_PATHS[req.next_page])
    return req.render("signin.html", form=Form(SIGN_IN_FIELDS))


def sign_in(req: BrowserRequest) -> Response:
    def authenticate() -> Response:
        user = req.services.sign_in.sign_in(
            email=req.form_value("email"),
            password=req.form_value("password"),
            client_ip=req.rate_limit_address,
            device_token=req.cookies.device_token(),
        )
        return req.start_session(user)

    return req.submit_form(
        SIGN_IN_FIELDS, authenticate, render_form=lambda form: req.render("signin.html", form=form)
    )


def sign_out(req: BrowserRequest) -> Response:
    """End the session of this browser."""
    req.services.sign_in.sign_out(token=req.cookies.session_token())
    return _signed_out(req, notice="signed-out")


def sign_out_everywhere(req: BrowserRequest) -> Response:
    if req.user:
        req.services.sign_in.sign_out_everywhere(user_id=req.user.id)
    return _signed_out(req, notice="signed-out-everywhere")


def _signed_out(req: BrowserRequest, *, notice: str) -> Response:
    response = req.redirect_to("/signin", notice=notice)
    req.cookies.clear_session(response)
    return response


def _existing_user(req: BrowserRequest, conflict: Conflict) -> User:
    """The owner of the existing account, if the password matches: a browser shows the answer to the
    second click of two. Raises `conflict`; failed attempts count as at sign-in."""
    try:
        return req.services.sign_in.sign_in(
            email=req.form_value("email"),
            password=req.form_value("password"),
            client_ip=req.rate_limit_address,
            device_token=req.cookies.device_token(),
        )
    except (Unauthenticated, LimitReached):
        raise conflict from None
