"""What sign-in, profiles and resets work with, and share."""

from services.accounts.users import UserService
from services.auth.one_time_codes import Codes
from services.auth.passwords import Passwords
from services.auth.rate_limit import Throttle
from services.auth.session_tokens import Tokens
from services.core.clock import Clock
from services.core.database import Mongo
from services.outbox.emails import Emails


class AccountParts:
    """One bound on hashes at a time and one throttle for all three of them."""

    def __init__(
        self,
        db: Mongo,
        users: UserService,
        passwords: Passwords,
        tokens: Tokens,
        throttle: Throttle,
        codes: Codes,
        letters: Emails,
        clock: Clock,
    ) -> None:
        self._db = db
        self._users = users
        self._passwords = passwords
        self._tokens = tokens
        self._throttle = throttle
        self._codes = codes
        self._letters = letters
        self._clock = clock
