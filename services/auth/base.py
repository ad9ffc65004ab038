"""What sign-in, profiles and password resets share."""

from services.accounts.users import UserService
from services.auth.one_time_codes import OneTimeCodes
from services.auth.passwords import PasswordHasher
from services.auth.rate_limit import RateLimiter
from services.auth.session_tokens import SessionTokens
from services.core.clock import Clock
from services.core.database import Mongo
from services.outbox.emails import Emails


class AccountServiceBase:
    """One limit of concurrent hashes and one rate limiter for all three."""

    def __init__(
        self,
        db: Mongo,
        users: UserService,
        hasher: PasswordHasher,
        tokens: SessionTokens,
        rate_limiter: RateLimiter,
        codes: OneTimeCodes,
        emails: Emails,
        clock: Clock,
    ) -> None:
        self._db = db
        self._users = users
        self._hasher = hasher
        self._tokens = tokens
        self._rate_limiter = rate_limiter
        self._codes = codes
        self._emails = emails
        self._clock = clock
