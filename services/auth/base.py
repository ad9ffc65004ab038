"""The dependencies that sign-in, profiles and password resets share."""

from typing import NamedTuple

from services.accounts.users import UserService
from services.auth.one_time_codes import OneTimeCodes
from services.auth.passwords import PasswordHasher
from services.auth.rate_limit import RateLimiter
from services.auth.session_tokens import SessionTokens
from services.core.clock import Clock
from services.core.database import Mongo
from services.outbox.emails import Emails


class AuthDependencies(NamedTuple):
    """Shared, so that one `hasher` limits concurrent hashes and one `rate_limiter` attempts."""

    db: Mongo
    users: UserService
    hasher: PasswordHasher
    tokens: SessionTokens
    rate_limiter: RateLimiter
    codes: OneTimeCodes
    emails: Emails
    clock: Clock


class AccountServiceBase:
    def __init__(self, dependencies: AuthDependencies) -> None:
        self._db, self._users, self._hasher, self._tokens = dependencies[:4]
        self._rate_limiter, self._codes, self._emails, self._clock = dependencies[4:]
