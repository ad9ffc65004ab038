"""The pages of an account: sign up, sign in, profile, a new password, a code to link it by.

Plain HTML forms without a script. Every address is in one table; whoever reads it reads all.
"""

from collections.abc import Callable
from pathlib import Path

import pymongo
from flask import Blueprint, Response, request
from jinja2 import StrictUndefined
from werkzeug.wrappers import Response as AnyResponse

from bot.slack.bot_process import BotProcess
from bot.web.email_trigger import trigger_email_delivery
from bot.web.pages import linking, password_reset, profile, sign_in
from bot.web.pages.browser_request import BrowserRequest, is_https
from bot.web.pages.cookies import Cookies
from bot.web.pages.csrf import CsrfProtection
from bot.web.pages.security_headers import add_security_headers

# Beyond this nobody waits. Longer than a handler of Slack's, because an old password of the
# predecessor's takes two seconds to compare.
VIEW_TIMEOUT_SECONDS = 10.0
STATIC_DIR = Path(__file__).parent.parent / "static"

# What is done there is told by mail.
EMAILING_PATHS = frozenset({"/signup", "/forgot", "/reset", "/profile/password"})

PageView = Callable[[BrowserRequest], AnyResponse]
PAGE_ROUTES: tuple[tuple[str, str, PageView], ...] = (
    ("GET", "/", sign_in.redirect_from_root),
    ("GET", "/signup", sign_in.show_sign_up),
    ("POST", "/signup", sign_in.sign_up),
    ("GET", "/signin", sign_in.show_sign_in),
    ("POST", "/signin", sign_in.sign_in),
    ("POST", "/signout", sign_in.sign_out),
    ("GET", "/forgot", password_reset.show_forgot),
    ("POST", "/forgot", password_reset.request_reset),
    ("GET", "/reset", password_reset.show_reset),
    ("POST", "/reset", password_reset.reset_password),
    ("GET", "/profile", profile.show_profile),
    ("POST", "/profile", profile.save_profile_page),
    ("POST", "/profile/password", profile.change_password),
    ("GET", "/unlink", linking.show_unlink),
    ("POST", "/unlink", linking.unlink),
    ("GET", "/link", linking.show_code),
)


def pages_blueprint(bot: BotProcess) -> Blueprint:
    """Their blueprint. A POST that does not come from one of these pages reaches no view."""
    blueprint = Blueprint("pages", __name__, static_folder=STATIC_DIR, static_url_path="/static")
    blueprint.record_once(_configure_templates)
    cookies = Cookies(secure=is_https(bot.config.app_url))
    csrf = CsrfProtection(bot.config.jwt_secret, cookies, app_url=bot.config.app_url)
    blueprint.before_request(csrf.verify)

    @blueprint.after_request
    def protect(response: Response) -> Response:
        return add_security_headers(response, secure=cookies.secure)

    @blueprint.after_request
    def mail(response: Response) -> Response:
        if (
            request.path in EMAILING_PATHS
            and request.method == "POST"
            and response.status_code < 400
        ):
            trigger_email_delivery(response, bot.services.emails, bot.publisher)
        return response

    for method, path, view in PAGE_ROUTES:
        blueprint.add_url_rule(
            path,
            endpoint=f"{view.__module__.rpartition('.')[2]}_{view.__name__}",
            view_func=_view_function(view, bot, csrf),
            methods=[method],
        )
    return blueprint


def _view_function(
    view: PageView, bot: BotProcess, csrf: CsrfProtection
) -> Callable[[], AnyResponse]:
    def answer() -> AnyResponse:
        with pymongo.timeout(VIEW_TIMEOUT_SECONDS):
            return view(BrowserRequest(bot, csrf))

    return answer


def _configure_templates(state: object) -> None:
    """A template that names what it was not given is a fault, and no gap on the page."""
    env = state.app.jinja_env  # type: ignore[attr-defined]  # Flask's BlueprintSetupState
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
