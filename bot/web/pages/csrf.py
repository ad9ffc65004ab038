"""Refuses forms that another site has a browser send, sign-in included.

Each form carries an HMAC over the browser's name and its session: nobody else can make one, and
one of another browser, or of a session before, is none. Browsers also say where a form comes from.
"""

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from flask import request

from bot.web.pages.cookies import Cookies
from services.core.errors import PermissionDenied

CSRF_FIELD = "csrf"
CROSS_SITE_FORM = "This form was sent by another site, so nothing was done."
STALE_FORM = (
    "Nothing was done: this form is from before you last signed in or out, or your browser keeps "
    "no cookies here. Open the page again."
)
# A browser says "none" where its user has typed the address, or has reloaded the page.
_SAME_SITE_VALUES = ("same-origin", "none")


class CsrfProtection:
    def __init__(self, secret: str, cookies: Cookies, *, app_url: str | None) -> None:
        # A key of its own: nothing signed elsewhere with this secret is a form's token.
        self._key = hmac.digest(secret.encode(), b"page forms", hashlib.sha256)
        self.cookies = cookies
        self._public_host = urlsplit(app_url or "").netloc

    def make_token(self) -> str:
        """For a form in the answer to this request."""
        subject = f"{self.cookies.visitor_id()}.{self.cookies.session_token()}"
        digest = hmac.digest(self._key, subject.encode("utf-8", "replace"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def verify(self) -> None:
        """Raise `PermissionDenied` for a POST that is none of this browser's own forms."""
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        if (
            request.headers.get("Sec-Fetch-Site", "none") not in _SAME_SITE_VALUES
            or not self._is_own_origin()
        ):
            raise PermissionDenied(CROSS_SITE_FORM)
        submitted_token = request.form.get(CSRF_FIELD, "")
        if not hmac.compare_digest(
            submitted_token.encode("utf-8", "replace"), self.make_token().encode()
        ):
            raise PermissionDenied(STALE_FORM)

    def _is_own_origin(self) -> bool:
        """A page without referrers, as ours are, has the origin "null": that says nothing."""
        origin = request.headers.get("Origin", "null")
        own_hosts = {request.host, self._public_host or request.host}
        return origin == "null" or origin.partition("://")[2] in own_hosts
