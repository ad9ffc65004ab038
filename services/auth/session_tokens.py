"""Session tokens: signed, with an expiry, for one `tokenVersion` of an account.

A new `tokenVersion` ends all sessions of an account; one that was ended alone is stored with the
account until it would expire. The key is derived from JWT_SECRET: the
legacy backend may run with the same secret, and accepts any token signed with it, without a role.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from bson import ObjectId

from services.core.clock import Clock, utcnow
from services.models.user import User

ALGORITHM = "HS256"
ISSUER = "ai-ticket-assistant"
AUDIENCE = "ai-ticket-assistant:session"
SESSION_LIFETIME = timedelta(days=7)
# By how much the clocks of two bot processes may differ.
MAX_CLOCK_SKEW = timedelta(seconds=30)
# Ours have about 300 characters. A longer one is not parsed.
MAX_TOKEN_LENGTH = 600


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """The account and `tokenVersion` that a token names, and the session's id and end."""

    user_id: ObjectId
    token_version: int
    session_id: str
    expires_at: datetime


class SessionTokens:
    def __init__(self, secret: str, *, clock: Clock = utcnow) -> None:
        """`secret` has at least 32 bytes."""
        self._key = hmac.digest(secret.encode(), b"session tokens", hashlib.sha256)
        self._clock = clock

    def issue(self, user: User) -> str:
        now = self._clock()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user.id),
            "ver": user.token_version,
            "iat": now,
            "exp": now + SESSION_LIFETIME,
            # Two sessions of the same second are two.
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def verify(self, token: str) -> SessionClaims | None:
        """Return the claims; None if not signed by this product or expired. No database query."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],  # regardless of the token's header
                issuer=ISSUER,
                audience=AUDIENCE,
                # The dates are compared below, with the clock that tests can set.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):  # ValueError: a lone surrogate in the token
            return None
        return self._checked(token, claims)

    def _checked(self, token: str, claims: dict[str, Any]) -> SessionClaims | None:
        now, user_id, version = self._clock().timestamp(), claims["sub"], claims["ver"]
        issued, expires = claims["iat"], claims["exp"]
        if not all(type(number) is int for number in (version, issued, expires)):
            return None
        if not issued - MAX_CLOCK_SKEW.total_seconds() <= now < expires or not ObjectId.is_valid(
            user_id
        ):
            return None
        # Not the claim "jti", which tokens of earlier releases lack.
        session_id = hashlib.sha256(token.encode()).hexdigest()[:32]
        return SessionClaims(
            ObjectId(user_id), version, session_id, datetime.fromtimestamp(expires, UTC)
        )


_REQUIRED = ["iss", "aud", "sub", "ver", "iat", "exp"]
