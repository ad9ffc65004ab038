"""Hash and check passwords with bcrypt: their UTF-8 bytes as given, as the legacy backend did.

They are neither normalised, which would refuse some old passwords, nor truncated, which would
accept a part of a new one.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt

from services.core import security_events
from services.core.errors import InvalidValue, LimitReached
from services.core.security_events import SecurityEvent

BCRYPT_COST = 12
MAX_CONCURRENT_HASHES = 2
MIN_PASSWORD_LENGTH = 8  # characters
MAX_PASSWORD_BYTES = 72  # bytes: bcrypt reads no more
# A hash of cost 16 takes four seconds, each step doubles it. Neither we nor the legacy backend
# use more, and a planted one of a higher cost could block all sign-ins.
MAX_BCRYPT_COST = 16
SIGN_IN_BUSY = "Many people are signing in at this moment. Try again in a few seconds."
_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_CURRENT = "$2b$"


def checked_password(text: str) -> str:
    """Validate a new password. Raises `InvalidValue`."""
    check_password_length(text)
    if len(text) < MIN_PASSWORD_LENGTH:
        raise InvalidValue(
            "password", f"Choose a password of at least {MIN_PASSWORD_LENGTH} characters."
        )
    if _bytes(text) is None:
        raise InvalidValue(
            "password", "Leave out the character of the password that nobody can type."
        )
    return text


def check_password_length(text: str) -> None:
    """Refuse a password that bcrypt would truncate, also at sign-in. Raises `InvalidValue`.

    The legacy backend truncated such a password: its owner sets a new one by email.
    """
    if not isinstance(text, str):
        raise InvalidValue("password", "Write the password as text.")
    if len(text.encode("utf-8", "replace")) > MAX_PASSWORD_BYTES:
        raise InvalidValue(
            "password",
            f"A password has at most {MAX_PASSWORD_BYTES} bytes: {MAX_PASSWORD_BYTES} letters "
            "or digits, or fewer where "
            "there are others among them. If yours is longer, set a new one by “Forgot your "
            "password?”.",
        )


class PasswordHasher:
    """Hash and compare passwords. Thread-safe.

    Each takes a core for 0.25 s, so only `max_concurrent` run in this process at a time; the next
    one raises `LimitReached`.
    """

    def __init__(
        self, *, cost: int = BCRYPT_COST, max_concurrent: int = MAX_CONCURRENT_HASHES
    ) -> None:
        self._cost = cost
        self._slots = threading.BoundedSemaphore(max_concurrent)

    def hash(self, text: str) -> str:
        with self._slot():
            return bcrypt.hashpw(text.encode(), bcrypt.gensalt(self._cost)).decode()

    def matches(self, text: str, stored: str | None) -> bool:
        """Whether that is the password; False if none is stored or the hash is not bcrypt's.

        A refusal takes as long as a hash of the current cost, so that its duration says nothing
        about the account. An old hash of a higher cost takes longer until its owner signs in.
        """
        typed, cost = _bytes(text), bcrypt_cost(stored)
        with self._slot():
            if typed is not None and stored is not None and cost is not None:
                if bcrypt.checkpw(typed, stored.encode()):
                    return True
                self._simulate_hashing(*range(cost, self._cost))
            else:
                self._simulate_hashing(self._cost)
        return False

    def is_outdated(self, stored: str) -> bool:
        """Whether it should be replaced by a hash of the current kind and cost."""
        return not stored.startswith(_CURRENT) or bcrypt_cost(stored) != self._cost

    @staticmethod
    def _simulate_hashing(*costs: int) -> None:
        """Take as long as hashes of these costs. Each step doubles the time, so a check of cost 10
        plus hashes of 10 and 11 take as long as one of 12.
        """
        for cost in costs:
            bcrypt.hashpw(b"", bcrypt.gensalt(cost))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(blocking=False):
            security_events.record(SecurityEvent.RATE_LIMITED, reason="password-checks")
            raise LimitReached(SIGN_IN_BUSY, retry_after=1)
        try:
            yield
        finally:
            self._slots.release()


def bcrypt_cost(stored: object) -> int | None:
    """Return the cost (log2) of a hash; None for a hash that bcrypt cannot check."""
    found = _HASH.fullmatch(stored) if isinstance(stored, str) else None
    cost = int(found[1]) if found else 0
    return cost if 4 <= cost <= MAX_BCRYPT_COST else None


def _bytes(text: str) -> bytes | None:
    """Return the UTF-8 bytes; None for text that cannot be a password."""
    try:
        typed = text.encode()
    except UnicodeEncodeError:  # half of an emoji
        return None
    return typed if b"\0" not in typed and len(typed) <= MAX_PASSWORD_BYTES else None
