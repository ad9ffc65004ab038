"""Sign up, sign in, sign out."""

from werkzeug.wrappers import Response

from bot.web.pages.browser_request import GOALS, PROFILE, BrowserRequest
from bot.web.pages.forms import Form
from services.core.errors import Conflict, LimitReached, Unauthenticated
from services.models.user import User

SIGN_UP = ("email", "name", "skills", "password", "repeat")
SIGN_IN = ("email", "password")


def begin(visit: BrowserRequest) -> Response:
    return visit.go(PROFILE if visit.user else "/signin")


def show_sign_up(visit: BrowserRequest) -> Response:
    if visit.user:
        return visit.go(GOALS[visit.goal])
    return _sign_up(visit, Form(SIGN_UP))


def sign_up(visit: BrowserRequest) -> Response:
    def step() -> Response:
        try:
            user = visit.site.accounts.sign_in.sign_up(
                email=visit.typed("email"),
                password=visit.new_password(),
                name=visit.typed("name"),
                skills=visit.typed("skills").split(","),
                client_ip=visit.address,
            )
        except Conflict as known:
            return visit.let_in(_owner(visit, known))
        return visit.let_in(user, notice="welcome")

    return visit.attempt(SIGN_UP, step, again=lambda form: _sign_up(visit, form))


def show_sign_in(visit: BrowserRequest) -> Response:
    if visit.user:
        return visit.go(GOALS[visit.goal])
    return _sign_in(visit, Form(SIGN_IN))


def sign_in(visit: BrowserRequest) -> Response:
    def step() -> Response:
        user = visit.site.accounts.sign_in.sign_in(
            email=visit.typed("email"), password=visit.typed("password"), client_ip=visit.address
        )
        return visit.let_in(user)

    return visit.attempt(SIGN_IN, step, again=lambda form: _sign_in(visit, form))


def sign_out(visit: BrowserRequest) -> Response:
    if visit.user:
        visit.site.accounts.sign_in.sign_out(user_id=visit.user.id)
    response = visit.go("/signin", notice="signed-out")
    visit.site.cookies.end(response)
    return response


def _owner(visit: BrowserRequest, known: Conflict) -> User:
    """Whoever has the account already, if the password is its own: a browser shows the answer to
    the second click of two. Raises `known`; guesses are counted as at sign-in.
    """
    try:
        return visit.site.accounts.sign_in.sign_in(
            email=visit.typed("email"), password=visit.typed("password"), client_ip=visit.address
        )
    except (Unauthenticated, LimitReached):
        raise known from None


def _sign_up(visit: BrowserRequest, form: Form) -> Response:
    return visit.show("signup.html", form=form)


def _sign_in(visit: BrowserRequest, form: Form) -> Response:
    return visit.show("signin.html", form=form)
