"""Hash and check passwords with bcrypt: their UTF-8 bytes as given, as the legacy backend did.

They are neither normalised, which would refuse some old passwords, nor truncated, which would
accept a part of a new one.
"""

import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import bcrypt

from services.core import security_events
from services.core.errors import InvalidValue, LimitReached
from services.core.security_events import SecurityEvent
from services.core.text import strip_invisible

BCRYPT_COST = 12
MAX_CONCURRENT_HASHES = 2
QUEUE_SECONDS = 2.0
# Those that two hashes of 0.25 s at a time serve within this time. Each holds a thread of the web
# server, which has 40.
MAX_QUEUED_HASHES = 14
MIN_PASSWORD_LENGTH = 10  # characters
MIN_PASSWORD_SCORE = 2  # of zxcvbn, from 0 to 4
# zxcvbn tries all combinations of look-alikes (4 or @ for a, 0 for o): up to 0.04 s of CPU time for
# 16 characters, and 4 s for the 72 it accepts. Sign-up limits only accounts, not refused passwords.
MAX_JUDGED_CHARACTERS = 16
MAX_PASSWORD_BYTES = 72  # bytes: bcrypt reads no more
# A hash of cost 16 takes four seconds, each step doubles it. Neither we nor the legacy backend
# use more, and a planted one of a higher cost could block all sign-ins.
MAX_BCRYPT_COST = 16
BUSY_RETRY_SECONDS = 2
SIGN_IN_BUSY = "Many people are signing in at this moment. Try again in a few seconds."
_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_CURRENT = "$2b$"
_zxcvbn_lock = threading.Lock()
T = TypeVar("T")


def checked_password(text: str, *, context: Iterable[str | None]) -> str:
    """Validate a new password. Raises `InvalidValue`.

    `context` is what others know of the account: its address, whose domain names the company, and
    its name.
    """
    check_password_length(text)
    if len(text) < MIN_PASSWORD_LENGTH:
        raise InvalidValue(
            "password", f"Choose a password of at least {MIN_PASSWORD_LENGTH} characters."
        )
    if _bytes(text) is None:
        raise InvalidValue(
            "password", "Leave out the character of the password that cannot be typed."
        )
    if is_easy_to_guess(text, context=context):
        raise InvalidValue(
            "password",
            "Choose a password that is harder to guess, such as four words that have nothing to "
            "do with each other or with you.",
        )
    return text


def is_easy_to_guess(text: str, *, context: Iterable[str | None]) -> bool:
    """Whether zxcvbn expects fewer than a million guesses for the beginning of the password."""
    import zxcvbn  # noqa: PLC0415  its word lists take 14 MB, so only processes that need them

    judged = _folded(text)[:MAX_JUDGED_CHARACTERS]
    words = {part for value in context if value for part in _guessable_parts(_folded(value))}
    user_inputs = sorted({word[:MAX_JUDGED_CHARACTERS] for word in words})
    with _zxcvbn_lock:  # it keeps the words of `context` in a global dictionary
        result = zxcvbn.zxcvbn(judged, user_inputs) if judged else {"score": 0}
    return bool(result["score"] < MIN_PASSWORD_SCORE)


def check_password_length(text: str) -> None:
    """Refuse a password that bcrypt would truncate, also at sign-in. Raises `InvalidValue`.

    The legacy backend truncated such a password: its owner sets a new one by email.
    """
    if not isinstance(text, str):
        raise InvalidValue("password", "Write the password as text.")
    if len(text.encode("utf-8", "replace")) > MAX_PASSWORD_BYTES:
        raise InvalidValue(
            "password",
            f"A password has at most {MAX_PASSWORD_BYTES} letters or digits, fewer with accents or "
            "emoji. If yours is longer, set a new one with “Forgot your password?”.",
        )


class PasswordHasher:
    """Hash and compare passwords. Thread-safe.

    Each takes a core for 0.25 s, so only `max_concurrent` run in this process at a time. Others
    wait in order of arrival; one that has not begun after `queue_seconds`, or finds
    `max_queued` before it, raises `LimitReached`.
    """

    def __init__(
        self,
        *,
        cost: int = BCRYPT_COST,
        max_concurrent: int = MAX_CONCURRENT_HASHES,
        max_queued: int = MAX_QUEUED_HASHES,
        queue_seconds: float = QUEUE_SECONDS,
    ) -> None:
        self._cost = cost
        self._queue_seconds = queue_seconds
        self._places = threading.BoundedSemaphore(max_concurrent + max_queued)
        self._pool = ThreadPoolExecutor(max_concurrent, thread_name_prefix="password-hash")

    def hash(self, text: str) -> str:
        return self._run(lambda: bcrypt.hashpw(text.encode(), bcrypt.gensalt(self._cost)).decode())

    def matches(self, text: str, stored: str | None) -> bool:
        """Whether that is the password; False if none is stored or the hash is not bcrypt's.

        A refusal takes as long as a hash of the current cost, so that its duration says nothing
        about the account. An old hash of a higher cost takes longer until its owner signs in.
        """
        return self._run(lambda: self._compare(text, stored))

    def is_outdated(self, stored: str) -> bool:
        """Whether it should be replaced by a hash of the current kind and cost."""
        return not stored.startswith(_CURRENT) or bcrypt_cost(stored) != self._cost

    def _compare(self, text: str, stored: str | None) -> bool:
        typed, cost = _bytes(text), bcrypt_cost(stored)
        if typed is not None and stored is not None and cost is not None:
            if bcrypt.checkpw(typed, stored.encode()):
                return True
            self._simulate_hashing(*range(cost, self._cost))
        else:
            self._simulate_hashing(self._cost)
        return False

    @staticmethod
    def _simulate_hashing(*costs: int) -> None:
        """Take as long as hashes of these costs. Each step doubles the time, so a check of cost 10
        plus hashes of 10 and 11 take as long as one of 12.
        """
        for cost in costs:
            bcrypt.hashpw(b"", bcrypt.gensalt(cost))

    def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise _busy()
        try:
            future = self._pool.submit(work)
            try:
                return future.result(self._queue_seconds)
            except TimeoutError:
                if future.cancel():
                    raise _busy() from None
                return future.result()  # it has begun
        finally:
            self._places.release()


def _busy() -> LimitReached:
    security_events.record(SecurityEvent.RATE_LIMITED, reason="password-checks")
    return LimitReached(SIGN_IN_BUSY, retry_after=BUSY_RETRY_SECONDS)


def bcrypt_cost(stored: object) -> int | None:
    """Return the cost (log2) of a hash; None for a hash that bcrypt cannot check."""
    found = _HASH.fullmatch(stored) if isinstance(stored, str) else None
    cost = int(found[1]) if found else 0
    return cost if 4 <= cost <= MAX_BCRYPT_COST else None


def _folded(text: str) -> str:
    """Return the text without what only looks different: full-width and invisible characters."""
    return strip_invisible(unicodedata.normalize("NFKC", text))


def _guessable_parts(value: str) -> Iterator[str]:
    """Yield an address or a name, both sides of the @, its words, and neighbours as one word."""
    words = re.findall(r"[^\W_]+", value)
    yield from (value, *value.split("@"), *words)
    yield from map("".join, pairwise(words))


def _bytes(text: str) -> bytes | None:
    """Return the UTF-8 bytes; None for text that cannot be a password."""
    try:
        typed = text.encode()
    except UnicodeEncodeError:  # half of an emoji
        return None
    return typed if b"\0" not in typed and len(typed) <= MAX_PASSWORD_BYTES else None
