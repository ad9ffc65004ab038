"""A request to the account pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any

from flask import make_response, redirect, render_template, request
from pymongo.errors import PyMongoError
from werkzeug.wrappers import Response

from bot.slack.bot_process import BotProcess
from bot.web.client_ip import address_for_rate_limit
from bot.web.http_errors import Problem, problem_from_error
from bot.web.pages.csrf import CsrfProtection
from services.core.errors import DomainError, InvalidValue, Unauthenticated
from services.models.user import User

PROFILE_PATH = "/profile"
# Pages after sign-in, by the value of `next`: no address, so no redirect to another site.
NEXT_PATHS = {"profile": PROFILE_PATH, "link": "/link"}
NOTICES = {
    "saved": "Your profile is saved.",
    "password": "Your password is changed, and you are signed out everywhere else. Who uses your "
    "account in Slack has not changed: see below.",
    "password-unlinked": "Your password is changed, you are signed out everywhere else, and your "
    "account is unlinked in Slack. To link it again, see below.",
    "still-linked": "Your password is changed, but your account could not be unlinked in Slack. "
    "Press Unlink below.",
    "welcome": "Your account is ready.",
    "link-sent": "A link is on its way to your address.",
    "confirmed": "Your address is confirmed.",
    "signed-out": "You are signed out.",
    "signed-out-everywhere": "You are signed out, here and everywhere else.",
    "unlinked": "That Slack member can no longer use your account.",
}
PASSWORDS_DIFFER = "The two passwords differ. Write the same one twice."
# Never sent back to the browser.
SECRET_FIELDS = frozenset({"password", "repeat", "currentPassword", "csrf"})


@dataclass(frozen=True, slots=True)
class Form:
    """A form as shown: its values and what is wrong. A problem of no field is shown at the top."""

    fields: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None

    def value(self, name: str) -> str:
        return "" if name in SECRET_FIELDS else self.values.get(name, "")

    def error(self, name: str) -> str:
        """Return the error of that field, or ""."""
        problem = self.problem
        return problem.message if problem and problem.field == name else ""

    @property
    def general_error(self) -> str:
        problem = self.problem
        return problem.message if problem and problem.field not in self.fields else ""


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
    def sends_mail(self) -> bool:
        """Whether links can be mailed."""
        return bool(self.bot.config.mailtrap_smtp_host and self.bot.config.app_url)

    @property
    def next_page(self) -> str:
        """The key in `NEXT_PATHS` of the page after sign-in."""
        requested = request.values.get("next", "")
        return requested if requested in NEXT_PATHS else "profile"

    def form_value(self, name: str) -> str:
        return request.form.get(name, "")

    def new_password(self) -> str:
        """Return the password that was typed twice. Raises `InvalidValue` if they differ."""
        password = self.form_value("password")
        if password != self.form_value("repeat"):
            raise InvalidValue("repeat", PASSWORDS_DIFFER)
        return password

    def render(self, template: str, **values: Any) -> Response:
        """Render the page. A refused `form` gives it the refusal's status and headers."""
        form = values.get("form")
        problem = form.problem if form else None
        page = render_template(
            template,
            csrf=self.csrf.make_token(),
            app_name=self.services.app_name,
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
        """Run `action`; if it is refused, show the form again with its values and the reason."""
        try:
            return action()
        except (DomainError, PyMongoError) as error:
            return render_form(Form(fields, request.form, problem_from_error(error)))

    def start_session(self, user: User, *, notice: str = "") -> Response:
        """Start a session, remember the device and redirect to the requested page."""
        response = self.redirect_to(NEXT_PATHS[self.next_page], notice=notice)
        sign_in, device_token = self.services.sign_in, self.cookies.device_token()
        self.cookies.set_session(response, sign_in.issue_token(user))
        self.cookies.set_device(
            response, sign_in.issue_device_token(user, device_token=device_token)
        )
        return response

    @staticmethod
    def redirect_to(path: str, *, notice: str = "") -> Response:
        return redirect(f"{path}?notice={notice}" if notice else path, 303)


def sign_in_required(
    view: Callable[[BrowserRequest, User], Response],
) -> Callable[[BrowserRequest], Response]:
    """Redirect to sign-in, and back afterwards, if no one is signed in."""

    @wraps(view)
    def answer(req: BrowserRequest) -> Response:
        if req.user is None:
            next_page = next(
                (name for name, path in NEXT_PATHS.items() if path == request.path), "profile"
            )
            return req.redirect_to(f"/signin?next={next_page}")
        return view(req, req.user)

    return answer
