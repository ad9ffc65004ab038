"""The two cookies: `session`, whose holder is signed in, and `visitor`, which names a browser."""

import re
import secrets

from flask import g, request
from werkzeug.wrappers import Response

from services.auth.session_tokens import SESSION_LIFETIME

SESSION, VISITOR = "session", "visitor"
VISITOR_BYTES = 32
VISITOR_DAYS = 90
_VISITOR = re.compile(r"[\w-]{43}", re.ASCII)


class Cookies:
    """For this host alone and no script; sent along by links from elsewhere, but by no form there.

    Over TLS their names begin with `__Host-`: a browser takes those from nobody but this host.
    """

    def __init__(self, *, secure: bool) -> None:
        self.secure = secure
        prefix = "__Host-" if secure else ""
        self._session, self._visitor = prefix + SESSION, prefix + VISITOR

    def session(self) -> str:
        """The token that came with this request; "" for none."""
        return request.cookies.get(self._session, "")

    def start(self, response: Response, token: str) -> None:
        self._set(response, self._session, token, seconds=int(SESSION_LIFETIME.total_seconds()))

    def end(self, response: Response) -> None:
        self._set(response, self._session, "", seconds=0)

    def visitor(self) -> str:
        """The browser's name, for this request a new one where it has none."""
        if "visitor" not in g:
            sent = request.cookies.get(self._visitor, "")
            known = _VISITOR.fullmatch(sent)
            g.visitor = sent if known else secrets.token_urlsafe(VISITOR_BYTES)
        return str(g.visitor)

    def name(self, response: Response) -> None:
        """Have the browser keep its name."""
        if self.visitor() != request.cookies.get(self._visitor):
            self._set(response, self._visitor, self.visitor(), seconds=VISITOR_DAYS * 86_400)

    def _set(self, response: Response, name: str, value: str, *, seconds: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="Lax",
        )
