"""Passwords as bcrypt keeps them: the bytes of their UTF-8 as given, as the predecessor did.

Nothing is normalised and nothing cut, because either would refuse somebody's old password or take
a part of a new one for the whole.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt

from services.core.errors import InvalidValue, LimitReached

BCRYPT_COST = 12
MAX_CONCURRENT_HASHES = 2
MIN_PASSWORD_LENGTH = 8  # characters
MAX_PASSWORD_BYTES = 72  # bytes: bcrypt reads no more
# A hash of cost 16 takes four seconds, and each one more twice as long: none of ours or of the
# predecessor's, and whoever could plant one could stop all others from signing in.
MAX_BCRYPT_COST = 16
SIGN_IN_BUSY = "Many people are signing in at this moment. Try again in a few seconds."
_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_CURRENT = "$2b$"


def checked_password(text: str) -> str:
    """A password to set. Raises `InvalidValue`."""
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
    """Refuse what bcrypt would read a part of only, also from whoever signs in with it.

    The predecessor cut such a password: its owner sets another one by mail. Raises `InvalidValue`.
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
    """Hashes and compares. Thread-safe; at most `max_concurrent` of either at a time in this
    process, because each takes a core for a quarter of a second, and `LimitReached` for the
    next."""

    def __init__(
        self, *, cost: int = BCRYPT_COST, max_concurrent: int = MAX_CONCURRENT_HASHES
    ) -> None:
        self._cost = cost
        self._slots = threading.BoundedSemaphore(max_concurrent)

    def hash(self, text: str) -> str:
        with self._slot():
            return bcrypt.hashpw(text.encode(), bcrypt.gensalt(self._cost)).decode()

    def matches(self, text: str, stored: str | None) -> bool:
        """Whether that is the password; False where there is none or the hash is none of bcrypt's.

        A refusal takes as long as a hash of today's cost, so that its time tells nothing about the
        account. Only an old hash of a higher cost takes longer, until its owner signs in once.
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
        """Whether it should be replaced by a hash of today's kind."""
        return not stored.startswith(_CURRENT) or bcrypt_cost(stored) != self._cost

    @staticmethod
    def _simulate_hashing(*costs: int) -> None:
        """As long as hashes of these costs take. Those from 10 to 11 and one of 10 make one of 12:
        each takes twice the time of the one before.
        """
        for cost in costs:
            bcrypt.hashpw(b"", bcrypt.gensalt(cost))

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(blocking=False):
            raise LimitReached(SIGN_IN_BUSY, retry_after=1)
        try:
            yield
        finally:
            self._slots.release()


def bcrypt_cost(stored: object) -> int | None:
    """The cost of a hash, as the power of two; None for whatever bcrypt cannot compare with."""
    found = _HASH.fullmatch(stored) if isinstance(stored, str) else None
    cost = int(found[1]) if found else 0
    return cost if 4 <= cost <= MAX_BCRYPT_COST else None


def _bytes(text: str) -> bytes | None:
    """None for what nobody can have typed and no hash can be of."""
    try:
        typed = text.encode()
    except UnicodeEncodeError:  # half of an emoji
        return None
    return typed if b"\0" not in typed and len(typed) <= MAX_PASSWORD_BYTES else None
