"""Device tokens: signed proof that a browser or program has signed in to an account before.

They open nothing: they only keep wrong passwords that others try from locking out the owner.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

import jwt

from services.auth.session_tokens import ALGORITHM, ISSUER, MAX_TOKEN_LENGTH
from services.core.clock import Clock, utcnow

AUDIENCE = "ai-ticket-assistant:device"
DEVICE_LIFETIME = timedelta(days=180)
ID_BYTES = 16


class DeviceTokens:
    """`account` names the account and its password, so that a new password ends the proof. The
    token holds an HMAC of it."""

    def __init__(self, secret: str, *, clock: Clock = utcnow) -> None:
        # A derived key: nothing signed elsewhere with this secret is a valid token.
        self._key = hmac.digest(secret.encode(), b"device tokens", hashlib.sha256)
        self._clock = clock

    def issue(self, *, account: str, token: str | None = None) -> str:
        """Return a token. A device that sends a valid `token` keeps its id."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": self._subject(account),
            "jti": self.device_id(token, account=account) or secrets.token_urlsafe(ID_BYTES),
            "exp": self._clock() + DEVICE_LIFETIME,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def device_id(self, token: str | None, *, account: str) -> str | None:
        """Return the device's id; None unless the token is valid for that account."""
        if not token or len(token) > MAX_TOKEN_LENGTH:
            return None
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],  # regardless of the token's header
                issuer=ISSUER,
                audience=AUDIENCE,
                # The date is compared below, with the clock that tests can set.
                options={"require": ["sub", "jti", "exp"], "verify_exp": False},
            )
        except (jwt.PyJWTError, ValueError):  # ValueError: a lone surrogate in the token
            return None
        expires = claims["exp"]
        is_current = type(expires) is int and expires > self._clock().timestamp()
        if not is_current or claims["sub"] != self._subject(account):
            return None
        return str(claims["jti"])

    def _subject(self, account: str) -> str:
        named = account.encode("utf-8", "replace")
        return hmac.new(self._key, named, hashlib.sha256).hexdigest()[:32]
