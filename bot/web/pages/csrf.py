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

FIELD = "csrf"
FOREIGN = "This form was sent by another site, so nothing was done."
OLD = (
    "Nothing was done: this form is from before you last signed in or out, or your browser keeps "
    "no cookies here. Open the page again."
)
# A browser says "none" where its user has typed the address, or has reloaded the page.
_OWN = ("same-origin", "none")


class Forgery:
    def __init__(self, secret: str, cookies: Cookies, *, app_url: str | None) -> None:
        # A key of its own: nothing signed elsewhere with this secret is a form's token.
        self._key = hmac.digest(secret.encode(), b"page forms", hashlib.sha256)
        self._cookies = cookies
        self._outside = urlsplit(app_url or "").netloc

    def token(self) -> str:
        """For a form in the answer to this request."""
        holder = f"{self._cookies.visitor()}.{self._cookies.session()}"
        digest = hmac.digest(self._key, holder.encode("utf-8", "replace"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def refuse(self) -> None:
        """Raise `Denied` for a POST that is none of this browser's own forms."""
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        if request.headers.get("Sec-Fetch-Site", "none") not in _OWN or not self._is_own_origin():
            raise PermissionDenied(FOREIGN)
        sent = request.form.get(FIELD, "")
        if not hmac.compare_digest(sent.encode("utf-8", "replace"), self.token().encode()):
            raise PermissionDenied(OLD)

    def _is_own_origin(self) -> bool:
        """A page without referrers, as ours are, has the origin "null": that says nothing."""
        origin = request.headers.get("Origin", "null")
        ours = {request.host, self._outside or request.host}
        return origin == "null" or origin.partition("://")[2] in ours
