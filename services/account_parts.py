"""What sign-in, profiles and resets work with, and share."""

from services.clock import Clock
from services.codes import Codes
from services.database import Mongo
from services.letters import Letters
from services.passwords import Passwords
from services.throttle import Throttle
from services.tokens import Tokens
from services.users import UserService


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
        letters: Letters,
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
