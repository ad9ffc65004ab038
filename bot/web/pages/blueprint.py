"""The pages of an account: sign up, sign in, profile, a new password, a code to link it by.

Plain HTML forms without a script. Every address is in one table; whoever reads it reads all.
"""

from collections.abc import Callable
from pathlib import Path

import pymongo
from flask import Blueprint, Response, request
from jinja2 import StrictUndefined
from werkzeug.wrappers import Response as AnyResponse

from bot.web.email_trigger import mail_soon
from bot.web.pages import linking, password_reset, profile, sign_in
from bot.web.pages.browser_request import BrowserRequest, PageServices
from bot.web.pages.security_headers import protected

# Beyond this nobody waits. Longer than a handler of Slack's, because an old password of the
# predecessor's takes two seconds to compare.
SECONDS = 10.0
STATIC = Path(__file__).parent.parent / "static"

# What is done there is told by mail.
MAILING = frozenset({"/signup", "/forgot", "/reset", "/profile/password"})

View = Callable[[BrowserRequest], AnyResponse]
ROUTES: tuple[tuple[str, str, View], ...] = (
    ("GET", "/", sign_in.begin),
    ("GET", "/signup", sign_in.show_sign_up),
    ("POST", "/signup", sign_in.sign_up),
    ("GET", "/signin", sign_in.show_sign_in),
    ("POST", "/signin", sign_in.sign_in),
    ("POST", "/signout", sign_in.sign_out),
    ("GET", "/forgot", password_reset.show_forgot),
    ("POST", "/forgot", password_reset.forgot),
    ("GET", "/reset", password_reset.show_reset),
    ("POST", "/reset", password_reset.reset),
    ("GET", "/profile", profile.show),
    ("POST", "/profile", profile.save),
    ("POST", "/profile/password", profile.change_password),
    ("GET", "/unlink", linking.ask_unlink),
    ("POST", "/unlink", linking.unlink),
    ("GET", "/link", linking.show_code),
)


def pages(site: PageServices) -> Blueprint:
    """Their blueprint. A POST that does not come from one of these pages reaches no view."""
    blueprint = Blueprint("pages", __name__, static_folder=STATIC, static_url_path="/static")
    blueprint.record_once(_be_strict)
    blueprint.before_request(site.forgery.refuse)

    @blueprint.after_request
    def protect(response: Response) -> Response:
        return protected(response, secure=site.cookies.secure)

    @blueprint.after_request
    def mail(response: Response) -> Response:
        if request.path in MAILING and request.method == "POST" and response.status_code < 400:
            mail_soon(response, site.accounts.emails, site.desk.publisher)
        return response

    for method, path, view in ROUTES:
        blueprint.add_url_rule(
            path,
            endpoint=f"{view.__module__.rpartition('.')[2]}_{view.__name__}",
            view_func=_answering(view, site),
            methods=[method],
        )
    return blueprint


def _answering(view: View, site: PageServices) -> Callable[[], AnyResponse]:
    def answer() -> AnyResponse:
        with pymongo.timeout(SECONDS):
            return view(BrowserRequest(site))

    return answer


def _be_strict(state: object) -> None:
    """A template that names what it was not given is a fault, and no gap on the page."""
    env = state.app.jinja_env  # type: ignore[attr-defined]  # Flask's BlueprintSetupState
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
