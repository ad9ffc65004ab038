"""A request to the account pages."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, wraps
from http import HTTPStatus
from typing import Any

from flask import make_response, redirect, render_template, request
from pymongo.errors import PyMongoError
from werkzeug.wrappers import Response

from bot.slack.bot_process import BotProcess
from bot.web.client_ip import address_for_rate_limit
from bot.web.http_errors import problem_from_error
from bot.web.pages.csrf import CsrfProtection
from bot.web.pages.forms import Form
from services.core.errors import DomainError, InvalidValue, Unauthenticated
from services.models.user import User

PROFILE_PATH = "/profile"
# Where sign-in leads: these words and no addresses, so that nobody is led elsewhere.
NEXT_PATHS = {"profile": PROFILE_PATH, "link": "/link"}
NOTICES = {
    "saved": "Your profile is saved.",
    "password": "Your password is changed, and every other session has ended. Who acts as you in "
    "Slack has not changed: see below.",
    "welcome": "Your account is ready.",
    "signed-out": "You are signed out, here and everywhere else.",
    "unlinked": "That Slack member no longer acts as your account.",
}
PASSWORDS_DIFFER = "The two passwords differ. Write the same one twice."
DATABASE_UNAVAILABLE = (
    "This could not be done, because the database is away. Try again in a minute."
)


class BrowserRequest:
    def __init__(self, bot: BotProcess, csrf: CsrfProtection) -> None:
        self.bot, self.services = bot, bot.services
        self.csrf, self.cookies = csrf, csrf.cookies
        # None if only a proxy's address is known.
        self.rate_limit_address = address_for_rate_limit(request, bot.config.trusted_proxies)

    @cached_property
    def user(self) -> User | None:
        """The signed-in account, as it is stored now."""
        token = self.cookies.session_token()
        try:
            return self.services.sign_in.authenticate(token) if token else None
        except Unauthenticated:
            return None

    @property
    def next_page(self) -> str:
        """The word for where sign-in leads."""
        requested = request.values.get("next", "")
        return requested if requested in NEXT_PATHS else "profile"

    def form_value(self, name: str) -> str:
        return request.form.get(name, "")

    def new_password(self) -> str:
        """Written twice the same. Raises `InvalidValue`."""
        password = self.form_value("password")
        if password != self.form_value("repeat"):
            raise InvalidValue("repeat", PASSWORDS_DIFFER)
        return password

    def render(self, template: str, **values: Any) -> Response:
        """The page. With a `form` that was refused, its status and headers are the refusal's."""
        form = values.get("form")
        problem = form.problem if form else None
        page = render_template(
            template,
            csrf=self.csrf.make_token(),
            user=self.user,
            goal=self.next_page,
            notice=NOTICES.get(request.args.get("notice", ""), ""),
            failed=problem is not None,
            **values,
        )
        response = make_response(page, problem.status if problem else 200)
        if problem:
            response.headers.extend(problem.headers)
        self.cookies.remember_visitor(response)
        return response

    def submit_form(
        self,
        fields: tuple[str, ...],
        action: Callable[[], Response],
        *,
        render_form: Callable[[Form], Response],
    ) -> Response:
        """Do it, or show the form again with what was typed and why it was not done."""
        try:
            return action()
        except (DomainError, PyMongoError) as error:
            problem = problem_from_error(error)
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            problem = replace(problem, message=DATABASE_UNAVAILABLE)
        return render_form(Form(fields, request.form, problem))

    def start_session(self, user: User, *, notice: str = "") -> Response:
        """A new session, and a redirect to the page that was asked for."""
        response = self.redirect_to(NEXT_PATHS[self.next_page], notice=notice)
        self.cookies.set_session(response, self.services.sign_in.issue_token(user))
        return response

    @staticmethod
    def redirect_to(path: str, *, notice: str = "") -> Response:
        return redirect(f"{path}?notice={notice}" if notice else path, 303)


def sign_in_required(
    view: Callable[[BrowserRequest, User], Response],
) -> Callable[[BrowserRequest], Response]:
    """Others sign in first, and come back."""

    @wraps(view)
    def answer(req: BrowserRequest) -> Response:
        if req.user is None:
            next_page = next(
                (name for name, path in NEXT_PATHS.items() if path == request.path), "profile"
            )
            return req.redirect_to(f"/signin?next={next_page}")
        return view(req, req.user)

    return answer


def is_https(app_url: str | None) -> bool:
    """Whether browsers reach the pages over TLS alone."""
    return (app_url or "").startswith("https://")
