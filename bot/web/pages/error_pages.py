"""Error pages for addresses that people open."""

from flask import Response, make_response, render_template

from bot.web.http_errors import ErrorPage, Problem
from bot.web.pages.browser_request import DATABASE_UNAVAILABLE
from bot.web.pages.security_headers import add_security_headers

ERROR_TITLES = {
    403: "Not done",
    404: "Nothing here",
    405: "Not like this",
    413: "Too large",
    429: "Too many attempts",
    503: "Back in a minute",
}
# In place of messages for programs.
ERROR_MESSAGES = {
    404: "There is no page at this address.",
    405: "This page cannot be opened like this.",
    413: "What was sent is too large.",
    503: DATABASE_UNAVAILABLE,
}


def make_error_page(*, secure: bool) -> ErrorPage:
    """Return the renderer. It needs no database, which may be the cause of the error."""

    def page(problem: Problem) -> Response:
        status = problem.status
        html = render_template(
            "error.html",
            title=ERROR_TITLES.get(status, "That did not work"),
            sentence=ERROR_MESSAGES.get(status, problem.message),
            user=None,
            failed=True,
            notice="",
        )
        response = make_response(html, status)
        response.headers.extend(problem.headers)
        return add_security_headers(response, secure=secure)

    return page
