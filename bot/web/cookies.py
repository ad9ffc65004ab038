"""The cookies: `session`, the session token; `device`, the proof of an earlier sign-in; and
`visitor`, a random id of the browser."""

import re
import secrets

from flask import g, request
from werkzeug.wrappers import Response

from services.auth.device_tokens import DEVICE_LIFETIME
from services.auth.session_tokens import SESSION_LIFETIME

SESSION_COOKIE, DEVICE_COOKIE, VISITOR_COOKIE = "session", "device", "visitor"
VISITOR_BYTES = 32
VISITOR_DAYS = 90
_VISITOR = re.compile(r"[\w-]{43}", re.ASCII)


class Cookies:
    """Host-only, HttpOnly, SameSite=Lax: sent with links from other sites, but not with forms.

    Over TLS the names begin with `__Host-`, which browsers accept only from this host.
    """

    def __init__(self, *, secure: bool) -> None:
        self.secure = secure
        prefix = "__Host-" if secure else ""
        self._session_cookie, self._device_cookie, self._visitor_cookie = (
            prefix + name for name in (SESSION_COOKIE, DEVICE_COOKIE, VISITOR_COOKIE)
        )

    def session_token(self) -> str:
        """Return the request's session token, or ""."""
        return request.cookies.get(self._session_cookie, "")

    def set_session(self, response: Response, token: str) -> None:
        self._set_cookie(
            response, self._session_cookie, token, seconds=int(SESSION_LIFETIME.total_seconds())
        )

    def clear_session(self, response: Response) -> None:
        self._set_cookie(response, self._session_cookie, "", seconds=0)

    def device_token(self) -> str:
        """Return the request's device token, or ""."""
        return request.cookies.get(self._device_cookie, "")

    def set_device(self, response: Response, token: str) -> None:
        self._set_cookie(
            response, self._device_cookie, token, seconds=int(DEVICE_LIFETIME.total_seconds())
        )

    def visitor_id(self) -> str:
        """Return the browser's id, a new one if it has none."""
        if "visitor" not in g:
            cookie_value = request.cookies.get(self._visitor_cookie, "")
            is_valid = _VISITOR.fullmatch(cookie_value)
            g.visitor = cookie_value if is_valid else secrets.token_urlsafe(VISITOR_BYTES)
        return str(g.visitor)

    def remember_visitor(self, response: Response) -> None:
        """Set the cookie if the browser does not have it."""
        if self.visitor_id() != request.cookies.get(self._visitor_cookie):
            self._set_cookie(
                response, self._visitor_cookie, self.visitor_id(), seconds=VISITOR_DAYS * 86_400
            )

    def _set_cookie(self, response: Response, name: str, value: str, *, seconds: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )


def is_https(app_url: str | None) -> bool:
    """Whether browsers reach the pages over TLS alone."""
    return (app_url or "").startswith("https://")
