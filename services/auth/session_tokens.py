"""Session tokens: signed, dated, and for one version of an account only.

Every session of an account ends with its `tokenVersion`. The key is not JWT_SECRET itself but made
from it: the predecessor, which may run beside this with the same secret, takes whatever is signed
with that for a session of its own and asks for no role.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
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
# Ours have about 300 characters. What is longer is not even parsed.
MAX_TOKEN_LENGTH = 600


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """Who says to ask, and of which version of the account."""

    user_id: ObjectId
    token_version: int


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
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def verify(self, token: str) -> SessionClaims | None:
        """None for whatever this did not sign, or no longer vouches for. Asks no database."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],  # whatever the token's own header asks for
                issuer=ISSUER,
                audience=AUDIENCE,
                # The dates are compared below, with the clock that tests can set.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):  # ValueError: a half of an emoji among its characters
            return None
        return self._checked(claims)

    def _checked(self, claims: dict[str, Any]) -> SessionClaims | None:
        now, user_id, version = self._clock().timestamp(), claims["sub"], claims["ver"]
        issued, expires = claims["iat"], claims["exp"]
        if not all(type(number) is int for number in (version, issued, expires)):
            return None
        if not issued - MAX_CLOCK_SKEW.total_seconds() <= now < expires or not ObjectId.is_valid(
            user_id
        ):
            return None
        return SessionClaims(ObjectId(user_id), version)


_REQUIRED = ["iss", "aud", "sub", "ver", "iat", "exp"]
