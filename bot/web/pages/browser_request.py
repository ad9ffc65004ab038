"""One request of somebody's browser: who asks, what was typed, and how it is answered.

What the pages are made of, put together once a process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from http import HTTPStatus
from typing import Any

from flask import make_response, redirect, render_template, request
from pymongo.errors import PyMongoError
from werkzeug.wrappers import Response

from bot.slack.services import BotServices
from bot.web.client_ip import counted_address
from bot.web.http_errors import problem_of
from bot.web.pages.cookies import Cookies
from bot.web.pages.csrf import Forgery
from bot.web.pages.forms import Form
from services.accounts.users import UserService
from services.auth.services import AccountServices
from services.core.errors import DomainError, InvalidValue, Unauthenticated
from services.core.settings import Network
from services.models.user import User

PROFILE = "/profile"
# Where sign-in leads: these words and no addresses, so that nobody is led elsewhere.
GOALS = {"profile": PROFILE, "link": "/link"}
NOTICES = {
    "saved": "Your profile is saved.",
    "password": "Your password is changed, and every other session has ended. Who acts as you in "
    "Slack has not changed: see below.",
    "welcome": "Your account is ready.",
    "signed-out": "You are signed out, here and everywhere else.",
    "unlinked": "That Slack member no longer acts as your account.",
}
DIFFERENT = "The two passwords differ. Write the same one twice."
AWAY = "This could not be done, because the database is away. Try again in a minute."


@dataclass(frozen=True, slots=True)
class PageServices:
    """`sends_mail` is whether whoever has forgotten a password can be mailed a link."""

    accounts: AccountServices
    users: UserService
    desk: BotServices
    cookies: Cookies
    forgery: Forgery
    trusted_proxies: Sequence[Network]
    sends_mail: bool

    @classmethod
    def of(
        cls,
        desk: BotServices,
        accounts: AccountServices,
        users: UserService,
        *,
        secret: str,
        trusted_proxies: Sequence[Network] = (),
        has_mail: bool = False,
    ) -> "PageServices":
        """`secret` is JWT_SECRET; `has_mail` says that there is a mail server."""
        cookies = Cookies(secure=is_secure(desk.app_url))
        return cls(
            accounts=accounts,
            users=users,
            desk=desk,
            cookies=cookies,
            forgery=Forgery(secret, cookies, app_url=desk.app_url),
            trusted_proxies=trusted_proxies,
            sends_mail=has_mail and desk.app_url is not None,
        )


class BrowserRequest:
    def __init__(self, site: PageServices) -> None:
        self.site = site
        # For the throttle; None where only a proxy's is known.
        self.address = counted_address(request, site.trusted_proxies)

    @cached_property
    def user(self) -> User | None:
        """Who is signed in, as the account is at this moment."""
        token = self.site.cookies.session()
        try:
            return self.site.accounts.sign_in.authenticate(token) if token else None
        except Unauthenticated:
            return None

    @property
    def goal(self) -> str:
        """The word for where sign-in leads."""
        asked = request.values.get("next", "")
        return asked if asked in GOALS else "profile"

    def typed(self, name: str) -> str:
        return request.form.get(name, "")

    def new_password(self) -> str:
        """Written twice the same. Raises `Invalid`."""
        password = self.typed("password")
        if password != self.typed("repeat"):
            raise InvalidValue("repeat", DIFFERENT)
        return password

    def show(self, template: str, **values: Any) -> Response:
        """The page. With a `form` that was refused, its status and headers are the refusal's."""
        form = values.get("form")
        problem = form.problem if form else None
        page = render_template(
            template,
            csrf=self.site.forgery.token(),
            user=self.user,
            goal=self.goal,
            notice=NOTICES.get(request.args.get("notice", ""), ""),
            failed=problem is not None,
            **values,
        )
        response = make_response(page, problem.status if problem else 200)
        if problem:
            response.headers.extend(problem.headers)
        self.site.cookies.name(response)
        return response

    def attempt(
        self,
        fields: tuple[str, ...],
        step: Callable[[], Response],
        *,
        again: Callable[[Form], Response],
    ) -> Response:
        """Do it, or show the form again with what was typed and why it was not done."""
        try:
            return step()
        except (DomainError, PyMongoError) as error:
            problem = problem_of(error)
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            problem = replace(problem, sentence=AWAY)
        return again(Form(fields, request.form, problem))

    def let_in(self, user: User, *, notice: str = "") -> Response:
        """A new session, and on to where they wanted."""
        response = self.go(GOALS[self.goal], notice=notice)
        self.site.cookies.start(response, self.site.accounts.sign_in.issue_token(user))
        return response

    @staticmethod
    def go(path: str, *, notice: str = "") -> Response:
        return redirect(f"{path}?notice={notice}" if notice else path, 303)


def for_signed_in(
    view: Callable[[BrowserRequest, User], Response],
) -> Callable[[BrowserRequest], Response]:
    """Others sign in first, and come back."""

    @wraps(view)
    def answer(visit: BrowserRequest) -> Response:
        if visit.user is None:
            goal = next((word for word, path in GOALS.items() if path == request.path), "profile")
            return visit.go(f"/signin?next={goal}")
        return view(visit, visit.user)

    return answer


def is_secure(app_url: str | None) -> bool:
    """Whether browsers reach the pages over TLS alone."""
    return (app_url or "").startswith("https://")
