"""The account pages: routes, security headers and error pages.

Plain HTML forms without scripts. `PAGE_ROUTES` lists all addresses.
"""

from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, request
from jinja2 import StrictUndefined
from werkzeug.wrappers import Response as AnyResponse

from bot.slack.bot_process import BotProcess
from bot.web.cookies import Cookies, is_https
from bot.web.email_trigger import trigger_email_delivery
from bot.web.http_errors import ErrorPage, Problem
from bot.web.pages import address_confirmation, linking, password_reset, profile, sign_in
from bot.web.pages.browser_request import BrowserRequest
from bot.web.pages.csrf import CsrfProtection
from services.core.database import DatabaseUnavailable
from services.team_settings.app_name import known_app_name

# More than for a Slack handler: an old password of the legacy backend takes two seconds to compare.
# At shutdown the process waits for it, and has ten seconds to exit.
VIEW_TIMEOUT_SECONDS = 5.0
ERROR_PAGE_TIMEOUT_SECONDS = 1.0
STATIC_DIR = Path(__file__).parent.parent / "static"
# No scripts at all, and no content from other sites.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",  # the address of a page may contain a code
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
YEAR_SECONDS = 365 * 86_400

ERROR_TITLES = {
    403: "Not allowed",
    404: "Page not found",
    405: "Cannot be opened",
    413: "Too large",
    429: "Too many attempts",
    503: "Back in a minute",
}
# In place of messages for programs.
ERROR_MESSAGES = {
    404: "There is no page at this address.",
    405: "This page cannot be opened like this.",
    413: "What was sent is too large.",
}

# A POST to these queues an email.
EMAILING_PATHS = frozenset(
    {"/signup", "/forgot", "/reset", "/profile/password", "/profile/confirm"}
)

PageView = Callable[[BrowserRequest], AnyResponse]
PAGE_ROUTES: tuple[tuple[str, str, PageView], ...] = (
    ("GET", "/", sign_in.redirect_from_root),
    ("GET", "/signup", sign_in.show_sign_up),
    ("POST", "/signup", sign_in.sign_up),
    ("GET", "/signin", sign_in.show_sign_in),
    ("POST", "/signin", sign_in.sign_in),
    ("POST", "/signout", sign_in.sign_out),
    ("POST", "/signout/everywhere", sign_in.sign_out_everywhere),
    ("GET", "/forgot", password_reset.show_forgot),
    ("POST", "/forgot", password_reset.request_reset),
    ("GET", "/reset", password_reset.show_reset),
    ("POST", "/reset", password_reset.reset_password),
    ("GET", "/confirm", address_confirmation.show_confirmation),
    ("POST", "/confirm", address_confirmation.confirm_address),
    ("GET", "/profile", profile.show_profile),
    ("POST", "/profile", profile.save_profile_page),
    ("POST", "/profile/password", profile.change_password),
    ("POST", "/profile/confirm", address_confirmation.request_confirmation),
    ("GET", "/unlink", linking.show_unlink),
    ("POST", "/unlink", linking.unlink),
    ("GET", "/link", linking.show_code),
)


def pages_blueprint(bot: BotProcess) -> Blueprint:
    """Return the blueprint of the pages. A POST without a valid CSRF token reaches no view."""
    blueprint = Blueprint("pages", __name__, static_folder=STATIC_DIR, static_url_path="/static")
    blueprint.record_once(_configure_templates)
    cookies = Cookies(secure=is_https(bot.config.app_url))
    csrf = CsrfProtection(bot.config.jwt_secret, cookies, app_url=bot.config.app_url)
    blueprint.before_request(csrf.verify)

    @blueprint.after_request
    def protect(response: Response) -> Response:
        return _add_security_headers(response, secure=cookies.secure)

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


def make_error_page(bot: BotProcess, *, secure: bool) -> ErrorPage:
    """Return the renderer. It renders without the database, too, which may cause the error."""

    def page(problem: Problem) -> Response:
        status = problem.status
        html = render_template(
            "error.html",
            app_name=_app_name(bot),
            title=ERROR_TITLES.get(status, "That did not work"),
            sentence=ERROR_MESSAGES.get(status, problem.message),
            user=None,
            failed=True,
            notice="",
        )
        response = make_response(html, status)
        response.headers.extend(problem.headers)
        return _add_security_headers(response, secure=secure)

    return page


def _app_name(bot: BotProcess) -> str:
    try:
        with bot.database.deadline(ERROR_PAGE_TIMEOUT_SECONDS):
            return bot.services.app_name
    except DatabaseUnavailable:
        return known_app_name(bot.services.db)


def _add_security_headers(response: Response, *, secure: bool) -> Response:
    response.headers.update(SECURITY_HEADERS)
    if secure:
        response.headers["Strict-Transport-Security"] = f"max-age={YEAR_SECONDS}"
    return response


def _view_function(
    view: PageView, bot: BotProcess, csrf: CsrfProtection
) -> Callable[[], AnyResponse]:
    def answer() -> AnyResponse:
        with bot.database.deadline(VIEW_TIMEOUT_SECONDS):
            return view(BrowserRequest(bot, csrf))

    return answer


def _configure_templates(state: object) -> None:
    """Raise an error for an undefined name in a template, instead of leaving a gap."""
    env = state.app.jinja_env  # type: ignore[attr-defined]  # Flask's BlueprintSetupState
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
