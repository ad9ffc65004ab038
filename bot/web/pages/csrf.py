"""CSRF protection: refuse forms that other sites submit, sign-in included.

Each form has an HMAC of the browser's id and its session as a token, so a token of another browser
or an earlier session is not valid. The headers Origin and Sec-Fetch-Site are checked, too.
Flask-WTF checks neither, and needs a Flask session.
"""

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from flask import request

from bot.web.cookies import Cookies
from services.core import security_events
from services.core.errors import PermissionDenied
from services.core.security_events import SecurityEvent

CSRF_FIELD = "csrf"
CROSS_SITE_FORM = "This form was sent by another site, so nothing was done."
STALE_FORM = (
    "Nothing was done: this form is from before you last signed in or out, or your browser keeps "
    "no cookies here. Open the page again."
)
# "none": the user typed the address or reloaded the page.
_SAME_SITE_VALUES = ("same-origin", "none")


class CsrfProtection:
    def __init__(self, secret: str, cookies: Cookies, *, app_url: str | None) -> None:
        # A derived key: nothing signed elsewhere with this secret is a valid token.
        self._key = hmac.digest(secret.encode(), b"page forms", hashlib.sha256)
        self.cookies = cookies
        self._public_host = urlsplit(app_url or "").netloc

    def make_token(self) -> str:
        """Return the token for forms in the response to this request."""
        subject = f"{self.cookies.visitor_id()}.{self.cookies.session_token()}"
        digest = hmac.digest(self._key, subject.encode("utf-8", "replace"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def verify(self) -> None:
        """Raise `PermissionDenied` for a POST without a valid token from this site."""
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        if (
            request.headers.get("Sec-Fetch-Site", "none") not in _SAME_SITE_VALUES
            or not self._is_own_origin()
        ):
            security_events.record(SecurityEvent.FORM_REFUSED, reason="other_site")
            raise PermissionDenied(CROSS_SITE_FORM)
        submitted_token = request.form.get(CSRF_FIELD, "")
        if not hmac.compare_digest(
            submitted_token.encode("utf-8", "replace"), self.make_token().encode()
        ):
            security_events.record(SecurityEvent.FORM_REFUSED, reason="stale_token")
            raise PermissionDenied(STALE_FORM)

    def _is_own_origin(self) -> bool:
        """Our pages send no referrer, so their Origin may be "null", which is accepted."""
        origin = request.headers.get("Origin", "null")
        own_hosts = {request.host, self._public_host or request.host}
        return origin == "null" or origin.partition("://")[2] in own_hosts
